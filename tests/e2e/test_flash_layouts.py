"""molt flash onto another layout: what the plan says, what is carried over, what is erased."""
import json
import struct

import esp
import littlefs
import pytest

MB = 1 << 20


def lfs(blocks, names):
    fs = littlefs.LittleFS(block_size=4096, block_count=blocks, disk_version=0x00020000)
    for name, content in names.items():
        with fs.open(name, "wb") as out:
            out.write(content)
    return bytes(fs.context.buffer)


def files_of(data):
    fs = littlefs.LittleFS(block_size=4096, block_count=len(data) // 4096, mount=False)
    fs.context.buffer[:] = data
    fs.mount()
    return {name: fs.open(name, "rb").read() for name in fs.listdir("/")}


def nvs(pages, total=6):
    """Pages that only a reader of NVS would tell from real ones: not erased, each of its own."""
    return b"".join(bytes([n]) * 4096 for n in range(1, pages + 1)).ljust(total * 4096, b"\xff")


FILES = {"boot.py": b"import molt\n", "big.bin": bytes(range(256)) * 40}
# The layouts: single as downloaded; two slots; and without a row for the files
SINGLE = (esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.row(0, 0, 0x10000, 0x1F0000, "factory"),
          esp.row(1, 0x81, 0x200000, 0x200000, "vfs"))
TWO = (esp.row(1, 2, 0x9000, 0x4000, "nvs"), esp.row(1, 0, 0xD000, 0x2000, "otadata"), esp.row(1, 1, 0xF000, 0x1000, "phy_init"),
       esp.row(0, 0x10, 0x10000, 0x180000, "ota_0"), esp.row(0, 0x11, 0x190000, 0x180000, "ota_1"), esp.row(1, 0x81, 0x310000, 0xF0000, "vfs"))
LOBO = (*TWO[:-1], esp.row(1, 0x81, 0x350000, 0xB0000, "internalfs"))
NONE = (esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.row(0, 0, 0x10000, 0xF0000, "factory"))


@pytest.fixture(scope="module")
def app(firmware):
    return esp.shortened(esp.app_of(firmware.read_bytes()))


@pytest.fixture
def make(firmware, app, tmp_path):
    """Writes NAME.bin, a firmware file with these rows."""
    def make(name, rows):
        head = bytearray(esp.with_table(firmware.read_bytes(), *rows)[:0xF000].ljust(0xF000, b"\xff"))
        head[0x8000:0xF000] = b"\xff" * 0x7000
        (tmp_path / name).write_bytes(bytes(head) + app)
        return name
    return make


@pytest.fixture
def used(molt, make, tmp_path):
    """dump.bin: 4 MB of flash with the single layout, settings and files."""
    data = bytearray(esp.dump((tmp_path / make("single.bin", SINGLE)).read_bytes()))
    data[0x9000:0xF000] = nvs(2)
    data[0x200000:] = lfs(0x200, FILES)
    (tmp_path / "dump.bin").write_bytes(data)
    return tmp_path / "dump.bin"


def test_the_plan_says_what_each_change_means(molt, make, used):
    before = used.read_bytes()
    two = make("two.bin", TWO)
    words = molt("flash", two, "dump.bin", check=1)
    assert "the firmware's differs from the one on the target" in words.stdout
    assert "lose   nvs" in words.stdout and "settings of the device" in words.stdout
    assert "lose   vfs" in words.stdout and "littlefs 2.0 with 2 files and folders: the layout has it elsewhere" in words.stdout
    assert "'nvs' would be lost" in words.stderr and "--keep nvs carries it over, --force" in words.stderr
    assert used.read_bytes() == before
    shown = json.loads(molt("flash", two, "dump.bin", "--json", "--dry-run", check=1).stdout)
    assert shown["written"] is False and "--keep nvs" in shown["refused"]
    assert used.read_bytes() == before
    molt.ok("flash", two, "dump.bin", "--force")
    data = used.read_bytes()
    assert data[0x9000:0xF000] == b"\xff" * 0x6000 and data[0x310000:0x314000] == b"\xff" * 0x4000


def test_what_is_kept_goes_along(molt, make, used, tmp_path):
    before = used.read_bytes()
    text = molt.ok("flash", make("two.bin", TWO), "dump.bin", "--keep", "nvs,vfs", "--backup", "saved.bin")
    assert text.count("  nvs  ") == 1 and "write  vfs" in text and "littlefs 2.0 with 2 files and folders, carried over from 0x200000" in text
    data = used.read_bytes()
    assert data[0x9000:0xD000] == nvs(2, 4) and data[0xD000:0xF000] == b"\xff" * 0x2000
    assert files_of(data[0x310000:0x400000]) == FILES
    assert (tmp_path / "saved.bin").read_bytes() == before
    assert "saved.bin" in molt.fails("flash", "two.bin", "dump.bin", "--backup", "saved.bin")  # is there already
    assert "0 sectors to write" in molt.ok("flash", "two.bin", "dump.bin", "--keep", "nvs,vfs")
    # and back: the small file system grows
    molt.ok("flash", "single.bin", "dump.bin", "--keep", "nvs,vfs")
    data = used.read_bytes()
    assert files_of(data[0x200000:]) == FILES and data[0x9000:0xF000] == nvs(2)
    assert "block count  512" in (info := molt.ok("fs", "info", "dump.bin")) or "512" in info
    molt.ok("flash", "saved.bin", "dump.bin", "--force")
    assert used.read_bytes() == before


def test_files_by_another_name_or_without_a_row(molt, make, used):
    molt.ok("flash", make("lobo.bin", LOBO), "dump.bin", "--keep", "vfs", "--force")
    assert files_of(used.read_bytes()[0x350000:]) == FILES
    molt.ok("flash", make("none.bin", NONE), "dump.bin", "--keep", "vfs")
    assert files_of(used.read_bytes()[0x100000:]) == FILES
    assert "as before: what it holds stays" in molt.ok("flash", "none.bin", "dump.bin")
    molt.ok("flash", "single.bin", "dump.bin", "--keep", "vfs")
    assert files_of(used.read_bytes()[0x200000:]) == FILES


def test_what_would_be_misread_is_erased(molt, make, used):
    text = molt.ok("flash", make("none.bin", NONE), "dump.bin", "--force")
    assert "erase  vfs" not in text  # nothing is at 0x100000
    data = bytearray(used.read_bytes())
    data[0x100000:0x100010] = b"an older layout!"
    used.write_bytes(data)
    with_row = make("row.bin", (*NONE, esp.row(1, 0x81, 0x100000, 0x300000, "vfs")))
    molt.ok("flash", "single.bin", "dump.bin", "--force")
    assert "erase  vfs" in molt.ok("flash", "none.bin", "dump.bin", "--force")
    assert used.read_bytes()[0x100000:0x104000] == b"\xff" * 0x4000
    molt.ok("flash", with_row, "dump.bin")


def test_keeping_the_firmware_s_own_out(molt, make, used, tmp_path):
    """A firmware that brings files, onto a device that has its own."""
    (tmp_path / "vfs.img").write_bytes(lfs(0x200, {"factory.py": b"x"}))
    molt.ok("write", "single.bin", "vfs=vfs.img", "-o", "product.bin")
    words = molt("flash", "product.bin", "dump.bin", check=1)
    assert "littlefs 2.0 with 2 files and folders: the firmware brings its own" in words.stdout and "--keep vfs" in words.stderr
    plan = molt.ok("flash", "product.bin", "dump.bin", "--keep", "vfs")
    assert "stays; what the firmware brings for it is not written" in plan
    assert files_of(used.read_bytes()[0x200000:]) == FILES
    molt.ok("flash", "product.bin", "dump.bin", "--force")
    assert files_of(used.read_bytes()[0x200000:]) == {"factory.py": b"x"}


def test_erase_all(molt, make, used, tmp_path):
    text = molt.ok("flash", "single.bin", "dump.bin", "--erase-all")
    assert "littlefs 2.0 with 2 files and folders: all is erased" in text
    assert used.read_bytes() == esp.dump((tmp_path / "single.bin").read_bytes())
    data = bytearray(used.read_bytes())
    data[0x200000:] = lfs(0x200, FILES)
    used.write_bytes(data)
    molt.ok("flash", "single.bin", "dump.bin", "--erase-all", "--keep", "vfs")
    assert files_of(used.read_bytes()[0x200000:]) == FILES and used.read_bytes()[0x9000:0xF000] == b"\xff" * 0x6000


def test_nothing_behind_the_partition_is_erased(molt, make, used, tmp_path):
    """mp-image-tool-esp32 counts from the file's start and erases 4 KB too much on ESP32: block 0 of the files."""
    before = used.read_bytes()
    molt.ok("flash", "single.bin", "dump.bin")
    after = used.read_bytes()
    assert after == before and files_of(after[0x200000:]) == FILES
    end = 0x10000 + len((tmp_path / "single.bin").read_bytes()) - 0xF000
    dirty = bytearray(before)
    dirty[0x10000:0x200000] = b"\0" * 0x1F0000
    used.write_bytes(dirty)
    molt.ok("flash", "single.bin", "dump.bin")
    assert used.read_bytes()[0x200000:] == before[0x200000:] and used.read_bytes()[:end] == before[:end]


def test_what_cannot_be_kept(molt, make, used):
    data = bytearray(used.read_bytes())
    data[0x9000:0xF000] = nvs(5)
    used.write_bytes(data)
    two = make("two.bin", TWO)
    assert "'nvs' cannot be kept: its settings with a free page needs 0x6000 bytes, 'nvs' of the firmware has 0x4000" in \
        molt.fails("flash", two, "dump.bin", "--keep", "nvs,vfs")
    data[0x200000:] = lfs(0x200, {"large.bin": bytes(range(256)) * 4096})
    used.write_bytes(data)
    assert "the room that its files take needs" in molt.fails("flash", two, "dump.bin", "--keep", "vfs")
    data[0x200000:] = lfs(0x200, {"long.bin": b"x" * 300000})
    data[0x202000:] = b"\x55" * 0x1FE000
    used.write_bytes(data)
    assert "'vfs' cannot be kept: its file system" in molt.fails("flash", two, "dump.bin", "--keep", "vfs", "--force")
    for words, said in ((["--keep", "vsf"], "'vsf' cannot be kept"), (["--keep", "factory"], "the firmware decides what boots"),
                        (["--keep", "nvs,,vfs"], "expected names of partitions"), (["--keep", "table"], "cannot be kept"),
                        (["--slot", "factory", "--keep", "nvs"], "a slot alone is written")):
        assert said in molt.fails("flash", "single.bin", "dump.bin", *words), words
    assert used.read_bytes() == data


def test_on_a_board(molt, make, used):
    molt.ok("sim", "new", "sim:roof", "--flash", "dump.bin")
    molt.ok("sim", "boot", "sim:roof")
    text = molt.ok("flash", make("two.bin", TWO), "sim:roof", "-k", "nvs,vfs")
    assert "written and verified" in text and "--backup FILE saves the whole flash first" in text
    assert json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))["running"] == "ota_0"
    flash = (used.parent / "roof" / "flash.bin").read_bytes()
    assert files_of(flash[0x310000:]) == FILES and flash[0x9000:0xD000] == nvs(2, 4)


