# What runs, in a dictionary and in words.
import sys

from ota import _slots, _store, _trial

_PHASES = ("none", "installing", "switching", "trial", "confirming", "rolling back", "confirmed", "failed")


def _hex(data):
    return "".join("%02x" % byte for byte in data) if data else None


def info():
    _, _, offset, size, label, _ = _slots.running()
    update = _store.Update()
    sha = _slots.image_sha256(offset, size)
    release = _store.release_of(offset, sha) if sha else None
    return {
        "slot": label,
        "offset": offset,
        "image_sha256": _hex(sha),
        "release": _hex(release),
        "directory": _slots.release_directory(release) if release else None,
        "phase": _PHASES[update.phase] if update.phase < len(_PHASES) else str(update.phase),
        "trial": update.phase == _store.TRIAL and update.target == offset,
        "sequence": update.sequence,
        "outcome": update.outcome,
        "crashes": _trial.starts()[0],
        "mpy": "%d.%d" % (sys.implementation._mpy & 0xFF, sys.implementation._mpy >> 8 & 3),
    }


def pair():
    _, _, offset, size, _, _ = _slots.running()
    return _hex(_slots.firmware_sha256(offset, size)), _hex(_slots.current_release())


def status():
    now = info()
    print("runs      %s at 0x%x" % (now["slot"], now["offset"]))
    print("image     appended SHA-256 %s" % now["image_sha256"])
    print("release   %s" % (now["release"] or "none"))
    text = now["phase"]
    if now["outcome"]:
        from ota import _words

        text += ": " + _words.of(now["outcome"])
    print("update    " + text)
    if now["trial"]:
        print("          on trial: ota.confirm() keeps it, a restart goes back")
