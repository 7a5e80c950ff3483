# The boot hook: docs/spec/store.md, "What each phase means at a boot". Plain Python; what is rarely needed lies in _settle.
import uos as os
import ustruct as struct
import sys
import time

import machine
import ota
from ota import _slots, _store

on = False  # what runs is on trial
_watchdog = _until = _trial_ms = _normal_ms = _keeper = None
_done = _forgotten = False
_begin = time.ticks_ms()
_ENOUGH = 2_000_000_000  # ms: a watchdog cannot be stopped, only put out of the way
_LONGEST = 8_000  # ms: what any port's watchdog can do
PWRON, DEEPSLEEP, SOFT = 1, 4, 5


def cause():
    # As the ESP32 numbers them: each port has numbers of its own. Ports without it (unix) start as after a power-on.
    if not hasattr(machine, "reset_cause"):
        return PWRON
    why = machine.reset_cause()
    for i, name in enumerate(("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT")):
        if getattr(machine, name + "_RESET", None) == why:
            return i + 1
    return 0


def restart():
    if hasattr(machine, "reset"):
        machine.reset()
    sys.exit(0)  # a process: whoever watches it starts it again


def _warm():
    # The bootloader did not look at otadata before this start.
    return cause() in (DEEPSLEEP, SOFT)


def _records_name(running):
    # False: the bootloader fell back from what the records name, and would try that again at each boot.
    if _slots.Partition is None or _warm():
        return True
    from ota import _records

    return _records.named() in (running, None)


def _under_way():
    # Brings an update that is under way forward. True: this boot is one of its own.
    global on
    update = _store.Update()
    running = _slots.running()[2]
    if update.phase in (_store.NONE, _store.INSTALLING, _store.CONFIRMED, _store.BROKEN) and _records_name(running):
        return False
    in_target = update.phase != _store.NONE and running == update.target
    if update.phase == _store.SWITCHING and not in_target and _warm():
        restart()  # now the bootloader looks
    from ota import _settle

    on = in_target and update.phase == _store.SWITCHING and _settle.begin(update)
    return on or _settle.settle(update, in_target)


def _settled():
    # A store that cannot be read, or a full one, is no reason not to start what is there.
    try:
        return _under_way()
    except Exception as error:
        print("ota: the update cannot be brought to its end:", error)
        return on


def starts():
    # Record 8: (fast resets in a row, device clock at the last).
    data = _store.get(_store.STARTS)
    return struct.unpack("<BI", data[1:]) if data and len(data) == 6 and data[0] == 1 else (0, 0)


def _set_starts(count, now=0):
    if count:
        _store.put(_store.STARTS, struct.pack("<BBI", 1, count, now & 0xFFFFFFFF))
    elif _store.get(_store.STARTS) is not None:
        _store.put(_store.STARTS, b"")


def _fast():
    # Resets in a row, this one included, that came within a minute of the one before. Written at a reset only: not at a
    # power-on or a wake, but to forget. A clock that jumped between two of them, to either side, makes it the first.
    count, then = starts()
    why = cause()
    if why == PWRON or (why == DEEPSLEEP and count < ota.LIMIT):
        _set_starts(0)
        return 0
    if count < ota.LIMIT:
        now = int(time.time())
        count = count + 1 if count and abs(now - then) < 60 else 1
        _set_starts(count, now)
    return count


def _forget_later():
    # Elsewhere than on an ESP32 the clock need not go on over a reset: there a timer tells that the minute has passed.
    global _keeper
    if _slots.Partition is None and hasattr(machine, "Timer"):
        _keeper = machine.Timer(-1)
        _keeper.init(mode=machine.Timer.ONE_SHOT, period=60_000, callback=lambda _: _forget())


def _counted():
    try:
        n = _fast()
        if 0 < n < ota.LIMIT:
            _forget_later()
        return n
    except Exception as error:
        print("ota: the resets cannot be counted:", error)
        return 0


