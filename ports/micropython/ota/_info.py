# What runs, what boots next and why: as a dictionary and in words. Whatever is broken is told, and the rest still shown.
import uos as os
import sys

from ota import _slots, _store, _trial

_PHASES = ("none", "installing", "switching", "trial", "confirming", "rolling back", "confirmed", "failed")
_STATES = ("NEW: not booted yet; not confirmed, it is rolled back", "PENDING_VERIFY: on trial; not confirmed, it is rolled back",
           "VALID: confirmed", "INVALID: given up by the application", "ABORTED: its trial failed")


def _hex(data):
    return "".join("%02x" % byte for byte in data) if data else None


class _Facts:
    def __init__(self):
        self.wrong = []
        self.found = {}

    def take(self, what, ask, *missing):
        # What ask() gives: values of the keys in `what`; after an error those in missing.
        keys = what.split()
        try:
            values = ask()
            values = values if len(keys) > 1 else (values,)
        except Exception as error:
            self.wrong.append("%s: %s" % (keys[0], error or type(error).__name__))
            values = missing or (None,) * len(keys)
        for key, value in zip(keys, values):
            self.found[key] = value


def _table():
    # (label, type, subtype, offset, size), by offset; () on ports without partitions.
    if _slots.Partition is None:
        return ()
    find = _slots.Partition.find
    rows = [part.info() for kind in (_slots.Partition.TYPE_APP, _slots.Partition.TYPE_DATA) for part in find(kind)]
    return tuple((row[4], row[0], row[1], row[2], row[3]) for row in sorted(rows, key=lambda row: row[2]))


def _choice(table):
    # (offset of otadata, its two records, label that boots next, why, label of the next update's slot), as the
    # bootloader chooses (src/core/otadata.c), one with rollback.
    from ubinascii import crc32
    from ustruct import unpack

    slots = [row[0] for row in sorted(table, key=lambda row: row[2]) if row[1] == 0 and 0x10 <= row[2] <= 0x1F]
    factory = [row[0] for row in table if row[1] == 0 and row[2] == 0]
    at = [row[3] for row in table if row[1] == 1 and row[2] == 0]
    runs = _slots.running()[4]
    after = None
    if slots and at:
        after = slots[(slots.index(runs) + 1) % len(slots)] if runs in slots else slots[0]
        after = None if after == runs else after
    records, best, any_counts = [], None, False
    for sector in range(2 if at else 0):
        seq, state, crc = unpack("<I20xII", _slots.esp_read(at[0] + 4096 * sector, 32))
        blank, good = seq == 0xFFFFFFFF, crc == crc32(seq.to_bytes(4, "little"), 0xFFFFFFFF)
        usable = not blank and state not in (3, 4)
        slot = slots[(seq - 1 & 0xFFFFFFFF) % len(slots)] if usable and good and slots else None
        if blank:
            text = "blank"
        elif not good:
            text = "wrong CRC: does not count"
        elif state < 5:
            text = _STATES[state]
        else:
            text = "UNDEFINED: boots, was never on trial" if state == 0xFFFFFFFF else "unknown state 0x%x: boots" % state
        records.append({"seq": seq, "state": state, "slot": slot, "meaning": text})
        if usable and state != 1:
            any_counts = True
            if good and slots and (best is None or seq > records[best]["seq"]):
                best = sector
    if best is not None:
        return at[0], records, records[best]["slot"], "record %d has the highest seq that counts (%d)" % (
            best, records[best]["seq"]), after
    first = (factory or slots or (None,))[0]
    why = "no otadata" if not at else "no record has a right CRC" if any_counts else "no record counts"
    return at[0] if at else None, records, first, why, after


def _root():
    # What / is mounted from.
    name = kind = None
    try:
        import vfs

        for mounted, path in vfs.mount():
            if path == "/":
                kind = type(mounted).__name__
    except (ImportError, TypeError, ValueError):
        pass  # firmware before 1.25 has no list of what is mounted
    try:
        from flashbdev import bdev

        row = bdev.info()
        name = row[4]
        if kind is None:
            head = _slots.esp_read(row[2], 512)
            kind = "VfsLfs2" if head[8:16] == b"littlefs" else "VfsFat" if head[510:] == b"\x55\xaa" else None
    except (ImportError, AttributeError):
        pass  # no such thing here
    space = os.statvfs("/")
    return {"partition": name, "kind": kind, "size": space[1] * space[2], "free": space[1] * space[3]}


def _update():
    update = _store.Update()
    phase = _PHASES[update.phase] if update.phase < len(_PHASES) else str(update.phase)
    here = _slots.running()[2]
    return phase, phase == "trial" and update.target == here, update.sequence, update.outcome, (
        update.phase != 0 and update.origin == update.target)


def info():
    facts = _Facts()
    take, found = facts.take, facts.found
    take("slot offset image_sha256", lambda: (_slots.running()[4], _slots.running()[2], _hex(
        _slots.image_sha256(*_slots.running()[2:4]))))
    take("release", lambda: _hex(_slots.current_release()))
    found["directory"] = "/rel/" + found["release"][:16] if found["release"] else None
    take("phase trial sequence outcome files_only", _update, None, False, None, None, False)
    take("starts", lambda: _trial.starts()[0])
    take("mpy", lambda: "%d.%d" % (sys.implementation._mpy & 0xFF, sys.implementation._mpy >> 8 & 3))
    take("table", _table, ())
    take("otadata records boots_next why next_update", lambda: _choice(found["table"]), None, [], None, None, None)
    take("root", _root)
    found["wrong"] = facts.wrong
    return found


def pair():
    _, _, offset, size, _, _ = _slots.running()
    return _hex(_slots.firmware_sha256(offset, size)), _hex(_slots.current_release())


def status():
    now = info()
    if now["offset"] is None or not now["table"]:
        print("runs         %s" % now["slot"])
    else:
        print("runs         %s at 0x%x%s" % (now["slot"], now["offset"], " (on trial)" if now["trial"] else ""))
        print("boots next   %s: %s" % (now["boots_next"], now["why"]))
    print("next update  %s" % (now["next_update"] or "files only: no second slot"))
    print("image        SHA-256 %s" % (now["image_sha256"] or "unknown"))
    print("release      %s" % (now["release"] or "none"))
    root = now["root"]
    if root:
        print("/            %s on %s, %d KB, %d KB free" % (
            root["kind"] or "file system", root["partition"] or "?", root["size"] // 1024, root["free"] // 1024))
    for label, kind, subtype, offset, size in now["table"]:
        print("partition    %-16s %-4s 0x%02x at 0x%06x, %d KB" % (
            label, "app" if kind == 0 else "data", subtype, offset, size // 1024))
    for i, record in enumerate(now["records"]):
        slot = " = " + record["slot"] if record["slot"] else ""
        print("otadata      record %d: %s" % (i, record["meaning"] if record["meaning"] == "blank" else
                                             "seq %d%s, %s" % (record["seq"], slot, record["meaning"])))
    text = now["phase"] or "unknown"
    if text != "none" and now["files_only"]:
        text += ", files only"
    if now["outcome"]:
        from ota import _words

        text += ": " + _words.of(now["outcome"])
    print("update       %s%s" % (text, "" if not now["sequence"] else ", sequence %d" % now["sequence"]))
    if now["trial"]:
        print("             on trial: ota.confirm() keeps it, a restart goes back")
    if now["starts"]:
        from ota import LIMIT

        print("starts       %d fast resets in a row%s" % (now["starts"], ": safe mode" if now["starts"] >= LIMIT else ""))
    for text in now["wrong"]:
        print("WRONG        " + text)
