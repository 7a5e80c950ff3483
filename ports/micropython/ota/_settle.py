# An update that is under way is brought forward, confirmed, given up: by the engine, and where that does not load (other
# .mpy version, no memory) by hand. docs/spec/store.md, "What each phase means at a boot".
import ustruct as struct

from ota import _slots, _store, _trial

SWITCHES_MAX, BOOTS_MAX = 3, 8
CARRY_MS = 600_000  # what is carried over may take its time
NEVER = "the firmware did not come up"
E_CANCELLED, E_UNCONFIRMED, E_DISAGREES, E_NO_WAY_BACK, E_NO_TRIAL = -14, -62, -63, -64, -65


def _engine():
    # (engine, host), or None.
    try:
        from ota import _host

        return _host.engine(), _host.host()
    except Exception as error:
        print("ota: no engine here:", error)
        return None


def _asked(name):
    # What the engine's function says; None: it does not load, or memory ran out, and goes on by hand: each step of it may be
    # done once more.
    found = _engine()
    try:
        return getattr(found[0], name)(found[1]) if found else None
    except MemoryError as error:
        print("ota: no memory for the engine:", error)


def _files_only(update):
    return update.origin == update.target


def _to(update, phase):
    update.phase = phase
    update.save()


def _tell(update, outcome, text):
    # A report that cannot be written must not stop the rest.
    try:
        from ota import _report

        if text:
            _report.write(update, outcome, text)
        else:
            _report.noticed(update, outcome)
    except Exception as error:
        print("ota: no report:", error)


def begin(update):
    # The trial begins. False: it could not be begun three times, settle() ends it.
    if update.boots >= SWITCHES_MAX:
        _to(update, _store.TRIAL)
        return False
    _trial.arm(CARRY_MS)
    try:
        update.boots += 1
        update.save()
        from ota import _report

        _report.clear()
        try:
            _carry_over(update)
        except Exception as error:
            print("ota: nothing is carried over:", error)
        update.boots = 1
        _to(update, _store.TRIAL)
    except Exception as error:  # a full store, say: on trial all the same
        print("ota: the trial cannot be counted:", error)
    return True


def _release_in(offset):
    for part in _slots.Partition.find(_slots.Partition.TYPE_APP) if _slots.Partition else ():
        _, _, start, size, _, _ = part.info()
        if start == offset:
            return _store.release_of(offset, _slots.image_sha256(offset, size) or bytes(32))


def _carry_over(update):
    try:
        from ota import _carry
    except ImportError:
        return
    if _files_only(update):
        _, _, offset, size, _, _ = _slots.running()
        old = _store.release_of(offset, _slots.image_sha256(offset, size) or bytes(32))
    else:
        old = _release_in(update.origin)
    _carry.carry(_slots.current_release(), old)


def settle(update, in_target):
    # False: it stays as it is.
    phase = update.phase
    if phase == _store.TRIAL:
        _tell(update, E_UNCONFIRMED, None)
    elif phase == _store.ROLLING_BACK:
        _tell(update, update.outcome or E_CANCELLED, None)
    action = _asked("boot")
    if action is None:
        return _by_hand(_store.Update(), in_target)
    if action == E_DISAGREES and in_target and phase == _store.CONFIRMING:
        action = _finish(update)  # the records name another slot: this one is confirmed, so they are written
    if action == 1:
        _trial.restart()
    if action < 0:
        print("ota: the update cannot be brought to its end: error", action)
        return False
    if phase in (_store.SWITCHING, _store.CONFIRMING) and _store.Update().phase == _store.BROKEN:
        _tell(update, E_DISAGREES, NEVER)
    return True


def _fail(update, outcome):
    _store.add_failed(update.digest)
    update.outcome = outcome
    _to(update, _store.BROKEN)


def _leave(update):
    update.boots = min(update.boots + 1, 255)
    _to(update, _store.ROLLING_BACK)
    from ota import _records

    return _records.leave(update.target, update.origin)


