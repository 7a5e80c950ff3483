# How the last failed trial ended (docs/spec/store.md, record 7).
import json

import machine
from ota import _store

REPORT, STARTS = 7, 8
_CAUSES = {1: "power-on", 2: "reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset"}


def cause():
    return _CAUSES.get(machine.reset_cause(), "reset")


def report():
    data = _store.get(REPORT)
    if not data or data[0] != 1:
        return {}
    found = json.loads(data[1:])
    found["cause"] = cause()
    return found
