"""An adversary at the terminal: strange files and names, closed streams, signals, files that change while they are read. Never a crash,
never a hang, never success on what is wrong; nothing half-written stays, and the message names the thing."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boards
import esp
import pytest
from conftest import Molt, molt_path


def folder(path):
    return sorted(os.listdir(path))


@pytest.fixture(scope="module")
def made(tmp_path_factory, firmware):
    """A key, an image with slots, a bundle and a board that trusts the key; tests copy what they change."""
    place = tmp_path_factory.mktemp("made")
    molt = Molt(molt_path(), place)
    molt.ok("key", "new", "key.pem")
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "ota.bin")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    molt.ok("sim", "boot", "sim:board")
    (place / "rel").mkdir()
    (place / "rel/main.py").write_text("print(1)\n")
    molt.ok("bundle", "create", "-o", "b.molt", "-k", "key.pem", "-s", "1", "-r", "rel")
    molt.ok("bundle", "create", "-o", "app.molt", "-k", "key.pem", "-s", "2", "-a", firmware, "--app-version", "2")
    boards.write_keys(place / "board", [(place / "key.pem.pub", boards.BUNDLES | boards.CHANNELS)])
    return place


@pytest.fixture
def world(made, molt):
    """A copy of `made` in the test's own folder; the command runs there."""
    shutil.copytree(made, molt.cwd, dirs_exist_ok=True)
    return molt.cwd


# ---- What is no file

def test_pipes_and_sockets_are_refused_at_once(molt, world):
    os.mkfifo(world / "odd.molt")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(world)  # a socket's path is short
        listener.bind("sock")
        os.chdir(here)
    for odd, words in (("odd.molt", "pipe"), ("sock", "socket")):
        for command in (["info", odd], ["edit", odd, "-s", "8M", "-o", "x"], ["flash", odd, "sim:board"], ["flash", "ota.bin", odd],
                        ["key", "show", odd], ["bundle", "show", odd], ["bundle", "show", "b.molt", "-k", odd],
                        ["bundle", "create", "-o", "x", "-k", odd, "-s", "1", "-r", "rel"],
                        ["bundle", "create", "-o", "x", "-k", "key.pem", "-s", "1", "-a", odd],
                        ["publish", "tree", "-b", odd, "-c", "c", "-k", "key.pem"], ["publish", "tree", "-b", "b.molt", "-c", "c", "-k", odd],
                        ["sim", "new", "sim:x", "--flash", odd]):
            message = molt.fails(*command, timeout=20)
            assert odd + ": is a" in message and words in message, (command, message)
    assert "odd.molt" in molt.fails("update", "sim:board", "--from", "odd.molt", timeout=20)
    assert not {"x", "tree"} & set(folder(world))


def test_a_device_is_never_replaced(molt, world, firmware):
    os.mknod(world / "null", 0o600 | 0o020000, os.makedev(1, 3))
    (world / "t/channels").mkdir(parents=True)
    os.mknod(world / "t/channels/c", 0o600 | 0o020000, os.makedev(1, 3))
    for command in (["edit", firmware, "-s", "8M", "-o", "null"], ["bundle", "create", "-f", "-o", "null", "-k", "key.pem", "-s", "1", "-r", "rel"],
                    ["publish", "t", "-b", "b.molt", "-c", "c", "-k", "key.pem"], ["key", "new", "null"]):
        molt.fails(*command)
    for path in ("null", "t/channels/c"):
        assert (world / path).is_char_device()


def test_files_of_a_board_that_are_no_files(molt, world):
    for name in ("store.bin", "weak.bin", "board.json", "flash.bin"):
        path = world / "board" / name
        kept = path.read_bytes() if path.exists() else None
        for make in (os.mkfifo, os.mkdir, lambda p: os.symlink(p.name, p), lambda p: os.symlink("/dev/zero", p)):
            path.unlink(missing_ok=True)
            make(path)
            for command in (["info", "sim:board"], ["ota", "status", "sim:board"], ["sim", "boot", "sim:board"],
                            ["update", "sim:board", "--from", "b.molt"], ["ota", "confirm", "sim:board"]):
                assert name in molt.fails(*command, timeout=20), command
            os.rmdir(path) if path.is_dir() else os.unlink(path)
        if kept is not None:
            path.write_bytes(kept)