def _keep(_):
    # A timer feeds a watchdog that cannot wait for as long as it should.
    if _until is None or time.ticks_diff(_until, time.ticks_ms()) > 0:
        _watchdog.feed()


def arm(timeout_ms):
    # None: out of the way.
    global _watchdog, _until, _keeper
    if not hasattr(machine, "WDT") or (timeout_ms is None and _watchdog is None):
        return
    try:
        _watchdog = machine.WDT(timeout=timeout_ms or _ENOUGH)
    except ValueError:  # rp2, stm32
        _until = timeout_ms and time.ticks_add(time.ticks_ms(), timeout_ms)
        _watchdog = _watchdog or machine.WDT(timeout=_LONGEST)
        if _keeper:
            _keeper.deinit()
        _keeper = machine.Timer(-1)
        _keeper.init(period=_LONGEST // 4, callback=_keep)
        _watchdog.feed()


def boot(trial_ms, watchdog_ms):
    global _trial_ms, _normal_ms
    _trial_ms, _normal_ms = trial_ms, watchdog_ms
    if not _settled() and _counted() >= ota.LIMIT:
        from ota import _safe

        return _safe.mode()
    if on:
        arm(trial_ms)
        from ota import _guard
    elif watchdog_ms:
        arm(watchdog_ms)
    _before()
    try:
        release = _slots.current_release()
    except Exception as error:
        print("ota: which release belongs to this firmware is unknown:", error)
        restart()  # in a row they end in safe mode, and a trial ends
    if release is None:
        return None
    directory = _slots.release_directory(release)
    sys.path.insert(0, directory)
    try:
        _run(directory + "/main.py")
    finally:
        stay_at_prompt()
    return directory


def _before():
    # The boot.py that was there before provisioning.
    try:
        with open("/boot_user.py") as file:
            text = file.read()
    except OSError:
        return
    try:
        exec(compile(text, "/boot_user.py", "exec"), {"__name__": "__main__"})
    except Exception as error:
        sys.print_exception(error)


def stay_at_prompt():
    # The firmware starts main.py of the current directory next: not that of another release, or of none.
    try:
        os.mkdir("/rel")
    except OSError:
        pass
    os.chdir("/rel")


def _run(path):
    # Ctrl-C gives the prompt, on trial too: the watchdog goes on. The end of main.py ends nothing: timers and threads may
    # work on, and confirm. SystemExit is a restart of the interpreter, so a trial without a confirm is over.
    try:
        ota.launch(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and not on:
            raise
        sys.print_exception(error)
        if on:
            _failed(error)
        restart()


def _failed(error):
    print("ota: the trial failed")
    try:
        from ota import _report

        _report.exception(error)
    except Exception as another:
        print("ota: no report of it:", another)
    try:
        rollback()
    except Exception as another:
        print("ota:", another)


def _forget():
    global _forgotten
    _forgotten = True
    _set_starts(0)


def feed():
    if _watchdog:
        _watchdog.feed()
        if _until is not None:
            arm(_trial_ms if on else _normal_ms)
    if not _forgotten and time.ticks_diff(time.ticks_ms(), _begin) > 60_000:
        _forget()


def _pending():
    # Something waits for a confirm: a trial, or a firmware that came by other means. Asked first, as the engine is large.
    update = _store.Update()
    running = _slots.running()[2]
    if on or (update.target == running and _store.SWITCHING <= update.phase <= _store.ROLLING_BACK):
        return True
    if _slots.Partition is None:
        return False
    from ota import _records

    return _records.state_of(running) in (_records.NEW, _records.PENDING)


def healthy():
    global _done
    feed()
    if not _done:
        confirm()
        _done = True


def check(code):
    if code < 0:
        from ota import _words

        raise ota.Error(code, _words.of(code))


def confirm():
    global on
    waited = _pending()
    if waited:
        from ota import _settle

        check(_settle.confirm())
        on = False
        arm(_normal_ms)
    _forget()
    return waited


def rollback():
    from ota import _settle

    check(_settle.rollback())
    restart()
