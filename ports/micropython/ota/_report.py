# Record 7 (docs/spec/store.md): how the last failed trial ended.
import sys

from ota import _slots, _store, _trial

MOST = 500  # bytes
E_CANCELLED, E_UNCONFIRMED = -14, -62
_CAUSES = {1: "power-on", 3: "watchdog", 4: "deep sleep", 5: "soft reset"}


def _word():
    return _CAUSES.get(_trial.cause(), "reset")


def _label(offset):
    if _slots.Partition is None:
        return _slots.running()[4]
    for part in _slots.Partition.find(_slots.Partition.TYPE_APP):
        if part.info()[2] == offset:
            return part.info()[4]
    return ""


def write(update, outcome, error, reset=None):
    import ujson as json

    found = {"outcome": outcome, "sequence": update.sequence, "slot": _label(update.target), "reset": reset or _word(),
             "error": error[-MOST:]}
    data = json.dumps(found).encode()
    while len(data) > MOST:  # a character has 1 to 6 bytes
        found["error"] = found["error"][(len(data) - MOST + 5) // 6 :]
        data = json.dumps(found).encode()
    _store.put(_store.REPORT, b"\1" + data)


def exception(error):
    import gc
    import uio as io

    gc.collect()  # what failed may have left little memory
    text = io.StringIO()
    sys.print_exception(error, text)
    write(_store.Update(), E_CANCELLED, text.getvalue().strip(), "exception")


def noticed(update, outcome):
    # A trial that ended without a word.
    if _store.get(_store.REPORT) is None:
        text = "given up" if outcome != E_UNCONFIRMED else "reset before confirm: " + _word()
        write(update, outcome, text)


def clear():
    if _store.get(_store.REPORT) is not None:
        _store.put(_store.REPORT, b"")


def report():
    data = _store.get(_store.REPORT)
    if not data or data[0] != 1:
        return {}
    import ujson as json

    try:
        found = json.loads(data[1:])
    except ValueError:
        return {}
    found["boot"] = _word()
    return found
