#!/usr/bin/env python3
"""device.py: an update from inside the device, Molt's `ota.update` against micropython-esp32-ota's `ota.update.from_file`.

Both run under the same genuine MicroPython, on simulated boards that hold the same flash, and fetch from the same local server: Molt a
signed bundle that holds the app alone, the peer the app image with its length and SHA-256. What the board is asked for is counted by
one wrapper for both. See bench/README.md for what each number means. Run it with build/venv's Python.
"""
import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))

import esp
import faultserver
import lobo

FIRMWARE = TOP / "build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
PEER = TOP / "build/deps/src/mp_image_tool_esp32-0.1.1/tests/data/mock-fs/ota"
PACKAGE = TOP / "build/native/ota"  # as bytecode, as mip installs it
MOLT = os.environ.get("MOLT_FAST") or os.environ.get("MOLT") or TOP / "build/molt"
MICROPYTHON = TOP / "build/micropython/micropython"
TIMED_RUNS = 3
CHUNK, SECTOR, PAGE, BLOCK = 65536, 4096, 256, 65536
SLOTS = 0x10000, 0x210000  # of 8 MB with layout ota
SLOT_SIZE = 0x200000
# Seconds. Flash: Winbond W25Q32JV, as include/molt/sim/nor.h has them. A round trip for each request.
PAGE_PROGRAM, SECTOR_ERASE, BLOCK_ERASE, READ_BYTE, ROUND_TRIP = 0.0004, 0.045, 0.150, 1e-7, 0.020
WINDOW = 5836  # bytes: MicroPython's default TCP window on the ESP32
RATES = {"2 MB/s": 2e6, "100 KB/s": 100e3}

# Rows: what the board and the network were asked for, in order: [flash.. operation of board.py, offset, bytes], [READ, bytes of slots,
# of the rest], [ASK, 0, bytes of a request], [TAKE, 0, bytes of its answer]. The chip's Partition knows its row, the simulator's reads
# the table each time: those reads are left out.
READ, PROGRAM, ERASE, STORE_PUT, SCRATCH_PUT, ASK, TAKE = 2, 3, 4, 6, 14, 100, 101
COUNT = """
import esp32, io, select, socket, sys
READ, ASK, TAKE = 2, 100, 101
board, rows = esp32.board, [[0, 0, 0]]
ask, real = board.request, socket.socket
def add(kind, a, b):
    if rows[-1][0] != kind:
        rows.append([kind, 0, 0])
    rows[-1][1] += a
    rows[-1][2] += b
def request(op, a=0, b=0, payload=b""):
    if op == READ:
        if not 0x8000 <= a < 0x9000:
            add(READ, *((b, 0) if 0x10000 <= a < 0x410000 else (0, b)))
    elif op in (3, 4, 6, 14):
        rows.append([op, a, b])
    return ask(op, a, b, payload)
board.request = request
class Socket(io.IOBase):
    def __init__(self, *words):
        self.s = real(*words)
        self.connect, self.setblocking, self.settimeout = self.s.connect, self.s.setblocking, self.s.settimeout
        self.close = self.s.close
    def ioctl(self, what, flags):
        if what != 3:
            return 0
        poll = select.poll()
        poll.register(self.s, flags)
        ready = poll.poll(0)
        return ready[0][1] if ready else 0
    def took(self, n):
        if n:
            add(TAKE, 0, n)
    def write(self, data, *words):
        n = self.s.write(data, *words)
        add(ASK, 0, n or 0)
        return n
    send = sendall = write
    def readinto(self, *words):
        n = self.s.readinto(*words)
        self.took(n)
        return n
    def read(self, *words):
        data = self.s.read(*words)
        self.took(len(data or b""))
        return data
    recv = read
    def readline(self, *words):
        data = self.s.readline(*words)
        self.took(len(data or b""))
        return data
class Fake:
    pass
for name in dir(socket):
    setattr(Fake, name, getattr(socket, name))
Fake.socket = Socket
sys.modules["socket"] = sys.modules["usocket"] = Fake
"""
# What the chip's own code does in set_boot() without MicroPython's heap, the simulator does in Python.
NO_HEAP_OF_THE_SIMULATOR = "import esp32\nesp32.image_length = lambda *_: 0\n"
CONFIRM = {"molt": "import ota\nota.confirm()", "peer": "import ota.rollback\nota.rollback.cancel()"}
CLOCK = "import time\nbegun = time.ticks_us()\n"
END = "\nprint('TIME', time.ticks_diff(time.ticks_us(), begun))\n"
SHOW = "board.request = ask\nfor row in rows: print('ROW', *row)\n"

