"""The device package and the network: each fault of a server, TLS, waiting, one update at a time, and ota.run()."""
import ast
import json
import re
import socket
import subprocess

import pytest

import faultserver
from conftest import Molt, molt_path
from test_device_update import TOP, board, digests, good, server, unharmed, update, world  # noqa: F401 (fixtures)

# Faults that the update gets over by itself.
OVERCOME = [
    "norange", "redirect=3", "chunked", "chunkedplain", "slow=2000000", "short=50000,only=bundles", "short=0,times=2",
    "reset,times=2", "status=503,times=2", "stall=1000,after=3,times=1", "norange,after=6", "short=9000,after=5,times=7",
    "cuthead=0,times=2,only=bundles", "cuthead=40,times=2,only=bundles", "http10", "unsized", "hello", "close",
    "elsewhere2", "slow=200,only=channels", "oddtag"]

# Faults that end in an error: its number, and what the text says.
ENDS = [
    ("status=404", -100, "status 404 (not there)"),
    ("status=404,only=bundles", -100, "status 404"),
    ("status=404,after=9", -100, "status 404"),
    ("status=500,after=9", -100, "status 500"),
    ("status=403", -100, "(not allowed)"),
    ("status=304", -100, "status 304"),
    ("nowhere", -100, "without a place to go to"),
    ("loop", -100, "more than 5 redirects"),
    ("elsewhere=ftp:||127.0.0.1", -105, "expected http://HOST"),
    ("elsewhere=http:||127.0.0.1:1", -102, "cannot connect"),
    ("short=0,after=9", -104, "the connection ended"),
    ("short=0,only=channels", -104, "ended early"),
    ("stall=0,after=9", -104, "stalled"),
    ("stall=0,only=channels", -104, "stalled"),
    ("mute", -104, "no answer for 1 s"),
    ("drip,after=9", -104, "stalled"),
    ("reset,after=9", -104, ""),
    ("changed,after=9", -91, "changed on the server during the download"),
    ("quiet,after=9", -91, "changed on the server during the download"),
    ("badrange=shifted,after=9", -101, "answered with bytes"),
    ("badrange=beyond", -101, "answered with bytes"),
    ("badrange=missing,only=bundles", -101, "without saying which"),
    ("badrange=garbage", -101, "'bytes 7-3/x'"),
    ("badrange=part200,after=9", -101, "status 200"),
    ("badrange=total,after=9", -91, "changed on the server during the download"),
    ("encoded,after=9", -101, "compressed"),
    ("encoded", -101, "compressed"),
    ("damage=700000,only=bundles", None, "chunk"),
    ("damage=100,only=bundles", -74, "signature"),
    ("damage=60,only=channels", None, ""),
    ("nohttp", -100, "is not HTTP"),
    ("longhead", -100, "line of over 1 KB"),
    ("manyheads", -100, "too many headers"),
    ("binhead", -100, "no text"),
    ("badlength", -100, "cannot read a body"),
    ("oversize", -100, "longer than 512 bytes"),
    ("badchunk=size", -100, "no readable size"),
    ("badchunk=long", -100, "longer than it says"),
    ("badchunk=cut", -104, "ended"),
    ("page", None, ""),
]


def slug(text):
    return re.sub(r"\W", "-", text)


def error_of(done):
    """The number that ota.Error carries, and its text."""
    found = re.search(r"GOT (-?\d+) (.*)", done.stdout)
    assert found, done.stdout + done.stderr
    return int(found[1]), found[2]


def told(server, n, fault, **options):  # noqa: F811
    """A script that prints the error of an update."""
    options = {"timeout_s": 1, "tries": 2, "restart": False, **options}
    return ("import ota\ntry:\n    ota.update('%s%s/tree-%d', **%r)\n    print('INSTALLED')\n"
            "except ota.Error as error:\n    print('GOT', error.errno, error)" % (server.base, fault, n, options))


