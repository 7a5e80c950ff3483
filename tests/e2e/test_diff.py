"""molt diff: what differs between two targets, each part of them alone; files on littlefs and FAT; ends like diff(1)."""
import hashlib
import json
import struct

import pytest

import esp
import fsimage

BOOT, TABLE, APP, VFS = 0x1000, 0x8000, 0x10000, 0x200000
SIZE = 0x40000  # of the file systems here
FILES = {"/main.py": b"print(1)\n", "/lib": None, "/lib/a.py": b"a" * 5000, "/same": b"same"}
ROWS = [esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.row(0, 0, 0x10000, 0x1F0000, "factory")]
VFS_ROW = esp.row(1, 0x81, VFS, SIZE, "vfs")
SLOTS = [esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS]


@pytest.fixture(scope="session")
def small(firmware):
    """The genuine firmware with its app cut short, in the stock table."""
    data = firmware.read_bytes()
    return data[:APP - BOOT] + esp.shortened(esp.app_of(data))


@pytest.fixture(scope="session")
def lfs():
    return fsimage.lfs_image(FILES, SIZE)


@pytest.fixture
def differs(molt, tmp_path):
    """The differences of two byte strings (or names), as (what, change, partition, path); and the printed lines agree in number."""
    def differs(a, b, whole=False):
        names = []
        for name, data in (("a.bin", a), ("b.bin", b)):
            if isinstance(data, (bytes, bytearray)):
                (tmp_path / name).write_bytes(data)
                data = name
            names.append(data)
        found = json.loads(molt("diff", *names, "--json", check=None).stdout)
        items = found["differences"]
        assert found["same"] == (not items)
        printed = molt("diff", *names, check=1 if items else 0).stdout.splitlines()
        assert [line[0] for line in printed[2:]] == (["~+-"[("changed", "added", "removed").index(i["change"])] for i in items] or ["n"])
        return items if whole else [(i["what"], i["change"], i["partition"], i["path"]) for i in items]
    return differs


def with_bytes(data, at, new):
    """Changed at a place in flash; longer when it has to be."""
    at -= BOOT
    data = data.ljust(at + len(new), b"\xff")
    return data[:at] + new + data[at + len(new):]


