# What the hosts of all ports have: facts, store, files, the source.
import uos as os
import sys
import time

from ota import _store

E_IO, E_NO_SPACE, E_NOT_FOUND, E_EXISTS, E_RANGE = -3, -4, -5, -6, -8


class Host:
    has_files = True
    retry_failed = False
    expect = image = target = None
    rollback = True  # unknown to Python: the records are written as if
    bootloader = 0  # unknown

    def __init__(self, source=None):
        self.source = source
        self.board, self.device_id = _store.device()
        mpy = getattr(sys.implementation, "_mpy", 0)
        self.mpy_abi = (mpy & 0xFF) << 8 | (mpy >> 8 & 3)
        now = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)
        self.now = now if now > 1735689600 else 0  # before 2025: the clock was never set

    # Store.
    def store_get(self, record):
        return _store.get(record)

    def store_put(self, record, data):
        _store.put(record, data)

    # Source.
    def source_info(self):
        return self.source.info()

    def source_expect(self, offset, n):
        return self.source.expect(offset, n)

    def source_read(self, offset, buffer):
        return self.source.read(offset, buffer)

    def source_report(self, state, text):
        return 0

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
        # A file; of a folder one file or empty folder below it, however deep that lies.
        while True:
            kind = self.file_stat(path)
            if kind is None:
                return E_NOT_FOUND
            try:
                name = None
                if kind == -1:
                    for entry in os.ilistdir(path):  # to its end, as below
                        name = entry[0]
                    if name is not None:
                        path += "/" + name
                        continue
                return (os.rmdir if kind == -1 else os.remove)(path)
            except OSError as error:
                return _code(error)

    def file_list(self, path, index):
        # To the end, which closes the directory: one that is left open is closed by the collector, in the middle of
        # another operation of the file system where blocks are read by Python.
        found = None
        try:
            for entry in os.ilistdir(path):
                if index == 0:
                    found = entry[0]
                index -= 1
        except OSError:
            pass  # no such directory: nothing in it
        return found

    def file_size(self, path):
        # What comes free with it, at least: littlefs has two blocks for a folder.
        folder = os.statvfs("/")[0] * (2 if os.stat(path)[8] == 0 else 1)
        return min(sum(folder + n for _, n in _tree(path)), 0x3FFFFFFF)

    def file_space(self):
        block, _, blocks, free = os.statvfs("/")[:4]
        if free > blocks:  # wraps below 0
            free -= 1 << 32
        # On littlefs it counts every directory twice.
        free += 2 * sum(_directories(path) for path in ("/lib", "/rel", "/.molt"))
        from ota import _carry, _slots

        release = _slots.current_release()
        room = _carry.room(release) if release else 0
        return min(max(free * block - room, 0), 0x3FFFFFFF)


def _tree(path):
    # Each folder from there on, and the bytes of the files in it. No recursion: an application's folders may be deep.
    todo = [path]
    while todo:
        path, n = todo.pop(), 0
        try:
            for entry in os.ilistdir(path):
                if entry[1] & 0x4000:
                    todo.append(path + "/" + entry[0])
                elif len(entry) > 3:
                    n += entry[3]
        except OSError:
            pass  # what cannot be read counts nothing
        yield path, n


def _directories(path):
    # How many there are, with all below; 0 on FAT, where they have a time.
    try:
        return sum(1 for _ in _tree(path)) if os.stat(path)[8] == 0 else 0
    except OSError:
        return 0


def _code(error):
    return {2: E_NOT_FOUND, 17: E_EXISTS, 28: E_NO_SPACE}.get(error.errno, E_IO)
