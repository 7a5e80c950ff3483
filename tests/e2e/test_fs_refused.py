"""What `molt fs` refuses: the command, what it says, its exit code; nothing changed on disk."""
import hashlib
import os
import shlex
import shutil
import struct
import zlib

import pytest

import esp
import fsimage

TREE = {"/main.py": b"print(1)\n", "/lib": None, "/lib/a.py": b"a" * 5000, "/Read": b"1", "/read": b"2"}


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    folder = tmp_path_factory.mktemp("refused")
    whole = firmware.read_bytes()
    data = whole[:0x10000]  # the app plays no part
    (folder / "new.bin").write_bytes(data)
    (folder / "fs.img").write_bytes(fsimage.lfs_image(TREE, 32 * 4096))
    (folder / "junk.bin").write_bytes(data.ljust(0x1FF000, b"\xff") + b"something else" * 1000)
    (folder / "app.bin").write_bytes(esp.app_of(whole)[:70000])
    (folder / "novfs.bin").write_bytes(esp.with_table(data, esp.NVS, esp.row(0, 0, 0x10000, 0x3F0000, "factory")))
    (folder / "notable.bin").write_bytes(data[:0x7000] + b"\xff" * 0x1000 + data[0x8000:])
    (folder / "a.py").write_text("a")
    (folder / "there").mkdir()
    (folder / "there/main.py").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "app").mkdir()
    (folder / "app/one").write_bytes(b"x" * 30000)
    (folder / "app/two").write_bytes(b"x" * 99000)
    (folder / "more").mkdir()
    (folder / "more/a.py").write_text("b")
    for name in ("bad", "loop", "dangling", "pipe", "latin", "circle"):
        (folder / name).mkdir()
    (folder / "bad/bad").write_text("")
    (folder / "loop/again").symlink_to("../loop")
    (folder / "dangling/link").symlink_to("nowhere")
    (folder / "circle/x").symlink_to("x")
    os.mkfifo(folder / "pipe/fifo")
    with open(os.fsencode(folder / "latin") + b"/caf\xe9", "w"):
        pass
    (folder / "linked").mkdir()
    (folder / "linked/lib").symlink_to("../empty")
    (folder / "linkfile").mkdir()
    (folder / "linkfile/main.py").symlink_to("../a.py")
    (folder / "clash").mkdir()
    (folder / "clash/main.py").mkdir()
    return folder