def boot_of(data):
    length = 24
    for _ in range(data[1]):
        length += 8 + struct.unpack_from("<I", data, length + 4)[0]
    return data[:(length + 16) // 16 * 16 + 32]


# ---- The same ----

def test_the_same_in_other_clothes(molt, differs, small, tmp_path):
    assert differs(small, small) == []
    assert differs(small, esp.dump(small)) == []
    (tmp_path / "fw.bin").write_bytes(small)
    molt.ok("sim", "new", "sim:board", "--flash", "fw.bin")
    assert differs(small, "sim:board") == []
    assert differs("sim:board", small) == []
    assert differs(esp.table(*ROWS)[:0xC00], "sim:board") != []  # no row vfs


# ---- Header and bootloader ----

def test_flash_size_alone(molt, differs, small, tmp_path):
    (tmp_path / "fw.bin").write_bytes(small)
    molt.ok("edit", "fw.bin", "-s", "8M", "-o", "larger.bin")
    (item,) = differs("fw.bin", "larger.bin", whole=True)
    assert (item["what"], item["a"], item["b"]) == ("flash size", "4 MB", "8 MB")


def test_spi_mode_alone(differs, small):
    boot = bytearray(boot_of(small))
    boot[2] = 0
    (item,) = differs(small, esp.seal(boot) + small[len(boot):], whole=True)
    assert (item["what"], item["a"][:12], item["b"][:12]) == ("header", "SPI mode DIO", "SPI mode QIO")


def test_bootloader(differs, small):
    boot = bytearray(boot_of(small))
    boot[100] ^= 1
    sealed = esp.seal(boot)
    (item,) = differs(small, sealed + small[len(boot):], whole=True)
    assert (item["what"], item["change"]) == ("bootloader", "changed")
    assert hashlib.sha256(sealed[:-32]).hexdigest()[:8] in item["b"] and "%d bytes" % len(boot) in item["a"]
    (item,) = differs(small, bytes(boot) + small[len(boot):], whole=True)
    assert "damaged" in item["b"] and "damaged" not in item["a"]


def test_an_erased_board(molt, differs, small):
    molt.ok("sim", "new", "sim:empty", "--flash-size", "4M")
    assert differs(small, "sim:empty")[:3] == [("flash size", "removed", None, None), ("bootloader", "removed", "bootloader", None),
                                               ("table", "removed", "table", None)]
    assert differs("sim:empty", small)[1:3] == [("bootloader", "added", "bootloader", None), ("table", "added", "table", None)]


# ---- Table ----

def test_rows(differs, small):
    a = esp.with_table(small, *ROWS, VFS_ROW)
    b = esp.with_table(small, esp.row(1, 2, 0x9000, 0x5000, "nvs"), esp.row(1, 1, 0xE000, 0x1000, "phy_init"),
                       esp.row(0, 0, 0x10000, 0x1F0000, "factory", 1), esp.row(1, 0x83, VFS, SIZE, "storage"),
                       esp.row(1, 0x40, VFS + SIZE, 0x1000, "new"))
    items = differs(a, b, whole=True)
    by_name = {i["partition"]: i for i in items if i["what"] == "row"}
    assert set(by_name) == {"nvs", "phy_init", "factory", "vfs", "new"}
    changes = {name: [c for c in ("moved", "resized", "renamed", "retyped") if i[c]] for name, i in by_name.items()}
    assert changes == {"nvs": ["resized"], "phy_init": ["moved"], "factory": [], "vfs": ["renamed", "retyped"], "new": []}
    assert by_name["factory"]["old"]["flags"] == 0 and by_name["factory"]["new"]["flags"] == 1
    assert by_name["vfs"]["new"]["name"] == "storage" and by_name["new"]["old"] is None
    assert [i["change"] for i in items if i["partition"] == "new"] == ["added"]
    assert ("row", "removed", "new", None) in differs(b, a)


def test_md5_row_and_order(differs, small):
    assert differs(esp.with_table(small, *ROWS), esp.with_table(small, *ROWS, md5=False)) == [("table", "changed", "table", None)]
    assert [i[:3] for i in differs(esp.with_table(small, *ROWS), esp.with_table(small, ROWS[1], ROWS[0], ROWS[2]))] == [
        ("bytes", "changed", "table")]


def test_tables_alone(molt, differs, small, tmp_path):
    (tmp_path / "t.csv").write_text(molt.ok("csv", molt_write(tmp_path, "fw.bin", small)))
    molt.ok("csv", "t.csv", "-o", "t.bin")
    for a in ("t.csv", "t.bin", "fw.bin"):
        for b in ("t.csv", "t.bin"):
            assert differs(a, b) == []
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("24K", "16K"))
    assert differs("t.csv", "fw.bin") == [("row", "changed", "nvs", None)]
    assert "~ row         nvs: from 16 KB to 24 KB" in molt("diff", "t.csv", "t.bin", check=1).stdout


def molt_write(folder, name, data):
    (folder / name).write_bytes(data)
    return name


# ---- What partitions hold ----

def test_apps(differs, small):
    app = bytearray(esp.app_of(small))
    app[0x3000] ^= 1
    other = small[:APP - BOOT] + esp.seal(app)
    (item,) = differs(small, other, whole=True)
    assert (item["what"], item["change"], item["partition"]) == ("app", "changed", "factory")
    assert item["a"].startswith("MicroPython v1.23.0 of 2024-06-02, %d bytes, SHA-256" % len(app)) and item["a"] != item["b"]
    (item,) = differs(small, small[:APP - BOOT] + bytes(app), whole=True)
    assert item["b"].endswith(", damaged")
    assert differs(small, small[:APP - BOOT]) == [("app", "removed", "factory", None)]
    assert differs(small[:APP - BOOT], small) == [("app", "added", "factory", None)]
    assert differs(small, small[:APP - BOOT] + b"junk")[0] == ("app", "changed", "factory", None)
    # Behind the app's end there may be anything.
    assert differs(small, small + b"remains") == []


