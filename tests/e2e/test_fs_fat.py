"""`molt fs` on FAT: mtools, fsck.fat and genuine MicroPython read what molt writes, and molt reads what they write."""
import hashlib
import json
import shutil
import struct
import subprocess

import pytest

import esp
import fsimage

VFS, SIZE = 0x200000, 0x200000
FAT = "fat"


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    return done.stdout


def mtools_tree(image, tmp_path):
    """What mcopy takes out of an image."""
    out = tmp_path / "mtools"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if run("mdir", "-b", "-i", image, "::/"):
        run("env", "LC_ALL=C.UTF-8", "mcopy", "-s", "-n", "-i", image, "::/*", out)
    return fsimage.read_local(out)


def sound(image):
    """fsck.fat finds nothing."""
    done = subprocess.run(["fsck.fat", "-n", str(image)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def empty(tmp_path_factory, firmware):
    """A firmware file with a FAT as MicroPython makes it."""
    path = tmp_path_factory.mktemp("fat") / "fat.bin"
    path.write_bytes(firmware.read_bytes().ljust(VFS + SIZE - 0x1000, b"\xff"))
    fsimage.mp_write(path, VFS - 0x1000, SIZE, {}, FAT)
    return path


def on_medium(tree):
    """MicroPython takes each byte of a name's UTF-8 for a character of code page 437: so others see it."""
    return {path.encode().decode("cp437"): data for path, data in tree.items()}


@pytest.mark.parametrize("seed", range(2))
def test_what_we_put_others_read(molt, tmp_path, seed):
    tree = fsimage.random_tree(seed)
    fsimage.write_local(tmp_path / "app", tree)
    molt.ok("fs", "build", "app", "-o", "vfs.img", "-s", "2M", "--type", "fat")
    image = tmp_path / "vfs.img"
    sound(image)
    assert mtools_tree(image, tmp_path) == on_medium(tree)
    assert fsimage.mp_tree(image, 0, SIZE, FAT) == fsimage.hashed(tree)
    molt.ok("fs", "get", "vfs.img", "/", "out/")
    assert fsimage.read_local(tmp_path / "out") == tree
    assert "nothing is wrong" in molt.ok("fs", "check", "vfs.img")


@pytest.mark.parametrize("seed", (20, 21))
def test_what_others_wrote_we_get(molt, empty, tmp_path, seed):
    tree = fsimage.random_tree(seed)
    shutil.copy(empty, tmp_path / "f.bin")
    fsimage.mp_write(tmp_path / "f.bin", VFS - 0x1000, SIZE, tree, FAT, mkfs=False)
    molt.ok("fs", "get", "f.bin", "/", "out/")
    assert fsimage.read_local(tmp_path / "out") == tree
    assert "FAT" in molt.ok("fs", "check", "f.bin")
    # By mtools, with sectors of 512 bytes.
    image = tmp_path / "m.img"
    run("mformat", "-C", "-i", image, "-T", 4096, "-h", 1, "-s", 1, "-c", 4, "::")
    fsimage.write_local(tmp_path / "local", tree)
    run("env", "LC_ALL=C.UTF-8", "mcopy", "-s", "-i", image, *sorted((tmp_path / "local").iterdir()), "::/")
    molt.ok("fs", "get", image, "/", "back/")
    assert fsimage.read_local(tmp_path / "back") == tree


def test_the_whole_life(molt, empty, tmp_path):
    """mkfs, put, replace, mv, rm on a file; fsck.fat and MicroPython after each."""
    image = tmp_path / "f.bin"
    shutil.copy(empty, image)
    fsimage.write_local(tmp_path / "app", {"/main.py": b"m" * 5000, "/lib": None, "/lib/x": b"x" * 100})
    expected = {"/main.py": b"m" * 5000, "/lib": None, "/lib/x": b"x" * 100}

    def same():
        (tmp_path / "vfs.img").write_bytes(image.read_bytes()[VFS - 0x1000:])
        sound(tmp_path / "vfs.img")
        assert fsimage.mp_tree(image, VFS - 0x1000, SIZE, FAT) == fsimage.hashed(expected)

    molt.ok("fs", "put", "f.bin", "app/", "/")
    same()
    (tmp_path / "main.py").write_bytes(b"short")
    molt.ok("fs", "put", "f.bin", "main.py")
    expected["/main.py"] = b"short"
    same()
    molt.ok("fs", "mv", "f.bin", "lib/x", "/Lange Namen gehen auch.txt")
    expected["/Lange Namen gehen auch.txt"] = expected.pop("/lib/x")
    same()
    molt.ok("fs", "rm", "-r", "f.bin", "lib", "main.py")
    del expected["/lib"], expected["/main.py"]
    same()
    assert "which would be lost" in molt.fails("fs", "mkfs", "f.bin")
    assert "a new, empty FAT" in molt.ok("fs", "mkfs", "-f", "f.bin")
    expected.clear()
    same()
    molt.ok("fs", "mkfs", "f.bin", "--type", "littlefs")
    assert fsimage.mp_tree(image, VFS - 0x1000, SIZE) == {}


def test_facts(molt, empty, tmp_path):
    facts = json.loads(molt.ok("fs", "info", empty, "--json"))
    assert (facts["kind"], facts["fit"], facts["mounted"], facts["bytes"]) == ("FAT", "exact", True, SIZE)
    assert facts["variant"] == "FAT" + facts["version"] == "FAT12" and facts["block_size"] == 4096
    space = json.loads(molt.ok("fs", "df", empty, "--json"))
    told = fsimage.mp_statvfs(empty, VFS - 0x1000, SIZE, FAT)
    assert (space["block_size"], space["blocks"], space["free"]) == (told[1], told[2], told[3])


def test_board(molt, empty, tmp_path):
    (tmp_path / "dump.bin").write_bytes(esp.dump(empty.read_bytes()))
    molt.ok("sim", "new", "sim:b", "--flash", "dump.bin")
    fsimage.write_local(tmp_path / "app", {"/main.py": b"m" * 9000, "/d": None, "/d/e": b""})
    molt.ok("fs", "put", "sim:b", "app/", "/")
    assert fsimage.mp_tree(tmp_path / "b/flash.bin", VFS, SIZE, FAT) == fsimage.hashed(
        {"/main.py": b"m" * 9000, "/d": None, "/d/e": b""})


def test_grow(molt, firmware, tmp_path):
    """Made for half of the partition; its tables have room for the rest."""
    tree = fsimage.random_tree(5)
    half = tmp_path / "half.img"
    half.write_bytes(b"\xff" * (SIZE // 2))
    fsimage.mp_write(half, 0, SIZE // 2, tree, FAT)
    image = tmp_path / "f.bin"
    image.write_bytes(firmware.read_bytes().ljust(VFS - 0x1000, b"\xff") + half.read_bytes())
    assert json.loads(molt.ok("fs", "info", "f.bin", "--json"))["fit"] == "smaller"
    before = image.read_bytes()
    molt.ok("fs", "grow", "f.bin", "-n")
    assert image.read_bytes() == before
    assert "FAT12 grows from 1048576 to 2097152 bytes" in molt.ok("fs", "grow", "f.bin")
    assert fsimage.mp_tree(image, VFS - 0x1000, SIZE, FAT) == fsimage.hashed(tree)
    assert fsimage.mp_statvfs(image, VFS - 0x1000, SIZE, FAT)[2] > 480
    assert json.loads(molt.ok("fs", "info", "f.bin", "--json"))["fit"] == "exact"
    (tmp_path / "vfs.img").write_bytes(image.read_bytes()[VFS - 0x1000:])
    sound(tmp_path / "vfs.img")


def test_grow_anew(molt, tmp_path):
    """Tables of one sector of 512 bytes have no room for more: made anew, with its files."""
    tree = {"/main.py": b"m" * 30000, "/lib": None, "/lib/deep": None, "/lib/deep/empty": b"", "/Long name with blanks.txt": b"x"}
    image = tmp_path / "m.img"
    run("mformat", "-C", "-i", image, "-T", 256, "-h", 1, "-s", 1, "-c", 1, "::")
    fsimage.write_local(tmp_path / "local", tree)
    run("mcopy", "-s", "-i", image, *sorted((tmp_path / "local").iterdir()), "::/")
    image.write_bytes(image.read_bytes().ljust(SIZE, b"\xff"))
    plan = molt.ok("fs", "grow", "m.img", "-o", "new.img")
    assert "a new, empty FAT" in plan and "3 files are carried over" in plan and "lose" not in plan
    assert fsimage.mp_tree(tmp_path / "new.img", 0, SIZE, FAT) == fsimage.hashed(tree)
    sound(tmp_path / "new.img")
    assert mtools_tree(tmp_path / "new.img", tmp_path) == tree


def test_reproducible(molt, tmp_path):
    fsimage.write_local(tmp_path / "app", fsimage.random_tree(3))
    molt.ok("fs", "build", "app", "-o", "a.img", "-s", "1M", "-t", "fat")
    subprocess.run(["find", str(tmp_path / "app"), "-exec", "touch", "-d", "2001-01-01", "{}", "+"], check=True)
    molt.ok("fs", "build", "app", "-o", "b.img", "-s", "1M", "-t", "fat")
    assert (tmp_path / "a.img").read_bytes() == (tmp_path / "b.img").read_bytes()


@pytest.mark.parametrize("name, why", [
    ("a:b", "has one of \" * : < > ? \\ |, which FAT does not take"), ("what?", "has one of"), ("back\\slash", "has one of"),
    ("dot.", "ends with a dot or a blank, which FAT drops"), ("blank ", "ends with a dot or a blank"),
    ("bell\a", "has a control character, which FAT does not take")])
def test_names_that_fat_does_not_take(molt, empty, tmp_path, name, why):
    shutil.copy(empty, tmp_path / "f.bin")
    before = hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / name).write_text("x")
    told = molt.fails("fs", "put", "f.bin", "app")
    assert why in told and "\a" not in told
    assert why in molt.fails("fs", "mkdir", "f.bin", name)
    assert hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest() == before


def test_capitals_are_one_name(molt, empty, tmp_path):
    shutil.copy(empty, tmp_path / "f.bin")
    before = hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest()
    for pair in (("Read.me", "read.ME"), ("Ä", "Î")):  # C3 84 and C3 8E: on the medium "├ä" and "├Ä"
        folder = tmp_path / pair[0][:1]
        folder.mkdir()
        for name in pair:
            (folder / name).write_text(name)
        assert "FAT does not tell capitals from small letters" in molt.fails("fs", "put", "f.bin", folder)
    assert hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest() == before


def test_capitals_change_with_a_rename(molt, tmp_path):
    """Nothing is lost: no --force. In the smallest FAT that MicroPython makes and mounts."""
    fsimage.write_local(tmp_path / "app", {"/Read.me": b"hello", "/Dir": None, "/Dir/x": b"x"})
    molt.ok("fs", "build", "app", "-o", "f.img", "-s", "200K", "-t", "fat")
    molt.ok("fs", "mv", "f.img", "Read.me", "READ.ME")
    molt.ok("fs", "mv", "f.img", "Dir", "dir")
    assert fsimage.mp_tree(tmp_path / "f.img", 0, 200 << 10, FAT) == fsimage.hashed({"/READ.ME": b"hello", "/dir": None, "/dir/x": b"x"})
    sound(tmp_path / "f.img")
    assert "into itself" in molt.fails("fs", "mv", "f.img", "dir", "dir/y")
    assert "wrong argument" in molt.fails("fs", "mv", "f.img", "dir", "DIR/y")


def test_full(molt, empty, tmp_path):
    """By clusters, not by bytes."""
    shutil.copy(empty, tmp_path / "f.bin")
    before = hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest()
    (tmp_path / "app").mkdir()
    for n in range(600):
        (tmp_path / "app" / str(n)).write_bytes(b"x")
    assert "does not fit: 600 files of 600 bytes in all need" in molt.fails("fs", "put", "f.bin", "app")
    assert hashlib.sha256((tmp_path / "f.bin").read_bytes()).digest() == before


def test_check_finds_crossed_and_lost_clusters(molt, tmp_path):
    fsimage.write_local(tmp_path / "app", {"/one": b"1" * 20000, "/two": b"2" * 20000})
    molt.ok("fs", "build", "app", "-o", "v.img", "-s", "512K", "-t", "fat")
    data = bytearray((tmp_path / "v.img").read_bytes())
    sector, reserved = struct.unpack_from("<H", data, 11)[0], struct.unpack_from("<H", data, 14)[0]
    fat = reserved * sector  # FAT12: cluster 3 is 12 bits from byte 4 on
    entries = [int.from_bytes(data[fat + n * 3 // 2:fat + n * 3 // 2 + 2], "little") >> (4 if n & 1 else 0) & 0xFFF for n in range(40)]
    chains = [n for n in range(2, 39) if entries[n] == n + 1]
    ends = [n for n in range(2, 40) if entries[n] >= 0xFF8]
    assert len(ends) >= 2 and chains
    victim = ends[-1] - 1  # the last chain now goes on in the first one
    at = fat + victim * 3 // 2
    word = int.from_bytes(data[at:at + 2], "little")
    word = (word & 0x000F) | chains[0] << 4 if victim & 1 else (word & 0xF000) | chains[0]
    data[at:at + 2] = word.to_bytes(2, "little")
    (tmp_path / "v.img").write_bytes(bytes(data))
    assert subprocess.run(["fsck.fat", "-n", str(tmp_path / "v.img")], capture_output=True).returncode == 1
    done = molt("fs", "check", "v.img", check=1)
    assert "WRONG: " in done.stdout