@pytest.mark.parametrize("fault", OVERCOME)
def test_gets_over(board, server, fault):  # noqa: F811
    if fault == "elsewhere2":  # an absolute redirect to another host
        fault = "elsewhere=" + server.base.replace("127.0.0.1", "localhost").replace("/", "|") + "ok"
    done = board(told(server, 2, fault, timeout_s=2, tries=4))
    assert "INSTALLED" in done.stdout, done.stdout + done.stderr
    assert all(entry[2] is None for entry in server.log if entry[3] == "oddtag")  # such a tag is not sent back
    assert board().json["running"] == "ota_1"


@pytest.mark.parametrize("fault, number, words", ENDS)
def test_ends_in_the_right_error_and_nothing_is_lost(board, world, server, fault, number, words):  # noqa: F811
    code, text = error_of(board(told(server, 2, fault)))
    assert code < 0 and (number is None or code == number), text
    assert words in text and "(%d)" % code in text
    assert unharmed(board)["phase"] in ("none", "installing")
    board(update(server, 2, "ok,tag=after-" + slug(fault), quiet=True))
    good(board, world)


@pytest.mark.parametrize("kind, words", [
    ("good", None), ("wrongname", "is for another name"), ("expired", "has expired"), ("future", "is not valid yet"),
    ("untrusted", "is not by the authority in ca"), ("selfsigned", "is not by the authority in ca")])
def test_https(board, world, tmp_path, kind, words):  # noqa: F811
    context = faultserver.make_certificate(tmp_path / "keys", kind)
    authority = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        script = told(secure, 2, "ok", ca=authority, timeout_s=10)
        if words is None:
            done = board(script)
            assert "INSTALLED" in done.stdout
            good(board, world)
            assert secure.connections <= 4  # a handshake takes a device a second or two
        else:
            code, text = error_of(board(script))
            assert code == -103 and words in text
            if kind in ("expired", "future"):
                code, text = error_of(board("from ota import _tls\n_tls.clock_set = lambda: False\n" + script))
                assert code == -103 and "clock is not set" in text and "ntptime.settime()" in text
            assert unharmed(board)["phase"] == "none"


def der_of(pem):
    import ssl
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def test_forms_of_ca(board, world, tmp_path):  # noqa: F811
    """Bytes or text, PEM or DER, a path, and the path in /ota.json; without any, https is refused before a connection."""
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    pem = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        url = secure.base + "ok/tree-2"
        done = board("""import json, ota
def attempt(**options):
    try:
        print(ota.check(%r, timeout_s=10, **options)["bytes"])
    except ota.Error as error:
        print(error.errno, error)
pem, der = %r, %r
for name, data in (("/ca.pem", pem), ("/ca.der", der), ("/ca.bad", b"nothing")):
    with open(name, "wb") as file:
        file.write(data)
for ca in (pem, pem.decode(), der, bytearray(der), "/ca.pem", "/ca.der", "/ca.bad", "/ca.none", None):
    attempt(ca=ca)
with open("/ota.json", "w") as file:
    json.dump({"ca": "/ca.der"}, file)
attempt()
""" % (url, pem, der_of(pem)))
        lines = done.stdout.splitlines()
        assert [line for line in lines[:6] + lines[9:]] == [lines[0]] * 7 and int(lines[0]) > 1 << 20
        assert lines[6].startswith("-103 ca: not a certificate in PEM or DER")
        assert lines[7].startswith("-5 ca: /ca.none cannot be read")
        assert lines[8].startswith("-103 ") and '"ca" in /ota.json' in lines[8]
        assert secure.connections == 7 * 2


