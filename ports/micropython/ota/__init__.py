# Molt on the device. boot.py begins with:  import ota; ota.boot()
# Small on purpose: everything else is imported when it is needed. Then the release is first in sys.path, so modules that a
# file of its may shadow are asked for as ujson and the like, which are always the firmware's.
VERSION = "0.1.0"
TRIAL_MS = 60_000  # a trial that neither confirms nor feeds the watchdog for so long is over
LIMIT = 3  # fast resets in a row before the release is no longer started
allow_unsigned = False  # True: start and fromfile take images that nobody signed


class Error(OSError):
    # errno is Molt's number (error.h), the text says what and what to do.
    def __str__(self):
        return self.args[1]


def launch(path):
    # How a release's main.py is run; a bench tool may replace this.
    with open(path) as file:
        text = file.read()
    exec(compile(text, path, "exec"), {"__name__": "__main__", "__file__": path})


def boot(trial_ms=TRIAL_MS, watchdog_ms=None):
    # Finishes what a power cut interrupted, counts a trial, then starts the release that belongs to the running slot.
    # watchdog_ms: one for normal runs too, which ota.feed() or ota.healthy() feeds.
    try:
        from ota import _trial
    except Exception as error:  # .mpy of another version, no memory, a file that is gone
        from ota import _bare

        return _bare.boot(error)
    return _trial.boot(trial_ms, watchdog_ms)


def feed():
    # The application lives: feeds the watchdog of a trial, and forgets fast resets once it ran for a minute.
    from ota import _trial

    _trial.feed()


def healthy():
    # The application works: feeds the watchdog, and confirms a trial. Cheap: call it in every loop.
    from ota import _trial

    _trial.healthy()


def confirm():
    # The running firmware and its files are good. True, or False when there was nothing to confirm.
    from ota import _trial

    return _trial.confirm()


def rollback():
    # Gives the running firmware up and restarts with the one before. Does not return.
    from ota import _trial

    _trial.rollback()


def report():
    # How the last failed trial ended, and why this boot came.
    from ota import _report

    return _report.report()


def update(url=None, channel=None, **options):
    # Installs what a published tree's channel points to (or a bundle, URL/NAME.molt) and restarts with it. Without a
    # URL: the one in /ota.json, where provisioning wrote it.
    from ota import _update

    return _update.update(url, channel, **options)


def check(url=None, channel=None, **options):
    # What update() would install, as a dictionary, or None. Writes nothing.
    from ota import _update

    return _update.check(url, channel, **options)


def run(url=None, channel=None, **options):
    # For asyncio: looks for updates and installs them, for ever.
    from ota import _run

    return _run.run(url, channel, **options)


def start(*words, **options):
    # As LoBo's: installs the application image at that address.
    from ota import _lobo

    return _lobo.start(*words, **options)


def fromfile(*words, **options):
    from ota import _lobo

    return _lobo.fromfile(*words, **options)


def set_bootpart(name):
    from ota import _lobo

    return _lobo.set_bootpart(name)


def info():
    # What runs, as a dictionary.
    from ota import _info

    return _info.info()


def pair():
    # SHA-256 of the firmware that runs, read from the flash, and of the release that belongs to it: as in
    # 'molt bundle show'.
    from ota import _info

    return _info.pair()


def status():
    from ota import _info

    _info.status()
