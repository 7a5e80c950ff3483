"""`molt update` over HTTP: a healthy server, and each fault of a server. Whatever happens, the board still boots, and the same update
against a healthy server completes."""
import json
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib

import pytest

import boards
import faultserver
from conftest import Molt, molt_path


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """A provisioned board that runs version 1, and a published tree with version 2 and its files. Tests work on copies."""
    folder = tmp_path_factory.mktemp("world")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "image.bin")
    molt.ok("key", "new", "bundles.pem")
    molt.ok("key", "new", "channels.pem")
    molt.ok("sim", "new", "sim:board", "--flash", "image.bin")
    boards.write_keys(folder / "board", [(folder / "bundles.pem.pub", boards.BUNDLES), (folder / "channels.pem.pub", boards.CHANNELS)])
    boards.format_vfs(folder / "board")
    molt.ok("sim", "boot", "sim:board")
    release = folder / "release"
    release.mkdir()
    (release / "main.py").write_text("print('version 2')\n")
    (release / "lib.py").write_text("# " + "x" * 5000 + "\n")
    molt.ok("bundle", "create", "-o", "v2.molt", "-k", "bundles.pem", "-s", "2", "-a", firmware, "--app-version", "2.0", "-r", release)
    molt.ok("publish", "tree", "--bundle", "v2.molt", "--channel", "stable", "--key", "channels.pem")
    return folder


@pytest.fixture
def board(world, molt):
    """A copy of the board in the test's own folder."""
    shutil.copytree(world / "board", molt.cwd / "board")
    return "sim:board"


@pytest.fixture(scope="module")
def server(world):
    with faultserver.Server(world / "tree") as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def boots(molt, board):
    """The label of what the boot model starts."""
    return json.loads(molt.ok("sim", "boot", board, "--json"))["running"]


def installs(molt, board, server, tag):
    """The healthy rerun: completes, and the new slot boots."""
    text = molt.ok("update", board, "--from", server.base + "ok,tag=" + tag)
    assert "installed" in text
    assert boots(molt, board) == "ota_1"
    return text


def test_healthy(molt, board, world, server):
    assert boots(molt, board) == "ota_0"
    before = len(server.log)
    text = installs(molt, board, server, "healthy")
    chunks, total, there = map(int, re.search(r"(\d+) of (\d+) chunks written, (\d+) were there", text).groups())
    assert (chunks, there) == (total, 0) and total > 20
    release = {path.split("/", 3)[3]: data for path, data in boards.files(molt.cwd / "board").items() if path.startswith("/rel/")}
    assert release.pop(".list")[:1] >= b"\x80"  # the release's list itself, a CBOR array
    assert release == {path.name: path.read_bytes() for path in (world / "release").iterdir()}
    # One request for the channel, one for head and envelope, one a chunk, few for the files; nothing twice.
    assert len(server.log) - before <= total + 6
    assert "under trial" in molt.fails("update", board, "--from", server.base + "ok")


def test_plan_first(molt, board, server):
    flash = (molt.cwd / "board/flash.bin").read_bytes()
    store = (molt.cwd / "board/store.bin").read_bytes()
    text = molt.ok("update", board, "--from", server.base + "ok", "--dry-run")
    assert "ota_1" in text and "0 of" in text and "/rel/" in text
    assert (molt.cwd / "board/flash.bin").read_bytes() == flash
    assert (molt.cwd / "board/store.bin").read_bytes() == store


def test_from_files(molt, board, world):
    """A tree in a folder, and a bundle in a file."""
    text = molt.ok("update", board, "--from", world / "v2.molt", "--dry-run")
    assert "channel" not in text
    molt.ok("update", board, "--from", world / "tree")
    assert boots(molt, board) == "ota_1"


# Faults that the update gets over by itself.
@pytest.mark.parametrize("fault", [
    "norange", "redirect=3", "chunked", "chunkedplain", "slow=2000000", "short=50000,only=bundles", "short=0,times=2", "reset,times=2",
    "status=503,times=2", "stall=1000,after=3,times=1", "norange,after=6", "short=9000,after=5,times=7"])
def test_gets_over(molt, board, server, fault):
    molt.ok("update", board, "--from", server.base + fault, "--patience", "1")
    assert boots(molt, board) == "ota_1"


