"""LoBo's calls (ota.start, ota.fromfile, ota.set_bootpart) on a simulated board that runs a genuine MicroPython."""
import base64
import functools
import http.server
import os
import re
import shutil
import threading

import pytest

import faultserver
import lobo
from conftest import TOP, Molt, molt_path

pytestmark = pytest.mark.fast

V2 = lobo.image(2)
LAYOUTS = {
    "two": ("ota_0=MicroPython_1", "ota_1=MicroPython_2"),
    "three": ("factory=MicroPython", "ota_0=MicroPython_1", "ota_1=MicroPython_2"),
    "three ota": ("ota_0", "ota_1", "ota_2"),
    "single": ("factory=MicroPython",),
}
OPEN = "ota.start('%sok/v2.bin', md5=True)"


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """Provisioned boards of each layout, a server's folder with images and their sums."""
    folder = tmp_path_factory.mktemp("world")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("key", "new", "key.pem")
    genuine = firmware.read_bytes()
    for name, slots in LAYOUTS.items():
        (folder / "flash.bin").write_bytes(lobo.dump(genuine, *slots, otadata=name != "single"))
        molt.ok("sim", "new", "sim:" + name, "--flash", "flash.bin")
        molt.ok("sim", "boot", "sim:" + name)
        molt.ok("provision", "sim:" + name, "--key", "key.pem.pub")
    files = {"v2.bin": V2, "v3.bin": lobo.image(3), "MicroPython.bin": V2, "app/fw.bin": V2, "large.bin": lobo.image(4, 300_000),
             "c3.bin": lobo.image(2, chip=5), "merged.bin": genuine[:0x7000 + 0x2000] + V2, "page.bin": b"<html>no</html>" * 99,
             "short.bin": V2[:-7000], "hash.bin": V2[:-1] + bytes([V2[-1] ^ 1]), "data.bin": V2[:9000] + b"?" + V2[9001:],
             "load.bin": lobo.image(2, load=0x10000020), "tiny.bin": b"\xe9", "empty.bin": b""}
    (folder / "app").mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / (name + ".md5")).write_text(lobo.md5(data) + "\n")
    molt.ok("bundle", "create", "-o", "v5.molt", "--app", "v3.bin", "--key", "key.pem", "--sequence", 5)
    molt.ok("key", "new", "other.pem")
    molt.ok("bundle", "create", "-o", "other.molt", "--app", "v3.bin", "--key", "other.pem", "--sequence", 5)
    shutil.copy(folder / "v5.molt", folder / "bundle.bin")
    return folder


@pytest.fixture
def boards(world, tmp_path):
    def make(layout):
        shutil.copytree(world / layout, tmp_path / "board", dirs_exist_ok=True)
        return lobo.Board(Molt(molt_path("MOLT_FAST"), tmp_path), tmp_path, lobo.interpreter())

    return make


@pytest.fixture
def board(boards):
    return boards("two")


@pytest.fixture
def server(world):
    with faultserver.Server(world) as running:
        yield running


def refused(board, call, text, *words, allow=True):
    """The call says False and why, and changed nothing."""
    before = board.state()
    result, said = board.says(call, *words, allow=allow)
    assert result == "False", said
    assert text in said
    assert board.state() == before
    return said


def confirm(board):
    assert "True" in board("import ota; print(ota.confirm())").stdout


# A stall is waited for a second, not half a minute.
QUICK = "__import__('ota._lobo')._lobo.PATIENCE.update(timeout_s=1, tries=2) or "


# ---- The calls ----

def test_start_installs_for_a_trial(board, server):
    result, said = board.says(OPEN % server.base)
    assert result == "True"
    assert "is not signed" in said and "MicroPython_2 next, on trial: without ota.confirm()" in said
    assert board.slot(1)[:len(V2)] == V2
    assert board.runs == "MicroPython_1"
    assert board.boots() == "MicroPython_2"  # and does not confirm
    assert board.boots() == "MicroPython_1"
    board.says(OPEN % server.base)
    confirm(board)
    assert board.boots() == "MicroPython_2"


