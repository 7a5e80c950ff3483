# A whole update and its trial under a collector that runs all the time in a heap full of holes, and with an exception out of every
# method of the host. Run by tests/e2e/test_native_stress.py.
import gc
import struct
from binascii import crc32
from hashlib import sha256

import host as plain
from host import Host

SLOT, OTADATA = 0x60000, 0xD000
ODD = (1, 17, 33, 129, 4097, 63, 511, 14501, 5, 1023)  # bytes; the engine's state has about 14,600
MOST = 5  # calls of one method that are tried in a sweep
ORPHAN = "/rel/0123456789abcdef"  # of a release that no slot is bound to
TRIAL, CONFIRMING, ROLLING_BACK, CONFIRMED, FAILED = 3, 4, 5, 6, 7


class Memory:
    """A flash that is quick to write."""

    def __init__(self, data):
        self.data = bytearray(data)

    def read(self, at, buffer):
        buffer[:] = memoryview(self.data)[at:at + len(buffer)]

    def write(self, at, data):
        self.data[at:at + len(data)] = data


class Disk:
    """A file: then the heap can be as small as a device's, and a collection is quick."""

    def __init__(self, name, like=None):
        if like:
            with open(like, "rb") as old, open(name, "wb") as new:
                while new.write(old.read(4096)):
                    pass
        self.file = open(name, "r+b")

    def read(self, at, buffer):
        self.file.seek(at)
        assert self.file.readinto(buffer) == len(buffer)

    def write(self, at, data):
        self.file.seek(at)
        self.file.write(data)


class Quick(Host):
    def flash_read(self, offset, buffer):
        gc.collect()
        self.flash.read(offset, buffer)

    def flash_program(self, offset, data):
        gc.collect()
        self.operate()
        assert got(self.flash, offset, len(data)) == b"\xff" * len(data), "not erased: 0x%x" % offset
        self.flash.write(offset, data)

    def flash_erase(self, offset, n):
        gc.collect()
        self.operate()
        assert offset % 4096 == 0 and n % 4096 == 0
        for at in range(offset, offset + n, 4096):
            self.flash.write(at, b"\xff" * 4096)


def got(flash, at, n):
    data = bytearray(n)
    flash.read(at, data)
    return data


class Watched(Quick):
    """Each call of the engine goes through before() and after(). What a board keeps is in `parts`, and outlives the object."""

    def __init__(self, parts):
        Quick.__init__(self, parts["flash"], parts["bundle"])
        self.records, self.tree, self.running = parts["records"], parts["tree"], parts["running"]
        self.stall = True  # each second read is put off, but never the first of a host
        self.flash_size, self.slots = 0x10000 + 2 * SLOT, ((0, 0x10000, SLOT), (1, 0x10000 + SLOT, SLOT))


def watched(name):
    method = getattr(Quick, name)

    def call(self, *arguments):
        self.before(name)
        result = method(self, *arguments)
        self.after(name)
        return result

    return call


METHODS = [name for name in dir(Quick) if name.split("_")[0] in ("flash", "store", "source", "file") and callable(getattr(Quick, name))]
for each in METHODS:
    setattr(Watched, each, watched(each))


class Squeezed(Watched):
    kept = [None] * 24
    calls = 0

    def before(self, name):
        """Blocks of odd sizes, full of what is no pointer and no zero; each second one stays for a while, so that holes remain."""
        gc.collect()
        for i in range(4):
            block = bytearray(b"\xa5" * ODD[(Squeezed.calls + i) % len(ODD)])
            if i % 2:
                self.kept[(Squeezed.calls + i) % 24] = block
        Squeezed.calls += 3
        block = None
        gc.collect()

    after = before


