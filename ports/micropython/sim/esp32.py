# A fake of MicroPython's esp32 module over a simulated board: Partition and NVS, as ESP32_GENERIC 1.23 behaves.
import binascii
import board
import hashlib
import struct

ESP_ERR_NOT_FOUND = -261
ESP_ERR_INVALID_SIZE = -260
ESP_ERR_OTA_VALIDATE_FAILED = -5379
ESP_ERR_NVS_NOT_FOUND = -4354

_OTA_NEW, _OTA_PENDING, _OTA_VALID, _OTA_INVALID, _OTA_ABORTED = 0, 1, 2, 3, 4
_BLANK = 0xFFFFFFFF


def _oserror(number, name):
    return OSError(number, name)


def _otadata():
    for kind, subtype, offset, size, label, _ in board.rows():
        if kind == 1 and subtype == 0:
            return offset
    raise _oserror(ESP_ERR_NOT_FOUND, "ESP_ERR_NOT_FOUND")


def _slots():
    found = [row for row in board.rows() if row[0] == 0 and 0x10 <= row[1] <= 0x1F]
    return sorted(found, key=lambda row: row[1])


def _records(offset):
    found = []
    for sector in range(2):
        data = board.read(offset + 4096 * sector, 32)
        seq, state, crc = struct.unpack("<I20xII", data)
        good = crc == binascii.crc32(data[:4], 0xFFFFFFFF)
        usable = seq != _BLANK and state not in (_OTA_INVALID, _OTA_ABORTED) and good
        found.append((seq, state, usable))
    return found


def _active(records):
    usable = [i for i in range(2) if records[i][2]]
    return max(usable, key=lambda i: (records[i][0], -i)) if usable else None


def _write_record(offset, sector, seq, state):
    seq4 = struct.pack("<I", seq)
    data = seq4 + b"\xff" * 20 + struct.pack("<II", state, binascii.crc32(seq4, 0xFFFFFFFF))
    board.erase(offset + 4096 * sector, 4096)
    board.program(offset + 4096 * sector, data)


def image_length(offset, limit):
    # Length of the app image at offset, its appended hash included; raises when it is none, or its hash is wrong.
    bad = _oserror(ESP_ERR_OTA_VALIDATE_FAILED, "ESP_ERR_OTA_VALIDATE_FAILED")
    head = board.read(offset, 24)
    if head[0] != 0xE9 or not 0 < head[1] <= 16:
        raise bad
    at = 24
    for _ in range(head[1]):
        n = struct.unpack("<I", board.read(offset + at + 4, 4))[0]
        if n > limit - at - 8:
            raise bad
        at += 8 + n
    at = at + 16 - at % 16
    if head[23] != 1:
        return at
    if at + 32 > limit:
        raise bad
    digest = hashlib.sha256()
    for begin in range(0, at, 16384):  # a chip needs no heap for this
        digest.update(board.read(offset + begin, min(16384, at - begin)))
    if digest.digest() != board.read(offset + at, 32):
        raise bad
    return at + 32