def test_restart_does_not_return(board, server):
    done = board("import ota\nota.allow_unsigned = True\nota.start('%sok/v2.bin', restart=True)\nprint('returned')" % server.base)
    assert "returned" not in done.stdout and done.json["boots"] == 3  # the trial, which nobody confirms, and back


def test_a_refused_start_does_not_restart(board, server):
    result, _ = board.says("ota.start('%sok/nothing.bin', restart=True)" % server.base)
    assert result == "False"


def test_unsigned_needs_permission(board, server):
    said = refused(board, OPEN % server.base, "is not signed: refused", allow=False)
    assert "allow_unsigned" in said
    # The first bytes are looked at, for it could be a bundle: nothing else.
    assert [entry[:2] for entry in server.log] == [("v2.bin", "bytes=0-23")]
    board("import json\nsettings = {'allow_unsigned': 1}\nwith open('/ota.json', 'w') as f: json.dump(settings, f)")
    refused(board, OPEN % server.base, "is not signed: refused", allow=False)
    board("with open('/ota.json', 'w') as f: f.write('{\"allow_unsigned\": true}')")
    result, said = board.says(OPEN % server.base, allow=False)
    assert result == "True" and "warning" in said


def test_fromfile_needs_permission(board, world):
    put(board, world, "v2.bin")
    refused(board, "ota.fromfile('/v2.bin')", "is not signed: refused", allow=False)


ADDRESSES = [
    ("'192.168.0.16'", "http://192.168.0.16/MicroPython.bin"),
    ("'loboris.eu', file='/ESP32/MicroPython.bin'", "http://loboris.eu/ESP32/MicroPython.bin"),
    ("'host', file='fw.bin', port=8000", "http://host:8000/fw.bin"),
    ("'host', port='8000'", "http://host:8000/MicroPython.bin"),
    ("'host:81'", "http://host:81/MicroPython.bin"),
    ("'host:81', port=8000", "http://host:81/MicroPython.bin"),
    ("'host/a/b.bin'", "http://host/a/b.bin"),
    ("'http://host'", "http://host/MicroPython.bin"),
    ("'http://host/'", "http://host/MicroPython.bin"),
    ("'http://host/x.bin', port=8000", "http://host:8000/x.bin"),
    ("'http://host/x.bin?v=1', file='/other'", "http://host/x.bin?v=1"),
    ("'https://host/x.bin'", "https://host/x.bin"),
    ("'https://host/x.bin', port=4433", "https://host:4433/x.bin"),
    ("'host', secure=True", "https://host/MicroPython.bin"),
]


def test_addresses(board):
    lines = ["print(_lobo.address(%s))" % given for given, _ in ADDRESSES]
    done = board("from ota import _lobo\n" + "\n".join(lines) )
    assert done.stdout.splitlines() == [address for _, address in ADDRESSES]


def test_host_and_port_and_file_keywords(board, server):
    result, _ = board.says("ota.start('127.0.0.1', file='/ok/app/fw.bin', port=%d, md5=True)" % server.port)
    assert result == "True"


@pytest.mark.parametrize("url", ["ftp://host/x", "http://", "http://host:x/"])
def test_wrong_addresses(board, url):
    refused(board, "ota.start(%r)" % url, "expected http://HOST/PATH")


# ---- Nothing is changed before everything is known ----

@pytest.mark.parametrize("path, text", [
    ("ok/nothing.bin", "status 404"), ("status=500/v2.bin", "status 500"), ("loop/v2.bin", "redirects"), ("reset/v2.bin", "v2.bin"),
    ("cuthead=30/v2.bin", "v2.bin"), ("encoded/v2.bin", "compressed"), ("ok/large.bin", "larger than the slot"),
    ("ok/c3.bin", "another chip"), ("ok/merged.bin", "merged firmware"), ("ok/page.bin", "not an ESP32 image"), ("ok/tiny.bin", "("),
    ("ok/empty.bin", "("), ("chunkedplain/large.bin", "larger than the slot"), ("chunkedplain/page.bin", "not an ESP32 image")])
def test_seen_before_the_first_erase(board, server, path, text):
    refused(board, QUICK + "ota.start('%s%s')" % (server.base, path), text)