def test_no_redirect_from_https_to_http(board, world, server, tmp_path):  # noqa: F811
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    authority = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        plain = server.base.replace("/", "|").rstrip("|") + "|ok"
        before = len(server.log)
        code, text = error_of(board(told(secure, 2, "elsewhere=" + plain, ca=authority, timeout_s=10)))
        assert code == -105 and "redirects from https to http://" in text
        assert len(server.log) == before
        assert unharmed(board)["phase"] == "none"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing(board, tmp_path, scheme):  # noqa: F811
    faultserver.make_certificate(tmp_path / "keys", "good")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = board("import ota\ntry:\n    ota.check('%s://localhost:%d/t', ca=%r, timeout_s=1, tries=1)\n"
                     "except ota.Error as error:\n    print('GOT', error.errno, error)"
                     % (scheme, listener.getsockname()[1], (tmp_path / "keys/ca.pem").read_bytes()))
        assert error_of(done)[0] == -104 and "no answer for 1 s" in done.stdout


# ---- ota.run() ----

TICKING = """import asyncio, time, ota
longest, during, at, told = 0, "", "", 0
def progress(done, total, text):
    global at, told
    at = text
    if text.startswith("ota: "):
        print("TOLD", text)
        told += 1
async def tick():
    global longest, during
    while True:
        before = time.ticks_ms()
        await asyncio.sleep_ms(5)
        gap = time.ticks_diff(time.ticks_ms(), before)
        if gap > longest:
            longest, during = gap, at
        if told == %r:
            running.cancel()  # it would go on for ever
async def main():
    global running
    ticking = asyncio.create_task(tick())
    running = asyncio.create_task(ota.run(%r, every_s=1, jitter=0.5, progress=progress, restart=False, **%r))
    try:
        print("RAN", await asyncio.wait_for(running, 60))
    except asyncio.CancelledError:
        print("STILL")
    ticking.cancel()
    print("LONGEST", longest, "after", during)
    from ota import _update
    _update.lock()  # nobody holds it
asyncio.run(main())
"""


def ran(board, url, told=None, **options):  # noqa: F811
    """Until it installed, or told so many times how it ended."""
    done = board(TICKING % (told, url, {"timeout_s": 2, "tries": 2, **options}))
    return done, int(re.search(r"LONGEST (\d+)", done.stdout)[1])


@pytest.mark.parametrize("fault", ["ok", "slow=500000", "stall=1000,after=3,times=2", "mute,times=1", "norange", "drip,times=1",
                                   "status=500,times=3", "damage=100,times=3,only=bundles", "reset,times=2,only=channels"])
def test_run_installs_beside_the_application(board, world, server, fault):  # noqa: F811
    done, longest = ran(board, server.base + fault + "/tree-2")
    assert "RAN True" in done.stdout and "TOLD ota: installed" in done.stdout
    assert longest < 1200, "no step may hold the application for long (a stall lasts two seconds)"
    good(board, world)


def test_run_over_tls(board, world, tmp_path):  # noqa: F811
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    with faultserver.Server(world, context) as secure:
        done, longest = ran(board, secure.base + "stall=1000,after=3,times=2/tree-2", ca=(tmp_path / "keys/ca.pem").read_bytes())
        assert "RAN True" in done.stdout and longest < 1200
        good(board, world)


@pytest.mark.parametrize("what, words", [
    ("down", "cannot connect"), ("status=404", "status 404"), ("damage=100,only=bundles", "signature"), ("mute", "no answer")])
def test_run_tells_errors_and_goes_on(board, server, what, words):  # noqa: F811
    url = "http://127.0.0.1:1/t" if what == "down" else server.base + what + "/tree-2"
    done, longest = ran(board, url, told=2, timeout_s=1)
    assert "STILL" in done.stdout and longest < 1200
    lines = re.findall("TOLD (.*)", done.stdout)
    assert len(lines) >= 2 and all(words in line and "next try in" in line for line in lines)
    assert unharmed(board)["phase"] == "none"


