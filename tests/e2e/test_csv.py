"""molt csv: both ways, from every kind of table, and what it refuses; layouts against mp-image-tool-esp32's own."""
import json

import esp
import pytest

from conftest import TOP

VECTORS = TOP / "tests/vectors/csv"
HEAD = "# ESP-IDF Partition Table\n# Name, Type, SubType, Offset, Size, Flags\n"
STOCK = HEAD + ("nvs,data,nvs,0x9000,24K,\nphy_init,data,phy,0xf000,4K,\nfactory,app,factory,0x10000,1984K,\n"
                "vfs,data,fat,0x200000,2M,\n")
APP = "factory, app, factory, , 1M\n"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- What it makes ----

@pytest.mark.parametrize("name", ["stock-4m", "ends", "flags", "every-data-subtype", "cr-only", "name-in-utf8"])
def test_as_the_genuine_tool(molt, tmp_path, name):
    """The unit test runs all of the vectors; these go through the command."""
    binary = (VECTORS / (name + ".bin")).read_bytes().ljust(0xC00, b"\xff")
    assert molt.ok("csv", VECTORS / (name + ".csv"), "-o", "table.bin") == ""
    assert (tmp_path / "table.bin").read_bytes() == binary
    again = (VECTORS / (name + ".out.csv")).read_text()
    assert molt.ok("csv", "table.bin") == again
    assert molt.ok("csv", VECTORS / (name + ".csv")) == again
    molt.ok("csv", "table.bin", "-o", "table.csv")
    assert (tmp_path / "table.csv").read_text() == again


def test_of_every_target(molt, firmware, tmp_path):
    (tmp_path / "dump.bin").write_bytes(esp.dump(firmware.read_bytes()))
    molt.ok("sim", "new", "sim:board", "--flash", firmware)
    for target in (firmware, "dump.bin", "sim:board"):
        assert molt.ok("csv", target) == STOCK
    molt.ok("csv", firmware, "--output", "table.dat", "--binary")
    assert (tmp_path / "table.dat").read_bytes() == firmware.read_bytes()[0x7000:0x7C00]


def test_a_table_elsewhere(molt, firmware, tmp_path):
    (tmp_path / "t.csv").write_text(APP)
    molt.ok("csv", "t.csv", "--offset", "0x10000", "-o", "t.bin")
    assert "factory,app,factory,0x20000,1M," in molt.ok("csv", "t.bin", "--offset", "0x10000")
    dump = esp.dump(firmware.read_bytes())
    table = (tmp_path / "t.bin").read_bytes()
    (tmp_path / "dump.bin").write_bytes(dump[:0x300000] + table + dump[0x300000 + len(table):])
    assert "0x20000,1M" in molt("csv", "dump.bin", "--offset", "0x300000", check=1).stdout  # below that table's end
    for offset in ("0x200000", "0x3ff000", "0x400000"):
        assert "dump.bin: no partition table at " + offset in molt.fails("csv", "dump.bin", "--offset", offset)


def test_without_md5(molt, tmp_path):
    (tmp_path / "t.csv").write_text(APP)
    molt.ok("csv", "t.csv", "--no-md5", "-o", "t.bin")
    assert (tmp_path / "t.bin").read_bytes()[32:] == b"\xff" * (0xC00 - 32)
    assert json.loads(molt.ok("csv", "t.bin", "--json"))["md5"] is False


def test_binary_to_a_pipe(molt):
    import subprocess
    done = subprocess.run([molt.path, "csv", VECTORS / "stock-4m.csv", "--binary"], capture_output=True)
    assert done.returncode == 0 and len(done.stdout) == 0xC00 and done.stdout[:2] == b"\xaa\x50"


def test_json(molt, firmware):
    found = json.loads(molt.ok("csv", firmware, "--json"))
    assert set(found) == {"source", "csv", "table_offset", "flash_size", "md5", "partitions", "text", "problem"}
    assert (found["csv"], found["table_offset"], found["flash_size"], found["md5"]) == (False, 0x8000, 4 << 20, True)
    assert found["text"] == STOCK and found["problem"] is None
    assert found["partitions"][3] == {"name": "vfs", "type": 1, "subtype": 0x81, "type_name": "data", "subtype_name": "fat",
                                      "offset": 0x200000, "size": 0x200000, "flags": 0}


def test_a_table_that_breaks_a_rule_is_shown(molt, firmware, tmp_path):
    """Exit code 1 with the reason, and the CSV all the same: it is what one wants to correct."""
    rows = [esp.NVS, esp.row(0, 0, 0x10000, 0x200000, "factory"), esp.row(1, 0x81, 0x200000, 0x200000, "vfs")]
    (tmp_path / "odd.bin").write_bytes(esp.with_table(firmware.read_bytes(), *rows))
    done = molt("csv", "odd.bin", check=1)
    assert "factory,app,factory,0x10000,2M," in done.stdout and "vfs,data,fat,0x200000,2M," in done.stdout
    assert "odd.bin: partition 'vfs': partitions overlap: overlaps with 'factory'" in done.stderr
    assert "overlaps with 'factory'" in json.loads(molt("csv", "odd.bin", "--json", check=1).stdout)["problem"]


# ---- What it refuses ----