# Faults that end in a clean error: what the message says.
@pytest.mark.parametrize("fault, words", [
    ("status=404", "status 404"),
    ("status=404,only=bundles", "status 404"),
    ("status=404,after=9", "status 404"),
    ("status=500,after=9", "status 500"),
    ("loop", "more than 5 redirects"),
    ("elsewhere=ftp:||127.0.0.1", "something else than http"),
    ("short=0,after=9", "the connection ended at byte"),
    ("short=0,only=channels", "ends after 0 bytes"),
    ("stall=0,after=9", "stalled"),
    ("stall=0,only=channels", "stalled"),
    ("drip,after=9", "stalled"),
    ("reset,after=9", "cannot connect"),
    ("changed,after=9", "changed on the server during the download"),
    ("quiet,after=9", "changed on the server during the download"),
    ("badrange=shifted,after=9", "answered with bytes"),
    ("badrange=missing,only=bundles", "without saying which"),
    ("badrange=part200,after=9", "status 200"),
    ("badrange=total,after=9", "changed on the server during the download"),
    ("encoded,after=9", "compressed"),
    ("damage=700000,only=bundles", "chunk"),
    ("damage=100,only=bundles", "signature"),
    ("damage=60,only=channels", "channels/stable: "),
])
def test_ends_cleanly(molt, board, server, fault, words):
    message = molt.fails("update", board, "--from", server.base + fault, "--patience", "1", "--tries", "2")
    assert words in message and message.startswith("molt update: ")
    assert boots(molt, board) == "ota_0"
    installs(molt, board, server, "after-" + re.sub(r"\W", "-", fault))


@pytest.mark.parametrize("kind, trusted", [("good", False), ("wrongname", True), ("expired", True), ("untrusted", True)])
def test_certificates(molt, board, server, world, tmp_path, kind, trusted):
    context = faultserver.make_certificate(tmp_path / "keys", kind)
    with faultserver.Server(world / "tree", context) as secure:
        words = ["update", board, "--from", secure.base + "ok"] + (["--ca", tmp_path / "keys/ca.pem"] if trusted else [])
        message = molt.fails(*words, "--tries", "1")
        assert "certificate" in message
        assert secure.log == []  # not a byte of the request left
    assert boots(molt, board) == "ota_0"
    installs(molt, board, server, "tls-" + kind)


def test_good_certificate(molt, board, world, server, tmp_path):
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    with faultserver.Server(world / "tree", context) as secure:
        down = "elsewhere=http:||127.0.0.1:%d|ok" % server.port
        assert "from https to http" in molt.fails("update", board, "--from", secure.base + down, "--ca", tmp_path / "keys/ca.pem")
        molt.ok("update", board, "--from", secure.base + "ok", "--ca", tmp_path / "keys/ca.pem")
    assert boots(molt, board) == "ota_1"


def test_nobody_listens(molt, board, server):
    assert "cannot connect" in molt.fails("update", board, "--from", "http://127.0.0.1:1/", "--tries", "2")
    assert "cannot connect" in molt.fails("update", board, "--from", "http://no-such-host.invalid/", "--tries", "1")
    assert boots(molt, board) == "ota_0"


def test_wrong_words(molt, board):
    assert "--from" in molt.fails("update", board, code=2)
    assert "--cut" in molt.fails("update", board, "--from", "x", "--cut", "0", code=2)
    assert "--cut-kind" in molt.fails("update", board, "--from", "x", "--cut", "1", "--cut-kind", "odd", code=2)
    assert "channel 'a/b'" in molt.fails("update", board, "--from", "x", "--channel", "a/b")
    assert "no-such-tree/channels/stable" in molt.fails("update", board, "--from", "no-such-tree")


@pytest.mark.parametrize("operation, kind", [(1, "before"), (40, "torn"), (200, "after"), (301, "torn-other")])
def test_power_cut(molt, board, server, operation, kind):
    """Exit code 3, still bootable, and the rerun goes on at the first chunk that differs."""
    done = molt("update", board, "--from", server.base + "ok", "--cut", operation, "--cut-kind", kind)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "power failed at operation %d" % operation in done.stderr
    assert boots(molt, board) == "ota_0"
    text = installs(molt, board, server, "cut")
    written, total, there = map(int, re.search(r"(\d+) of (\d+) chunks written, (\d+) were there", text).groups())
    assert written + there == total
    if operation >= 200:
        assert there > 0 and "resumes" in text