@pytest.mark.parametrize("fault, text", [("status=404,only=.md5", "404"), ("status=500,only=.md5", "500"), ("reset,only=.md5", "")])
def test_md5_file_is_fetched_first(board, server, fault, text):
    refused(board, QUICK + "ota.start('%s%s/v2.bin', md5=True)" % (server.base, fault), text)


@pytest.mark.parametrize("content", ["", "<html>404 not found</html>", "d41d8cd98f00b204e9800998ecf8427 " + "z" * 32])
def test_md5_file_without_an_md5(board, world, server, content):
    (world / "odd.bin").write_bytes(V2)
    (world / "odd.bin.md5").write_text(content)
    refused(board, "ota.start('%sok/odd.bin', md5=True)" % server.base, "odd.bin.md5")


def test_layouts_without_a_slot_to_write(boards, server):
    board = boards("single")
    result, said = board.says(OPEN % server.base)
    assert result == "False" and "no otadata partition" in said


# ---- MD5 ----

@pytest.mark.parametrize("line", ["%s", "%s *odd.bin\n", "MD5 (odd.bin) = %s\n"])
def test_md5_formats(board, world, server, line):
    (world / "odd.bin").write_bytes(V2)
    (world / "odd.bin.md5").write_text(line % lobo.md5(V2).upper())
    result, said = board.says("ota.start('%sok/odd.bin', md5=True)" % server.base)
    assert result == "True", said


def not_switched(board, call, text):
    result, said = board.says(call)
    assert result == "False" and text in said, said
    assert board.boots() == "MicroPython_1"


def test_wrong_md5_is_not_started(board, world, server):
    (world / "odd.bin").write_bytes(V2)
    (world / "odd.bin.md5").write_text("0" * 32)
    not_switched(board, "ota.start('%sok/odd.bin', md5=True)" % server.base, "expected md5 " + "0" * 32 + ", found " + lobo.md5(V2))
    assert board.says("ota.start('%sok/odd.bin')" % server.base)[0] == "True"


# ---- The transfer ----

def test_resume_after_dropped_connections(board, server):
    result, said = board.says("ota.start('%sshort=30000,after=1,times=4/v2.bin')" % server.base)
    assert result == "True", said
    begins = [int(entry[1][6:].split("-")[0]) for entry in server.log]
    assert begins == [0, 0, 30000, 60000, 90000, 120000], server.log  # the first bytes, then each where the one before broke off
    assert board.slot(1)[:len(V2)] == V2


@pytest.mark.parametrize("fault", ["norange", "redirect=2", "chunked", "chunkedplain", "short=30000,times=3"])
def test_faults_that_it_gets_over(board, server, fault):
    result, said = board.says("ota.start('%s%s/v2.bin', md5=True)" % (server.base, fault))
    assert result == "True", said
    assert board.slot(1)[:len(V2)] == V2
    assert ("reading twice" in said) == (fault == "chunkedplain")


def test_a_stall_is_no_end(board, server):
    not_switched(board, QUICK + "ota.start('%sstall=500/v2.bin')" % server.base, "v2.bin")


def test_a_body_without_length_that_changes(board, server):
    """The second reading brings another file."""
    script = ("import ota\nfrom ota import _lobo\nota.allow_unsigned = True\nhashed = _lobo._Hashed\n"
              "def then_changed(source, *words):\n    source._url = source._url.replace('v2', 'v3')\n    source._etag = None\n"
              "    return hashed(source, *words)\n"
              "_lobo._Hashed = then_changed\nprint('RESULT', ota.start('%schunkedplain/v2.bin'))" % server.base)
    said = board(script).stdout
    assert "RESULT False" in said and "expected sha256" in said, said
    assert board.boots() == "MicroPython_1"


@pytest.mark.parametrize("name, text", [("short.bin", "too early"), ("hash.bin", "SHA-256"), ("data.bin", "checksum"), ("load.bin", "")])
def test_images_that_would_not_boot(board, server, name, text):
    not_switched(board, "ota.start('%sok/%s')" % (server.base, name), text)


def test_a_bit_that_flips_on_the_way(board, server):
    not_switched(board, "ota.start('%sdamage=70000/v2.bin')" % server.base, "checksum")