def test_run_does_nothing_when_nothing_is_new_and_restarts_after_an_installation(board, world, server):  # noqa: F811
    script = ("import asyncio, ota\ntry:\n    asyncio.run(asyncio.wait_for(ota.run('%sok/tree-2', every_s=1), SECONDS))\n"
              "except asyncio.TimeoutError:\n    print('STILL')" % server.base)
    done = board(script.replace("SECONDS", "60"))
    assert done.json["boots"] == 2 and done.json["running"] == "ota_1" and "ota: installed" in done.stdout
    before = len(server.log)
    assert board(script.replace("SECONDS", "5")).stdout == "STILL\n"
    assert len(server.log) - before >= 2  # the channel, again and again


def test_polls_are_spread_over_a_fleet(board):  # noqa: F811
    done = board("""import machine, time
from ota import _run
firsts = []
for n in range(200):
    machine.unique_id = lambda: b"\\x24\\x0a\\xc4\\x00" + bytes((n >> 8, n & 255))
    firsts.append(_run._Spread().next())
firsts.sort()
print("SPREAD", min(firsts) < 0.05, max(firsts) > 0.95, max(b - a for a, b in zip(firsts, firsts[1:])) < 0.1)
""")
    assert "SPREAD True True True" in done.stdout


# ---- ota.info() and ota.status() ----

def told_by(done):
    """What info() and status() printed."""
    at = done.stdout.index("INFO ")
    first, words = done.stdout[at + 5:].split("\n", 1)
    return ast.literal_eval(first), words


INFO = "import ota\nprint('INFO', ota.info())\nota.status()\n"

RECORD = """
import struct
from binascii import crc32
from esp32 import Partition
otadata, = Partition.find(Partition.TYPE_DATA, subtype=0)
def write(sector, seq, state, crc=None):
    data = struct.pack("<I", seq)
    data += b"\\xff" * 20 + struct.pack("<II", state, crc32(data, 0xFFFFFFFF) if crc is None else crc)
    otadata.ioctl(6, sector)
    otadata.writeblocks(sector, data, 0)
"""


@pytest.mark.parametrize("first, second", [
    ((1, 2), None), (None, None), ((1, 2), (2, 0)), ((1, 2), (2, 1)), ((1, 2), (2, 4)), ((3, 2), (3, 0)), ((0, 2), None),
    ((1, 2, 7), (2, 2, 7)), ((7, 0xFFFFFFFF), (4, 3)), ((0xFFFFFFFE, 2), (2, 99)), ((2, 4), (4, 3))])
def test_status_agrees_with_the_command(board, first, second):  # noqa: F811
    """The bootloader's choice, by the two otadata records: the same on the device and outside."""
    script = RECORD + "".join("otadata.ioctl(6, %d)\n" % i if record is None else "write(%d, *%r)\n" % (i, record)
                              for i, record in enumerate((first, second)))
    got, words = told_by(board(script + INFO))
    want = json.loads(board.molt("ota", "status", "--json", "sim:board").stdout)
    assert got["boots_next"] == want["chosen"] and got["next_update"] == want["next_update"]
    assert got["slot"] == want["running"] and got["otadata"] == want["otadata_offset"]
    for mine, other in zip(got["records"], want["records"], strict=True):
        assert {key: mine[key] for key in ("seq", "state", "slot", "meaning")} == {
            key: other[key] for key in ("seq", "state", "slot", "meaning")}
    assert got["wrong"] == []
    shown = Molt(molt_path("MOLT_FAST"), board.molt.cwd)("ota", "status", "sim:board").stdout
    assert re.search("boots next +(.*)", words)[1].split(": ", 1)[1] in shown
    assert "next update  ota_1" in words and "partition    vfs" in words and "VfsLfs2 on vfs" in words


def test_status_of_an_update(board, world, server):  # noqa: F811
    board(update(server, 2, restart=False))
    got, words = told_by(board("from ota import _store\n" + INFO, "--time-scale", "100"))
    assert got["trial"] and "runs         ota_1 at 0x210000 (on trial)" in words and "update       trial, sequence 2" in words
    got, words = told_by(board(INFO))
    assert "update       failed: the running firmware is not confirmed yet (-62)" in words
    board(update(server, 2, quiet=True, retry_failed=True))
    got, words = told_by(board(INFO))
    assert "update       confirmed, sequence 2" in words and got["release"] == digests(world, 2)[1]


