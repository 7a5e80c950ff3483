# otadata, as far as plain Python needs it: docs/spec/otadata.md.
import ustruct as struct
from binascii import crc32

from esp32 import Partition

NEW, PENDING, VALID, INVALID, ABORTED, UNDEFINED = 0, 1, 2, 3, 4, 0xFFFFFFFF


def _read():
    # (partition of otadata or None, offsets of the OTA slots, [(seq, -sector, slot's offset, state)] that count).
    slots = sorted(p.info()[1:3] for p in Partition.find(Partition.TYPE_APP) if 0x10 <= p.info()[1] <= 0x1F)
    slots = [offset for _, offset in slots]
    found = Partition.find(Partition.TYPE_DATA, subtype=0)
    if not found or not slots:
        return None, slots, []
    record, usable = bytearray(32), []
    for sector in range(2):
        found[0].readblocks(sector, record)
        seq, state, crc = struct.unpack("<I20xII", record)
        if seq != UNDEFINED and state not in (INVALID, ABORTED) and crc == crc32(record[:4], UNDEFINED):
            usable.append((seq, -sector, slots[(seq - 1 & UNDEFINED) % len(slots)], state))
    return found[0], slots, usable


def _default(slots):
    factory = Partition.find(Partition.TYPE_APP, subtype=0)
    return factory[0].info()[2] if factory else slots[0]


def named():
    # Offset of the slot that boots next as the records have it; None without otadata.
    otadata, slots, usable = _read()
    if otadata:
        return max(usable)[2] if usable else _default(slots)


def state_of(offset):
    # State of the record that names this slot and counts; None: no such.
    _, _, usable = _read()
    best = max(usable) if usable else None
    return best[3] if best and best[2] == offset else None


def forget(offset):
    # No record names that slot any more.
    otadata, _, usable = _read()
    for _, sector, at, _ in usable:
        if at == offset:
            otadata.ioctl(6, -sector)


def write(offset, state):
    # A record for that slot counts more than any other. It takes the sector of the one that does not count. False: no
    # record can name that slot.
    otadata, slots, usable = _read()
    if not otadata or offset not in slots:
        return False
    best = max(usable) if usable else (0, -1)
    seq = best[0] + 1
    while slots[(seq - 1) % len(slots)] != offset:
        seq += 1
    sector = 1 + best[1]
    head = struct.pack("<I", seq)
    otadata.ioctl(6, sector)
    otadata.writeblocks(sector, head + b"\xff" * 20 + struct.pack("<II", state, crc32(head, UNDEFINED)), 0)
    return True


def confirm(offset):
    # The record that counts names that slot and is VALID: rewritten in place, or made anew where another counts.
    if state_of(offset) in (NEW, PENDING):
        Partition.mark_app_valid_cancel_rollback()
    return named() in (offset, None) or write(offset, VALID)


def leave(offset, origin):
    # Out of that slot, to what the records name then, or to where it came from. False: there is no way.
    forget(offset)
    return named() not in (offset, None) or (origin != offset and write(origin, VALID))
