# Safe mode: the application is not started. The network comes up as connect.py says, and updates are looked for.
import sys
import time

import ota
from ota import _slots, _trial

E_URL = -105
WATCHDOG_MS = 900_000  # connect.py, or a server, may hang
_FIRST_S, _LONGEST_S = 60, 3600


def _connect():
    # The path of connect.py: of the release that is confirmed, or /connect.py; None.
    try:
        release = _slots.current_release()
    except Exception as error:
        print("ota:", error)
        release = None
    if release:
        directory = _slots.release_directory(release)
        sys.path.insert(0, directory)
        if _there(directory + "/connect.py"):
            return directory + "/connect.py"
    return "/connect.py" if _there("/connect.py") else None


def _there(path):
    import uos as os

    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _bring_up(path):
    try:
        with open(path) as file:
            text = file.read()
        exec(compile(text, path, "exec"), {"__name__": "connect", "__file__": path})
    except Exception as error:
        sys.print_exception(error)


def _fed(*_):
    _trial.feed()


def _look():
    # False: no use to look again.
    try:
        ota.update(progress=_fed)  # restarts when it installed one
        print("ota: nothing newer than what crashes")
    except ota.Error as error:
        print("ota:", error)
        return error.errno != E_URL
    except Exception as error:
        sys.print_exception(error)
    return True


def _loop(path):
    pause = _FIRST_S
    while True:
        _bring_up(path)
        if not _look():
            return
        print("ota: safe mode: looks again in %d s" % pause)
        for _ in range(pause):
            time.sleep(1)
            _fed()
        pause = min(2 * pause, _LONGEST_S)


def mode():
    _trial._forgotten = True  # what ends it is a power cycle, or confirm()
    print("ota: safe mode: %d resets in a row, each within a minute of the one before. The application is not started;"
          " updates are looked for. Ctrl-C gives the prompt; a power cycle, or ota.confirm() and a reset, ends it."
          % ota.LIMIT)
    path = _connect()
    try:
        if path:
            _trial.arm(WATCHDOG_MS)
            _loop(path)
        else:
            print("ota: no connect.py in the release nor in /: no network, no update")
    finally:
        _trial.arm(None)  # for the prompt
        _trial.stay_at_prompt()