@pytest.mark.parametrize("breaks, wrong, says", [
    ("garbage in otadata", [], "boots next   ota_0: no record has a right CRC"),
    ("store", ["phase: "], "update       unknown"),
    ("releases", ["release: "], "release      none"),
    ("no otadata", [], "next update  files only"),
    ("no slots", [], "next update  files only"),
    ("no esp32", [], "runs         firmware"),
    ("no file system", ["root: "], "runs         ota_0")])
def test_status_never_crashes(board, breaks, wrong, says):  # noqa: F811
    lines = {
        "garbage in otadata": "otadata.ioctl(6, 0); otadata.ioctl(6, 1); otadata.writeblocks(0, b'\\x5a' * 4096, 0)\n"
                              "otadata.writeblocks(1, bytes(4096), 0)\n",
        "store": "import esp32; esp32.NVS('molt').set_blob('r1', b'\\x02garbage')\n",
        "releases": "import esp32; esp32.NVS('molt').set_blob('r5', b'\\x09garbage')\n",
        "no otadata": "find = Partition.find\nfrom ota import _slots\nclass Part(Partition):\n    @classmethod\n"
                      "    def find(cls, *a, **k): return [p for p in find(*a, **k) if p.info()[4] != 'otadata']\n_slots.Partition = Part\n",
        "no slots": "find = Partition.find\nfrom ota import _slots\nclass Part(Partition):\n    @classmethod\n"
                    "    def find(cls, *a, **k): return [p for p in find(*a, **k) if p.info()[:2] == (0, 16)]\n_slots.Partition = Part\n",
        "no esp32": "from ota import _slots; _slots.Partition = None\n",
        "no file system": "from ota import _info\nclass os:\n    def statvfs(path): raise OSError(19)\n_info.os = os\n",
    }
    got, words = told_by(board(RECORD + lines[breaks] + INFO))
    assert [text[:len(start)] for text, start in zip(got["wrong"], wrong, strict=True)] == wrong
    assert says in words, words
    assert all("WRONG        " + text in words for text in got["wrong"])


# ---- One at a time, interrupted, short of memory ----

def test_two_threads(board, world, server):  # noqa: F811
    """While one installs, the other is refused; afterwards it may."""
    done = board("""import _thread, time, ota
url, refused, calls = %r, [], 0
def other():
    for _ in range(20):
        try:
            ota.update(url)
        except ota.Error as error:
            refused.append((error.errno, str(error)))
        time.sleep_ms(10)
def progress(done, total, text):
    global calls
    calls += 1
    if calls == 200:
        _thread.start_new_thread(other, ())
        while len(refused) < 20:
            time.sleep_ms(10)
    if calls == 300:
        try:
            ota.check(url)
        except ota.Error as error:
            refused.append((error.errno, str(error)))
print(ota.update(url, restart=False, progress=progress), len(refused), set(refused))
""" % (server.base + "ok/tree-2"))
    assert done.stdout.endswith("True 21 {(-7, 'another update is under way here: wait for its end (-7)')}\n"), done.stdout
    good(board, world)


def limited(tmp_path, kib):
    """Options for an interpreter with so small a heap."""
    small = tmp_path / ("micropython-%d" % kib)
    small.write_text("#!/bin/sh\nexec %s -X heapsize=%dk \"$@\"\n" % (TOP / "build/micropython/micropython", kib))
    small.chmod(0o755)
    return "--micropython", small