def test_older_channel_is_refused(molt, board, world, server, tmp_path):
    """A recorded channel file, sent again later."""
    maker = Molt(molt.path, world)
    old = (world / "tree/channels/stable").read_bytes()
    tree = tmp_path / "newer"
    shutil.copytree(world / "tree", tree)
    time.sleep(1.1)
    maker.ok("publish", tree, "--bundle", "v2.molt", "--channel", "stable", "--key", "channels.pem", "--rollout", "0")
    text = molt.ok("update", board, "--from", tree)
    assert "nothing to do" in text and "installed" not in text  # its turn has not come
    assert boots(molt, board) == "ota_0"
    maker.ok("publish", tree, "--bundle", "v2.molt", "--channel", "stable", "--key", "channels.pem")
    molt("update", board, "--from", tree, "--cut", "60", check=3)
    (tree / "channels/stable").write_bytes(old)
    assert "channels/stable: " in molt.fails("update", board, "--from", tree)
    assert boots(molt, board) == "ota_0"


def test_a_halt_cannot_be_undone_by_a_replay(molt, board, world, tmp_path):
    """Who was told to wait has seen that channel: the file from before the halt is refused."""
    tree = tmp_path / "halted"
    shutil.copytree(world / "tree", tree)
    old = (tree / "channels/stable").read_bytes()
    Molt(molt.path, world).ok("publish", tree, "--bundle", "v2.molt", "--channel", "stable", "--key", "channels.pem", "--rollout", "0")
    molt.ok("update", board, "--from", tree, "--dry-run")  # stores nothing, as promised
    assert "nothing to do" in molt.ok("update", board, "--from", tree)
    (tree / "channels/stable").write_bytes(old)
    assert "channel is older than one seen before" in molt.fails("update", board, "--from", tree)
    assert boots(molt, board) == "ota_0"


def test_a_bundle_from_a_fast_clock(molt, board, world, firmware, tmp_path):
    """The channel is not older than its bundle: after a cut the device asks for it again."""
    maker = Molt(molt.path, world)
    for name, ahead in (("fast.molt", 200), ("faster.molt", 4000)):
        maker.ok("bundle", "create", "-o", tmp_path / name, "-k", "bundles.pem", "-s", "3", "-a", firmware, "--app-version", "3.0",
                 env={"SOURCE_DATE_EPOCH": str(int(time.time()) + ahead)})
    words = [tmp_path / "tree", "--channel", "stable", "--key", "channels.pem", "--bundle"]
    assert "set this machine's clock" in maker.fails("publish", *words, tmp_path / "faster.molt")
    assert not (tmp_path / "tree").exists()
    maker.ok("publish", *words, tmp_path / "fast.molt")
    molt("update", board, "--from", tmp_path / "tree", "--cut", "60", check=3)
    assert "installed" in molt.ok("update", board, "--from", tmp_path / "tree")


def test_another_bundle_under_that_name(molt, board, world, server, tmp_path):
    """The tree's bundle was replaced: rightly signed, but not what the channel names."""
    maker = Molt(molt.path, world)
    maker.ok("bundle", "create", "-f", "-o", tmp_path / "v3.molt", "-k", "bundles.pem", "-s", "3", "-a", world / "image.bin", "--app-version", "3.0")
    tree = tmp_path / "mixed"
    shutil.copytree(world / "tree", tree)
    bundle, = (tree / "bundles").iterdir()
    shutil.copy(tmp_path / "v3.molt", bundle)
    assert "another bundle than the channel names" in molt.fails("update", board, "--from", tree)
    assert boots(molt, board) == "ota_0"


def test_keys_are_for_one_use(molt, world, server, board, tmp_path):
    """A channel signed by the bundles' key is refused, and the reverse."""
    maker = Molt(molt.path, world)
    maker.ok("publish", tmp_path / "tree", "--bundle", "v2.molt", "--channel", "stable", "--key", "bundles.pem")
    assert "may sign channels" in molt.fails("update", board, "--from", tmp_path / "tree")
    maker.ok("bundle", "create", "-o", tmp_path / "x.molt", "-k", "channels.pem", "-s", "2", "-a", world / "image.bin")
    assert "does not trust for bundles" in molt.fails("update", board, "--from", tmp_path / "x.molt")


def test_a_file_is_no_device(molt, world):
    assert "expected a device" in molt.fails("update", world / "image.bin", "--from", world / "tree")