REFUSED = {
    "name-of-17": ("seventeen_letters,app,factory,,1M\n", "line 1: wrong partition name: the name is longer than 16"),
    "line-counts-comments": ("# a\n\n" + APP + "nvs,data,nvs,,24KB\n", "line 4: malformed: the size is no number"),
    "data-size": (APP + "vfs,data,fat,,0x10800\n", "found 0x10800, write 0x10000 or 0x11000"),
    "same-name": (APP + "#\n" + APP, "line 3: wrong partition name: the same name as line 1"),
    "two-factories": ("a,app,factory,,1M\nb,app,factory,,1M\n", "line 2: wrong partition row: a second factory app, the first is line 1"),
    "no-app": ("nvs,data,nvs,,24K\n", "no app partition: it needs one of type app"),
    "empty": ("# nothing\n", "no row: write one for an app"),
    "gap": ("otadata,data,ota,,8K\nota_0,app,ota_0,,1M\nota_2,app,ota_2,,1M\n", "line 3: app slots and otadata do not fit together: gap"),
    "no-otadata": ("ota_0,app,ota_0,,1M\nota_1,app,ota_1,,1M\n", "they need a row of type data, subtype ota"),
    "bootloader": ("b,bootloader,primary,,\n" + APP, "say the chip (--chip)"),
    "semicolons": ("nvs;data;nvs;;24K\n", "line 1: malformed: the row has no comma"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused(molt, tmp_path, case):
    text, words = REFUSED[case]
    (tmp_path / "t.csv").write_text(text)
    for more in ((), ("-o", "out.bin"), ("--json",)):
        done = molt("csv", "t.csv", *more, check=1)
        assert "t.csv:" in done.stderr and words in done.stderr and done.stdout == ""
    assert names(tmp_path) == ["t.csv"]


def test_flash_size(molt, tmp_path):
    (tmp_path / "t.csv").write_text(APP + "vfs, data, fat, 0x310000, 0x600000\n")
    assert "vfs,data,fat,0x310000,6M," in molt.ok("csv", "t.csv")
    assert "line 2: partition ends behind the end of the flash" in molt.fails("csv", "t.csv", "-s", "8M")
    molt.ok("csv", "t.csv", "-s", "16M")


def test_other_refusals(molt, firmware, tmp_path):
    (tmp_path / "t.csv").write_text(APP)
    (tmp_path / "app.bin").write_bytes(esp.app_of(firmware.read_bytes()))
    (tmp_path / "utf16.csv").write_bytes(APP.encode("utf-16"))
    (tmp_path / "empty.csv").write_bytes(b"")
    before = names(tmp_path)
    for words, code, text in [
        (["app.bin"], 1, "has no partition table"),
        (["utf16.csv"], 1, "UTF-16: save it as UTF-8"),
        (["empty.csv"], 1, "no row"),
        (["nosuch.csv"], 1, "nosuch.csv"),
        (["t.csv", "-o", "t.csv"], 1, "is the input itself"),
        (["t.csv", "-o", "no/where.bin"], 1, "no/where.bin"),
        (["t.csv", "--chip", "esp33"], 2, "--chip esp33"),
        (["t.csv", "--offset", "0x8100"], 2, "multiple of 0x1000"),
        (["t.csv", "--flash-size", "big"], 2, "--flash-size big"),
        (["t.csv", "--binary", "--json"], 2, "expected -o FILE"),
        ([], 2, ""),
    ]:
        assert text in molt.fails("csv", *words, code=code)
    assert names(tmp_path) == before


# ---- Layouts ----

def peers_table(name, size):
    """What mp-image-tool-esp32 makes of its layout, in this process."""
    from mp_image_tool_esp32 import layouts
    from mp_image_tool_esp32.argtypes import PartList
    from mp_image_tool_esp32.partition_table import PartitionTable
    table = PartitionTable(size)
    table.add_part("factory", "factory", 0x1F0000, 0x10000)
    text = {"ota": lambda: layouts.ota_layout(table), "default": lambda: layouts.DEFAULT_TABLE_LAYOUT,
            "original": lambda: layouts.ORIGINAL_TABLE_LAYOUT}[name]()
    layouts.new_table(table, PartList(text))
    table.check()
    return table.to_bytes()


@pytest.mark.parametrize("name, sizes", [("ota", (8, 16)), ("default", (4, 8, 16)), ("original", (4, 8, 16))])
def test_the_peers_layouts(molt, firmware, tmp_path, name, sizes):
    for size in sizes:
        molt.ok("edit", firmware, "--layout", name, "--flash-size", "%dM" % size, "-o", "out.bin")
        assert (tmp_path / "out.bin").read_bytes()[0x7000:0x8000] == peers_table(name, size << 20)


def test_a_layout_whose_files_nobody_finds(molt, firmware):
    """Stock MicroPython mounts vfs or ffat: under LoBo's names it would start without files."""
    words = "MicroPython v1.23.0 looks for its files in a partition called vfs: --fs-name vfs"
    assert words in molt.ok("edit", firmware, "-l", "two-slots", "-n")
    for options in (["two-slots", "--fs-name", "vfs"], ["single", "--fs-name", "ffat"], ["default"]):
        assert "looks for its files" not in molt.ok("edit", firmware, "-n", "-l", *options)