def _by_hand(update, in_target):
    # False: it stays as it is.
    phase, alone = update.phase, _files_only(update)
    if phase == _store.CONFIRMING and in_target:
        return _finish(update) == 0
    if phase in (_store.TRIAL, _store.ROLLING_BACK):
        if phase == _store.TRIAL:
            update.outcome = E_UNCONFIRMED  # what it will have failed with
        if in_target and not alone:
            if update.boots < BOOTS_MAX and _leave(update):
                _trial.restart()
            print("ota: no way back from this firmware")
            return False
        if not alone:
            from ota import _records

            _records.forget(update.target)  # first: while a record names the target, it may come up again
        _fail(update, update.outcome or E_CANCELLED)
    elif phase in (_store.SWITCHING, _store.CONFIRMING):
        _switch_again(update, alone)
    else:
        return _heal()
    return True


def _switch_again(update, alone):
    from ota import _records

    again = not alone and update.switches < SWITCHES_MAX
    if again:
        update.switches += 1
        update.save()
    if not alone:
        _records.forget(update.target)
    if again and _records.write(update.target, _records.NEW):
        _trial.restart()
    _fail(update, E_DISAGREES)
    _tell(update, E_DISAGREES, NEVER)


def _heal():
    # The bootloader fell back from what the records name.
    from ota import _records

    running = _slots.running()[2]
    other = _records.named()
    if not _records.leave(other, running) or _records.named() != running:
        print("ota: the records name another slot than what runs, and no engine is here to heal them")
        return False
    return True


def _candidate():
    # The files alone become the release of their slot, in one put; none: that was done before.
    data = _store.get(_store.RELEASES) or b"\1\0"
    rows = [data[at : at + 68] for at in range(2, 2 + 68 * data[1], 68)]
    mark = struct.pack("<I", _store.CANDIDATE)
    own = struct.pack("<I", _slots.running()[2])
    for row in rows:
        if row[:4] == mark:
            rows = [other for other in rows if other[:4] not in (mark, own)] + [own + row[4:]]
            _store.put(_store.RELEASES, bytes((1, len(rows))) + b"".join(rows))
            break


def _floor(update):
    data = _store.get(_store.FLOOR) or b"\1" + bytes(12)
    if len(data) == 13 and data[0] == 1 and update.sequence > struct.unpack_from("<I", data, 1)[0]:
        _store.put(_store.FLOOR, b"\1" + struct.pack("<I", update.sequence) + data[5:])


def _finish(update):
    # 0, or why the confirm cannot be finished.
    if _files_only(update):
        _candidate()
    else:
        from ota import _records

        if not _records.confirm(update.target):
            return E_DISAGREES
    _floor(update)
    update.outcome = 0
    _to(update, _store.CONFIRMED)
    return 0


def confirm():
    code = _asked("confirm")
    if code is not None:
        return code
    update = _store.Update()
    first = _store.TRIAL if _files_only(update) else _store.SWITCHING
    running = _slots.running()[2]
    if running != update.target or not first <= update.phase <= _store.ROLLING_BACK:
        return _by_other_means(running)
    if not _files_only(update):
        from ota import _records

        if _records.named() not in (update.target, None):
            return E_DISAGREES
    update.switches = 0
    _to(update, _store.CONFIRMING)
    return _finish(update)


def _by_other_means(running):
    # A firmware that no update of ours brought.
    if _slots.Partition is None:
        return E_NO_TRIAL
    from ota import _records

    if _records.state_of(running) not in (_records.NEW, _records.PENDING):
        return E_NO_TRIAL
    return 0 if _records.confirm(running) else E_DISAGREES


def rollback():
    code = _asked("rollback")
    if code is not None:
        return code
    update = _store.Update()
    if _slots.running()[2] != update.target or update.phase not in (_store.TRIAL, _store.ROLLING_BACK):
        return E_NO_WAY_BACK
    if _files_only(update):
        _to(update, _store.ROLLING_BACK)
        return 0
    return 0 if _leave(update) else E_NO_WAY_BACK
