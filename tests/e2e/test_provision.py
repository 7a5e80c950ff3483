"""`molt provision` on folders, images and simulated boards; what it put there is read by littlefs-python and a genuine MicroPython."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from littlefs import LittleFS

import boards
from conftest import Molt, molt_path

TOP = pathlib.Path(__file__).resolve().parents[2]
PORT = TOP / "ports/micropython"
ARCHS = ["x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin"]
VFS = 0x200000  # of the genuine firmware's table


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """Keys, an image with two slots, and a folder of engines and bytecode that nobody runs."""
    folder = tmp_path_factory.mktemp("provision")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    for n in range(6):
        molt.ok("key", "new", "k%d" % n)
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    (folder / "native/ota").mkdir(parents=True)
    for arch in ARCHS:
        (folder / ("native/molt_%s.mpy" % arch)).write_bytes(b"M\x06" + arch.encode())
    (folder / "source").mkdir()
    for arch in ARCHS:
        shutil.copy(folder / ("native/molt_%s.mpy" % arch), folder / "source")
    for path in (PORT / "ota").glob("*.py"):
        (folder / "native/ota" / built(path.stem)).write_bytes(b"M\x06\x00\x1f" + path.stem.encode())
    return folder


@pytest.fixture
def put(molt, world):
    """Runs provision with the world's folder of engines; returns what it printed."""
    def put(target, *words, key="k0.pub", native="native", check=0):
        done = molt("provision", target, "--key", world / key, "--native", world / native, *words, check=check)
        return done.stdout if check == 0 else done.stderr
    return put


def modules():
    return sorted(path.stem for path in (PORT / "ota").glob("*.py"))


def built(module):
    """Its file as scripts/package.sh makes it."""
    return module + (".py" if module == "_bare" else ".mpy")


def tree(folder):
    return {"/" + str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_image(path, base=0x1000):
    """The files of a firmware file's vfs, by littlefs-python."""
    data = path.read_bytes()
    table = data[0x8000 - base:0x8C00 - base]
    for at in range(0, len(table), 32):
        if table[at:at + 2] == b"\xaaP" and table[at + 12:at + 28].rstrip(b"\0") == b"vfs":
            offset, size = (int.from_bytes(table[at + n:at + n + 4], "little") for n in (4, 8))
    fs = LittleFS(block_size=4096, block_count=size // 4096, read_size=32, prog_size=32, mount=False)
    fs.context.buffer = bytearray(data[offset - base:offset - base + size])
    fs.mount()
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            with fs.open(folder.rstrip("/") + "/" + name, "rb") as file:
                found[folder.rstrip("/") + "/" + name] = file.read()
    return found


def key_of(world, name):
    return boards.public_key(world / name).hex()


# ---- Folders


def test_folder(molt, put, world, tmp_path):
    (tmp_path / "root").mkdir()
    plan = put("root", "--arch", "armv6m", "--dry-run")
    assert "boot.py" in plan and "nothing was written" in plan and not tree(tmp_path / "root")
    assert "has no name" in plan and "has no name" not in put("root", "--arch", "armv6m", "--board", "PICO", "--dry-run")
    put("root", "--arch", "armv6m", "--board", "PICO", "--id", "7", "--url", "http://u/t", "--channel", "beta", "--allow-unsigned")
    found = tree(tmp_path / "root")
    assert sorted(found) == sorted(["/boot.py", "/ota.json", "/lib/molt_armv6m.mpy"] + ["/lib/ota/" + built(name) for name in modules()])
    assert found["/boot.py"] == (PORT / "boot.py").read_bytes()
    assert json.loads(found["/ota.json"]) == {"url": "http://u/t", "channel": "beta", "board": "PICO", "id": "7",
                                              "keys": [{"use": "both", "key": key_of(world, "k0.pub")}], "allow_unsigned": True}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "root").rglob("*")}
    assert put("root", "--arch", "armv6m") == "provisioned already: root\n"
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "root").rglob("*")}


def test_all_architectures(put, tmp_path):
    (tmp_path / "root").mkdir()
    put("root", "--arch", "all", "--board", "X")
    assert sorted(path.name for path in (tmp_path / "root/lib").glob("*.mpy")) == sorted("molt_%s.mpy" % arch for arch in ARCHS)