def test_an_app_against_a_firmware(molt, differs, small, tmp_path):
    app = esp.app_of(small)
    assert differs(app, app) == []
    assert differs(app, small) == [] and differs(small, app) == []
    changed = bytearray(app)
    changed[0x3000] ^= 1
    assert differs(esp.seal(changed), small) == [("app", "changed", "factory", None)]
    assert differs(esp.seal(changed), app) == [("app", "changed", None, None)]
    # Of two slots the one that boots.
    two = esp.with_table(small, *SLOTS)
    two = with_bytes(two, 0x1B0000, esp.seal(changed))
    (tmp_path / "dump.bin").write_bytes(esp.dump(two))
    assert differs(app, "dump.bin") == []
    molt.ok("ota", "set-boot", "dump.bin", "ota_1")
    assert differs(app, "dump.bin") == [("app", "changed", "ota_1", None)]
    assert differs(esp.seal(changed), "dump.bin") == []


def test_otadata(molt, differs, small, tmp_path):
    app = esp.app_of(small)
    two = esp.dump(with_bytes(esp.with_table(small, *SLOTS), 0x1B0000, app))
    (tmp_path / "dump.bin").write_bytes(two)
    molt.ok("ota", "set-boot", "dump.bin", "ota_1")
    (item,) = differs(two, "dump.bin", whole=True)
    assert (item["what"], item["a"]) == ("otadata", "boots ota_0, by no record")
    assert item["b"].startswith("boots ota_1, by record ") and item["b"].endswith(", NEW")
    # Behind the records nothing counts, but it is not the same.
    assert differs(two, with_bytes(two[BOOT:], 0xE100, b"\0").rjust(len(two), b"\xff")) == [("bytes", "changed", "otadata", None)]


def test_pages_and_bytes(differs, small):
    used = with_bytes(with_bytes(small, 0xA010, b"one"), 0xC000, b"two")
    (item,) = differs(used, with_bytes(used, 0xA011, b"!"), whole=True)
    assert (item["what"], item["change"], item["first"], item["count"]) == ("nvs", "changed", 0x1011, 1)
    (item,) = differs(small, used, whole=True)
    assert (item["change"], item["first"], item["count"]) == ("added", 0x1010, 2)
    (item,) = differs(small, with_bytes(small, 0xF123, b"\1\2\xff\3"), whole=True)
    assert (item["what"], item["partition"], item["first"], item["count"]) == ("bytes", "phy_init", 0x123, 3)


def test_what_no_partition_has(differs, small):
    rows = [esp.row(1, 2, 0x9000, 0x4000, "nvs"), ROWS[2], VFS_ROW]
    a = esp.dump(esp.with_table(small, *rows))
    for at, place, first in ((0x800, None, 0x800), (0x7FFF, "bootloader", 0x6FFF), (0x8E00, "table", 0xE00), (0xD001, None, 0xD001)):
        (item,) = differs(a, a[:at] + b"\0" + a[at + 1:], whole=True)
        assert (item["what"], item["partition"], item["first"], item["count"]) == ("bytes", place, first, 1)


# ---- Files ----

def changed_tree():
    tree = dict(FILES, **{"/main.py": b"print(2)\n", "/new": None, "/new/b.py": b"bb"})
    del tree["/lib/a.py"]
    return {**tree, "/lib/a.py": b"a" * 5001, "/same": None}


CHANGES = [("file", "changed", "vfs", "/lib/a.py"), ("file", "changed", "vfs", "/main.py"), ("folder", "added", "vfs", "/new"),
           ("file", "added", "vfs", "/new/b.py"), ("file", "removed", "vfs", "/same"), ("folder", "added", "vfs", "/same")]


def test_files(differs, small, lfs):
    base = esp.with_table(small, *ROWS, VFS_ROW)
    a, b = with_bytes(base, VFS, lfs), with_bytes(base, VFS, fsimage.lfs_image(changed_tree(), SIZE))
    assert differs(a, b) == CHANGES
    items = differs(a, b, whole=True)
    assert (items[0]["a"], items[0]["b"]) == ("5000 bytes", "5001 bytes")
    assert (items[1]["a"], items[1]["b"]) == ("9 bytes", "9 bytes")
    assert differs(base, a) == [("file system", "added", "vfs", None)]
    assert differs(a, base, whole=True)[0]["a"] == "littlefs 2.0, 64 blocks of 4096 bytes, 3 files of 5013 bytes"


