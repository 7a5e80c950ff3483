# What the native engine asks of the device: flash, store, files, facts.
import os
import sys
import time

import esp
from esp32 import Partition
from ota import _slots, _store

E_IO, E_NO_SPACE, E_NOT_FOUND, E_EXISTS, E_RANGE, E_NOT_ERASED = -3, -4, -5, -6, -8, -19
_ARCH = (None, "x86", "x64", "armv6m", "armv6m", "armv7m", "armv7m", "armv7emsp", "armv7emsp", "xtensa",
         "xtensawin", "rv32imc")


def engine():
    # The engine that was built into the firmware, else the native module for its architecture: molt_ARCH.mpy, of the
    # release or of /lib.
    try:
        import molt

        molt.step  # not a folder of that name
        return molt
    except (ImportError, AttributeError):
        pass
    arch = _ARCH[sys.implementation._mpy >> 10 & 15]
    if arch is None:
        raise ImportError("this firmware loads no native modules")
    return __import__("molt_" + arch)


class Host:
    has_files = True
    retry_failed = False
    expect = None
    rollback = True  # unknown to Python: the records are written as if
    bootloader = 0  # unknown
    flash_size = esp.flash_size()

    def __init__(self):
        self.slots, self._parts = [], []
        for part in Partition.find(Partition.TYPE_APP):
            _, subtype, offset, size, _, _ = part.info()
            if subtype == 0 or 0x10 <= subtype <= 0x1F:
                self.slots.append((subtype - 0x10 if subtype else -1, offset, size))
                self._parts.append((offset, size, part))
        _, subtype, offset, _, _, _ = _slots.running()
        self.running = subtype - 0x10 if subtype else -1
        self.chip_id = int.from_bytes(_slots.esp_read(offset + 12, 2), "little")
        self.board, self.device_id = _store.device()
        mpy = sys.implementation._mpy
        self.mpy_abi = (mpy & 0xFF) << 8 | (mpy >> 8 & 3)
        self.otadata = 0
        for part in Partition.find(Partition.TYPE_DATA, subtype=0):
            self.otadata = part.info()[2]
            self._parts.append((self.otadata, part.info()[3], part))
        now = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)
        self.now = now if now > 1735689600 else 0  # before 2025: the clock was never set

    # Flash. Slots and otadata are written through their partitions, which refuse what must not be written.
    def _part(self, offset):
        for start, size, part in self._parts:
            if 0 <= offset - start < size:
                return part, offset - start
        raise ValueError("no partition of ours at 0x%x" % offset)

    def flash_read(self, offset, buffer):
        esp.flash_read(offset, buffer)

    def flash_program(self, offset, data):
        part, at = self._part(offset)
        part.writeblocks(at // 4096, data, at % 4096)

    def flash_erase(self, offset, n):
        part, at = self._part(offset)
        for block in range(at // 4096, (at + n) // 4096):
            part.ioctl(6, block)

    # Store.
    def store_get(self, record):
        return _store.get(record)

    def store_put(self, record, data):
        _store.put(record, data)

    # Files.
    def file_stat(self, path):
        try:
            found = os.stat(path)
        except OSError:
            return None
        return -1 if found[0] & 0x4000 else found[6]

    def file_read(self, path, offset, buffer):
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                return file.readinto(buffer)
        except OSError as error:
            return _code(error)

    def file_write(self, path, offset, data):
        try:
            if offset and self.file_stat(path) != offset:
                return E_RANGE
            with open(path, "ab" if offset else "wb") as file:
                file.write(data)
        except OSError as error:
            return _code(error)

    def file_mkdir(self, path):
        if self.file_stat(path) == -1:
            return 0
        try:
            os.mkdir(path)
        except OSError as error:
            return _code(error)

    def file_remove(self, path):
        kind = self.file_stat(path)
        if kind is None:
            return E_NOT_FOUND
        try:
            (os.rmdir if kind == -1 else os.remove)(path)
        except OSError as error:
            return _code(error)

    def file_rename(self, old, new):
        try:
            os.rename(old, new)
        except OSError as error:
            return _code(error)

    def file_list(self, path, index):
        try:
            for i, entry in enumerate(os.ilistdir(path)):
                if i == index:
                    return entry[0]
        except OSError:
            pass  # no such directory: nothing in it
        return None

    def file_space(self):
        found = os.statvfs("/")
        return min(found[0] * found[3], 0x3FFFFFFF)


def _code(error):
    return {2: E_NOT_FOUND, 17: E_EXISTS, 28: E_NO_SPACE}.get(error.errno, E_IO)
