"""`molt fs` on littlefs: firmware files, dumps, boards, bare images. Genuine MicroPython and littlefs-python read what molt writes, and
molt reads what they write."""
import hashlib
import json
import os
import random
import re
import shutil
import socket

import pytest

import esp
import fsimage
from conftest import Molt, molt_path

VFS, SIZE = 0x200000, 0x200000  # of the genuine firmware's table
SMALL = {"/main.py": b"print(1)\n", "/lib": None, "/lib/a.py": b"a" * 5000, "/lib/deep": None, "/lib/deep/empty": b""}


@pytest.fixture(scope="session")
def images(tmp_path_factory, firmware):
    """What several tests start from; they copy it."""
    folder = tmp_path_factory.mktemp("fsimages")
    data = firmware.read_bytes()
    (folder / "new.bin").write_bytes(data)
    (folder / "small.img").write_bytes(fsimage.lfs_image(SMALL, 64 * 4096))
    used = data.ljust(VFS - 0x1000, b"\xff") + fsimage.lfs_image(SMALL, SIZE)
    (folder / "used.bin").write_bytes(used)
    return folder


@pytest.fixture
def copy(images, tmp_path):
    def copy(name):
        shutil.copy(images / name, tmp_path / name)
        return tmp_path / name
    return copy


def vfs_of(path, base=0x1000):
    return path.read_bytes()[VFS - base:VFS - base + SIZE]


# ---- Reading ----

def test_ls_and_tree(molt, copy):
    copy("used.bin")
    assert molt.ok("fs", "ls", "used.bin").split() == ["lib/", "9", "main.py"]
    assert molt.ok("fs", "ls", "used.bin", "lib").split() == ["5000", "a.py", "deep/"]
    assert molt.ok("fs", "ls", "used.bin", "/lib/a.py").split() == ["5000", "a.py"]
    assert molt.ok("fs", "tree", "used.bin").splitlines() == [
        "/", "├── lib/", "│   ├── a.py  5000", "│   └── deep/", "│       └── empty  0", "└── main.py  9", "3 files, 2 folders, 5009 bytes"]
    assert molt.ok("fs", "tree", "used.bin", "lib/deep/").splitlines()[:2] == ["/lib/deep", "└── empty  0"]
    assert molt.ok("fs", "tree", "used.bin", "lib/a.py").splitlines() == ["/lib/a.py", "1 file, 0 folders, 5000 bytes"]
    found = json.loads(molt.ok("fs", "tree", "used.bin", "--json"))
    assert [(row["path"], row["kind"], row["size"]) for row in found["entries"]] == [
        ("/lib", "folder", 0), ("/lib/a.py", "file", 5000), ("/lib/deep", "folder", 0), ("/lib/deep/empty", "file", 0), ("/main.py", "file", 9)]
    assert (found["partition"], found["path"], found["files"], found["folders"], found["bytes"]) == ("vfs", "/", 3, 2, 5009)
    assert [row["path"] for row in json.loads(molt.ok("fs", "ls", "used.bin", "-j"))["entries"]] == ["/lib", "/main.py"]


def test_deepest_tree(molt, tmp_path):
    """63 folders in each other are made and listed; one more would be taken for a loop of a damaged file system."""
    (tmp_path / "deep.img").write_bytes(fsimage.lfs_image({"/z": b"z"}, 256 * 4096))
    (tmp_path / ("app" + "/d" * 63)).mkdir(parents=True)
    molt.ok("fs", "put", "deep.img", "app/", "/")
    assert "expected at most 63 folders in each other" in molt.fails("fs", "put", "deep.img", "app")
    assert "expected at most 63 folders in each other" in molt.fails("fs", "mkdir", "deep.img", "/d" * 64)
    lines = molt.ok("fs", "tree", "deep.img").splitlines()
    assert len(lines) == 66 and lines[63] == "│   " + "    " * 61 + "└── d/" and lines[64] == "└── z  1"
    (tmp_path / "deep.img").write_bytes(fsimage.lfs_image({"/d" * n: None for n in range(1, 65)}, 256 * 4096))
    assert "folders lie in each other without end" in molt.fails("fs", "tree", "deep.img")