Case = collections.namedtuple("Case", "name running before new again", defaults=(False,))
# Images; before: what the next slot holds, or None. again: the new one was installed by the same means before, and runs.
Numbers = collections.namedtuple("Numbers", "programmed erases read passes network requests operations wall model")


# ---- Images ----

def stamped(image, version):
    """With that version in the app's descriptor."""
    return esp.seal(image[:48] + version.encode().ljust(32, b"\0") + image[80:-32])


def with_noise(image, chunks):
    """With other contents in these chunks; the segments stay as they are."""
    image, at, noise = bytearray(image), 24, random.Random(1)
    for _ in range(image[1]):
        length = struct.unpack_from("<I", image, at + 4)[0]
        for chunk in chunks:
            first, last = max(at + 8, chunk * CHUNK), min(at + 8 + length, (chunk + 1) * CHUNK)
            if at == 24:
                first = max(first, 32 + 256)  # the descriptor
            if first < last:
                image[first:last] = noise.randbytes(last - first)
        at += 8 + length
    return esp.seal(bytes(image[:-32]))


def noise_of_size(seed, size):
    image = lobo.image(seed, size)
    image = lobo.image(seed, size - (len(image) - size))
    assert len(image) == size and len(image) % 16 == 0, (len(image), size)
    return image