def test_facts_of_a_board(molt, world):
    path = world / "board/board.json"
    good = json.loads(path.read_text())
    for key, found in good.items():
        wrong = [None, -1, 2**63 - 1, "x" * 5000, [], "\x1b[31m", 1.5]
        for value in wrong[:2 if key == "boots" else None]:
            path.write_text(json.dumps({**good, key: value}))
            if key == "boots" and value == 2**63 - 1:
                continue
            message = molt.fails("info", "sim:board")
            assert 'board.json: "%s": expected ' % key in message and ", found " in message and "\x1b" not in message
        path.write_text(json.dumps({k: v for k, v in good.items() if k != key}))
        assert '"%s": expected ' % key in (message := molt.fails("info", "sim:board")) and "found nothing" in message
    for text in ("", "{", "[]", "null", "\0", "[" * 100000, " " * 70000):
        path.write_text(text)
        assert "board.json" in molt.fails("info", "sim:board")


def test_every_damage_of_the_store_is_noticed(molt, world):
    path = world / "board/store.bin"
    good = path.read_bytes()
    for at in [*range(0, 16), *range(20, len(good), 17)]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1:])
        if at in (4, 5):  # the number of a record and a byte of no meaning are no damage that a CRC could show
            continue
        assert "store.bin" in molt.fails("ota", "status", "sim:board"), at
        assert path.stat().st_size == len(good)
    for size in (0, 3, 5, 11, len(good) - 1):
        path.write_bytes(good[:size])
        assert "store.bin" in molt.fails("update", "sim:board", "--from", "b.molt"), size


# ---- Names

def test_names_do_not_command_a_terminal(molt, world, firmware):
    name = "new\nline\x1b[31m\x07"
    for command in (["info", name], ["info", "sim:" + name], [name], ["edit", firmware, "-s", name, "-n"], ["key", "show", name],
                    ["edit", firmware, "-s", "8M", "-o", "none/" + name], ["bundle", "show", name], ["ota", "set-boot", "sim:board", name]):
        done = molt(*command)
        assert done.returncode in (1, 2) and "new\\x0aline\\x1b[31m\\x07" in done.stderr, (command, done.stderr)
        assert "\x1b" not in done.stderr and done.stderr.count("\n") == 1


def test_long_names(molt, world, firmware):
    out = "o" * 255
    molt.ok("edit", firmware, "-s", "8M", "-o", out)
    molt.ok("bundle", "create", "-o", "b" * 255, "-k", "key.pem", "-s", "1", "-r", "rel")
    molt.ok("key", "new", "k" * 251)
    deep = world / "/".join(["d" * 200] * 8)
    deep.mkdir(parents=True)
    assert "No such file" in molt.fails("info", deep / "none")
    assert "File name too long" in molt.fails("edit", firmware, "-s", "8M", "-o", "o" * 256)
    assert "too long" in molt.fails("edit", firmware, "-s", "8M", "-o", "o/" * 2500)
    assert not [name for name in folder(world) if "tmp" in name]


def test_names_that_are_no_utf8(molt, world):
    shutil.copy(world / "b.molt", os.fsencode(world) + b"/b\xff.molt")
    os.rename(world / "board", os.fsencode(world) + b"/o\xfe")
    for words in (["bundle", "show", "--json", b"b\xff.molt"], ["ota", "status", "-j", b"sim:o\xfe"], ["info", "-j", b"sim:o\xfe"]):
        done = subprocess.run([molt.path, *words], cwd=world, capture_output=True)
        assert done.returncode == 0 and isinstance(json.loads(done.stdout), dict), done
    (world / "rel" / os.fsdecode(b"n\xff.py")).write_text("")
    done = subprocess.run([molt.path, "bundle", "create", "-o", "x", "-k", "key.pem", "-s", "1", "-r", "rel"], cwd=world, capture_output=True)
    assert done.returncode == 1 and b"rel/n\\xff.py: its name is not UTF-8" in done.stderr


def test_empty_words(molt, world, firmware):
    assert "name is empty" in molt.fails("edit", firmware, "-s", "8M", "-o", "")
    for option in ("--board", "--product"):
        assert "expected" in molt.fails("bundle", "create", "-o", "x", "-k", "key.pem", "-s", "1", "-r", "rel", option, "", code=2)
    assert "is a board" in molt.fails("edit", firmware, "-s", "8M", "-o", "sim:board")
    assert "sim:board" not in folder(world) and "x" not in folder(world)


def test_options(molt, firmware):
    assert "'-Z'" in molt.fails("edit", "-nZ", firmware, code=2)
    assert "takes no value" in molt.fails("edit", "--dry-run=yes", firmware, code=2)