def test_files_elsewhere(differs, small, lfs):
    """The same files in other blocks, in a moved or renamed partition, behind the last partition: no file differs."""
    base = esp.with_table(small, *ROWS, VFS_ROW)
    again = dict(sorted(FILES.items(), reverse=True))
    fs = fsimage.lfs_new(SIZE)
    for path in sorted(again):
        if again[path] is None:
            fs.mkdir(path)
    for path in reversed(sorted(again)):
        if again[path] is not None:
            with fs.open(path, "wb") as file:
                file.write(again[path])
    other = bytes(fs.context.buffer)
    assert other != lfs and differs(with_bytes(base, VFS, lfs), with_bytes(base, VFS, other)) == []
    moved = with_bytes(esp.with_table(small, *ROWS, esp.row(1, 0x81, 0x300000, SIZE, "vfs")), 0x300000, lfs)
    assert differs(with_bytes(base, VFS, lfs), moved) == [("row", "changed", "vfs", None)]
    behind = with_bytes(esp.with_table(small, *ROWS), VFS, lfs)
    assert differs(with_bytes(base, VFS, lfs), behind) == [("row", "removed", "vfs", None)]
    assert differs(behind, with_bytes(base, VFS, lfs)) == [("row", "added", "vfs", None)]


def test_behind_the_last_partition(differs, small, lfs):
    base = esp.with_table(small, *ROWS)
    b = with_bytes(base, VFS, fsimage.lfs_image(changed_tree(), SIZE))
    assert differs(with_bytes(base, VFS, lfs), b) == CHANGES
    assert differs(base, b) == [("file system", "added", "vfs", None)]
    assert [i[:3] for i in differs(base, with_bytes(base, 0x280000, b"unknown"))] == [("bytes", "changed", "vfs")]


def test_damaged_and_unknown(differs, small, lfs):
    base = esp.with_table(small, *ROWS, VFS_ROW)
    good = with_bytes(base, VFS, lfs)
    larger = with_bytes(base, VFS, fsimage.lfs_image(FILES, 2 * SIZE)[:SIZE])  # its superblock says twice the partition
    (item,) = differs(good, larger, whole=True)
    assert (item["what"], item["change"]) == ("file system", "changed") and "cannot be mounted" in item["b"]
    assert differs(larger, larger) == []
    assert [i[:3] for i in differs(larger, with_bytes(larger, VFS + SIZE - 1, b"\0"))] == [("bytes", "changed", "vfs")]


def test_a_damaged_file_is_one_of_many(differs, lfs):
    """Its blocks lead nowhere: it is named, and the others are compared all the same."""
    image = bytearray(fsimage.lfs_image(dict(FILES, **{"/same": b"SAME"}), SIZE))
    for at in range(0, SIZE, 4096):
        if image[at + 4:at + 204] == b"a" * 200 and image[at] != ord("a"):  # the last block, which begins with where the first is
            image[at:at + 4] = b"\xf0\xff\xff\x7f"
    items = differs(lfs, image, whole=True)
    assert [(i["what"], i["path"]) for i in items] == [("file", "/lib/a.py"), ("file", "/same")]
    assert (items[0]["a"], items[0]["b"]) == ("5000 bytes", "5000 bytes that cannot be read")
    assert differs(image, image) == []


def test_folders_in_a_circle(molt, differs, tmp_path):
    (tmp_path / "tree/lib/deep").mkdir(parents=True)
    molt.ok("fs", "build", "tree", "-o", "fat.img", "--size", "1M", "--type", "fat")
    image = bytearray((tmp_path / "fat.img").read_bytes())
    lib, deep = (image.index(name.ljust(11).encode() + b"\x10") for name in ("LIB", "DEEP"))
    image[deep + 26:deep + 28] = image[lib + 26:lib + 28]
    (item,) = differs("fat.img", image, whole=True)
    assert (item["what"], item["change"]) == ("file system", "changed")
    assert item["a"].startswith("FAT12, ") and item["b"].startswith("FAT12 that cannot be read: ")