def test_df_and_info(molt, copy):
    copy("used.bin")
    space = json.loads(molt.ok("fs", "df", "used.bin", "--json"))
    assert (space["kind"], space["block_size"], space["blocks"]) == ("littlefs", 4096, 512)
    assert space["used"] + space["free"] == 512 and 6 <= space["used"] <= 9
    assert space["bytes"] == SIZE and space["bytes_free"] == 4096 * space["free"]
    assert space["percent"] == pytest.approx(100 * space["used"] / 512, abs=0.01)
    assert "512 %6d %6d" % (space["used"], space["free"]) in molt.ok("fs", "df", "used.bin")
    facts = json.loads(molt.ok("fs", "info", "used.bin", "--json"))
    assert facts == {"target": "used.bin", "partition": "vfs", "offset": VFS, "size": SIZE, "kind": "littlefs", "variant": "littlefs 2.0",
                     "version": "2.0", "block_size": 4096, "block_count": 512, "bytes": SIZE, "fit": "exact", "mounted": True,
                     "trouble": None, "wrong": False}
    assert "fills its place" in molt.ok("fs", "info", "used.bin")


@pytest.mark.parametrize("verb", ["df", "info", "ls", "tree", "check"])
def test_help_names_every_json_key(molt, copy, verb):
    copy("small.img")
    found = json.loads(molt.ok("fs", verb, "small.img", "--json"))
    told = molt.ok("help", "fs", verb)
    told = told[told.index("Keys of --json"):]
    keys = set(found).union(*(row for row in found.get("entries", [])))
    assert len(keys) >= 6 and all(re.search(r"\b%s\b" % key, told) for key in keys)


def test_cat_gives_the_bytes(molt, copy, tmp_path):
    data = bytes(range(256)) * 3
    (tmp_path / "a.img").write_bytes(fsimage.lfs_image({"/a": data, "/b": b"\xff\n"}, 64 * 4096))
    done = os.popen("%s fs cat %s /a b" % (molt.path, tmp_path / "a.img"))
    assert done.buffer.read() == data + b"\xff\n" and done.close() is None


def test_bare_image_dump_and_board(molt, copy, tmp_path):
    copy("small.img")
    assert "main.py" in molt.ok("fs", "ls", "small.img")
    (tmp_path / "dump.bin").write_bytes(esp.dump(copy("used.bin").read_bytes()))
    assert "main.py" in molt.ok("fs", "ls", "dump.bin")
    molt.ok("sim", "new", "sim:b", "--flash", "dump.bin")
    assert molt.ok("fs", "cat", "sim:b", "main.py") == "print(1)\n"
    # Any place, also one that has no row.
    assert "main.py" in molt.ok("fs", "ls", "dump.bin", "-p", "0x200000+2M")


def test_uf2(molt, copy, tmp_path):
    """Read as what it writes; changed only into another file, which is a plain image."""
    copy("used.bin")
    molt.ok("convert", "used.bin", "f.uf2", "--whole")
    assert molt.ok("fs", "cat", "f.uf2", "main.py") == "print(1)\n"
    before = (tmp_path / "f.uf2").read_bytes()
    assert "f.uf2: is a UF2 file and is not changed in place: --output FILE" in molt.fails("fs", "rm", "f.uf2", "main.py")
    molt.ok("fs", "rm", "f.uf2", "main.py", "-o", "plain.bin")
    assert molt.ok("fs", "ls", "plain.bin").split() == ["lib/"] and (tmp_path / "f.uf2").read_bytes() == before


# ---- Both ways on random trees ----

@pytest.mark.parametrize("seed", range(4))
def test_what_we_put_others_read(molt, copy, tmp_path, seed):
    tree = fsimage.random_tree(seed)
    fsimage.write_local(tmp_path / "local", tree)
    copy("new.bin")
    molt.ok("fs", "mkfs", "new.bin")
    molt.ok("fs", "put", "new.bin", "local/", "/")
    assert fsimage.lfs_tree(vfs_of(tmp_path / "new.bin")) == tree
    assert fsimage.mp_tree(tmp_path / "new.bin", VFS - 0x1000, SIZE) == fsimage.hashed(tree)
    # MicroPython goes on with it, and we with that.
    fsimage.mp_write(tmp_path / "new.bin", VFS - 0x1000, SIZE, {"/later": None, "/later/x": b"x" * 9000}, mkfs=False)
    molt.ok("fs", "get", "new.bin", "/", "back/")
    assert fsimage.read_local(tmp_path / "back") == {**tree, "/later": None, "/later/x": b"x" * 9000}
    molt.ok("fs", "check", "new.bin")