def equal_chunks(a, b):
    return sum(a[at:at + CHUNK] == b[at:at + CHUNK] for at in range(0, len(a), CHUNK)), -(-len(a) // CHUNK)


def cases():
    old = esp.app_of(FIRMWARE.read_bytes())
    new = stamped(old, "v1.23.1")
    noise = noise_of_size(7, len(old))
    count = -(-len(old) // CHUNK)
    half = with_noise(new, range(1, count, 2))
    found = [
        Case("first update, slot blank", old, None, new),
        Case("all chunks differ", old, noise, new),
        Case("all differ, incompressible", old, old, noise),
        Case("half of the chunks equal", old, half, new),
        Case("version stamped", old, old, new),
        Case("already in the next slot", old, new, new),
        Case("runs already", old, None, new, True),
    ]
    assert equal_chunks(half, new) == (count // 2, count) and equal_chunks(old, new)[0] >= count - 3
    assert equal_chunks(noise, new)[0] == equal_chunks(old, noise)[0] == 0
    return found


# ---- Boards ----

class Server(faultserver.Server):
    def finish_request(self, request, address):
        # Or each body waits for its head's acknowledgement, up to 40 ms: the server's habit, not the device's.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().finish_request(request, address)


def molt(folder, *words):
    done = subprocess.run([MOLT, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit("molt %s: %d\n%s%s" % (" ".join(map(str, words)), done.returncode, done.stdout, done.stderr))
    return done.stdout


def run(folder, script, interpreter=MICROPYTHON):
    """The script as the board's application: what it prints, or None when it fails."""
    (folder / "script.py").write_text(script)
    done = subprocess.run([MOLT, "sim", "run", "sim:board", "--quiet", "--micropython", interpreter, "script.py"], cwd=folder,
                          capture_output=True, text=True, timeout=300)
    run.errors = done.stderr
    return done.stdout if done.returncode == 0 else None


PUT = """
import os, binascii
for folder in ("/lib", "/lib/ota"):
    try:
        os.mkdir(folder)
    except OSError:
        pass
for name in os.listdir("/lib/ota"):
    os.remove("/lib/ota/" + name)
for name, data in %r.items():
    with open("/lib/ota/" + name, "wb") as file:
        file.write(binascii.a2b_base64(data))
"""


def prepare(work):
    """The boards of both with their packages as bytecode, Molt's with its source, and one with nothing on it."""
    molt(work, "edit", FIRMWARE, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt(work, "key", "new", "key.pem")
    for who in ("molt", "peer", "nobody"):
        (work / who).mkdir()
        molt(work / who, "sim", "new", "sim:board", "--flash", "../ota.bin")
        molt(work / who, "sim", "boot", "sim:board")
    molt(work / "molt", "provision", "sim:board", "--key", "../key.pem.pub")
    shutil.copytree(work / "molt", work / "source")
    for who, package, least in (("molt", PACKAGE, 20), ("peer", PEER, 4)):
        files = {path.name: base64.b64encode(path.read_bytes()) for path in package.iterdir()}
        if len(files) < least:
            sys.exit("%s: expected %d modules or more, found %d" % (package, least, len(files)))
        if run(work / who, PUT % files) is None:
            sys.exit("a board cannot be prepared: " + run.errors)
    if run(work / "nobody", "pass") is None:
        sys.exit("a board cannot be prepared: " + run.errors)


def publish(work, sequence, image):
    """Puts the image, and a bundle with it, where the server finds them: the names without suffix."""
    name = "app%d" % sequence
    (work / (name + ".bin")).write_bytes(image)
    molt(work, "bundle", "create", "-o", name + ".molt", "--app", name + ".bin", "--key", "key.pem", "--sequence", sequence)
    return name


def updating(who, server, name, image):
    if who != "peer":
        return "import ota\nota.update('%sok/%s.molt', restart=False, quiet=True)" % (server.base, name)
    return "import ota.update\nota.update.from_file('%sok/%s.bin', sha='%s', length=%d, verbose=False, reboot=False)" % (
        server.base, name, hashlib.sha256(image).hexdigest(), len(image))


def board_for(work, who, case, update=None):
    """A folder with that board as it is before the update."""
    folder = work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / who, folder)
    path = folder / "board/flash.bin"
    flash = bytearray(path.read_bytes())
    for at, image in zip(SLOTS, (case.running, case.before)):
        flash[at:at + SLOT_SIZE] = (image or b"").ljust(SLOT_SIZE, b"\xff")
    path.write_bytes(flash)
    if case.again:
        for script in (update, CONFIRM[who]):
            if run(folder, script) is None:
                sys.exit("%s: cannot be prepared: %s" % (case.name, run.errors))
    return folder


def judged(folder, case, output):
    """Fails unless the new image boots next; a board that runs it already may stay as it is."""
    runs = json.loads(molt(folder, "sim", "boot", "sim:board", "--json"))
    wanted = case.new[-32:].hex(), hashlib.sha256(case.new).hexdigest()
    if output is None or runs["result"] != "runs" or runs["image_sha256"] not in wanted:
        sys.exit("%s: the update failed\n%s\n%s\n%s" % (case.name, output, run.errors, runs))


# ---- Counting ----

def flash_seconds(op, at, n):
    if op == READ:
        return (at + n) * READ_BYTE
    if op == PROGRAM:
        return ((at + n - 1) // PAGE - at // PAGE + 1) * PAGE_PROGRAM
    if op != ERASE:  # NVS: an entry is one page
        return PAGE_PROGRAM
    seconds, end = 0, at + n
    while at < end:
        block = at % BLOCK == 0 and end - at >= BLOCK
        seconds += BLOCK_ERASE if block else SECTOR_ERASE
        at += BLOCK if block else SECTOR
    return seconds


def model(rows, rate):
    """Seconds that flash and link take. While the flash works the link goes on, until the receive window is full."""
    now = begins = level = 0  # begins: when the first byte of an answer is there; level: bytes in the window
    left = 0  # of the answer, still on the way
    for place, (op, at, n) in enumerate(rows):
        if op == ASK:
            begins, level, left = now + ROUND_TRIP, 0, 0
            for kind, _, taken in rows[place + 1:]:
                if kind == ASK:
                    break
                left += taken if kind == TAKE else 0
        elif op == TAKE:
            held = min(level, n)
            now = max(now, begins) + (n - held) / rate if n > held else now
            level, left = level - held, left - (n - held)
        else:
            seconds = flash_seconds(op, at, n)
            came = min(max(0, now + seconds - max(now, begins)) * rate, WINDOW - level, left)
            now, level, left = now + seconds, level + came, left - came
    return now


def measure(work, server, who, case, name):
    update = updating(who, server, name, case.new)
    folder = board_for(work, who, case, update)
    server.log[:] = []
    output = run(folder, COUNT + CLOCK + update + END + SHOW)
    requests = len(server.log)
    judged(folder, case, output)
    rows = [tuple(map(int, line.split()[1:])) for line in output.splitlines() if line.startswith("ROW ")]
    times = []
    for _ in range(TIMED_RUNS):
        folder = board_for(work, who, case, update)
        output = run(folder, CLOCK + update + END)
        judged(folder, case, output)
        times.append(int(output.split("TIME ")[1].split()[0]) / 1e6)
    total = {kind: sum(n for op, _, n in rows if op == kind) for kind in (PROGRAM, ERASE, TAKE)}
    slots, rest = (sum(row[i] for row in rows if row[0] == READ) for i in (1, 2))
    return Numbers(total[PROGRAM], total[ERASE] // SECTOR, slots + rest, slots / len(case.new), total[TAKE], requests,
                   sum(op in (PROGRAM, ERASE, STORE_PUT, SCRATCH_PUT) for op, _, _ in rows), min(times),
                   {text: model(rows, rate) for text, rate in RATES.items()})


# ---- Heap ----

def smallest_heap(make, script):
    """KB: the smallest in which the script, on a board that make() gives, gets to its end."""
    def ends(kb):
        folder = make()
        interpreter = folder / "micropython"
        interpreter.write_text('#!/bin/sh\nexec "%s" -X heapsize=%dK "$@"\n' % (MICROPYTHON, kb))
        interpreter.chmod(0o755)
        try:
            output = run(folder, NO_HEAP_OF_THE_SIMULATOR + script + "\nprint('DONE')", interpreter)
        except subprocess.TimeoutExpired:
            return False
        return output is not None and "DONE" in output

    low, high = 32, 4096
    if not ends(high):
        sys.exit("does not end in a heap of %d KB: %s" % (high, run.errors))
    while high - low > 4:
        middle = (low + high) // 8 * 4
        low, high = (low, middle) if ends(middle) else (middle, high)
    return high


# ---- The table ----

HEAD = "%-28s %-6s %8s %7s %8s %6s %8s %5s %6s %7s %9s %9s"
ROW = "%-28s %-6s %8.0f %7d %8.0f %6.2f %8.0f %5d %6d %7.2f %9.2f %9.2f"


def line(name, who, n):
    print(ROW % (name, who, n.programmed / 1024, n.erases, n.read / 1024, n.passes, n.network / 1024, n.requests, n.operations, n.wall,
                 *n.model.values()))


def ratio(a, b):
    return "%.2f" % (a / b) if b else "1.00" if not a else "-"


def compare(case, ours, theirs):
    """Prints both and their ratios; the goals that are missed."""
    line(case.name, "molt", ours)
    line("", "peer", theirs)
    print(HEAD % ("", "ratio", *(ratio(getattr(ours, field), getattr(theirs, field)) for field in Numbers._fields[:-1]),
                  *(ratio(ours.model[text], theirs.model[text]) for text in RATES)))
    goals = [("not slower: wall time", ours.wall, theirs.wall)]
    goals += [("not slower: flash and link at " + text, ours.model[text], theirs.model[text]) for text in RATES]
    if case.name.startswith("half"):
        goals.append(("half the erases", ours.erases, theirs.erases / 2))
    missed = [text for text, a, b in goals if a > b]
    print("%28s %s\n" % ("", "goal missed: " + "; ".join(missed) if missed else "goal met: " + "; ".join(g[0] for g in goals)))
    return missed


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(work)
        names, missed, heap = {}, 0, None
        print(HEAD % ("", "", "programd", "erases", "read", "passes", "network", "req.", "writes", "wall", *RATES))
        print(HEAD % ("", "", "KB", "4 KB", "KB", "", "KB", "", "", "s", "model s", "model s"))
        with Server(work) as server:
            for case in cases():
                if case.new not in names:
                    names[case.new] = publish(work, len(names) + 1, case.new)
                found = [measure(work, server, who, case, names[case.new]) for who in ("molt", "peer")]
                missed += bool(compare(case, *found))
                heap = heap or case
            script = {who: updating(who, server, names[heap.new], heap.new) for who in ("molt", "source", "peer")}
            script["nobody"] = "pass"
            kb = {who: smallest_heap(lambda: board_for(work, who, heap), text) for who, text in script.items()}
    used = {who: n - kb["nobody"] for who, n in kb.items()}
    print("heap for '%s' above the %d KB of an empty script (words of 64 bits): molt %d KB, peer %d KB: ratio %s; molt from source: %d KB"
          % (heap.name, kb["nobody"], used["molt"], used["peer"], ratio(used["molt"], used["peer"]), used["source"]))
    print("rows that miss a goal: %d" % missed)


main()