def test_fat_goes_along_too(molt, make, used, tmp_path):
    """A FAT cannot grow or shrink: it is made anew from its files, folders too."""
    (tmp_path / "app" / "lib").mkdir(parents=True)
    (tmp_path / "app" / "main.py").write_bytes(b"main" * 500)
    (tmp_path / "app" / "lib" / "a long name.py").write_bytes(b"lib")
    molt.ok("fs", "build", "app", "-o", "fat.img", "--size", "2M", "--type", "fat")
    data = used.read_bytes()
    used.write_bytes(data[:0x200000] + (tmp_path / "fat.img").read_bytes())
    for name, rows, at in (("two.bin", TWO, 0x310000), ("single.bin", SINGLE, 0x200000)):
        plan = molt.ok("flash", make(name, rows), "dump.bin", "--keep", "nvs,vfs")
        assert "with 3 files and folders, carried over" in plan
        molt.ok("fs", "check", "dump.bin")
        assert struct.unpack_from("<H", used.read_bytes(), at + 19)[0] == (0x200000 if name == "single.bin" else 0xF0000) // 4096
        (tmp_path / "back").mkdir(exist_ok=True)
        molt.ok("fs", "get", "--force", "dump.bin", "/main.py", "back/main.py")
        molt.ok("fs", "get", "--force", "dump.bin", "/lib/a long name.py", "back/lib.py")
        assert (tmp_path / "back" / "main.py").read_bytes() == b"main" * 500 and (tmp_path / "back" / "lib.py").read_bytes() == b"lib"


def test_settings_go_over_page_by_page(molt, make, used):
    """Pages in use anywhere in a larger partition fit when one stays free."""
    data = bytearray(used.read_bytes())
    pages = [bytes([n]) * 4096 for n in (1, 2, 3)]
    blank = b"\xff" * 4096
    data[0x9000:0xF000] = pages[0] + blank * 2 + pages[1] + blank + pages[2]
    used.write_bytes(data)
    molt.ok("flash", make("two.bin", TWO), "dump.bin", "--keep", "nvs", "--force")
    assert used.read_bytes()[0x9000:0xD000] == b"".join(pages) + blank