@pytest.mark.parametrize("seed", range(10, 13))
def test_what_others_wrote_we_get(molt, tmp_path, seed):
    tree = fsimage.random_tree(seed)
    image = tmp_path / "vfs.img"
    image.write_bytes(b"\xff" * SIZE)
    if seed % 2:
        image.write_bytes(fsimage.lfs_image(tree, SIZE))
    else:
        fsimage.mp_write(image, 0, SIZE, tree)
    molt.ok("fs", "get", image, "/", "out/")
    assert fsimage.read_local(tmp_path / "out") == tree
    listed = json.loads(molt.ok("fs", "tree", image, "--json"))
    assert {row["path"]: row["size"] for row in listed["entries"]} == {path: len(data or b"") for path, data in tree.items()}
    molt.ok("fs", "check", image)


def test_build(molt, tmp_path):
    tree = fsimage.random_tree(99)
    fsimage.write_local(tmp_path / "app", tree)
    told = molt.ok("fs", "build", "app", "-o", "vfs.img", "--size", "2M")
    assert "%d files" % len(fsimage.files_of(tree)) in told
    image = (tmp_path / "vfs.img").read_bytes()
    assert fsimage.lfs_tree(image) == tree and fsimage.mp_tree(tmp_path / "vfs.img", 0, SIZE) == fsimage.hashed(tree)
    assert fsimage.mp_statvfs(tmp_path / "vfs.img", 0, SIZE)[:3] == [4096, 4096, 512]


def test_build_is_reproducible(molt, tmp_path):
    """Whatever the order in which the files were made, their times and where the folder lies."""
    tree = fsimage.random_tree(98)
    fsimage.write_local(tmp_path / "a", tree)
    (tmp_path / "else").mkdir()
    for path, data in sorted(tree.items(), reverse=True):
        if data is not None:
            target = tmp_path / "else/b" / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            os.utime(target, (1, 1))
    for path, data in tree.items():
        (tmp_path / "else/b" / path[1:]).mkdir(exist_ok=True, parents=True) if data is None else None
    molt.ok("fs", "build", "a", "-o", "a.img", "-s", "1M")
    molt.ok("fs", "build", "else/b/", "-o", "else/b/b.img", "-s", "1M")
    molt.ok("fs", "build", "else/b/", "-o", "else/b/b.img", "-s", "1M")  # its own output is no part of it
    assert (tmp_path / "a.img").read_bytes() == (tmp_path / "else/b/b.img").read_bytes()


def test_build_excludes_and_takes_size_from_a_target(molt, copy, tmp_path):
    fsimage.write_local(tmp_path / "app", {"/main.py": b"1", "/lib": None, "/lib/a.pyc": b"2", "/lib/__pycache__": None,
                                           "/lib/__pycache__/x": b"3", "/.git": None, "/.git/HEAD": b"4", "/lib/keep": b"5"})
    copy("new.bin")
    molt.ok("fs", "build", "app", "-o", "v.img", "--from", "new.bin", "-x", "*.pyc", "--exclude", "__pycache__", "-x", "lib/keep")
    image = (tmp_path / "v.img").read_bytes()
    assert len(image) == SIZE
    assert fsimage.lfs_tree(image) == {"/main.py": b"1", "/lib": None, "/.git": None, "/.git/HEAD": b"4"}
    assert "nothing was written" in molt.ok("fs", "build", "app", "-n", "-o", "w.img", "-s", "64K") and not (tmp_path / "w.img").exists()


def test_build_says_which_size_would_do(molt, tmp_path):
    fsimage.write_local(tmp_path / "app", {"/a": b"a" * 50000, "/b": b"b" * 50000, "/c": b"c" * 50000})
    told = molt.fails("fs", "build", "app", "-o", "v.img", "-s", "64K")
    assert "3 files of 150000 bytes in all do not fit into 65536 bytes of littlefs: the first 1 do, '/b' does not" in told
    size = int(told.split(" is the smallest")[0].split("; ")[-1][:-1])
    assert not (tmp_path / "v.img").exists()
    molt.fails("fs", "build", "app", "-o", "v.img", "-s", "%dK" % (size - 4))
    molt.ok("fs", "build", "app", "-o", "v.img", "-s", "%dK" % size)
    assert fsimage.lfs_mounts((tmp_path / "v.img").read_bytes())