def test_one_at_a_time(board, server):
    call = "(__import__('ota._update')._update.lock(), ota.start('%sok/v2.bin'))[1]" % server.base
    refused(board, call, "another update")
    call = "(ota.start('%sok/nothing.bin'), ota.start('%sok/v2.bin'))[1]" % (server.base, server.base)
    assert board.says(call)[0] == "True"


def test_interrupt_passes_through(board, server):
    script = ("import ota\nfrom ota import _esp\nota.allow_unsigned = True\nerase = _esp.Host.flash_erase\n"
              "def interrupted(self, offset, n):\n    raise KeyboardInterrupt\n_esp.Host.flash_erase = interrupted\n"
              "try:\n    ota.start('%sok/v2.bin')\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
              "_esp.Host.flash_erase = erase\nprint('RESULT', ota.start('%sok/v2.bin'))" % (server.base, server.base))
    done = board(script)
    assert "interrupted" in done.stdout and "RESULT True" in done.stdout, done.stdout + done.stderr


def test_power_cuts(board, server, tmp_path):
    """Cut anywhere: a whole firmware boots; the same call again goes on, and the torn place is written anew."""
    shutil.copytree(tmp_path / "board", tmp_path / "before")
    script = "import ota\nota.allow_unsigned = True\nprint('RESULT', ota.start('%sok/v2.bin'))" % server.base
    whole = board(script).json["operations"]
    assert whole > 2 * len(V2) // 4096
    for i, n in enumerate([1, 2, 30, whole - 3, whole - 1, whole]):
        shutil.rmtree(tmp_path / "board")
        shutil.copytree(tmp_path / "before", tmp_path / "board")
        board(script, "--cut", n, "--cut-kind", ("torn", "before", "after")[i % 3], check=3)
        done = board("print('STARTED')")
        # A switch that was cut is finished at the boot, by a restart into the trial, which nobody confirms.
        assert "STARTED" in done.stdout or done.json["boots"] == 3
        assert board.boots() == "MicroPython_1"
        done = board(script)
        assert "RESULT True" in done.stdout, done.stdout
        assert board.slot(1)[:len(V2)] == V2
        assert board.boots() == "MicroPython_2"


# ---- Certificates ----

@pytest.mark.parametrize("kind", ["good", "wrongname", "expired", "untrusted", "clock"])
def test_https(board, world, tmp_path, kind):
    context = faultserver.make_certificate(tmp_path / "keys", "expired" if kind == "clock" else kind)
    authority = (tmp_path / "keys/ca.pem").read_text()
    board("f = open('/ca.pem', 'w'); f.write(%r); f.close()" % authority)
    with faultserver.Server(world, context) as secure:
        call = "ota.start('%sok/v2.bin', md5=True, certificate='/ca.pem')" % secure.base
        if kind != "good":
            words = ("--clock", "unset") if kind == "clock" else ()
            refused(board, call, {"wrongname": "another name", "expired": "has expired", "untrusted": "not by the authority",
                                  "clock": "clock is not set"}[kind], *words)
            assert secure.log == []
            return
        assert board.says(call)[0] == "True"
        confirm(board)
        # The authority itself instead of its file's name; a host alone.
        for words in ("'%sok/v3.bin', certificate=%r" % (secure.base, authority),
                      "'localhost', port=%d, file='/ok/v2.bin', certificate='/ca.pem'" % secure.port):
            assert board.says("ota.start(%s)" % words)[0] == "True"
            confirm(board)
        refused(board, "ota.start('%sok/v2.bin')" % secure.base, "https needs ca=")
        refused(board, "ota.start('%sok/v2.bin', certificate='/none.pem')" % secure.base, "/none.pem cannot be read")


def test_a_certificate_needs_https(board, server):
    refused(board, "ota.start('%sok/v2.bin', certificate='/ca.pem')" % server.base, "needs https")
    assert server.log == []


def test_no_redirect_from_https_to_http(board, world, server, tmp_path):
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    authority = (tmp_path / "keys/ca.pem").read_text()
    with faultserver.Server(world, context) as secure:
        plain = server.base.replace("/", "|").rstrip("|") + "|ok"
        refused(board, "ota.start('%selsewhere=%s/v2.bin', certificate=%r)" % (secure.base, plain, authority), "redirects from https")
    assert server.log == []


