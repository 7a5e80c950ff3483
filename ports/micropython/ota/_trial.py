# The boot hook: docs/spec/store.md, "What each phase means at a boot". Plain Python; the engine is asked only for what
# needs more than one record rewritten, and the hook can do without it.
import os
import struct
import sys
import time

import machine
import ota
from ota import _slots, _store

_watchdog = None
_done = False  # healthy() has nothing more to do
_ENOUGH = 2_000_000_000  # ms: a watchdog cannot be stopped, only put out of the way
E_CANCELLED, E_UNCONFIRMED, E_NO_WAY_BACK, E_NO_TRIAL = -14, -62, -64, -65


def _engine():
    # (engine, host), or None where the native module does not load.
    try:
        from ota import _host

        return _host.engine(), _host.host()
    except Exception as error:
        print("ota: no engine here:", error)
        return None


def _records():
    # What otadata says: (partition of otadata, offsets of the OTA slots, [(sector, slot's offset, seq)] that count).
    from binascii import crc32
    from esp32 import Partition

    slots = sorted(p.info()[1:3] for p in Partition.find(Partition.TYPE_APP) if 0x10 <= p.info()[1] <= 0x1F)
    found = Partition.find(Partition.TYPE_DATA, subtype=0)
    if not found or not slots:
        return None, [], []
    record, usable = bytearray(32), []
    for sector in range(2):
        found[0].readblocks(sector, record)
        seq, state, crc = struct.unpack("<I20xII", record)
        if seq != 0xFFFFFFFF and state not in (3, 4) and crc == crc32(record[:4], 0xFFFFFFFF):
            usable.append((sector, slots[(seq - 1 & 0xFFFFFFFF) % len(slots)][1], seq))
    return found[0], slots, usable


def _records_name(running):
    # False: the bootloader fell back from what the records name, and would try that again at each boot.
    otadata, slots, usable = _records()
    if not otadata:
        return True
    if usable:
        return max(usable, key=lambda row: (row[2], -row[0]))[1] == running
    from esp32 import Partition

    factory = Partition.find(Partition.TYPE_APP, subtype=0)
    return (factory[0].info()[2] if factory else slots[0][1]) == running


def _erase_records_of(offset):
    # No record names that slot any more: the plain way back, without an engine. False: nothing else would be named.
    otadata, slots, usable = _records()
    if not any(at != offset for _, at, _ in usable) and slots and slots[0][1] == offset:
        from esp32 import Partition

        if not Partition.find(Partition.TYPE_APP, subtype=0):
            return False
    for sector, at, _ in usable:
        if at == offset:
            otadata.ioctl(6, sector)
    return True


def _by_hand(update, in_target):
    # Without an engine nothing can be switched or confirmed, only given up.
    if in_target and update.phase in (_store.TRIAL, _store.ROLLING_BACK):
        update.phase = _store.ROLLING_BACK
        update.save()
        if _erase_records_of(update.target):
            machine.reset()
    elif not in_target and update.phase in (_store.SWITCHING, _store.TRIAL, _store.ROLLING_BACK):
        _erase_records_of(update.target)  # first: while a record names the target, it may come up again
        _store.add_failed(update.digest)
        update.outcome = E_CANCELLED if update.phase == _store.ROLLING_BACK else E_UNCONFIRMED
        update.phase = _store.BROKEN
        update.save()


def _settle():
    # Brings an update that is under way forward; True when the running image is on trial.
    update = _store.Update()
    running = _slots.running()[2]
    if update.phase in (_store.NONE, _store.INSTALLING, _store.CONFIRMED, _store.BROKEN) and _records_name(running):
        return False
    in_target = update.phase != _store.NONE and running == update.target
    if in_target and update.phase == _store.SWITCHING:
        update.phase, update.boots = _store.TRIAL, 1
        update.save()
        return True
    found = _engine()
    if not found:
        _by_hand(update, in_target)
        return False
    action = found[0].boot(found[1])
    if action < 0:
        print("ota: the update cannot be brought to its end: error", action)
    elif action == 1:
        machine.reset()
    return False


def _settled():
    # A store that cannot be read, or a full one, is no reason not to start what is there.
    try:
        return _settle()
    except Exception as error:
        print("ota: the update cannot be brought to its end:", error)
        return False


def _count_crash():
    n = _store.crashes() + 1
    _store.set_crashes(n)
    return n


def _arm(timeout_ms):
    global _watchdog
    _watchdog = machine.WDT(timeout=timeout_ms)


def boot(trial_ms):
    trial = _settled()
    if machine.reset_cause() == machine.WDT_RESET and not trial:
        _count_crash()
    elif machine.reset_cause() == machine.PWRON_RESET:
        _store.set_crashes(0)
    if not trial and _store.crashes() >= ota.LIMIT:
        print("ota: safe mode after %d crashes; a power cycle, or ota.confirm(), ends it" % ota.LIMIT)
        _stay_at_prompt()
        return None
    if trial:
        _arm(trial_ms)
    _before()
    try:
        release = _slots.current_release()
    except Exception as error:
        print("ota: which release belongs to this firmware is unknown:", error)
        release = None
    if release is None:
        return None
    directory = _slots.release_directory(release)
    sys.path.insert(0, directory)
    _run(directory + "/main.py", trial)
    _stay_at_prompt()
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


def _stay_at_prompt():
    # The firmware starts main.py of the current directory next: not that of another release, or of none.
    try:
        os.mkdir("/rel")
    except OSError:
        pass
    os.chdir("/rel")


def _run(path, trial):
    try:
        ota.launch(path)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        sys.print_exception(error)
        if trial:
            print("ota: the trial failed")
            rollback()
        if _count_crash() < ota.LIMIT:
            machine.reset()


def feed():
    if _watchdog:
        _watchdog.feed()
    if time.ticks_ms() > 60_000:
        _store.set_crashes(0)


def healthy():
    feed()
    global _done
    if not _done:
        confirm()
        _done = True


def _check(code):
    if code < 0:
        from ota import _words

        raise ota.Error(code, _words.of(code))


def confirm():
    from ota import _host

    code = _host.engine().confirm(_host.host())
    if code != E_NO_TRIAL:
        _check(code)
    if _watchdog:
        _arm(_ENOUGH)
    _store.set_crashes(0)
    return code != E_NO_TRIAL


def rollback():
    found = _engine()
    if found:
        _check(found[0].rollback(found[1]))
    else:
        update = _store.Update()
        in_target = _slots.running()[2] == update.target
        _check(0 if in_target and update.phase in (_store.TRIAL, _store.ROLLING_BACK) else E_NO_WAY_BACK)
        _by_hand(update, in_target)
        _check(E_NO_WAY_BACK)  # here still
    machine.reset()