# ---- Where things go ----

def paths_in(path):
    return sorted(fsimage.files_of(fsimage.lfs_tree(path.read_bytes())))


@pytest.mark.parametrize("words, added", [
    (["a.py"], ["/a.py"]),
    (["a.py", "/"], ["/a.py"]),
    (["a.py", "new.py"], ["/new.py"]),
    (["a.py", "lib"], ["/lib/a.py"]),
    (["a.py", "/lib/b.py"], ["/lib/b.py"]),
    (["a.py", "/made/too/"], ["/made/too/a.py"]),
    (["a.py", "dir/b.py", "lib"], ["/lib/a.py", "/lib/b.py"]),
    (["dir"], ["/dir/b.py", "/dir/sub/c.py"]),
    (["dir", "/lib"], ["/lib/dir/b.py", "/lib/dir/sub/c.py"]),
    (["dir", "/fresh"], ["/fresh/b.py", "/fresh/sub/c.py"]),
    (["dir/", "/lib"], ["/lib/b.py", "/lib/sub/c.py"]),
    (["dir/.", "/"], ["/b.py", "/sub/c.py"]),
    (["./dir/../dir/sub/"], ["/c.py"]),
    (["dir", "a.py", "/x/"], ["/x/a.py", "/x/dir/b.py", "/x/dir/sub/c.py"])])
def test_put_goes_where_it_says(molt, copy, tmp_path, words, added):
    image = copy("small.img")
    fsimage.write_local(tmp_path, {"/a.py": b"new", "/dir": None, "/dir/b.py": b"b", "/dir/sub": None, "/dir/sub/c.py": b"c"})
    molt.ok("fs", "put", "small.img", *words)
    assert paths_in(image) == sorted({*fsimage.files_of(SMALL), *added})


@pytest.mark.parametrize("words, made", [
    (["/main.py"], ["main.py"]),
    (["main.py", "there"], ["there/main.py"]),
    (["main.py", "other.py"], ["other.py"]),
    (["main.py", "new/deep/"], ["new/deep/main.py"]),
    (["main.py", "lib/a.py", "there"], ["there/a.py", "there/main.py"]),
    (["lib"], ["lib/a.py", "lib/deep/empty"]),
    (["lib", "copied"], ["copied/a.py", "copied/deep/empty"]),
    (["lib/", "there"], ["there/a.py", "there/deep/empty"]),
    (["/", "."], ["lib/a.py", "lib/deep/empty", "main.py"])])
def test_get_goes_where_it_says(molt, images, tmp_path, words, made):
    (tmp_path / "work/there").mkdir(parents=True)
    here = Molt(molt.path, tmp_path / "work")
    here.ok("fs", "get", images / "small.img", *words)
    assert sorted(str(path.relative_to(tmp_path / "work")) for path in (tmp_path / "work").rglob("*") if path.is_file()) == made


def test_put_replaces_and_follows_links(molt, copy, tmp_path):
    image = copy("small.img")
    (tmp_path / "outside.py").write_bytes(b"outside")
    fsimage.write_local(tmp_path / "app", {"/main.py": b"better", "/dir": None})
    (tmp_path / "app/link.py").symlink_to("../outside.py")
    (tmp_path / "app/folder").symlink_to("dir")
    plan = molt.ok("fs", "put", "small.img", "app/", "/")
    assert "/main.py, 6 bytes (replaces 9 bytes)" in plan and "changes small.img in place" in plan
    tree = fsimage.lfs_tree(image.read_bytes())
    assert tree == {**SMALL, "/main.py": b"better", "/dir": None, "/folder": None, "/link.py": b"outside"}