# ---- Slots ----

@pytest.mark.parametrize("layout, order", [
    ("two", ["MicroPython_2", "MicroPython_1", "MicroPython_2"]),
    ("three", ["MicroPython_1", "MicroPython_2", "MicroPython_1"]),  # the factory slot is never chosen by itself
    ("three ota", ["ota_1", "ota_2", "ota_0"])])
def test_the_next_slot_that_does_not_run(boards, server, layout, order):
    board = boards(layout)
    for i, name in enumerate(order):
        result, said = board.says("ota.start('%sok/v%d.bin')" % (server.base, 2 + i % 2))
        assert result == "True" and name in said
        confirm(board)
        assert board.boots() == name


def test_not_while_on_trial(board, server):
    board.says(OPEN % server.base)
    result, said = board.says(OPEN % server.base)
    assert result == "False" and "not confirmed" in said


def test_force_factory(boards, server):
    board = boards("three")
    call = "ota.start('%sok/v3.bin', forceFactory=True)" % server.base
    refused(board, call, "the factory slot runs")
    board.says(OPEN % server.base)
    confirm(board)
    result, said = board.says(call)
    assert result == "True" and "installed: MicroPython next" in said
    assert board.slot(0)[:len(lobo.image(3))] == lobo.image(3)
    assert board.slot(1)[:len(V2)] == V2  # the way back
    assert board.boots() == "MicroPython"
    refused(boards("two"), call, "no factory slot")


# ---- set_bootpart ----

def test_set_bootpart(board, server):
    refused(board, "ota.set_bootpart('nothing')", "no slot is called nothing")
    refused(board, "ota.set_bootpart('vfs')", "no slot is called vfs")
    refused(board, "ota.set_bootpart('MicroPython_2')", "not an ESP32 image")  # it is empty
    assert board.says("ota.set_bootpart('MicroPython_1')", allow=False)[0] == "True"
    board.says(OPEN % server.base)
    confirm(board)
    result, said = board.says("ota.set_bootpart('MicroPython_1')", allow=False)
    assert result == "True" and "begins a trial" in said
    assert board.boots() == "MicroPython_1"  # and does not confirm
    assert board.boots() == "MicroPython_2"
    assert board.says("ota.set_bootpart('MicroPython_1')")[0] == "True"
    confirm(board)
    assert board.boots() == "MicroPython_1"


def test_set_bootpart_is_taken_back(board, server):
    board.says(OPEN % server.base)
    confirm(board)
    result, said = board.says("(ota.set_bootpart('MicroPython_1'), ota.set_bootpart('MicroPython_2'))")
    assert result == "(True, True)", said
    assert board.boots() == "MicroPython_2"
    assert board.says("ota.set_bootpart('MicroPython_1')")[0] == "True"
    assert board.boots() == "MicroPython_1"


def test_set_bootpart_of_a_damaged_image(board, server):
    board.says(OPEN % server.base)
    confirm(board)
    board("from esp32 import Partition\np = Partition('MicroPython_1')\np.ioctl(6, 20)")
    refused(board, "ota.set_bootpart('MicroPython_1')", "(-3")


# ---- From a file ----

def put(board, world, name):
    """A file of the server's folder onto the board."""
    data = (world / name).read_bytes()
    lines = ["    f.write(binascii.a2b_base64(%r))" % base64.b64encode(data[at:at + 3000]) for at in range(0, len(data), 3000)]
    board("import binascii\nwith open('/%s', 'wb') as f:\n    pass\n%s" % (name, "\n".join(lines)))


