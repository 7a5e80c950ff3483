# The boot hook (ota._trial) and the engine's trial over the same boards in memory, side by side: docs/spec/store.md, "What each phase
# means at a boot". Run by tests/e2e/test_native.py; prints one line a case.
import binascii
import struct
import sys

from host import Host

FROM, TARGET, OTADATA = 0x10000, 0x1C0000, 0xD000
RECORDS = {  # what a bootloader may have left: (seq, state) of the two sectors
    "trial": ((1, 2), (2, 1)), "new": ((1, 2), (2, 0)), "aborted": ((1, 2), (2, 4)), "lost": ((1, 2), None),
    "valid": ((1, 2), (2, 2)), "back": ((3, 2), (2, 2)), "target only": (None, (2, 2)), "blank": (None, None),
    "torn": ((1, 2), (0, 0)),
}
now = None  # the board of the case


class Reset(BaseException):
    pass


def install_fakes():
    class Module:
        pass

    class Partition:
        RUNNING, TYPE_APP, TYPE_DATA = 1, 0, 1

        def __init__(self, which, row=None):
            n, offset, size = now.slots[now.running]
            self.row = row or (0, 0x10 + n, offset, size, "ota_%d" % n, False)

        @staticmethod
        def find(kind, subtype=0xFF):
            rows = [(0, 0x10 + n, offset, size, "ota_%d" % n, False) for n, offset, size in now.slots]
            rows.append((1, 0, OTADATA, 8192, "otadata", False))
            return [Partition(0, row) for row in rows if row[0] == kind and subtype in (0xFF, row[1])]

        def info(self):
            return self.row

        def readblocks(self, block, buffer):
            now.flash_read(self.row[2] + 4096 * block, buffer)

        def writeblocks(self, block, data, offset):
            now.flash_program(self.row[2] + 4096 * block + offset, data)

        def ioctl(self, command, block):
            assert command == 6
            now.flash_erase(self.row[2] + 4096 * block, 4096)

    class NVS:
        def __init__(self, namespace):
            pass

        def get_blob(self, key, buffer):
            data = now.records.get(int(key[1]))
            if data is None:
                raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
            buffer[:len(data)] = data
            return len(data)

        def set_blob(self, key, data):
            now.records[int(key[1])] = bytes(data)

        def commit(self):
            pass

    def reset():
        raise Reset

    esp, esp32, machine = Module(), Module(), Module()
    esp.flash_read, esp.flash_size = lambda offset, buffer: now.flash_read(offset, buffer), lambda: 4 << 20
    esp32.Partition, esp32.NVS, machine.reset = Partition, NVS, reset
    for name, module in (("esp", esp), ("esp32", esp32), ("machine", machine)):
        sys.modules[name] = module


def record(seq, state):
    seq = struct.pack("<I", seq)
    return seq + b"\xff" * 20 + struct.pack("<II", state, binascii.crc32(seq, 0xFFFFFFFF))


def make(flash, case):
    phase, running, switches, boots, records, rollback = case
    flash[OTADATA:OTADATA + 8192] = b"\xff" * 8192
    for sector, words in enumerate(RECORDS[records]):
        if words:
            flash[OTADATA + 4096 * sector:OTADATA + 4096 * sector + 32] = record(*words)
    if records == "torn":
        flash[OTADATA + 4096 + 28] ^= 1
    host = Host(flash, b"")
    host.running, host.rollback = running, rollback
    host.records[1] = struct.pack("<BBBBB3xiIII32s", 1, phase, 0xFF, switches, boots, 0, FROM, TARGET, 7, b"d" * 32)
    return host


def outcome(host, action):
    update = host.records[1]
    return action, update, host.records.get(4), bytes(host.flash[OTADATA:OTADATA + 8192])


def cases():
    for phase in range(8):
        for running in (0, 1):
            for switches in (1, 2, 3):
                for boots in (0, 1):
                    for records in sorted(RECORDS):
                        for rollback in (True, False):
                            yield phase, running, switches, boots, records, rollback


def compare(engine):
    global now
    install_fakes()
    from ota import _host, _trial

    flash = bytearray(b"\xff" * (64 * 1024))
    for case in cases():
        now = make(flash, case)
        code = engine.boot(now)
        by_engine = outcome(now, "restart" if code == 1 else "run")
        now = make(flash, case)
        _host.engine, _host.host = lambda: engine, lambda: now
        try:
            _trial._settled()
            action = "run"
        except Reset:
            action = "restart"
        by_hook = outcome(now, action)
        if code == -63:  # records that name another slot: the engine leaves them, the hook writes them and finishes
            from ota import _records

            assert case[0] == 4 and by_hook[1][1] == 6 and _records.state_of(TARGET) == 2, (case, by_hook[:2])
        else:
            assert by_hook == by_engine, (case, by_hook[:2], by_engine[:2], code)
        print(*case[:5], case[5], by_hook[0], by_hook[1][1], code, sep="|")
