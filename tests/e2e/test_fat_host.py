"""FAT boards by the command: provisioned, updated with firmware and files, by `molt` alone and then by a genuine MicroPython. And sectors
of 512 bytes, as MicroPython uses them on boards whose block device says so."""
import json
import subprocess

import pytest

import fsimage
from conftest import TOP, Molt, molt_path

NATIVE, INTERPRETER = TOP / "build/native/molt_x64.mpy", TOP / "build/micropython/micropython"


@pytest.fixture(scope="module")
def board(tmp_path_factory, firmware):
    """A folder with sim:board, its files on FAT, and two bundles with firmware and files."""
    assert NATIVE.exists() and INTERPRETER.exists(), "run scripts/native.sh x64 and scripts/micropython.sh"
    folder = tmp_path_factory.mktemp("fat-host")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("key", "new", "key.pem")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    molt.ok("fs", "mkfs", "--type", "fat", "-f", "sim:board")
    (folder / "boot.py").write_text("print('the user\\'s own boot.py')\n")
    molt.ok("fs", "put", "sim:board", "boot.py")
    for n in (1, 2):
        (folder / ("app%d/data" % n)).mkdir(parents=True)
        (folder / ("app%d/main.py" % n)).write_text(
            "import ota\nprint('VERSION %d', len(open(__file__[:-7] + 'data/a table.bin').read()))\nprint('confirmed', ota.confirm())\n" % n)
        (folder / ("app%d/data/a table.bin" % n)).write_text(str(n) * 9000)
        molt.ok("bundle", "create", "-o", "v%d.molt" % n, "--app", firmware, "--app-version", "%d.0" % n, "--release", "app%d" % n,
                "--key", "key.pem", "-s", n, "--board", "FATBOARD")
    molt.ok("provision", "sim:board", "--key", "key.pem.pub", "--board", "FATBOARD", "--arch", "x64", "--source")
    return molt


def files_lie_on_fat(molt):
    facts = json.loads(molt.ok("fs", "info", "sim:board", "--json"))
    assert facts["kind"] == "FAT" and "nothing is wrong" in molt.ok("fs", "check", "sim:board")


def run(molt):
    return molt.ok("sim", "run", "sim:board", "--micropython", INTERPRETER, timeout=300)


@pytest.mark.fast
def test_provision_and_update(board):
    molt = board
    files_lie_on_fat(molt)
    assert "own boot.py" in molt.ok("fs", "cat", "sim:board", "boot_user.py")
    # Once more changes nothing.
    before = (molt.cwd / "board/flash.bin").read_bytes()
    molt.ok("provision", "sim:board", "--key", "key.pem.pub", "--board", "FATBOARD", "--arch", "x64", "--source")
    assert (molt.cwd / "board/flash.bin").read_bytes() == before
    molt.ok("sim", "boot", "sim:board")
    for n in (1, 2):
        molt.ok("update", "sim:board", "--from", "v%d.molt" % n)
        files_lie_on_fat(molt)
        text = run(molt)
        assert "VERSION %d 9000" % n in text and "confirmed True" in text and "own boot.py" in text
    assert json.loads(molt.ok("ota", "status", "sim:board", "--json"))["running"] == "ota_0"


@pytest.mark.fast
def test_cut_in_an_update(board, tmp_path):
    """Power fails before a sector is written: the same update comes to its end. (Between its erase and its write FAT has no way back.)"""
    molt = Molt(molt_path("MOLT_FAST"), tmp_path)
    subprocess.run(["cp", "-r", str(board.cwd / "board"), str(tmp_path / "board")], check=True)
    key = board.cwd / "key.pem"
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("import ota\nprint('VERSION 3')\nprint('confirmed', ota.confirm())\n")
    (tmp_path / "app/more.bin").write_bytes(bytes(range(256)) * 64)
    molt.ok("bundle", "create", "-o", "v3.molt", "--release", "app", "--key", key, "-s", "3", "--for", "sim:board")
    before = (tmp_path / "board/flash.bin").read_bytes()
    done = molt("update", "sim:board", "--from", "v3.molt", "--cut", 1, check=3)
    assert "power" in done.stderr and (tmp_path / "board/flash.bin").read_bytes() == before
    molt.ok("update", "sim:board", "--from", "v3.molt")
    assert "confirmed True" in run(molt)


@pytest.mark.parametrize("sectors, sector", ((4000, 512), (64, 4096), (60, 512)))
def test_sectors_and_small_volumes(molt, tmp_path, sectors, sector):
    """What MicroPython made we change, what we changed it reads; fsck.fat agrees."""
    size = sectors * sector
    image = tmp_path / "v.img"
    image.write_bytes(b"\xff" * size)
    tree = {"/main.py": b"1" * 700, "/Ä folder": None, "/Ä folder/ö ü.txt": b"2" * 3000, "/empty": b""}
    fsimage.mp_write(image, 0, size, tree, "fat", block=sector)
    molt.ok("fs", "get", "v.img", "/", "out/")
    assert fsimage.read_local(tmp_path / "out") == tree
    (tmp_path / "ö ü.txt").write_bytes(b"3" * 5000)
    molt.ok("fs", "put", "v.img", "ö ü.txt", "Ä folder/")
    molt.ok("fs", "mv", "v.img", "main.py", "/Ä folder/")
    molt.ok("fs", "mkdir", "v.img", "/new")
    tree = {"/Ä folder": None, "/Ä folder/ö ü.txt": b"3" * 5000, "/Ä folder/main.py": b"1" * 700, "/empty": b"", "/new": None}
    assert fsimage.mp_tree(image, 0, size, "fat", block=sector) == fsimage.hashed(tree)
    done = subprocess.run(["fsck.fat", "-n", str(image)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "nothing is wrong" in molt.ok("fs", "check", "v.img")
