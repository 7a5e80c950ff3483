# The machine module as a trial sees it. A wake from deep sleep does not look at otadata, so an application that sleeps
# before it confirms would never be rolled back: there deepsleep() restarts, and the trial is over.
import sys

import machine as _machine
from ota import _trial

for _name in dir(_machine):
    if not _name.startswith("__"):
        globals()[_name] = getattr(_machine, _name)


def deepsleep(*arguments, **options):
    if not _trial.on:
        return _machine.deepsleep(*arguments, **options)
    print("ota: deep sleep before ota.confirm(): the trial is over")
    from ota import _report, _store

    try:
        _report.write(_store.Update(), _report.E_UNCONFIRMED, "deep sleep before confirm", "reset")
    except Exception as error:
        print("ota: no report of it:", error)
    _trial.restart()


__name__ = "machine"
sys.modules["machine"] = sys.modules["ota._guard"]
