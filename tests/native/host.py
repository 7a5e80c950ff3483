# The host of the native module for tests, in plain Python under MicroPython: NOR flash, store, files and source in memory.
# A collection runs in every method: whatever the module holds on to wrongly is gone then.
import gc


class Host:
    board = ""
    chip_id = 0
    mpy_abi = 0x603
    bootloader = 0
    running = 0
    otadata = 0xD000
    rollback = True
    flash_size = 4 << 20
    now = 0
    expect = None
    retry_failed = False
    running_image = image = target = None
    has_files = True
    slots = ((0, 0x10000, 0x1B0000), (1, 0x1C0000, 0x1B0000))

    def __init__(self, flash, bundle):
        self.flash, self.bundle = flash, bundle
        self.records, self.tree = {}, {}
        self.fail_at = None  # number of the flash operation that raises
        self.operations = self.erased = self.fetched = 0
        self.stall = False

    def flash_read(self, offset, buffer):
        gc.collect()
        buffer[:] = self.flash[offset:offset + len(buffer)]

    def operate(self):
        self.operations += 1
        if self.operations == self.fail_at:
            raise RuntimeError("power")

    def flash_program(self, offset, data):
        gc.collect()
        self.operate()
        assert all(b == 0xFF for b in self.flash[offset:offset + len(data)]), "not erased: 0x%x" % offset
        self.flash[offset:offset + len(data)] = data

    def flash_erase(self, offset, n):
        gc.collect()
        self.operate()
        assert offset % 4096 == 0 and n % 4096 == 0
        self.erased += n // 4096
        self.flash[offset:offset + n] = b"\xff" * n

    def store_get(self, record):
        gc.collect()
        return self.records.get(record)

    def store_put(self, record, data):
        gc.collect()
        if data:
            self.records[record] = data
        else:
            self.records.pop(record, None)

    def source_info(self):
        gc.collect()
        return len(self.bundle)

    def source_expect(self, offset, n):
        gc.collect()

    def source_read(self, offset, buffer):
        gc.collect()
        self.stall = not self.stall
        if self.stall:
            return None
        piece = self.bundle[offset:offset + len(buffer)]
        buffer[:len(piece)] = piece
        self.fetched += len(piece)
        return len(piece)

    def source_report(self, state, text):
        gc.collect()

    def file_stat(self, path):
        gc.collect()
        found = self.tree.get(path, 0)
        return None if found == 0 else -1 if found is None else len(found)

    def file_read(self, path, offset, buffer):
        gc.collect()
        piece = self.tree[path][offset:offset + len(buffer)]
        buffer[:len(piece)] = piece
        return len(piece)

    def file_write(self, path, offset, data):
        gc.collect()
        assert path.rsplit("/", 1)[0] in self.tree or path.count("/") == 1, path
        old = b"" if offset == 0 else self.tree[path]
        assert offset == len(old)
        self.tree[path] = old + bytes(data)

    def file_mkdir(self, path):
        gc.collect()
        self.tree[path] = None

    def file_remove(self, path):
        gc.collect()
        if path not in self.tree:
            return -5
        below = [p for p in self.tree if p.startswith(path + "/")]
        del self.tree[max(below, key=len) if below else path]

    def file_list(self, path, index):
        gc.collect()
        names = sorted(p[len(path) + 1:] for p in self.tree
                       if p.startswith(path + "/") and "/" not in p[len(path) + 1:])
        return names[index] if index < len(names) else None

    def file_size(self, path):
        gc.collect()
        return sum(len(data or b"") for p, data in self.tree.items() if p.startswith(path + "/"))

    def file_space(self):
        gc.collect()
        return 1 << 20


def collector_stress(check, turns=12):
    """Garbage over everything that is not reachable, then the same again."""
    for _ in range(turns):
        gc.collect()
        junk = []
        try:
            while len(junk) < 4000:
                junk.append(bytearray(b"\xa5" * (16 + 16 * (len(junk) % 8))))
        except MemoryError:
            pass
        junk = None
        check()
