"""An output is never one of the files that a command reads, under whatever name."""
import hashlib
import os

import pytest

import esp
import fsimage

ROWS = [esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(0, 0, 0x10000, 0x10000, "factory"), esp.row(1, 0x81, 0x20000, 0x10000, "vfs")]
CASES = ["fs rm f.bin /main.py -o OUT", "fs put f.bin app/ / -o OUT", "fs mkfs f.bin --force -o OUT", "fs build app --from f.bin -o OUT",
         "write f.bin vfs=vfs.img -o OUT", "erase f.bin vfs --force -o OUT", "edit f.bin --delete vfs --force -o OUT", "info f.bin --svg OUT",
         "csv f.bin -o OUT", "extract f.bin -o OUT", "read f.bin vfs -o OUT", "convert f.bin OUT"]
OTHERS = ["write f.bin vfs=vfs.img -o vfs.img", "fs put f.bin app/main.py / -o app/main.py", "edit f.bin --table table.csv -o table.csv",
          "merge boot.bin table.csv app.bin vfs=vfs.img -o vfs.img", "merge boot.bin table.csv app.bin -o app.bin"]


@pytest.fixture
def world(molt, firmware, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_bytes(b"print(2)\n")
    (tmp_path / "vfs.img").write_bytes(fsimage.lfs_image({"/main.py": b"print(1)\n"}, 0x10000))
    (tmp_path / "new.bin").write_bytes(esp.tiny(firmware.read_bytes(), *ROWS))
    molt.ok("write", "new.bin", "vfs=vfs.img", "-o", "f.bin")
    molt.ok("read", "f.bin", "bootloader=boot.bin")
    molt.ok("extract", "f.bin", "-o", "app.bin")
    molt.ok("csv", "f.bin", "-o", "table.csv")
    os.symlink("f.bin", tmp_path / "link.bin")
    os.link(tmp_path / "f.bin", tmp_path / "hard.bin")
    return tmp_path


def hashes(folder):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", CASES + OTHERS)
def test_no_input_is_overwritten(command, world, molt):
    before = hashes(world)
    for out in ("f.bin", "link.bin", "hard.bin") if "OUT" in command else ("",):
        words = command.replace("OUT", out).split()
        assert "input" in molt.fails(*words) and hashes(world) == before, words


def test_a_file_system_behind_the_last_partition_grows_in_the_plan(world, molt):
    """What a larger flash does to it is said; --dry-run says the same."""
    molt.ok("edit", "new.bin", "--delete", "vfs", "-o", "norow.bin")
    molt.ok("fs", "mkfs", "norow.bin")
    molt.ok("fs", "put", "norow.bin", "app/main.py")
    said = molt.ok("edit", "norow.bin", "-s", "8M", "-o", "large.bin")
    assert "its file system grows from 0x3e0000 bytes to 0x7e0000" in said and "is not used" not in said
    assert said.split("written:")[0] == molt.ok("edit", "norow.bin", "-s", "8M", "-n").split("nothing was written")[0]
    assert molt.json("fs", "info", "large.bin")["bytes"] == 0x7e0000
    assert molt.ok("fs", "cat", "large.bin", "/main.py") == "print(2)\n"


@pytest.mark.parametrize("place", ["factory", "nvs", "0x10000+64K", "0x18000+32K", "0x1000+28K", "0x8000+8K", "0x9000+24K", "0x1f000+8K"])
def test_no_file_system_over_what_is_not_for_files(place, world, molt):
    """Not with --force either, and not when the place is written as a range."""
    before = hashes(world)
    assert "is not for files" in molt.fails("fs", "mkfs", "f.bin", "--force", "-p", place)
    assert hashes(world) == before
    molt.ok("fs", "mkfs", "f.bin", "--force", "-p", "0x20000+32K", "-o", "made.bin")


def test_kinds_have_their_article(world, molt):
    assert "is an app image, expected a firmware file" in molt.fails("edit", "app.bin", "-s", "8M", "-n")
    assert "is an app image and has no partition table" in molt.fails("csv", "app.bin")
    assert "app.bin: an app image, which holds no file system" in molt.fails("fs", "ls", "app.bin")
    assert "is a file system image, expected a firmware file" in molt.fails("edit", "vfs.img", "-s", "8M", "-n")


@pytest.mark.parametrize("file, place", [("vfs.img", "vfs"), ("table.bin", "table"), ("boot.bin", "bootloader")])
def test_flash_says_how_a_part_is_written(file, place, world, molt):
    """What it prints does it."""
    molt.ok("read", "f.bin", "table=table.bin")
    molt.ok("sim", "new", "sim:b", "--flash", "new.bin")
    before = (world / "b/flash.bin").read_bytes()
    for more in (), ("--slot", "factory"):
        said = molt.fails("flash", file, "sim:b", *more)
        assert "'molt write sim:b %s=%s' writes it" % (place, file) in said
    assert (world / "b/flash.bin").read_bytes() == before
    molt.ok("write", "sim:b", "%s=%s" % (place, file))