def state(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        elif path.is_file():
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[str(path)] = None
    return found


LONG = "n" * 256
REFUSED = [
    # targets and places
    ("ls missing.img", "missing.img: cannot open: No such file or directory", 1),
    ("ls app.bin", "app image, which holds no file system", 1),
    ("ls new.bin", "no littlefs and no FAT in vfs (at 0x200000, 2097152 bytes), which is erased: 'molt fs mkfs' makes one", 1),
    ("ls junk.bin", "in vfs (at 0x200000, 2097152 bytes), which holds something else", 1),
    ("ls novfs.bin", "no partition for files (vfs, or of subtype littlefs, fat, spiffs) and no room behind the last one", 1),
    ("ls notable.bin", "partition table", 1),
    ("ls new.bin -p nothere", "without 'nothere': expected nvs, phy_init, factory, vfs", 1),
    ("ls new.bin -p 0x200000+4M", "expected one from", 1),
    ("ls new.bin -p nvs", "no littlefs and no FAT in nvs (at 0x9000, 24576 bytes), which is no place for files: -p names", 1),
    ("ls sim:nowhere", "nowhere", 1),
    ("df new.bin", "no littlefs and no FAT in vfs", 1),
    ("check new.bin", "no littlefs and no FAT in vfs (at 0x200000, 2097152 bytes): nothing to check", 1),
    ("grow new.bin", "no littlefs and no FAT", 1),
    ("put new.bin a.py", "'molt fs mkfs' makes one", 1),
    # paths
    ("ls fs.img nothere", "'/nothere': no such file or folder on the target", 1),
    ("ls fs.img /main.py/x", "no path of this file system", 1),
    ("ls fs.img ../x", "'../x': leads above the root folder", 1),
    ("ls fs.img ''", "an empty path on the target: '/' is its root folder", 1),
    ("tree fs.img lib/../../x", "leads above the root folder", 1),
    ("cat fs.img lib", "'/lib': cannot be read: is a folder", 1),
    ("cat fs.img nothere", "'/nothere': cannot be read: no such file on the target", 1),
    # get
    ("get fs.img nothere", "'/nothere': no such file or folder on the target", 1),
    ("get fs.img main.py there", "there/main.py: is there already: --force replaces it", 1),
    ("get fs.img lib main.py there", "there/main.py: is there already", 1),
    ("get fs.img main.py/ there", "'main.py/': is a file on the target, but has '/' at its end", 1),
    ("get fs.img lib/a.py lib nothere", "nothere: no such folder to put 2 things into: with '/' at its end it is made", 1),
    ("get fs.img lib main.py a.py", "a.py: is no folder", 1),
    ("get fs.img main.py a.py/", "a.py/: Not a directory", 1),
    ("get fs.img / empty", "'/Read' and '/read': differ in capitals only", 1),
    ("get fs.img lib linked", "linked/lib: is a link, which may lead elsewhere, expected a folder", 1),
    ("get -f fs.img main.py linkfile", "linkfile/main.py: is a link, which may lead elsewhere: remove it first", 1),
    ("get -f fs.img main.py clash", "clash/main.py: is a folder, and a file on the target", 1),
    ("get fs.img lib a.py", "a.py: is a file, expected a folder", 1),
    ("get fs.img lib/a.py main.py ./main.py empty", "'/main.py' and '/main.py': both would be empty/main.py", 1),
    ("get fs.img main.py nothere/x", "nothere/x", 1),
    ("get fs.img main.py ''", "an empty local name: '.' is the current folder", 1),
    ("get fs.img lib/a.py /main.py", "'/main.py': is on the target too: the last operand is the local place", 1),
    # put
    ("put fs.img nothere", "nothere: No such file or directory", 1),
    ("put fs.img a.py a.py", "'a.py' is a local file too: the last operand is the place on the target, write /a.py", 2),
    ("put fs.img a.py nothere/b.py", "'/nothere': no such folder on the target: 'molt fs mkdir -p' makes it", 1),
    ("put fs.img a.py /main.py/b.py", "no path of this file system", 1),
    ("put fs.img a.py app nothere", "'/nothere': no such folder on the target to put 2 things into", 1),
    ("put fs.img a.py app main.py", "'/main.py': is a file on the target, expected a folder", 1),
    ("put fs.img a.py main.py/", "'/main.py': is a file on the target, expected a folder", 1),
    ("put fs.img a.py more/a.py lib", "'/lib/a.py': two of the files to put have this name on the target", 1),
    ("put fs.img app main.py", "app: is a folder, and '/main.py' on the target is a file", 1),
    ("put fs.img app", "does not fit: 2 files of 129000 bytes in all need 35 more blocks of 4096 bytes at least", 1),
    ("put fs.img loop", "loop/again: is a link to a folder that it lies in: this would never end", 1),
    ("put fs.img dangling", "dangling/link: is a link to something that is not there", 1),
    ("put fs.img circle", "circle/x: is a link that leads in a circle", 1),
    ("put fs.img pipe", "pipe/fifo: is a pipe, expected a file or a folder", 1),
    ("put fs.img /dev/null", "/dev/null: is a device, expected a file or a folder", 1),
    ("put fs.img latin", ": this name is not UTF-8: MicroPython could not list it", 1),
    ("put fs.img a.py/", "a.py: is no folder, but has '/' at its end", 1),
    ("put fs.img a.py /" + LONG, "is longer than the 255 bytes that a file system takes", 1),
    ("put fs.img a.py ../x", "'../x': leads above the root folder", 1),
    ("put fs.img ''", "expected a file or folder", 1),
    # rm, mkdir, mv
    ("rm fs.img main.py nothere", "'/nothere': no such file or folder on the target", 1),
    ("rm fs.img main.py lib", "'/lib': is a folder with 1 file: give --recursive to remove it", 1),
    ("rm -r fs.img /", "'/': the root folder stays: 'molt fs mkfs --force' makes an empty file system", 1),
    ("mkdir fs.img new lib", "'/lib': this folder is there already", 1),
    ("mkdir fs.img new/deep", "'/new': no such folder on the target: --parents makes it too", 1),
    ("mkdir -p fs.img main.py/x", "'/main.py': is a file on the target, expected a folder", 1),
    ("mkdir fs.img " + LONG, "is longer than the 255 bytes that a file system takes", 1),
    ("mv fs.img nothere x", "'/nothere': no such file or folder on the target", 1),
    ("mv fs.img lib lib/x", "'/lib': cannot be moved into itself ('/lib/x')", 1),
    ("mv fs.img lib lib", "'/lib': cannot be moved into itself ('/lib/lib')", 1),
    ("mv fs.img main.py ./main.py", "'/main.py': is there already, by the same name", 1),
    ("mv fs.img main.py lib/a.py", "'/lib/a.py': is there already (5000 bytes): --force replaces it", 1),
    ("mv -f fs.img lib main.py", "'/main.py': is there already, and is a file: remove it first", 1),
    ("mv fs.img main.py x/y", "'/x': no such folder on the target: 'molt fs mkdir -p' makes it", 1),
    ("mv fs.img / x", "'/': the root folder stays where it is", 1),
    ("mv fs.img main.py /" + LONG, "is longer than the 255 bytes", 1),
    # mkfs, build
    ("mkfs fs.img", "all holds 4 files of 5011 bytes in all, which would be lost: --force", 1),
    ("mkfs junk.bin", "vfs holds something that is no file system, and would be lost: --force", 1),
    ("mkfs -f new.bin -p nvs", "nvs is not for files: expected a data partition", 1),
    ("mkfs -f new.bin -p factory", "factory is not for files", 1),
    ("mkfs -f new.bin -p bootloader", "bootloader is not for files", 1),
    ("mkfs -f new.bin -p all", "all is not for files", 1),
    ("mkfs fs.img --type ext4", "--type ext4: expected littlefs, littlefs-2.0, littlefs-2.1 or fat", 2),
    ("build app", "expected --size SIZE or --from TARGET", 2),
    ("build app -s 1M", "expected --output FILE (or --dry-run)", 2),
    ("build app -s 1000 -o x.img", "--size 1000: expected a multiple of 4K up to 128M", 2),
    ("build app -s 1G -o x.img", "--size 1G: expected a multiple of 4K up to 128M", 2),
    ("build nothere -s 1M -o x.img", "nothere: No such file or directory", 1),
    ("build a.py -s 1M -o x.img", "a.py: is no folder", 1),
    ("build app -s 64K -o x.img", "of 129000 bytes in all do not fit into 65536 bytes of littlefs: the first 1 do, '/two' does not", 1),
    ("build app --from app.bin -o x.img", "which holds no file system", 1),
    ("build app -s 1M -o nothere/x.img", "nothere/x.img", 1),
    ("build dangling -s 1M -o x.img", "dangling/link: is a link to something that is not there", 1),
    # options
    ("ls", "too few operands: expected TARGET [PATH]", 2),
    ("mv fs.img x", "too few operands: expected TARGET FROM TO", 2),
    ("df fs.img x", "unexpected operand 'x'", 2),
    ("rm fs.img x --nothere", "no option '--nothere'", 2),
]


@pytest.fixture
def here(world, molt):
    molt.cwd = world
    before = state(world)
    yield molt
    assert state(world) == before


@pytest.mark.parametrize("line, message, code", REFUSED, ids=[row[0][:40].replace("/", "-") for row in REFUSED])
def test_refused(here, line, message, code):
    done = here("fs", *shlex.split(line))
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stderr, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_cannot_be(here, world):
    assert "nothere/x" in here.fails("fs", "rm", "fs.img", "main.py", "-o", "nothere/x")
    assert "empty" in here.fails("fs", "rm", "fs.img", "main.py", "-o", "empty")


def test_a_board_has_no_output(molt, world, tmp_path):
    shutil.copy(world / "new.bin", tmp_path / "new.bin")
    molt.ok("sim", "new", "sim:b", "--flash", "new.bin")
    before = hashlib.sha256((tmp_path / "b/flash.bin").read_bytes()).digest()
    assert "sim:b: a board is changed as it is: --output is for files" in molt.fails("fs", "mkfs", "sim:b", "-o", "x")
    assert hashlib.sha256((tmp_path / "b/flash.bin").read_bytes()).digest() == before


def test_permissions_of_a_file_stay(molt, world, tmp_path):
    shutil.copy(world / "fs.img", tmp_path / "fs.img")
    os.chmod(tmp_path / "fs.img", 0o640)
    molt.ok("fs", "rm", "fs.img", "main.py")
    assert oct((tmp_path / "fs.img").stat().st_mode)[-3:] == "640"


# ---- Names of a hostile device ----

def hostile(name):
    """An image with a file of that name, as no littlefs would write it: the name is patched in, the checksum computed again."""
    stand_in = b"N" * len(name)
    image = bytearray(fsimage.lfs_image({"/" + stand_in.decode(): b"gotcha" * 50, "/good": b"1"}, 32 * 4096))
    for block in (0, 4096):
        data = image[block:block + 4096]
        if stand_in in data:
            image[block:block + 4096] = sealed(data.replace(stand_in, name))
    return bytes(image)


def sealed(data):
    """Every commit of a metadata block with its CRC computed again (littlefs' SPEC.md)."""
    tag, at, begun = 0xFFFFFFFF, 4, 0
    while at + 4 <= len(data):
        tag ^= struct.unpack_from(">I", data, at)[0]
        if tag >> 31:
            break
        size = 0 if tag & 0x3FF == 0x3FF else tag & 0x3FF
        if (tag >> 20) & 0x780 == 0x500:
            struct.pack_into("<I", data, at + 4, zlib.crc32(data[begun:at + 4]) ^ 0xFFFFFFFF)
            begun = at + 4 + size
            tag ^= (tag >> 20 & 1) << 31
        at += 4 + size
    return data


@pytest.mark.parametrize("name", [b"../up", b"a/b", b"/etc/x", b"esc\x1b[31m", b"line\nfeed", b"caf\xe9"])
def test_hostile_names(molt, tmp_path, name):
    image = tmp_path / "bad.img"
    image.write_bytes(hostile(name))
    (tmp_path / "work/deep").mkdir(parents=True)
    before = state(tmp_path)
    for words in (["get", image, "/", "work/deep"], ["get", "-f", image, "/", "work/deep/new/"]):
        told = molt.fails("fs", *words)
        assert "\x1b" not in told and len(told.splitlines()) == 1
        assert "is no name" in told or "this name on the target" in told, told
    assert state(tmp_path) == before
    done = molt("fs", "tree", image)
    assert "\x1b" not in done.stdout + done.stderr
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", [b".", b".."])
def test_dots_are_nowhere(molt, tmp_path, name):
    """Every folder has them, so they are no files."""
    (tmp_path / "bad.img").write_bytes(hostile(name))
    molt.ok("fs", "get", "bad.img", "/", "out/deep/")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["bad.img", "out", "out/deep", "out/deep/good"]


def test_a_good_name_by_the_same_hand_is_got(molt, tmp_path):
    """What patches names above would also let a good one through."""
    (tmp_path / "good.img").write_bytes(hostile(b"fine"))
    molt.ok("fs", "get", "good.img", "/", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fine", "good"]


def test_capitals_with_force(molt, world, tmp_path):
    molt.ok("fs", "get", "-f", world / "fs.img", "/", "out")
    assert (tmp_path / "out/Read").read_bytes() == b"1" and (tmp_path / "out/read").read_bytes() == b"2"
    (tmp_path / "out/main.py").write_text("mine")
    assert "(replaces a local file)" in molt.ok("fs", "get", "--force", world / "fs.img", "main.py", "out")
    assert (tmp_path / "out/main.py").read_bytes() == TREE["/main.py"]