@pytest.mark.parametrize("where", ["in the network", "in a step"])
def test_ctrl_c_closes_everything_and_the_next_update_resumes(board, world, server, where):  # noqa: F811
    """A genuine signal, while the server stalls or while the flash is written."""
    done = board("""import os, ota
def descriptors():
    os.system("ls /proc/$PPID/fd | wc -l")
calls = 0
def progress(done, total, text):
    global calls
    calls += 1
    if calls == 300 and %r:
        os.system("p=$PPID; (sleep 0.1; kill -INT $p) > /dev/null 2>&1 &")  # system() itself ignores the signal
if not %r:
    os.system("p=$PPID; (sleep 4; kill -INT $p) > /dev/null 2>&1 &")
descriptors()
try:
    ota.update(%r, restart=False, progress=progress)
except KeyboardInterrupt:
    print("INTERRUPTED", calls > 200)
descriptors()
ota.update(%r, restart=False)
""" % (where == "in a step", where == "in a step", server.base + ("ok" if where == "in a step" else "stall=100,after=12") + "/tree-2",
       server.base + "ok,tag=again/tree-2"))
    lines = done.stdout.splitlines()
    assert "INTERRUPTED True" in lines, done.stdout + done.stderr
    at = lines.index("INTERRUPTED True")
    assert lines[at - 1] == lines[at + 1] and lines[at - 1].isdigit()
    kept = re.search(r"(\d+) chunks written, (\d+) kept", done.stdout)
    assert int(kept[2]) >= 5 and int(kept[1]) + int(kept[2]) == 26
    good(board, world)


def test_fragmented_heap(board, world, server, tmp_path):  # noqa: F811
    """Every second of many small blocks is free, the rest is held; and a collection comes at every step."""
    done = board("""import gc, ota
held = [bytearray(150) for _ in range(1400)]
for i in range(0, len(held), 2):
    held[i] = None
gc.collect()
gc.threshold(2000)
print("UPDATED", ota.update(%r, restart=False, progress=lambda *_: gc.collect()), len(held))
""" % (server.base + "ok/tree-2"), *limited(tmp_path, 640))
    assert "UPDATED True 1400" in done.stdout
    good(board, world)


def test_no_memory_is_told(board):  # noqa: F811
    done = board("""import ota
from ota import _update
class Engine:
    def open(self, host):
        raise MemoryError
try:
    _update.opened(Engine(), None)
except ota.Error as error:
    print('GOT', error.errno, error)
""")
    assert error_of(done)[0] == -16 and "update earlier" in done.stdout


# ---- check() and bundles on the device ----

def test_check_writes_nothing(board, world, server):  # noqa: F811
    flash, store = (board.molt.cwd / "board" / name for name in ("flash.bin", "store.bin"))
    board("import ota; ota.feed()")
    before = flash.read_bytes()
    script = "import ota\nprint(ota.check('%sok/tree-2'))" % server.base
    found = ast.literal_eval(board(script).stdout)
    assert found["sequence"] == 2 and found["files_only"] is False and found["bytes"] > 1600000
    name, = (world / "tree-2/bundles").iterdir()
    assert found["digest"].hex() == name.stem
    assert flash.read_bytes() == before
    kept = store.read_bytes()  # the newest signed time is in it now
    done = board(script)
    assert ast.literal_eval(done.stdout) == found and store.read_bytes() == kept and done.json["operations"] == 0
    board(update(server, 2, quiet=True))
    assert board(script).stdout == "None\n"
    older = "import ota\ntry:\n    ota.check('%sok/v1.molt')\nexcept ota.Error as error:\n    print('GOT', error.errno, error)"
    assert error_of(board(older % server.base))[0] == -76


def test_bundle_on_the_device(board, world, server):  # noqa: F811
    done = board("""import os, ota
from ota import _http
answer = _http.request(%r)
print(answer.status, answer.length)
with open("/new.molt", "wb") as file:
    buffer = bytearray(4096)
    n = answer.readinto(buffer)
    while n:
        file.write(memoryview(buffer)[:n])
        n = answer.readinto(buffer)
answer.close()
try:
    ota.update("file:/none.molt")
except ota.Error as error:
    print(error)
ota.update("file:/new.molt", restart=False)
""" % (server.base + "chunked/v2.molt"))
    assert done.stdout.splitlines()[0] == "200 None"
    assert "/none.molt: cannot be opened: [Errno 2] ENOENT (-5)" in done.stdout
    assert "installed: 26 chunks written, 0 kept" in done.stdout
    good(board, world)