class Exploding(Watched):
    """Raises `bomb` at the n-th call of a method: before it, or when its work is done."""

    def __init__(self, parts, method=None, n=0, bomb=None, late=False):
        Watched.__init__(self, parts)
        self.method, self.n, self.bomb, self.late = method, n, bomb, late
        self.counts = {}

    def tick(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        if name == self.method and self.counts[name] == self.n:
            raise self.bomb

    def before(self, name):
        if not self.late:
            self.tick(name)

    def after(self, name):
        if self.late:
            self.tick(name)


def board(flash, bundle, key):
    return {"flash": flash, "bundle": bundle, "records": {3: b"\x01\x01\x03" + key}, "running": 0,
            "tree": {"/rel": None, ORPHAN: None, ORPHAN + "/old.py": b"old"}}


def result(parts):
    whole = sha256()
    for at in range(OTADATA, 0x10000 + 2 * SLOT, 4096):
        whole.update(got(parts["flash"], at, 4096))
    return whole.digest(), parts["tree"], parts["records"]


def install(engine, host):
    state, code = engine.open(host), 0
    while code in (0, -1):
        code = engine.step(state, host)
    return code


def restart(parts):
    """A bootloader with rollback: of the records that count the highest; PENDING_VERIFY (1) becomes ABORTED (4), then NEW that."""
    best = None
    for at in (OTADATA, OTADATA + 4096):
        head = got(parts["flash"], at, 4)
        state, crc = struct.unpack("<II", got(parts["flash"], at + 24, 8))
        if state == 1:
            parts["flash"].write(at + 24, b"\4")
        elif state not in (3, 4) and head != b"\xff" * 4 and crc == crc32(head, 0xFFFFFFFF):
            best = max(best or (0, 0, 0), (struct.unpack("<I", head)[0], -at, state))
    if best and best[2] == 0:
        parts["flash"].write(24 - best[1], b"\1")
    parts["running"] = (best[0] - 1) % 2 if best else 0


def phase(parts):
    return parts["records"][1][1]


def caught(call):
    try:
        call()
    except BaseException as e:
        return e


class Bundle:
    """update.molt, of which a slice is read when it is asked for."""

    def __init__(self):
        self.file = open("update.molt", "rb")

    def __len__(self):
        return self.file.seek(0, 2)

    def __getitem__(self, part):
        self.file.seek(part.start)
        return self.file.read(part.stop - part.start)


def squeeze(engine, key):
    """Two updates by turns. Only Python holds the states, and every step has a new host: the module keeps nothing."""
    whole, *boards = [board(Disk("flash.%d" % i, "flash"), Bundle(), key) for i in range(3)]
    assert install(engine, Exploding(whole)) == 1
    gc.threshold(1)
    states = [engine.open(Squeezed(parts)) for parts in boards]
    codes = [0, 0]
    while codes != [1, 1]:
        for i in (0, 1):
            if codes[i] != 1:
                codes[i] = engine.step(states[i], Squeezed(boards[i]))
                assert codes[i] in (-1, 0, 1), codes
    e = caught(lambda: engine.step(bytearray(states[0]), Squeezed(boards[0])))
    assert isinstance(e, ValueError) and str(e) == "not a state of open()", e  # it points into itself
    assert result(boards[0]) == result(boards[1]) == result(whole)
    for parts in boards:
        restart(parts)
        assert engine.boot(Squeezed(parts)) == 0
    assert engine.confirm(Squeezed(boards[0])) == 0 and phase(boards[0]) == CONFIRMED
    assert engine.rollback(Squeezed(boards[1])) == 0 and phase(boards[1]) == ROLLING_BACK
    gc.threshold(-1)
    print("squeezed", Squeezed.calls // 3)


def spread(count):
    return sorted({1 + i * (count - 1) // (MOST - 1) for i in range(MOST)}) if count else []


class Sweep:
    """sweep(call, make, finish): `call(host)` on boards of make(), with each method exploding; then finish(parts, e)."""

    def __init__(self):
        self.turn = 0

    def __call__(self, label, call, make, finish):
        parts = make()
        host = Exploding(parts)
        call(host)
        for name in sorted(host.counts):
            for n in spread(host.counts[name]):
                self.turn += 1
                bomb = (MemoryError, OSError, KeyboardInterrupt)[self.turn % 3](self.turn)
                parts = make()
                gc.collect()
                seen = caught(lambda: call(Exploding(parts, name, n, bomb, self.turn // 3 % 2 == 1)))
                assert seen is bomb, (label, name, n, seen)
                finish(parts, (label, name, n))
            print(label, name, len(spread(host.counts[name])), sep="|")


class Quiet:
    @staticmethod
    def collect():
        pass


def explode(engine, key):
    plain.gc = Quiet  # a collection a call is what squeeze() is for
    global gc
    collector, gc = gc, Quiet
    sweep, states = Sweep(), []
    with open("flash", "rb") as f:
        flash = f.read()
    with open("update.molt", "rb") as f:
        bundle = f.read()
    installed = board(Memory(flash), bundle, key)
    assert install(engine, Exploding(installed)) == 1
    good = result(installed)

    def fresh():
        collector.collect()
        return board(Memory(flash), bundle, key)

    def on_trial():
        collector.collect()
        parts = board(Memory(installed["flash"].data), bundle, key)
        parts["tree"], parts["records"] = dict(good[1]), dict(good[2])
        restart(parts)
        return parts

    def booted():
        parts = on_trial()
        assert engine.boot(Exploding(parts)) == 0 and phase(parts) == TRIAL
        return parts

    def first_try(host):
        states[:] = [engine.open(host)]
        code = 0
        while code in (0, -1):
            code = engine.step(states[0], host)
        assert code == 1, code

    def installs(parts, where):
        e = caught(lambda: engine.step(states[0], Exploding(parts)))
        assert isinstance(e, ValueError) and str(e) == "left by an exception: open() again", (where, e)
        code = install(engine, Exploding(parts))
        assert code == 1, (where, code)
        assert parts["flash"].data[0x10000:] == installed["flash"].data[0x10000:] and parts["tree"] == good[1], where

    def boots(parts, where):
        code = engine.boot(Exploding(parts))
        assert (code, phase(parts)) in ((0, TRIAL), (1, ROLLING_BACK)), (where, code, phase(parts))

    def confirms(parts, where):
        code = engine.confirm(Exploding(parts))
        if code == -63:  # the target's record was being written anew: a restart comes up in the old slot, which sends it back
            restart(parts)
            assert parts["running"] == 0 and engine.boot(Exploding(parts)) == 1, where
            restart(parts)
            assert parts["running"] == 1
            code = engine.boot(Exploding(parts))
        assert code in (0, -65) and phase(parts) == CONFIRMED, (where, code, phase(parts))

    def rolls_back(parts, where):
        code = engine.rollback(Exploding(parts))
        assert code == 0 and phase(parts) == ROLLING_BACK, (where, code, phase(parts))

    sweep("install", first_try, fresh, installs)
    sweep("boot", engine.boot, on_trial, boots)
    sweep("confirm", engine.confirm, booted, confirms)
    sweep("rollback", engine.rollback, booted, rolls_back)