def test_keys_are_merged(put, world, tmp_path):
    """A second key joins the first, a use widens; what else is in ota.json stays."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/ota.json").write_text('{"mine": [1, {"a": null}], "channel": "beta"}')
    put("root", "--arch", "x64", key="k0.pub:bundles")
    put("root", "--arch", "x64", "--key", str(world / "k2.pub") + ":both", "--use", "channels", "--url", "http://u/", key="k1.pub")
    put("root", "--arch", "x64", key="k0.pub:channels")
    site = json.loads((tmp_path / "root/ota.json").read_text())
    assert site["mine"] == [1, {"a": None}] and site["channel"] == "beta" and "board" not in site
    assert [(row["use"], row["key"]) for row in site["keys"]] == [
        ("both", key_of(world, "k0.pub")), ("channels", key_of(world, "k1.pub")), ("both", key_of(world, "k2.pub"))]
    put("root", "--arch", "x64", key="k3.pub")
    before = tree(tmp_path / "root")
    assert "no more fit" in put("root", "--arch", "x64", key="k4.pub", check=1)
    assert tree(tmp_path / "root") == before


def test_source_and_bytecode(put, world, tmp_path):
    """MicroPython takes a .py before the .mpy: the other form goes."""
    (tmp_path / "root").mkdir()
    put("root", "--arch", "x64", "--source", "--board", "X")
    package = tmp_path / "root/lib/ota"
    (package / "own.py").write_text("mine")
    assert sorted(path.stem for path in package.glob("*.py")) == sorted(modules() + ["own"]) and not list(package.glob("*.mpy"))
    assert "another form" in put("root", "--arch", "x64")
    assert sorted(path.name for path in package.iterdir()) == sorted([*map(built, modules()), "own.py"])
    assert (package / "_bare.py").read_bytes() == (world / "native/ota/_bare.py").read_bytes()
    put("root", "--arch", "x64", "--source")
    assert sorted(path.stem for path in package.glob("*.py")) == sorted(modules() + ["own"]) and not list(package.glob("*.mpy"))


def test_old_bytecode_is_not_put(put, world, tmp_path):
    shutil.copytree(world / "native", tmp_path / "native")
    os.utime(tmp_path / "native/ota/_update.mpy", (1, 1))
    (tmp_path / "root").mkdir()
    assert "_update.mpy is older" in put("root", "--arch", "x64", native=tmp_path / "native")
    assert not list((tmp_path / "root/lib/ota").glob("*.mpy"))


def test_own_boot(put, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "boot.py").write_text("mine")
    (root / "boot_user.py").write_text("mine")  # a run before was cut
    assert "boot_user.py" in put("root", "--arch", "x64")
    assert (root / "boot_user.py").read_text() == "mine" and (root / "boot.py").read_bytes() == (PORT / "boot.py").read_bytes()
    (root / "boot.py").write_text("other")
    before = tree(root)
    assert "join the two by hand" in put("root", "--arch", "x64", check=1)
    assert tree(root) == before


@pytest.mark.parametrize("content, words", [
    (b"{", "is no JSON"), (b"[]", "expected a JSON object"), (b'{"keys": 1}', "expected an array"),
    (b'{"keys": [{"use": "all", "key": ""}]}', "without use or key"), (b"\xff", "is no JSON"), (b'{"a": 1, "a": 2}', "is no JSON")])
def test_bad_site(put, tmp_path, content, words):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/ota.json").write_bytes(content)
    assert words in put("root", "--arch", "x64", check=1)
    assert tree(tmp_path / "root") == {"/ota.json": content}


@pytest.mark.parametrize("words, expected", [
    ([], "say --arch NAME"),
    (["--arch", "z80"], "expected x64, armv6m"),
    (["--arch", "x64", "--board", ""], "printable"),
    (["--arch", "x64", "--board", "x" * 40], "printable"),
    (["--arch", "x64", "--id", ""], "1 to 64 bytes"),
    (["--arch", "x64", "--id", "x" * 65], "1 to 64 bytes"),
    (["--arch", "x64", "--id", b"\xff"], "not UTF-8"),
    (["--arch", "x64", "-o", "x.bin"], "--output"),
])
def test_bad_words(molt, world, tmp_path, words, expected):
    (tmp_path / "root").mkdir()
    done = subprocess.run([molt.path, "provision", "root", "--key", world / "k0.pub", "--native", world / "native", *words], cwd=tmp_path,
                          capture_output=True)
    assert done.returncode == 1 and expected in done.stderr.decode() and not tree(tmp_path / "root")


def test_bad_command_lines(molt, world, tmp_path):
    (tmp_path / "root").mkdir()
    for words, expected in [([], "--key FILE"), (["--key", ""], "name of a file"), (["--key", ":both"], "name of a file"),
                            (["--key", "a", "--use", "some"], "found 'some'"), (["--key", "a"] * 5, "more than 4"),
                            (["--key", "a", "--channel", "c"], "--url"), (["--key", "a", "--cut", "0"], "from 1")]:
        assert expected in molt("provision", "root", *words, check=2).stderr


# ---- Images


@pytest.mark.fast
def test_image(molt, put, world, tmp_path, firmware):
    """Blank: formatted. The genuine firmware file ends before its vfs: it grows."""
    image = tmp_path / "image.bin"
    shutil.copy(world / "ota.bin", image)
    before = image.read_bytes()
    assert "empty file system" in put("image.bin", "--dry-run") and image.read_bytes() == before
    put("image.bin", "-o", "out.bin", "--board", "ESP32_GENERIC", "--url", "http://u/")
    assert image.read_bytes() == before
    put("image.bin", "--board", "ESP32_GENERIC", "--url", "http://u/")
    assert image.read_bytes() == (tmp_path / "out.bin").read_bytes() and image.read_bytes()[:len(before)] == before
    found = in_image(image)
    assert sorted(found) == sorted(["/boot.py", "/ota.json", "/lib/molt_xtensawin.mpy"] + ["/lib/ota/" + built(name) for name in modules()])
    again = image.read_bytes()
    assert put("image.bin") == "provisioned already: image.bin\n" and image.read_bytes() == again
    put("image.bin", key="k1.pub:channels")
    assert [row["use"] for row in json.loads(in_image(image)["/ota.json"])["keys"]] == ["both", "channels"]


@pytest.mark.fast
def test_image_that_cannot(molt, put, world, tmp_path, firmware):
    def refused(name, words):
        before = (tmp_path / name).read_bytes()
        assert words in put(name, check=1)
        assert (tmp_path / name).read_bytes() == before

    (tmp_path / "text").write_text("hello, this is no image")
    refused("text", "expected a firmware file")
    (tmp_path / "app.bin").write_bytes(firmware.read_bytes()[0xF000:])
    refused("app.bin", "expected a device")
    (tmp_path / "table.bin").write_bytes(firmware.read_bytes()[0x7000:0x7C00])
    refused("table.bin", "expected a device")
    data = (world / "ota.bin").read_bytes()
    (tmp_path / "no-table.bin").write_bytes(data[:0x7000] + b"\xff" * 0xC00 + data[0x7C00:])
    refused("no-table.bin", "able")
    put_ok = tmp_path / "other.bin"
    shutil.copy(world / "ota.bin", put_ok)
    put("other.bin", "--board", "X")
    data = bytearray(put_ok.read_bytes())
    at = data.rindex(b"littlefs") // 4096 * 4096
    data[at:] = b"\x55" * (len(data) - at)
    (tmp_path / "other.bin").write_bytes(data)
    refused("other.bin", "littlefs")
    assert "cannot open" in put("none.bin", check=1)


# ---- Simulated boards


@pytest.mark.fast
def test_first_update_of_a_provisioned_image(molt, world, tmp_path, firmware):
    """A board made from the image enrols itself and takes the first signed update, by a genuine MicroPython."""
    native, interpreter = TOP / "build/native/molt_x64.mpy", TOP / "build/micropython/micropython"
    assert native.exists() and interpreter.exists(), "run scripts/native.sh x64 and scripts/micropython.sh"
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("import ota\nprint('PAIR', ota.pair())\nprint('confirmed', ota.confirm())\n")
    molt.ok("bundle", "create", "-o", "v1.molt", "--app", firmware, "--app-version", "1", "--release", "app", "--key", world / "k0", "-s", "1",
            "--board", "MY_BOARD")
    molt.ok("provision", world / "ota.bin", "-o", "image.bin", "--key", world / "k0.pub", "--board", "MY_BOARD", "--arch", "x64", "--source")
    molt.ok("sim", "new", "sim:board", "--flash", "image.bin")
    molt.ok("sim", "boot", "sim:board")
    shutil.copy(tmp_path / "v1.molt", tmp_path / "board")
    (tmp_path / "script.py").write_text("import ota\nota.update('file:/v1.molt')\n")
    fs_put(tmp_path / "board", "/v1.molt", (tmp_path / "v1.molt").read_bytes())
    text = molt.ok("sim", "run", "sim:board", "--micropython", interpreter, "script.py", timeout=300)
    shown = json.loads(molt.ok("ota", "status", "sim:board", "--json"))
    assert shown["running"] == "ota_1" and "confirmed True" in text, text
    # Files alone by the command: tried and confirmed on the same firmware.
    (tmp_path / "app/main.py").write_text("import ota\nprint('NEW FILES', ota.confirm())\n")
    molt.ok("bundle", "create", "-o", "v2.molt", "--release", "app", "--key", world / "k0", "-s", "2", "--for", "sim:board")
    assert ".mpy        6.3" in molt.ok("bundle", "show", "v2.molt")
    molt.ok("update", "sim:board", "--from", "v2.molt")
    release = json.loads(molt.ok("ota", "status", "sim:board", "--json"))["candidate"]
    text = molt.ok("sim", "run", "sim:board", "--micropython", interpreter, timeout=300)
    assert "NEW FILES True" in text
    shown = json.loads(molt.ok("ota", "status", "sim:board", "--json"))
    assert (shown["running"], shown["update_phase"], shown["candidate"]) == ("ota_1", 6, None)
    assert {slot["name"]: slot["release"] for slot in shown["slots"]}["ota_1"] == release


def fs_put(board, name, content):
    offset, size = boards.partition(board, "vfs")
    fs = LittleFS(block_size=4096, block_count=size // 4096, read_size=32, prog_size=32, mount=False)
    data = bytearray((board / "flash.bin").read_bytes())
    fs.context.buffer = data[offset:offset + size]
    fs.mount()
    with fs.open(name, "wb") as file:
        file.write(content)
    data[offset:offset + size] = fs.context.buffer
    (board / "flash.bin").write_bytes(data)


@pytest.mark.fast
def test_power_cuts(molt, put, world, tmp_path):
    """Power fails at operation n: the board boots what it booted, and provisioning again ends as without the cut."""
    molt.ok("sim", "new", "sim:fresh", "--flash", world / "ota.bin")
    molt.ok("sim", "boot", "sim:fresh")
    shutil.copytree(tmp_path / "fresh", tmp_path / "whole")
    put("sim:whole", "--url", "http://u/")
    expected = boards.files(tmp_path / "whole")
    cuts, n = 0, 1
    while True:
        shutil.rmtree(tmp_path / "board", ignore_errors=True)
        shutil.copytree(tmp_path / "fresh", tmp_path / "board")
        done = molt("provision", "sim:board", "--key", world / "k0.pub", "--native", world / "native", "--url", "http://u/", "--cut", n)
        if done.returncode == 0:
            break
        assert done.returncode == 3, done.stderr
        assert json.loads(molt.ok("sim", "boot", "sim:board", "--json"))["running"] == "ota_0"
        put("sim:board", "--url", "http://u/")
        found = boards.files(tmp_path / "board")
        found.pop("/molt.new", None)
        assert found == expected, n
        assert put("sim:board", "--url", "http://u/") == "provisioned already: sim:board\n"
        cuts += 1
        n += 1 if n < 12 else 13  # the format and the store one by one, then a file's writes here and there
    assert cuts > 15