def test_what_is_there_already_is_not_written(molt, copy, tmp_path):
    image = copy("small.img")
    fsimage.write_local(tmp_path / "app", {**SMALL, "/main.py": b"print(2)\n"})
    plan = molt.ok("fs", "put", "small.img", "app/", "/")
    assert "2 files, 5000 bytes, the same already" in plan and "/main.py, 9 bytes (replaces 9 bytes)" in plan and "a.py" not in plan
    assert fsimage.lfs_tree(image.read_bytes()) == {**SMALL, "/main.py": b"print(2)\n"}
    os.utime(image, (1, 1))
    assert "3 files, 5009 bytes, the same already" in molt.ok("fs", "put", "small.img", "app/", "/")
    assert image.stat().st_mtime == 1


def test_output_leaves_the_target(molt, copy, tmp_path):
    image = copy("small.img")
    before = image.read_bytes()
    assert "the result goes to new.img" in molt.ok("fs", "rm", "small.img", "main.py", "-o", "new.img")
    assert image.read_bytes() == before
    assert "/main.py" not in fsimage.lfs_tree((tmp_path / "new.img").read_bytes())


def test_dry_runs_change_nothing(molt, copy, tmp_path):
    (tmp_path / "a.py").write_text("a")
    for name in ("small.img", "used.bin"):
        image = copy(name)
        os.utime(image, (1, 1))
        before = image.read_bytes()
        for words in (["put", name, "a.py"], ["rm", "-r", name, "lib"], ["mkdir", name, "x"], ["mv", name, "main.py", "lib"],
                      ["mkfs", "--force", name], ["grow", name]):
            plan = molt.ok("fs", *words, "-n")
            assert "nothing was written (--dry-run)" in plan and "blocks of 4096 bytes used" in plan
        assert "nothing was written" in molt.ok("fs", "get", "-n", name, "/main.py")
        assert image.read_bytes() == before and image.stat().st_mtime == 1 and not (tmp_path / "main.py").exists()


# ---- Changes ----

def test_rm_mkdir_mv(molt, copy):
    image = copy("small.img")
    plan = molt.ok("fs", "rm", "-r", "small.img", "/lib", "main.py", "lib/a.py")
    assert plan.index("/lib/deep/empty, 0 bytes") < plan.index("/lib/deep/") or "lose" in plan
    assert fsimage.lfs_tree(image.read_bytes()) == {}
    molt.ok("fs", "mkdir", "small.img", "a", "a/b")
    molt.ok("fs", "mkdir", "-p", "small.img", "a/b/c/d", "a")
    assert sorted(fsimage.lfs_tree(image.read_bytes())) == ["/a", "/a/b", "/a/b/c", "/a/b/c/d"]
    molt.ok("fs", "mv", "small.img", "a/b/c", "/moved")
    molt.ok("fs", "mv", "small.img", "a/b", "moved")
    assert sorted(fsimage.lfs_tree(image.read_bytes())) == ["/a", "/moved", "/moved/b", "/moved/d"]


def test_mv_replaces_with_force(molt, copy):
    image = copy("small.img")
    assert "5000 bytes): --force replaces it" in molt.fails("fs", "mv", "small.img", "main.py", "lib/a.py")
    assert "lose" in molt.ok("fs", "mv", "-f", "small.img", "main.py", "lib/a.py")
    assert fsimage.files_of(fsimage.lfs_tree(image.read_bytes())) == {"/lib/a.py": SMALL["/main.py"], "/lib/deep/empty": b""}


def test_board_is_changed(molt, copy, tmp_path):
    copy("used.bin")
    molt.ok("sim", "new", "sim:b", "--flash", "used.bin")
    fsimage.write_local(tmp_path / "app", {"/x": b"x" * 7000, "/y": b""})
    assert "changes the board" in molt.ok("fs", "put", "sim:b", "app")
    molt.ok("fs", "rm", "sim:b", "main.py")
    molt.ok("fs", "mv", "sim:b", "app/y", "/z")
    flash = tmp_path / "b/flash.bin"
    tree = fsimage.lfs_tree(vfs_of(flash, 0))
    assert tree == {"/lib": None, "/lib/a.py": b"a" * 5000, "/lib/deep": None, "/lib/deep/empty": b"", "/app": None, "/app/x": b"x" * 7000,
                    "/z": b""}
    assert fsimage.mp_tree(flash, VFS, SIZE) == fsimage.hashed(tree)
    # All else is as it was.
    before = esp.dump((tmp_path / "used.bin").read_bytes())
    assert flash.read_bytes()[:VFS] == before[:VFS]
    molt.ok("fs", "mkfs", "--force", "sim:b")
    assert fsimage.lfs_tree(vfs_of(flash, 0)) == {}