@pytest.mark.parametrize("sum_", ["none", "upper", "md5sum", "wrong", "junk"])
def test_fromfile(board, world, sum_):
    put(board, world, "v2.bin")
    digits = lobo.md5(V2)
    text = {"right": digits, "upper": digits.upper(), "md5sum": digits + "  v2.bin\n", "wrong": "0" * 32, "junk": "?"}.get(sum_)
    if text:
        board("f = open('/v2.bin.md5', 'w'); f.write(%r); f.close()" % text)
    if sum_ == "junk":
        refused(board, "ota.fromfile('/v2.bin')", "/v2.bin.md5: no MD5")
    elif sum_ == "wrong":
        not_switched(board, "ota.fromfile('/v2.bin')", "expected md5")
    else:
        result, said = board.says("ota.fromfile('/v2.bin')")
        assert result == "True" and "MicroPython_2 next" in said
        assert board.boots() == "MicroPython_2"


@pytest.mark.parametrize("name, text", [("none.bin", "none.bin"), ("merged.bin", "merged firmware"), ("large.bin", "slot"),
                                        ("page.bin", "not an ESP32 image"), ("empty.bin", ""), ("c3.bin", "another chip")])
def test_fromfile_refuses(board, world, name, text):
    if name != "none.bin":
        put(board, world, name)
    refused(board, "ota.fromfile('/%s')" % name, text)


def test_fromfile_takes_restart_by_place(board, world):
    put(board, world, "v2.bin")
    done = board("import ota\nota.allow_unsigned = True\nota.fromfile('/v2.bin', True)\nprint('returned')")
    assert "returned" not in done.stdout and done.json["boots"] == 3


# ---- Bundles ----

@pytest.mark.parametrize("name, where", [("v5.molt", "file"), ("bundle.bin", "server")])
def test_bundles_are_told_by_their_bytes(board, world, server, name, where):
    """Whatever the name and whatever is allowed."""
    if where == "file":
        put(board, world, name)
    call = "ota.fromfile('/%s')" % name if where == "file" else "ota.start('%sok/%s')" % (server.base, name)
    result, said = board.says(call, allow=False)
    assert result == "True" and "not signed" not in said
    confirm(board)
    assert board.boots() == "MicroPython_2"
    result, said = board.says(call, allow=False)
    assert result == "False" and "runs here already" in said


def test_bundle_of_an_unknown_key(board, server):
    refused(board, "ota.start('%sok/other.molt')" % server.base, "not trusted")


def test_force_factory_takes_a_bundle_too(boards, server):
    board = boards("three")
    board.says(OPEN % server.base)
    confirm(board)
    result, said = board.says("ota.start('%sok/v5.molt', forceFactory=True)" % server.base, allow=False)
    assert result == "True" and "installed: MicroPython next" in said
    assert board.boots() == "MicroPython"


# ---- The page for those who come from LoBo's firmware ----

EXAMPLES = re.search(r"```python examples\n(.*?)```", (TOP / "docs/migrate-from-lobo.md").read_text(), re.S).group(1).splitlines()

# Names and addresses lead to servers of this computer: the calls stay as they stand.
RESOLVER = """import socket, sys
class Here:
    def __getattr__(self, name): return getattr(socket, name)
    def getaddrinfo(self, name, port, *words): return socket.getaddrinfo("127.0.0.1", %d if port == 443 else %d, *words)
sys.modules["usocket"] = Here()
"""


def test_examples_of_the_page(boards, world, tmp_path):
    """As they stand, against a server without ranges; only the name in the certificate is that of the tests' one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=world)
    context = faultserver.make_certificate(tmp_path / "keys", "wrongname")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as plain, \
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        for server in (plain, secure):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        assert len(EXAMPLES) >= 10
        for example in EXAMPLES:
            board = boards("two")
            if "fromfile" in example:
                put(board, world, "MicroPython.bin")
            if "certificate" in example:
                board("f = open('/ca.pem', 'w'); f.write(%r); f.close()" % (tmp_path / "keys/ca.pem").read_text())
            call = example.replace("updates.example", "elsewhere.example")
            done = board(RESOLVER % (secure.server_port, plain.server_port) +
                         "import ota\nota.allow_unsigned = True\nprint('RESULT', %s)" % call)
            if "restart=True" in example:
                assert done.json["boots"] == 3, example + done.stdout
            else:
                assert "RESULT True" in done.stdout, example + done.stdout
                assert board.boots() == ("MicroPython_1" if "set_bootpart" in example else "MicroPython_2"), example
        for server in (plain, secure):
            server.shutdown()
