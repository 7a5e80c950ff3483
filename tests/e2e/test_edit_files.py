"""molt edit: file systems grow, move and shrink with their partition; littlefs-python reads the result."""
import json

import esp
import pytest
from lfsimage import files_of, make as littlefs

FILES = {"boot.py": b"# boot\n", "main.py": b"import app\n" * 300, "lib/a b.py": bytes(range(256)) * 40, "lib/deep/empty": b"",
         "data/big.bin": bytes(i * 7 % 251 for i in range(300000)), "stra\u00dfe": b"x"}


@pytest.fixture(scope="session")
def dump(firmware):
    """4 MB, the genuine table, a littlefs of 2 MB in vfs."""
    data = bytearray(esp.dump(esp.tiny(firmware.read_bytes())))
    data[0x200000:] = littlefs(2 << 20, FILES)
    return bytes(data)


@pytest.fixture
def edit(molt, dump, tmp_path):
    (tmp_path / "dump.bin").write_bytes(dump)

    def run(*words):
        text = molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
        assert "lose" not in text
        out = (tmp_path / "out.bin").read_bytes()
        row = [r for r in esp.rows_of(out[0x1000:]) if r[1] == 0x81][0]
        return text, out[row[2]:row[2] + row[3]], out
    return run


@pytest.mark.parametrize("words, said", [
    (["--rename", "vfs=files"], "until now 'vfs'; the same in the new table"),
    (["-s", "8M", "--resize", "vfs=rest"], "its file system grows from 0x200000 bytes to 0x600000"),
    (["-s", "8M", "--move", "vfs=0x300000"], "what it holds, moved from 0x200000"),
    (["-s", "8M", "--move", "vfs=0x210000", "--resize", "vfs=rest"], "its file system, moved from 0x200000, grows from 0x200000 bytes to 0x5f0000"),
    (["--resize", "vfs=1M"], "a new file system of 0x100000 bytes, until now 0x200000, with its 6 files"),
    (["--resize", "vfs=1M", "--move", "vfs=0x300000", "--rename", "vfs=f"], "until now 'vfs'; a new file system of 0x100000 bytes"),
    (["--resize", "factory=2.5M"], "a new file system of 0x170000 bytes"),
    (["-s", "8M", "-l", "ota"], "its file system, moved from 0x200000, grows from 0x200000 bytes to 0x3f0000"),
    (["-l", "ota"], "a new file system of 0xf0000 bytes"),
    (["-l", "two-slots", "--fs-size", "1M", "--fs-type", "fat", "--fs-name", "ffat"], "until now 'vfs'; a new file system of 0x100000 bytes"),
    (["-l", "default", "--keep-nvs"], "keep   vfs"),
])
def test_files_go_along(edit, words, said):
    text, image, out = edit(*words)
    assert said in text, text
    assert files_of(image) == FILES
    assert out.count(b"littlefs") == image.count(b"littlefs")  # nothing of the old one is left behind


def test_the_disk_version_stays(edit):
    for words in (["--resize", "vfs=1M"], ["-s", "8M", "--resize", "vfs=rest"]):
        image = edit(*words)[1]
        assert image[20:24] == bytes([0, 0, 2, 0]) or image[0x1000 + 20:0x1000 + 24] == bytes([0, 0, 2, 0])