def test_a_board_that_has_no_room_is_not_touched(molt, copy, tmp_path):
    copy("used.bin")
    molt.ok("sim", "new", "sim:b", "--flash", "used.bin")
    before = hashlib.sha256((tmp_path / "b/flash.bin").read_bytes()).digest()
    # 100 folders of two blocks and files that take one each: fits by bytes, not by blocks.
    for n in range(180):
        (tmp_path / ("app/f%d" % n)).mkdir(parents=True)
        (tmp_path / ("app/f%d/x" % n)).write_bytes(b"x" * 600)
    told = molt.fails("fs", "put", "sim:b", "app")
    assert "does not fit: 180 files of 108000 bytes in all need" in told and "more blocks of 4096 bytes" in told and "of 512 are free" in told
    assert hashlib.sha256((tmp_path / "b/flash.bin").read_bytes()).digest() == before


# ---- Places ----

def test_firmware_that_ends_before_its_vfs(molt, copy, tmp_path):
    """It is extended; what was there stays."""
    image = copy("new.bin")
    before = image.read_bytes()
    assert len(before) < VFS - 0x1000
    molt.ok("fs", "mkfs", "new.bin")
    data = image.read_bytes()
    assert len(data) == VFS + SIZE - 0x1000 and data[:len(before)] == before
    assert set(data[len(before):VFS - 0x1000]) == {0xFF}
    assert fsimage.mp_tree(image, VFS - 0x1000, SIZE) == {}


def test_layout_without_a_vfs_row(molt, firmware, tmp_path):
    """MicroPython 1.26 and later: from the end of the last partition to the end of flash."""
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.FACTORY)
    (tmp_path / "new.bin").write_bytes(data)
    (tmp_path / "main.py").write_text("print(2)")
    molt.ok("fs", "mkfs", "new.bin")
    molt.ok("fs", "put", "new.bin", "main.py")
    facts = json.loads(molt.ok("fs", "info", "new.bin", "--json"))
    assert (facts["partition"], facts["offset"], facts["size"]) == ("vfs", VFS, SIZE)
    assert fsimage.mp_tree(tmp_path / "new.bin", VFS - 0x1000, SIZE) == fsimage.hashed({"/main.py": b"print(2)"})
    assert "main.py" in molt.ok("fs", "ls", "new.bin", "-p", "vfs")


def test_partition_by_name(molt, firmware, tmp_path):
    rows = [esp.NVS, esp.FACTORY, esp.row(1, 0x83, 0x200000, 0x100000, "vfs"), esp.row(1, 0x83, 0x300000, 0x100000, "data")]
    (tmp_path / "two.bin").write_bytes(esp.with_table(firmware.read_bytes(), *rows))
    (tmp_path / "x").write_text("x")
    molt.ok("fs", "mkfs", "two.bin")
    molt.ok("fs", "mkfs", "two.bin", "-p", "data")
    molt.ok("fs", "put", "two.bin", "x", "--partition", "data")
    molt.ok("fs", "mkdir", "two.bin", "y", "--partition", "data")
    assert molt.ok("fs", "ls", "two.bin") == "" and molt.ok("fs", "ls", "two.bin", "-p", "data").split() == ["1", "x", "y/"]