class Partition:
    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, which, block_size=4096):
        rows = board.rows()
        if which == self.RUNNING:
            found = [row for row in rows if row[2] == board.facts["running_offset"] and row[0] == 0]
        elif which == self.BOOT:
            found = self._boot(rows)
        else:
            found = [row for row in rows if row[4] == which]
        if not found:
            raise OSError(2)  # ENOENT
        self._row = found[0]
        self._block = block_size

    @staticmethod
    def _boot(rows):
        slots = _slots()
        try:
            records = _records(_otadata())
            active = _active(records)
            if active is not None and slots:
                return [slots[(records[active][0] - 1) % len(slots)]]
        except OSError:
            pass
        factory = [row for row in rows if row[0] == 0 and row[1] == 0]
        return factory or slots

    @classmethod
    def find(cls, type=0, subtype=0xFF, label=None, block_size=4096):
        return [
            cls(row[4], block_size)
            for row in board.rows()
            if row[0] == type
            and subtype in (0xFF, row[1])
            and (label is None or label == row[4])
        ]

    def __repr__(self):
        kind, subtype, offset, size, label, encrypted = self._row
        return "<Partition type=%u, subtype=%u, address=%u, size=%u, label=%s, encrypted=%u>" % (
            kind, subtype, offset, size, label, encrypted)

    def info(self):
        return self._row

    def _at(self, block, offset, n):
        at = block * self._block + offset
        if at < 0 or n > self._row[3] - at:
            raise _oserror(ESP_ERR_INVALID_SIZE, "ESP_ERR_INVALID_SIZE")
        return self._row[2] + at

    def readblocks(self, block, buffer, offset=0):
        at = self._at(block, offset, len(buffer))
        files = self._row[:2] == (1, 0x81)
        buffer[:] = (board.read_cached if files else board.read)(at, len(buffer))

    def writeblocks(self, block, buffer, offset=None):
        n = len(buffer)
        at = self._at(block, offset or 0, n)
        if offset is None:
            if n % 4096:
                raise _oserror(ESP_ERR_INVALID_SIZE, "ESP_ERR_INVALID_SIZE")
            board.erase(at, n)
        board.program(at, buffer)

    def ioctl(self, command, argument=0):
        if command in (1, 2, 3):
            return 0
        if command == 4:
            return self._row[3] // self._block
        if command == 5:
            return self._block
        if command == 6:
            board.erase(self._at(argument, 0, self._block), self._block)
            return 0
        return None

    def set_boot(self):
        kind, subtype, offset, size, _, _ = self._row
        image_length(offset, size)
        otadata = _otadata()
        if subtype == 0:  # factory: both records go
            board.erase(otadata, 8192)
            return
        slots = _slots()
        number = subtype - 0x10
        records = _records(otadata)
        active = _active(records)
        if active is None:
            _write_record(otadata, 0, number + 1, _OTA_NEW)
            return
        seq = records[active][0] + 1
        while (seq - 1) % len(slots) != number:
            seq += 1
        _write_record(otadata, 1 - active, seq, _OTA_NEW)

    def get_next_update(self):
        slots = _slots()
        if not slots:
            raise _oserror(ESP_ERR_NOT_FOUND, "ESP_ERR_NOT_FOUND")
        for i, row in enumerate(slots):
            if row[2] == self._row[2]:
                return Partition(slots[(i + 1) % len(slots)][4])
        return Partition(slots[0][4])

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        otadata = _otadata()
        records = _records(otadata)
        active = _active(records)
        if active is None:
            raise _oserror(ESP_ERR_NOT_FOUND, "ESP_ERR_NOT_FOUND")
        if records[active][1] != _OTA_VALID:
            _write_record(otadata, active, records[active][0], _OTA_VALID)


class NVS:
    # Namespace "molt", keys r1..r8: the board's store. Others are kept in the board's folder too.
    _memory = board.scratch_load()

    def __init__(self, namespace):
        self._namespace = namespace[:15]

    def _name(self, key):
        return self._namespace + "/" + key[:15]

    def _keep(self, key, value):
        if len(key) > 15:
            raise _oserror(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._memory[self._name(key)] = value
        board.scratch_save(self._memory)

    def get_i32(self, key):
        value = self._memory.get(self._name(key))
        if not isinstance(value, int):
            raise _oserror(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def set_i32(self, key, value):
        self._keep(key, value)

    def _record(self, key):
        if self._namespace == "molt" and len(key) == 2 and key[0] == "r" and key[1] in "12345678":
            return int(key[1])
        return 0

    def get_blob(self, key, buffer):
        record = self._record(key)
        data = board.store_get(record) if record else self._memory.get(self._name(key))
        if data is None:
            raise _oserror(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        if len(data) > len(buffer):
            raise _oserror(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key, value):
        record = self._record(key)
        if record:
            board.store_put(record, bytes(value))
        else:
            self._keep(key, bytes(value))

    def erase_key(self, key):
        record = self._record(key)
        if record:
            if board.store_get(record) is None:
                raise _oserror(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
            board.store_put(record, b"")
        elif self._memory.pop(self._name(key), None) is None:
            raise _oserror(ESP_ERR_NVS_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        else:
            board.scratch_save(self._memory)

    def commit(self):
        pass