def test_genuine_server(molt, board, world, tmp_path):
    """The published tree behind a web server that is not ours: aiohttp's static files (ranges, entity tags, If-Range)."""
    program = ("import sys; from aiohttp import web; app = web.Application(); app.router.add_static('/', sys.argv[1]);"
               "web.run_app(app, host='127.0.0.1', port=int(sys.argv[2]), access_log_format='%s', print=None)")
    with faultserver.socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen([sys.executable, "-c", "import logging; logging.basicConfig(level=logging.INFO);" + program,
                                   world / "tree", str(port)], stderr=log)
    try:
        for _ in range(200):
            with faultserver.socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        molt.ok("update", board, "--from", "http://127.0.0.1:%d" % port)
    finally:
        server.terminate()
        server.wait()
    assert boots(molt, board) == "ota_1"
    answers = re.findall(r"aiohttp.access:(\d+)", (tmp_path / "log").read_text())
    assert answers.count("206") > 20 and set(answers) == {"200", "206"}


# ---- Files only ----

@pytest.fixture
def files_only(molt, world):
    molt.ok("bundle", "create", "-o", "files.molt", "-k", world / "bundles.pem", "-s", "3", "-r", world / "release")
    return molt.cwd / "files.molt"


def status(molt, board, code=0):
    return json.loads(molt("ota", "status", board, "--json", check=code).stdout)


def test_files_only(molt, board, files_only):
    """No slot and no record changes; the candidate is told, and can be given up before it ran."""
    flash = molt.cwd / "board/flash.bin"
    offset, _ = boards.partition(molt.cwd / "board", "vfs")
    before = flash.read_bytes()
    assert "files only" in molt.ok("update", board, "--from", files_only, "--dry-run")
    assert flash.read_bytes() == before
    text = molt.ok("update", board, "--from", files_only)
    assert "installed   files only" in text and "ota_0 starts with the new files" in text
    assert flash.read_bytes()[:offset] == before[:offset]
    shown = status(molt, board)
    assert shown["update_phase"] == 2 and "files only" in shown["update"] and not shown["trial"]
    assert (shown["running"], shown["boots_next"]) == ("ota_0", "ota_0") and len(shown["candidate"]) == 64
    assert "/rel/%s/main.py" % shown["candidate"][:16] in boards.files(molt.cwd / "board")
    assert "when they have run" in molt.fails("ota", "confirm", board)
    assert "runs the old files" in molt.ok("ota", "rollback", board)
    shown = status(molt, board)
    assert "is given up" in shown["update"] and shown["boots_next"] == "ota_0"


def phase(board, number):
    """The update's phase as the boot hook stores it."""
    path = board / "store.bin"
    data = bytearray(path.read_bytes())
    at = 4
    while at < len(data):
        length = struct.unpack_from("<H", data, at + 2)[0]
        if data[at] == 1:
            data[at + 8 + 1] = number  # docs/spec/store.md: update
            struct.pack_into("<I", data, at + 4, zlib.crc32(data[at + 8:at + 8 + length]))
        at += 8 + length
    path.write_bytes(data)


def test_files_with_native_code_suit_the_firmware_that_runs(molt, board, world, tmp_path):
    """MicroPython 1.23 loads .mpy 6.3: found in the app that runs, as nothing else says it."""
    (tmp_path / "native").mkdir()
    for minor, good in ((2, False), (3, True)):
        (tmp_path / "native/fast.mpy").write_bytes(bytes((0x4D, 6, 10 << 2 | minor, 31, 0, 0, 0, 0)))  # xtensawin
        molt.ok("bundle", "create", "--force", "-o", "native.molt", "-k", world / "bundles.pem", "-s", 9, "-r", tmp_path / "native")
        before = (molt.cwd / "board/flash.bin").read_bytes()
        if good:
            molt.ok("update", board, "--from", "native.molt")
        else:
            assert "files need another .mpy version" in molt.fails("update", board, "--from", "native.molt")
            assert (molt.cwd / "board/flash.bin").read_bytes() == before


def test_files_only_confirm(molt, board, files_only):
    molt.ok("update", board, "--from", files_only)
    release = status(molt, board)["candidate"]
    phase(molt.cwd / "board", 3)
    shown = status(molt, board)
    assert shown["trial"] and "new files are on trial" in shown["findings"][0]["text"] and not shown["wrong"]
    assert "is confirmed for ota_0" in molt.ok("ota", "confirm", board)
    shown = status(molt, board)
    assert shown["update_phase"] == 6 and shown["candidate"] is None
    assert {slot["name"]: slot["release"] for slot in shown["slots"]}["ota_0"] == release
    assert "nothing to do" in molt.ok("update", board, "--from", files_only)