def test_output_through_a_link(molt, world, firmware):
    (world / "real").write_bytes(b"old")
    (world / "real").chmod(0o640)
    os.symlink("real", world / "link")
    os.symlink("link2", world / "link2")
    molt.ok("edit", firmware, "-s", "8M", "-o", "link")
    assert (world / "link").is_symlink() and (world / "real").stat().st_size > 1e6 and (world / "real").stat().st_mode & 0o777 == 0o640
    assert "Too many levels" in molt.fails("edit", firmware, "-s", "8M", "-o", "link2")


# ---- Streams

CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams(molt, world, closed):
    """No file may take the number of a closed stream: what is printed would be written into it."""
    before = (world / "board/flash.bin").read_bytes()
    for command in (["flash", "-n", "ota.bin", "sim:board"], ["ota", "status", "sim:board"], ["info", "none"]):
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" ' + closed, molt.path, *command], cwd=world, capture_output=True)
        assert done.returncode == (1 if ">&- " in closed + " " and closed != "2>&-" or command[0] == "info" else 0), done
        assert (world / "board/flash.bin").read_bytes() == before
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" ' + closed, molt.path, "key", "new", "k"], cwd=world, capture_output=True)
    assert (world / "k").read_bytes().startswith(b"-----BEGIN") and (world / "k").read_bytes().endswith(b"-----\n")


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["help", "info"], ["help", "--man", "info"], ["info", "--help"]])
def test_full_output(molt, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([molt.path, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output" in done.stderr


# ---- Files that change

def test_input_that_shrinks(molt, world, firmware):
    data, path, stop = firmware.read_bytes(), world / "fw.bin", threading.Event()
    path.write_bytes(data)

    def shrink():
        while not stop.is_set():
            os.truncate(path, 0x9000)
            path.write_bytes(data)
    thread = threading.Thread(target=shrink)
    thread.start()
    try:
        for command in (["info", "fw.bin"], ["edit", "fw.bin", "-s", "8M", "-o", "x.bin"], ["flash", "-n", "fw.bin", "sim:board"]) * 5:
            assert molt(*command).returncode in (0, 1)
    finally:
        stop.set()
        thread.join()


def test_board_that_shrinks(molt, world, monkeypatch):
    """flash.bin is mapped: cut short by someone else, it must not end the process without a word."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    bundle = (world / "app.molt").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if len(requests) == 1:
                os.truncate(world / "board/flash.bin", 0x1000)
            requests.append(self.path)
            first, last = map(int, self.headers["Range"][6:].split("-"))
            part = bundle[first:last + 1]
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, first + len(part) - 1, len(bundle)))
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_):
            pass

    requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        message = molt.fails("update", "sim:board", "--from", "http://127.0.0.1:%d/a.molt" % server.server_port)
    finally:
        server.shutdown()
        server.server_close()
    assert "flash.bin was made shorter" in message


# ---- Signals

def ended(molt, world, words, how, after):
    """Runs a command and ends it; the time that it would take is not known, so callers try several."""
    process = subprocess.Popen([molt.path, *map(str, words)], cwd=world, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(after)
    process.send_signal(how)
    message = process.communicate()[1]
    assert b"Sanitizer" not in message, message
    assert process.returncode in (0, -how), message


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_ended_in_the_middle(molt, world, firmware, how):
    started = time.monotonic()
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "whole.bin")
    took = time.monotonic() - started
    whole = hashlib.sha256((world / "whole.bin").read_bytes()).digest()
    names = set(folder(world))
    commands = (["edit", firmware, "-s", "8M", "-l", "ota", "-o", "x"], ["sim", "new", "sim:x", "--flash", "ota.bin"],
                ["bundle", "create", "-o", "x", "-k", "key.pem", "-s", "1", "-r", "rel"], ["publish", "x", "-b", "b.molt", "-c", "c", "-k", "key.pem"])
    for step in range(8):
        for words in commands:
            ended(molt, world, words, how, took * (step + 1) / 8)
            assert set(folder(world)) <= names | {"x"}
            out = world / "x"
            if words[0] == "edit" and out.exists():
                assert hashlib.sha256(out.read_bytes()).digest() == whole
            if words[0] == "sim" and out.exists() and how != signal.SIGKILL:
                assert {"board.json", "flash.bin"} <= set(folder(out))
                molt.ok("info", "sim:x")
            if words[0] == "bundle" and out.exists():
                molt.ok("bundle", "show", "-k", "key.pem", "x")
            if out.is_dir():
                assert not [name for _, _, files in os.walk(out) for name in files if "tmp" in name]
                shutil.rmtree(out)
            out.unlink(missing_ok=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=str)
def test_ended_board_goes_on(molt, world, how):
    for after in (0.02, 0.05, 0.08, 0.12):
        ended(molt, world, ["update", "sim:board", "--from", "app.molt"], how, after)
        left = {name for name in folder(world / "board") if how != signal.SIGKILL or not name.startswith(".molt-")}
        assert left <= {"board.json", "flash.bin", "lock", "store.bin", "weak.bin"}
        molt.ok("sim", "boot", "sim:board", "--reset")
        molt("ota", "confirm", "sim:board")  # of an update that was faster than the signal
    ended(molt, world, ["flash", "ota.bin", "sim:board"], how, 0.05)
    molt.ok("flash", "ota.bin", "sim:board")
    molt.ok("sim", "boot", "sim:board")


# ---- Two at once, no permission, no room

def test_two_at_once(molt, world):
    import fcntl
    with open(world / "board/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (["info", "sim:board"], ["flash", "ota.bin", "sim:board"], ["ota", "status", "sim:board"], ["sim", "boot", "sim:board"],
                        ["sim", "run", "sim:board"], ["update", "sim:board", "--from", "app.molt"], ["ota", "confirm", "sim:board"]):
            assert "in use by another process" in molt.fails(*command)


def test_no_permission(molt, world, firmware, tmp_path_factory):
    assert os.geteuid() == 0, "this test changes the user, so it needs root"
    place = pathlib.Path("/tmp/molt-hostile-%d" % os.getpid())
    place.mkdir(mode=0o755)
    try:
        shutil.copy(molt.path, place / "molt")
        shutil.copy(firmware, place / "fw.bin")
        shutil.copy(world / "key.pem", place / "key.pem")
        shutil.copytree(world / "board", place / "board")
        shutil.copytree(world / "rel", place / "rel")
        shutil.copy(world / "b.molt", place / "b.molt")
        (place / "fw.bin").chmod(0o644)
        before = folder(place)
        for words, thing in ((["edit", "fw.bin", "-s", "8M", "-o", "x"], "x: "), (["key", "new", "x"], "x: "), (["key", "show", "key.pem"], "key.pem: "),
                             (["bundle", "create", "-o", "x", "-k", "key.pem", "-s", "1", "-r", "rel"], "key.pem: "), (["sim", "new", "sim:x"], "x: "),
                             (["ota", "status", "sim:board"], "board/"), (["flash", "fw.bin", "sim:board"], "board/")):
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", place / "molt", *words], cwd=place,
                                  capture_output=True, text=True)
            assert done.returncode == 1 and thing in done.stderr and "Permission denied" in done.stderr, (words, done)
            assert folder(place) == before
    finally:
        shutil.rmtree(place)


def test_no_room(molt, world, firmware):
    disk = world / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        (disk / "fill").write_bytes(bytes(60 << 10))
        for words in (["edit", firmware, "-s", "8M", "-o", "disk/x"], ["sim", "new", "sim:disk/x"],
                      ["bundle", "create", "-o", "disk/x", "-k", "key.pem", "-s", "1", "-a", firmware],
                      ["publish", "disk/x", "-b", "app.molt", "-c", "c", "-k", "key.pem"]):
            assert "No space left" in (message := molt.fails(*words)) and "disk/x" in message
            left = [name for _, _, files in os.walk(disk) for name in files]
            assert left == ["fill"], words
            shutil.rmtree(disk / "x", ignore_errors=True)
    finally:
        subprocess.run(["umount", disk], check=True)


# ---- Firmware with something changed

def test_names_inside_a_firmware(molt, world, firmware):
    data = firmware.read_bytes()
    rows = (esp.NVS, esp.OTADATA, esp.OTA_0.replace(b"ota_0", b"o\x1b[1m"), esp.OTA_1.replace(b"ota_1", b"o\xff\xfeab"), esp.VFS)
    (world / "t.bin").write_bytes(esp.dump(esp.with_table(data, *rows)))
    at = data.index(b"v1.23.0")
    (world / "v.bin").write_bytes(data[:at] + b"\x1b[3m\n\xff" + data[at + 6:])
    for name in ("t.bin", "v.bin"):
        for words in (["info", name], ["info", "-j", name], ["ota", "status", name], ["ota", "status", "-j", name]):
            done = subprocess.run([molt.path, *words], cwd=world, capture_output=True)
            assert done.returncode in (0, 1) and b"Sanitizer" not in done.stderr and b"\x1b" not in done.stdout + done.stderr, done
            if "-j" in words and done.stdout:
                json.loads(done.stdout)
    rows = (esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1.replace(b"ota_1", b"o\xff\xfeab"), esp.VFS)
    (world / "t.bin").write_bytes(esp.dump(esp.with_table(data, *rows)))
    assert len(json.loads(molt("ota", "status", "-j", "t.bin").stdout)["slots"]) == 2