def test_files_that_do_not_fit(molt, dump, tmp_path):
    (tmp_path / "dump.bin").write_bytes(dump)
    words = molt.fails("edit", "dump.bin", "--resize", "vfs=256K", "-o", "out.bin")
    assert "partition 'vfs' (0x40000 bytes) is too small for its files: at least 0x" in words
    size = int(words.partition("at least ")[2].partition(" ")[0], 16)
    assert "too small" in molt.fails("edit", "dump.bin", "--resize", "vfs=%d" % (size - 4096), "-o", "out.bin")
    molt.ok("edit", "dump.bin", "--resize", "vfs=%d" % size, "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert files_of(out[0x200000:0x200000 + size]) == FILES
    text = molt.ok("edit", "dump.bin", "--resize", "vfs=256K", "--force", "-o", "out.bin")
    assert "lose   vfs" in text and set((tmp_path / "out.bin").read_bytes()[0x200000:]) == {0xFF}


def test_a_damaged_file_system(molt, dump, tmp_path):
    data = bytearray(dump)
    data[0x200000 + 0x30:0x200000 + 0x1000] = bytes(0xFD0)
    data[0x201000 + 0x30:0x201000 + 0x1000] = bytes(0xFD0)
    (tmp_path / "dump.bin").write_bytes(data)
    words = molt.fails("edit", "dump.bin", "--resize", "vfs=1M", "-o", "out.bin")
    assert "the file system of 'vfs' cannot be carried over" in words or "too small for what it holds" in words
    assert [p.name for p in tmp_path.iterdir()] == ["dump.bin"]


@pytest.fixture
def behind(firmware):
    """As MicroPython 1.26 has it: no row, the file system behind the last partition."""
    data = bytearray(esp.dump(esp.tiny(firmware.read_bytes(), esp.NVS, esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.FACTORY)))
    data[0x200000:] = littlefs(2 << 20, FILES)
    return bytes(data)


@pytest.mark.parametrize("words, place, rows", [
    (["--resize", "vfs=rest"], (0x200000, 0x200000), 4),
    (["--resize", "vfs=0"], (0x200000, 0x200000), 4),
    (["--resize", "vfs=1M"], (0x200000, 0x100000), 4),
    (["-s", "8M", "--resize", "vfs=0"], (0x200000, 0x600000), 4),
    (["-s", "8M"], (0x200000, 0x600000), 3),
    (["--resize", "factory=2M"], (0x210000, 0x1F0000), 3),
    (["--resize", "factory=1.5M"], (0x190000, 0x270000), 3),
    (["--add", "vfs:data:fat::rest"], (0x200000, 0x200000), 4),
    (["--add", "logs:data:nvs::64K"], (0x210000, 0x1F0000), 4),
    (["-l", "ota", "-s", "8M"], (0x410000, 0x3F0000), 5),
    (["-l", "micropython", "-s", "8M"], (0x200000, 0x600000), 4),
])
def test_a_file_system_without_a_row(molt, behind, tmp_path, words, place, rows):
    (tmp_path / "dump.bin").write_bytes(behind)
    text = molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert "lose" not in text and len(esp.rows_of(out[0x1000:])) == rows
    assert files_of(out[place[0]:sum(place)]) == FILES, text
    assert out.count(b"littlefs") == out[place[0]:sum(place)].count(b"littlefs")


def test_no_room_behind(molt, behind, tmp_path):
    (tmp_path / "dump.bin").write_bytes(behind)
    done = molt("edit", "dump.bin", "--resize", "factory=rest", "-o", "out.bin", check=1)
    assert "data would be lost: 'vfs'" in done.stderr
    assert "too small for its files" in molt.fails("edit", "dump.bin", "--resize", "factory=3.8125M", "-o", "out.bin")


def test_a_firmware_without_a_row(molt, firmware, tmp_path):
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes(), esp.NVS, esp.FACTORY))
    molt.ok("edit", "fw.bin", "--resize", "vfs=0", "-o", "out.bin")
    assert esp.rows_of((tmp_path / "out.bin").read_bytes())[-1] == (1, 0x81, 0x200000, 0x200000, "vfs")


def test_a_firmware_that_carries_files(molt, firmware, tmp_path):
    """A file that ends within its file system: what is behind its end is FF."""
    image = littlefs(2 << 20, {"main.py": b"hello"})
    data = esp.tiny(firmware.read_bytes()).ljust(0x1FF000, b"\xff") + image.rstrip(b"\xff")
    (tmp_path / "fw.bin").write_bytes(data)
    molt.ok("edit", "fw.bin", "-s", "8M", "--resize", "factory=3M,vfs=rest", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert files_of((b"\xff" * 0x1000 + out).ljust(8 << 20, b"\xff")[0x310000:]) == {"main.py": b"hello"}
    assert json.loads(molt.ok("info", "--json", "out.bin"))["kind"] == "firmware file"


# ---- --put ----

@pytest.fixture
def tree(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "tree"


def test_an_image_with_firmware_and_files(molt, firmware, tree, tmp_path):
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes()))
    text = molt.ok("edit", "fw.bin", "-s", "8M", "-l", "ota", "--put", "tree", "-o", "out.bin")
    assert "6 files of 'tree'" in text
    out = b"\xff" * 0x1000 + (tmp_path / "out.bin").read_bytes()
    assert files_of(out.ljust(8 << 20, b"\xff")[0x410000:]) == FILES
    molt.ok("edit", "out.bin", "--put", "tree/lib:/lib2", "--put", "tree/main.py:/", "-o", "more.bin")
    out = b"\xff" * 0x1000 + (tmp_path / "more.bin").read_bytes()
    found = files_of(out.ljust(8 << 20, b"\xff")[0x410000:])
    assert found == {**FILES, "lib2/a b.py": FILES["lib/a b.py"], "lib2/deep/empty": b""}


def test_put_after_all_else(molt, dump, tree, tmp_path):
    """Also into what has grown, shrunk or moved on the way, whatever the order of the words."""
    (tmp_path / "dump.bin").write_bytes(dump)
    (tree / "new.py").write_bytes(b"new")
    for words, place in ((["-s", "8M", "--resize", "vfs=rest"], (0x200000, 0x600000)), (["--resize", "vfs=1M"], (0x200000, 0x100000)),
                         (["--resize", "vfs=1M", "--move", "vfs=0x300000"], (0x300000, 0x100000)), ([], (0x200000, 0x200000)),
                         (["-s", "8M", "--move", "vfs=0x400000"], (0x400000, 0x200000))):
        molt.ok("edit", "dump.bin", "--put", "tree", *words, "-o", "out.bin")
        assert files_of((tmp_path / "out.bin").read_bytes()[place[0]:sum(place)]) == {**FILES, "new.py": b"new"}


