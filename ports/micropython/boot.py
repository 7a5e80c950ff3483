# Molt's boot hook: the update under way first, then the release that belongs to what runs.
try:
    import ota
except Exception as error:  # bytecode that this firmware does not load, say: a trial is given up without it
    names = {}
    with open("/lib/ota/_bare.py") as file:
        exec(file.read(), names)
    names["boot"](error)
else:
    ota.boot()