# ---- URLs and texts ----

def test_urls(board):  # noqa: F811
    done = board("""from ota import _http, _update
def attempt(function, *words):
    try:
        print(repr(function(*words)))
    except _http.Failed as error:
        print(error.args[0])
for url in ("http://h", "http://h?q=1", "https://h:8/a/b?c#d", "http://[::1]:80/x", "http://[fe80::2]", "http://h:0/", "http://h:65536/",
            "http://h:x/", "http://u:p@h/", "ftp://h/", "h/", "http:///x", "http://h/a b", "http://h/\\r\\nX: y", "http://[::1/x"):
    attempt(_http.split, url)
for target in ("/x", "x", "../x", "./x", "../../../x", "?q", "//i/x", "https://i/x", "http://i/x"):
    attempt(_http.joined, "http://h:8/a/b/c?d", target)
attempt(_http.joined, "https://h/a", "http://h/a")
attempt(_http.joined, "https://h/a", "//i/a")
print(_update._under("http://h/t/?token=1", "/channels/stable"))
""")
    assert done.stdout.splitlines() == [
        "(False, 'h', 80, '/')", "(False, 'h', 80, '/?q=1')", "(True, 'h', 8, '/a/b?c')", "(False, '::1', 80, '/x')",
        "(False, 'fe80::2', 80, '/')"] + ["-105"] * 10 + [
        "'http://h:8/x'", "'http://h:8/a/b/x'", "'http://h:8/a/x'", "'http://h:8/a/b/x'", "'http://h:8/x'", "'http://h:8/a/b/c?q'",
        "'http://i/x'", "'https://i/x'", "'http://i/x'", "-105", "'https://i/a'", "http://h/t/channels/stable?token=1"]


def test_ipv6_and_no_such_host(board, world):  # noqa: F811
    class Six(faultserver.Server):
        address_family = socket.AF_INET6

        def server_bind(self):
            self.server_address = ("::1", 0)
            super().server_bind()

    with Six(world) as six:
        done = board("import ota\nprint(ota.check('http://[::1]:%d/ok/tree-2')['sequence'])" % six.port)
        assert done.stdout == "2\n"
    code, text = error_of(board("import ota\ntry:\n    ota.check('http://nowhere.invalid/t', tries=1)\nexcept ota.Error as error:\n"
                                "    print('GOT', error.errno, error)"))
    assert code == -102 and "nowhere.invalid" in text


def test_every_number_has_its_words():
    """_words.py against error.h, and the version against the project's."""
    numbers = {n for n in re.findall(r"= (-\d+)", (TOP / "include/molt/error.h").read_text())
               if int(n) > -120}  # below: USB, which only the command speaks
    words = re.findall(r"^(-\d+) (.+)$", (TOP / "ports/micropython/ota/_words.py").read_text(), re.M)
    assert {number for number, _ in words} == numbers and len(words) == len(numbers)
    done = subprocess.run([TOP / "build/micropython/micropython", "-c", "from _words import of\nprint([of(n) for n in (-1, -10, -105, -999, 0)])"],
                          cwd=TOP / "ports/micropython/ota", capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == ["nothing available now (-1)", "read back differs from what was written (-10)",
                                             "wrong URL (-105)", "unknown error (-999)", "unknown error (0)"]
    version = re.search(r"project\(molt VERSION (\S+)", (TOP / "CMakeLists.txt").read_text())[1]
    assert 'VERSION = "%s"\n' % version in (TOP / "ports/micropython/ota/__init__.py").read_text()