def test_put_without_a_row(molt, firmware, behind, tree, tmp_path):
    data = esp.tiny(firmware.read_bytes(), esp.NVS, esp.FACTORY)
    (tmp_path / "fw.bin").write_bytes(data)
    molt.ok("edit", "fw.bin", "--put", "tree", "-o", "out.bin")
    out = b"\xff" * 0x1000 + (tmp_path / "out.bin").read_bytes()
    assert files_of(out.ljust(4 << 20, b"\xff")[0x200000:]) == FILES and len(esp.rows_of(out[0x1000:])) == 2
    (tmp_path / "dump.bin").write_bytes(behind)
    molt.ok("edit", "dump.bin", "--put", "tree:/new", "-o", "out.bin")
    assert len(files_of((tmp_path / "out.bin").read_bytes()[0x200000:])) == 12
    (tmp_path / "full.bin").write_bytes(data.ljust(0x1FF000, b"\xff") + b"strange")
    assert "data would be lost: 'vfs'" in molt("edit", "full.bin", "--put", "tree", "-o", "no.bin", check=1).stderr


def test_put_refused(molt, firmware, tree, tmp_path):
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes(), esp.NVS, esp.row(0, 0, 0x10000, 0x3F0000, "factory")))
    assert "no partition for files" in molt.fails("edit", "fw.bin", "--put", "tree", "-o", "out.bin")
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes()))
    assert "nowhere" in molt.fails("edit", "fw.bin", "--put", "nowhere", "-o", "out.bin")
    molt.fails("edit", "fw.bin", "--resize", "vfs=64K", "--put", "tree", "-o", "out.bin")
    assert not (tmp_path / "out.bin").exists()


# ---- FAT ----

def fat_files(molt, name):
    """Through `molt fs`, whose FAT is compared with mtools elsewhere."""
    found = {}
    for path in FAT:
        molt.ok("fs", "get", name, "/" + path, "got", "-f")
        found[path] = (molt.cwd / "got").read_bytes()
    return found


FAT = {"boot.py": b"# boot\n", "lib/with spaces.py": bytes(range(256)) * 100, "data.bin": b"z" * 200000}


@pytest.mark.parametrize("words, said", [
    (["-s", "8M", "--resize", "vfs=rest"], "a new file system of 0x600000 bytes, until now 0x200000, with its 3 files"),
    (["--resize", "vfs=1M"], "a new file system of 0x100000 bytes"),
    (["-s", "8M", "--move", "vfs=0x300000"], "moved from 0x200000"),
    (["--rename", "vfs=ffat"], "the same in the new table"),
])
def test_fat_goes_along(molt, firmware, tmp_path, words, said):
    (tmp_path / "dump.bin").write_bytes(esp.dump(esp.tiny(firmware.read_bytes())))
    molt.ok("fs", "mkfs", "dump.bin", "--type", "fat")
    for name, content in FAT.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    molt.ok("edit", "dump.bin", "--put", "tree", "--in-place")
    text = molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    assert said in text and "lose" not in text, text
    assert fat_files(molt, "out.bin") == FAT
    molt.ok("fs", "check", "out.bin")
    words = molt.fails("edit", "dump.bin", "--resize", "vfs=128K", "-o", "no.bin")
    assert "too small for its files" in words


def test_a_firmware_that_makes_its_own_row(molt, firmware, dump, tmp_path):
    """MicroPython 1.26 and later finds the file system behind the last partition: without its row it is not lost."""
    new = esp.tiny(firmware.read_bytes(), says=b"MicroPython v1.26.0 on 2025-08-09")
    data = bytearray(dump)
    data[0x1000:0x1000 + len(new)] = new
    (tmp_path / "dump.bin").write_bytes(data)
    for words, offset in ((["--delete", "vfs"], 0x200000), (["-l", "micropython"], 0x200000), (["-l", "micropython-ota"], 0x310000)):
        text = molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
        out = (tmp_path / "out.bin").read_bytes()
        assert "lose" not in text and all(row[4] != "vfs" for row in esp.rows_of(out[0x1000:]))
        assert files_of(out[offset:]) == FILES
    (tmp_path / "dump.bin").write_bytes(dump)  # 1.23 would not find it
    assert "data would be lost: 'vfs'" in molt("edit", "dump.bin", "--delete", "vfs", "-o", "no.bin", check=1).stderr