def test_bare_images(molt, differs, small, lfs, tmp_path):
    other = fsimage.lfs_image(changed_tree(), SIZE)
    assert differs(lfs, lfs) == []
    assert differs(lfs, other) == [(what, change, None, path) for what, change, _, path in CHANGES]
    fw = with_bytes(esp.with_table(small, *ROWS, VFS_ROW), VFS, other)
    assert differs(lfs, fw) == CHANGES
    (tmp_path / "tree/lib").mkdir(parents=True)
    for path, data in FILES.items():
        if data is not None:
            (tmp_path / ("tree" + path)).write_bytes(data)
    molt.ok("fs", "build", "tree", "-o", "fat.img", "--size", "1M", "--type", "fat")
    assert differs("fat.img", lfs) == [("file system", "changed", None, None)]
    (tmp_path / "tree/main.py").write_bytes(b"print(3)\n")
    molt.ok("fs", "build", "tree", "-o", "fat2.img", "--size", "1M", "--type", "fat")
    assert differs("fat.img", "fat2.img") == [("file", "changed", None, "/main.py")]


# ---- Trouble ----

def test_trouble_is_2(molt, small, lfs, tmp_path):
    molt_write(tmp_path, "fw.bin", small)
    molt_write(tmp_path, "app.bin", esp.app_of(small))
    molt_write(tmp_path, "vfs.img", lfs)
    molt_write(tmp_path, "text.csv", b"no table\n")
    molt_write(tmp_path, "t.csv", b"factory, app, factory, , 1M\n")
    molt_write(tmp_path, "boot.bin", boot_of(small))
    molt.ok("sim", "new", "sim:board")
    for words, text in [
        (["fw.bin", "nosuch"], "nosuch"),
        (["app.bin", "vfs.img"], "app.bin is an app image, vfs.img a file system image: they have nothing in common"),
        (["text.csv", "fw.bin"], "text.csv: line 1"),
        (["fw.bin", "text.csv"], "text.csv: line 1"),
        (["boot.bin", "app.bin"], "nothing in common"),
        (["sim:board", "sim:board"], "in use"),
        (["t.csv", "sim:board"], "no partition table"),
        (["sim:board", "t.csv"], "no partition table"),
        (["app.bin", "sim:board"], "no partition table"),
        (["fw.bin"], "fw.bin"),
        (["fw.bin", "fw.bin", "fw.bin"], ""),
    ]:
        done = molt("diff", *words, check=2)
        assert done.stdout == "" and (text in done.stderr or len(words) != 2)
    assert molt("diff", "boot.bin", "fw.bin", check=0).stdout.endswith("no difference\n")


def test_names_do_not_reach_the_terminal(molt, small, tmp_path):
    molt_write(tmp_path, "a.bin", esp.with_table(small, *ROWS, esp.row(1, 0x40, VFS, 0x1000, "x\x1b[31m")))
    molt_write(tmp_path, "b.bin", esp.with_table(small, *ROWS, esp.row(1, 0x40, VFS, 0x1000, "y\x1b[31m")))
    assert "\x1b" not in molt("diff", "a.bin", "b.bin", check=1).stdout


def test_quiet(molt, small, tmp_path):
    molt_write(tmp_path, "a.bin", small)
    molt_write(tmp_path, "b.bin", small[:APP - BOOT])
    assert molt.ok("diff", "a.bin", "a.bin", "--quiet") == ""
    assert molt("diff", "a.bin", "b.bin", "-q", check=1).stdout == ""


def test_json_keys(molt, small, tmp_path):
    molt_write(tmp_path, "a.bin", small)
    found = json.loads(molt.ok("diff", "a.bin", "a.bin", "--json"))
    assert set(found) == {"a", "b", "same", "differences"} and found["same"] is True and found["differences"] == []
    assert found["a"] == {"target": "a.bin", "kind": "firmware file", "chip": "esp32", "flash_size": 4 << 20}