def test_grow(molt, firmware, tmp_path):
    """A littlefs of a partition that became larger: MicroPython does not mount it, then it does."""
    small = fsimage.lfs_image(SMALL, SIZE // 2)
    image = tmp_path / "f.bin"
    image.write_bytes(firmware.read_bytes().ljust(VFS - 0x1000, b"\xff") + small)
    assert "WRONG: smaller than its place" in molt("fs", "info", "f.bin", check=1).stdout
    assert "'molt fs grow' mends it" in molt("fs", "check", "f.bin", check=1).stdout
    (tmp_path / "padded.bin").write_bytes(image.read_bytes().ljust(VFS + SIZE - 0x1000, b"\xff"))
    with pytest.raises(AssertionError, match="EINVAL"):
        fsimage.mp_tree(tmp_path / "padded.bin", VFS - 0x1000, SIZE)
    assert "littlefs 2.0 grows from 1048576 to 2097152 bytes" in molt.ok("fs", "grow", "f.bin")
    assert fsimage.mp_tree(image, VFS - 0x1000, SIZE) == fsimage.hashed(SMALL)
    assert json.loads(molt.ok("fs", "info", "f.bin", "--json"))["fit"] == "exact"
    before = image.read_bytes()
    assert "nothing to do" in molt.ok("fs", "grow", "f.bin")
    assert image.read_bytes() == before


# ---- check ----

def test_check_names_what_is_wrong(molt, copy, tmp_path):
    image = copy("small.img")
    assert "nothing is wrong" in molt.ok("fs", "check", "small.img")
    data = bytearray(image.read_bytes())
    # The last block of /lib/a.py begins with the number of the one before.
    block = next(at for at in range(0, len(data), 4096) if data[at + 4:at + 100] == b"a" * 96 and data[at:at + 4] != b"aaaa")
    data[block:block + 4] = b"\xff\xff\xff\0"
    image.write_bytes(bytes(data))
    done = molt("fs", "check", "small.img", check=1)
    assert "WRONG: '/lib/a.py'" in done.stdout
    found = json.loads(molt("fs", "check", "small.img", "--json", check=1).stdout)
    assert found["wrong"] and found["found"] == len(found["findings"]) >= 1 and "/lib/a.py" in found["findings"][0]
    assert "cannot be read" in molt.fails("fs", "cat", "small.img", "lib/a.py")
    # Nothing of a folder is written when one of its files cannot be read.
    assert "'/lib/a.py': cannot be read" in molt.fails("fs", "get", "small.img", "/", "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", range(10))
def test_damaged_images_end_with_words(molt, images, tmp_path, seed):
    """Whatever the bytes: a message or an answer, and no file that fails is changed."""
    chance = random.Random(seed)
    data = bytearray((images / "small.img").read_bytes())
    used = [at for at in range(0, len(data), 4096) if data[at:at + 4096] != b"\xff" * 4096]
    for _ in range(chance.choice([1, 4, 30])):
        data[chance.choice(used) + chance.randrange(chance.choice([64, 512]))] ^= chance.randrange(1, 256)
    (tmp_path / "x").write_bytes(b"x" * 5000)
    for words in (["tree", "d.img"], ["check", "d.img"], ["get", "d.img", "/", "out/"], ["put", "d.img", "x"], ["rm", "-r", "d.img", "lib"]):
        (tmp_path / "d.img").write_bytes(bytes(data))
        done = molt("fs", *words)
        assert done.returncode in (0, 1) and (done.returncode == 0 or done.stderr or "WRONG" in done.stdout)
        assert done.returncode == 0 or (tmp_path / "d.img").read_bytes() == bytes(data)


def test_larger_than_its_partition(molt, firmware, tmp_path):
    """The superblock says 4 MB, the partition has 2."""
    big = fsimage.lfs_image(SMALL, 2 * SIZE)[:SIZE]
    image = tmp_path / "f.bin"
    image.write_bytes(firmware.read_bytes().ljust(VFS - 0x1000, b"\xff") + big)
    facts = json.loads(molt("fs", "info", "f.bin", "--json", check=1).stdout)
    assert facts["fit"] == "larger" and not facts["mounted"] and facts["wrong"] and facts["bytes"] == 2 * SIZE
    assert "WRONG: littlefs 2.0 takes 4194304 bytes by its superblock, vfs has 2097152" in molt("fs", "check", "f.bin", check=1).stdout
    before = image.read_bytes()
    for words in (["ls", "f.bin"], ["put", "f.bin", image], ["grow", "f.bin"]):
        assert "f.bin: vfs" in molt.fails("fs", *words)
    assert "damaged" in molt.fails("fs", "mkfs", "f.bin")
    assert image.read_bytes() == before


def test_sockets_are_named(molt, copy, tmp_path):
    """A folder with a socket in it."""
    image = copy("small.img")
    before = image.read_bytes()
    (tmp_path / "app").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "app/control"))
    assert "app/control: is a socket, expected a file or a folder" in molt.fails("fs", "put", "small.img", "app")
    server.close()
    assert image.read_bytes() == before
