"""molt edit: each change of the table, alone and in the order given; what is refused, and with which words."""
import json
import random
import zlib

import esp
import pytest

GENUINE = [(1, 2, 0x9000, 0x6000, "nvs"), (1, 1, 0xF000, 0x1000, "phy_init"), (0, 0, 0x10000, 0x1F0000, "factory"),
           (1, 0x81, 0x200000, 0x200000, "vfs")]


@pytest.fixture(scope="session")
def tiny(firmware):
    return esp.tiny(firmware.read_bytes())


@pytest.fixture
def edit(molt, tiny, tmp_path):
    """Edits the tiny firmware (4 MB, the genuine table); returns the rows of the result."""
    (tmp_path / "fw.bin").write_bytes(tiny)

    def run(*words):
        molt.ok("edit", "fw.bin", *words, "-o", "out.bin")
        assert (tmp_path / "fw.bin").read_bytes() == tiny
        return esp.rows_of((tmp_path / "out.bin").read_bytes())
    return run


def with_rows(**changes):
    """The genuine rows with others in their place (None: gone), in the order of the flash."""
    rows = {r[4]: r for r in GENUINE}
    rows.update(changes)
    return sorted((r for r in rows.values() if r), key=lambda r: r[2])


STEPS = [
    (["--rename", "vfs=files"], with_rows(vfs=(1, 0x81, 0x200000, 0x200000, "files"))),
    (["--rename", "vfs=vfs2,factory=app"], with_rows(vfs=(1, 0x81, 0x200000, 0x200000, "vfs2"), factory=(0, 0, 0x10000, 0x1F0000, "app"))),
    (["--rename", "vfs=x", "--rename", "x=vfs"], GENUINE),
    (["--delete", "phy_init"], with_rows(phy_init=None)),
    (["--delete", "phy_init,vfs"], with_rows(phy_init=None, vfs=None)),
    (["--resize", "vfs=1M"], with_rows(vfs=(1, 0x81, 0x200000, 0x100000, "vfs"))),
    (["--resize", "vfs=1.5M"], with_rows(vfs=(1, 0x81, 0x200000, 0x180000, "vfs"))),
    (["--resize", "vfs=1M", "--resize", "vfs=rest"], GENUINE),
    (["--resize", "vfs=1M", "--resize", "vfs=0"], GENUINE),
    (["--flash-size", "8M", "--resize", "vfs=rest"], with_rows(vfs=(1, 0x81, 0x200000, 0x600000, "vfs"))),
    (["--resize", "vfs=rest", "--flash-size", "8M"], with_rows(vfs=(1, 0x81, 0x200000, 0x600000, "vfs"))),
    (["--resize", "factory=2.5M"], with_rows(factory=(0, 0, 0x10000, 0x280000, "factory"), vfs=(1, 0x81, 0x290000, 0x170000, "vfs"))),
    (["--delete", "phy_init", "--resize", "nvs=rest"], with_rows(phy_init=None, nvs=(1, 2, 0x9000, 0x7000, "nvs"))),
    (["--resize", "nvs=32K"], [(1, 2, 0x9000, 0x8000, "nvs"), (1, 1, 0x11000, 0x1000, "phy_init"), (0, 0, 0x20000, 0x1F0000, "factory"),
                               (1, 0x81, 0x210000, 0x1F0000, "vfs")]),
    (["--resize", "vfs=1M", "--add", "logs:data:fat::rest"], with_rows(vfs=(1, 0x81, 0x200000, 0x100000, "vfs"),
                                                                        logs=(1, 0x81, 0x300000, 0x100000, "logs"))),
    (["--resize", "vfs=1M", "--add", "data=fat:200K"], with_rows(vfs=(1, 0x81, 0x200000, 0x100000, "vfs"),
                                                                 data=(1, 0x81, 0x300000, 0x32000, "data"))),
    (["--resize", "vfs=1M", "--add", "l:data:littlefs:0x380000:64K", "--add", "x:data:0x40:32K", "--add", "y:0x40:0x01::4K"],
     with_rows(vfs=(1, 0x81, 0x200000, 0x100000, "vfs"), l=(1, 0x83, 0x380000, 0x10000, "l"), x=(1, 0x40, 0x390000, 0x8000, "x"),
               y=(0x40, 1, 0x398000, 0x1000, "y"))),
    (["--delete", "vfs", "--add", "ota_0:1M", "--add", "ota_1:app:ota_1::1M", "--delete", "phy_init", "--resize", "nvs=20K",
      "--add", "otadata:data:ota:0xe000:8K"],
     [(1, 2, 0x9000, 0x5000, "nvs"), (1, 0, 0xE000, 0x2000, "otadata"), (0, 0, 0x10000, 0x1F0000, "factory"),
      (0, 0x10, 0x200000, 0x100000, "ota_0"), (0, 0x11, 0x300000, 0x100000, "ota_1")]),
    (["--resize", "vfs=1M", "--move", "vfs=0x300000"], with_rows(vfs=(1, 0x81, 0x300000, 0x100000, "vfs"))),
    (["--resize", "factory=1M", "--move", "factory=0x20000"], with_rows(factory=(0, 0, 0x20000, 0x100000, "factory"))),
    # A place is taken only for a moment: what counts is the end.
    (["--resize", "vfs=1M", "--add", "b:data:fat:0x300000:1M", "--move", "vfs=0x300000", "--move", "b=0x200000"],
     with_rows(vfs=(1, 0x81, 0x300000, 0x100000, "vfs"), b=(1, 0x81, 0x200000, 0x100000, "b"))),
]


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_steps(edit, number):
    words, rows = STEPS[number]
    assert edit(*words) == rows


REFUSED = [
    (["--resize", "vfz=1M"], "no partition 'vfz': expected one of: nvs, phy_init, factory, vfs; did you mean 'vfs'?"),
    (["--delete", "nothing"], "no partition 'nothing': expected one of: nvs, phy_init, factory, vfs\n"),
    (["--rename", "vfs=nvs"], "there is a partition 'nvs' already"),
    (["--rename", "vfs="], "a partition's name is empty"),
    (["--rename", "vfs=seventeen-letters"], "has 17 bytes, a table holds 16: 'seventeen-letter' would fit"),
    (["--add", "vfs:data:fat::64K"], "there is a partition 'vfs' already"),
    (["--add", "x:data:fat:0x220000:1M"], "'vfs' (0x200000 to 0x400000) and 'x' (0x220000 to 0x320000, 0x100000 bytes); the flash has no other room"),
    (["--resize", "vfs=1M", "--add", "x:data:fat:0x2f0000:0x20000"], "the nearest room for it is at 0x300000 (0x100000 bytes)"),
    (["--add", "x:data:fat::64K"], "the table leaves no room in 4 MB of flash"),
    (["--resize", "vfs=1M", "--add", "x:data:fat::2M"], "no room for 0x200000 bytes; the largest has 0x100000 at 0x300000"),
    (["--resize", "vfs=1M", "--add", "x:app:ota_0:0x304000:64K"], "offset 0x304000 is no multiple of 0x10000: the nearest are 0x300000 and 0x310000"),
    (["--resize", "vfs=5000"], "size 0x1388 is no multiple of 0x1000: the nearest are 0x1000 and 0x2000"),
    (["--move", "factory=0x18000"], "offset 0x18000 is no multiple of 0x10000: the nearest are 0x10000 and 0x20000"),
    (["--move", "vfs=0x220000"], "ends behind the end of the flash (0x400000): at most 0x1e0000 fit (--resize vfs=rest)"),
    (["--move", "vfs=0x400000"], "begins at 0x400000, behind the end of the flash"),
    (["--resize", "vfs=3M"], "end behind the flash (0x400000): at most 0x200000 fit"),
    (["--resize", "factory=5M"], "at most 0x3f0000 fit"),
    (["--resize", "factory=3.9375M"], "push what lies behind it 0x200000 bytes over the end"),
    (["--resize", "factory=4K"], "is larger than partition 'factory' (0x1000): a size of 0x10000 would fit"),
    (["--delete", "factory"], "no app partition is left: expected the one that boots ('factory') to stay"),
    (["--resize", "vfs=64K", "--add", "ota_0:64K"], "slots without otadata; --add otadata:data:ota:0x"),
    (["--resize", "vfs=64K", "--add", "ota_0:64K,ota_2:64K,otadata:data:ota::8K"], "they must be ota_0 to ota_1 without a gap, but there is an ota_2 ('ota_2')"),
    (["--resize", "vfs=64K", "--add", "otadata:16K,ota_0:64K"], "expected 0x2000, found 0x4000"),
    (["--move", "nvs=0x8000"], "below the end of the table"),
    (["--flash-size", "2M"], "'vfs' begins at 0x200000, behind the end of the flash (0x200000): --move it, --delete it"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(molt, tiny, tmp_path, number):
    words, said = REFUSED[number]
    (tmp_path / "fw.bin").write_bytes(tiny)
    assert said in molt.fails("edit", "fw.bin", *words, "-o", "out.bin")
    assert [p.name for p in tmp_path.iterdir()] == ["fw.bin"] and (tmp_path / "fw.bin").read_bytes() == tiny


WRONG_WORDS = [
    (["--resize", "vfs"], "--resize vfs: expected NAME=SIZE"),
    (["--resize", "vfs=lots"], "'lots' is no size: expected one such as 0x1000, 64K, 1.5M, rest"),
    (["--resize", "nvs=7B"], "blocks are no unit here (0x1B is 27): expected 28K"),
    (["--resize", "nvs=0.3333M"], "is no size"),
    (["--move", "vfs=there"], "'there' is no offset"),
    (["--rename", "vfs"], "expected OLD=NEW"),
    (["--add", "x:pie:1M"], "expected NAME:TYPE:SUBTYPE:[OFFSET]:SIZE"),
    (["--add", "x"], "expected NAME:TYPE:SUBTYPE:[OFFSET]:SIZE"),
    (["--add", "x:data:fat:there:1M"], "'there' is no offset"),
    (["--add", "x:data:fat:0x300000:much"], "'much' is no size"),
    (["-s", "8M", "-s", "4M"], "expected one"),
    (["--table", "default"], "no such file, but a layout: expected --layout default"),
    (["--put", ":/lib"], "expected FOLDER or FOLDER:/remote"),
    (["--cut", "3"], "nothing to change"),
    (["--delete", "vfs", "-i"], "not both"),
    (["--resize", ",".join(["vfs=1M"] * 200)], "too many changes: at most 128"),
]


@pytest.mark.parametrize("number", range(len(WRONG_WORDS)))
def test_wrong_words(molt, tiny, tmp_path, number):
    words, said = WRONG_WORDS[number]
    (tmp_path / "fw.bin").write_bytes(tiny)
    assert said in molt.fails("edit", "fw.bin", *words, "-o", "out.bin", code=2)
    assert [p.name for p in tmp_path.iterdir()] == ["fw.bin"]


def test_a_binary_table(molt, edit, tmp_path):
    (tmp_path / "table.bin").write_bytes(esp.table(esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS))
    assert [row[4] for row in edit("--table", "table.bin")] == ["nvs", "otadata", "ota_0", "ota_1", "vfs"]
    (tmp_path / "table.bin").write_bytes(b"\x7fELF" + bytes(100))
    assert "table.bin: is an ELF" in molt.fails("edit", "fw.bin", "--table", "table.bin", "-o", "no.bin")
    assert "none.bin" in molt.fails("edit", "fw.bin", "--table", "none.bin", "-o", "no.bin")
    bad = bytearray(esp.table(esp.NVS, esp.FACTORY))
    bad[5] ^= 1
    (tmp_path / "table.bin").write_bytes(bad)
    assert "wrong MD5" in molt.fails("edit", "fw.bin", "--table", "table.bin", "-o", "no.bin")


def test_a_table_in_words(edit, molt, tmp_path):
    assert edit("--table", "nvs=28K,factory=2M,vfs=1M,vfs2=fat:rest") == [
        (1, 2, 0x9000, 0x7000, "nvs"), (0, 0, 0x10000, 0x200000, "factory"), (1, 0x81, 0x210000, 0x100000, "vfs"),
        (1, 0x81, 0x310000, 0xF0000, "vfs2")]
    (tmp_path / "parts.csv").write_text("# a comment\nnvs,data,nvs,,0x6000\nfactory,app,factory,,2M\nfiles,data,littlefs,,1M\n")
    assert edit("--table", "parts.csv", "--resize", "files=rest") == [
        (1, 2, 0x9000, 0x6000, "nvs"), (0, 0, 0x10000, 0x200000, "factory"), (1, 0x83, 0x210000, 0x1F0000, "files")]
    (tmp_path / "parts.csv").write_text("nvs,data,nvs,,0x6000\nfactory,app,factory,,soon\n")
    assert "parts.csv: line 2:" in molt.fails("edit", "fw.bin", "--table", "parts.csv", "-o", "no.bin")
    assert "vfs" in molt.fails("edit", "fw.bin", "--table", "nvs=28K,vfs=1M,vfs=1M", "-o", "no.bin")


def test_layout_options(edit, molt):
    assert edit("-s", "8M", "-l", "ota", "--slots", "3", "--slot-size", "1M", "--fs-size", "2M", "--fs-type", "littlefs", "--fs-name", "files") == [
        (1, 2, 0x9000, 0x5000, "nvs"), (1, 0, 0xE000, 0x2000, "otadata"), (0, 0x10, 0x10000, 0x100000, "ota_0"),
        (0, 0x11, 0x110000, 0x100000, "ota_1"), (0, 0x12, 0x210000, 0x100000, "ota_2"), (1, 0x83, 0x310000, 0x200000, "files")]
    for words, said in ((["-l", "ota", "--slots", "none"], "--slots none: expected a number"), (["-l", "ota", "--slot-size", "x"], "expected a size"),
                        (["-l", "ota", "--fs-size", "x"], "expected a size"), (["-l", "ota", "--fs-type", "nvs"], "expected fat, spiffs or littlefs"),
                        (["--rename", "vfs=x", "--slots", "2"], "is about a layout"), (["-l", "ota", "-l", "single"], "expected one")):
        assert said in molt.fails("edit", "fw.bin", *words, "-o", "no.bin", code=2)


def test_in_place(molt, tiny, tmp_path):
    (tmp_path / "fw.bin").write_bytes(tiny)
    assert "changed: fw.bin" in molt.ok("edit", "fw.bin", "--rename", "vfs=files", "--in-place")
    assert esp.rows_of((tmp_path / "fw.bin").read_bytes())[3][4] == "files"
    assert [p.name for p in tmp_path.iterdir()] == ["fw.bin"]


def test_a_uf2_file(molt, tiny, tmp_path):
    """Reads as what it writes; the result is a plain file."""
    (tmp_path / "fw.bin").write_bytes(tiny)
    molt.ok("convert", "-w", "-F", "0x1c5f21b0", "fw.bin", "fw.uf2")
    assert "is a UF2 file, which is not changed in place" in molt.fails("edit", "fw.uf2", "--rename", "vfs=x", "-i")
    molt.ok("edit", "fw.uf2", "--rename", "vfs=x", "-o", "out.bin")
    assert "x" in [row[4] for row in esp.rows_of((tmp_path / "out.bin").read_bytes())]


def test_targets_that_have_no_table(molt, tiny, tmp_path):
    (tmp_path / "app.bin").write_bytes(esp.app_of(tiny))
    (tmp_path / "table.bin").write_bytes(tiny[0x7000:0x8000])
    for name in ("app.bin", "table.bin"):
        words = molt.fails("edit", name, "--rename", "vfs=x", "-o", "out.bin")
        assert "expected a firmware file, a flash dump or a board" in words
    assert "No such file" in molt.fails("edit", "none.bin", "--rename", "vfs=x", "-o", "out.bin")
    assert not (tmp_path / "out.bin").exists()


# ---- What partitions hold ----

def dump_with(tiny, **content):
    """A dump of 4 MB with bytes in its partitions."""
    dump = bytearray(esp.dump(tiny))
    for row in GENUINE:
        if row[4] in content:
            dump[row[2]:row[2] + len(content[row[4]])] = content[row[4]]
    return dump


def at(data, offset, content):
    return bytes(data[offset:offset + len(content)]) == content


def page(byte):
    return bytes([byte]) * 0x1000


@pytest.mark.parametrize("words, offset", [(["--rename", "vfs=files"], 0x200000), (["--resize", "vfs=1M"], 0x200000),
                                           (["--resize", "vfs=1M", "--move", "vfs=0x300000"], 0x300000),
                                           (["--resize", "factory=1M", "--move", "vfs=0x1ff000", "--resize", "vfs=1M"], 0x1FF000),
                                           (["-s", "8M", "--move", "vfs=0x201000", "--rename", "vfs=x"], 0x201000),
                                           (["--resize", "factory=2M"], 0x210000)])
def test_content_goes_along(molt, tiny, tmp_path, words, offset):
    """Overlapping moves up and down too; where it was is erased."""
    files, settings = bytes(range(256)) * 0x800, page(7)
    dump = dump_with(tiny, vfs=files, nvs=settings)
    (tmp_path / "dump.bin").write_bytes(dump)
    text = molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert at(out, offset, files) and at(out, 0x9000, settings) and "lose" not in text
    assert set(out[offset + len(files):]) == {0xFF} and set(out[0x20000:offset]) == {0xFF}


def test_an_app_moves(molt, tiny, tmp_path):
    dump = dump_with(tiny, vfs=b"stay")
    (tmp_path / "dump.bin").write_bytes(dump)
    text = molt.ok("edit", "dump.bin", "--resize", "factory=1M", "--move", "factory=0x20000", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    app = esp.app_of(tiny)
    assert at(out, 0x20000, app) and set(out[0x10000:0x20000]) == {0xFF} and at(out, 0x200000, b"stay")
    assert "moved from 0x10000" in text
    assert json.loads(molt.ok("info", "--json", "out.bin"))["wrong"] is False


def test_settings_are_moved_together(molt, tiny, tmp_path):
    """Pages of nvs have no place of their own; one must stay free."""
    pages = page(1) + b"\xff" * 0x2000 + page(2) + b"\xff" * 0x1000 + page(3)
    (tmp_path / "dump.bin").write_bytes(dump_with(tiny, nvs=pages))
    molt.ok("edit", "dump.bin", "--resize", "nvs=16K", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert at(out, 0x9000, page(1) + page(2) + page(3) + b"\xff" * 0x3000)
    words = molt.fails("edit", "dump.bin", "--resize", "nvs=12K", "-o", "no.bin")
    assert "too small for its settings and one free page: at least 0x4000 bytes are needed" in words
    text = molt.ok("edit", "dump.bin", "--resize", "nvs=12K", "--force", "-o", "out.bin")
    assert "lose   nvs" in text and set((tmp_path / "out.bin").read_bytes()[0x9000:0xF000]) == {0xFF}


def test_bytes_in_no_partition(molt, tiny, tmp_path):
    dump = dump_with(tiny, phy_init=b"calibration")
    (tmp_path / "dump.bin").write_bytes(dump)
    molt.ok("edit", "dump.bin", "--delete", "phy_init", "-o", "two.bin")  # the device makes them anew
    assert at((tmp_path / "two.bin").read_bytes(), 0xF000, b"calibration")
    done = molt("edit", "two.bin", "--resize", "nvs=rest", "-o", "no.bin", check=1)
    assert "bytes that are in no partition" in done.stdout and "data would be lost: '0xf000'" in done.stderr
    molt.ok("edit", "two.bin", "--resize", "nvs=rest", "--force", "-o", "out.bin")
    assert set((tmp_path / "out.bin").read_bytes()[0xF000:0x10000]) == {0xFF}


SLOTS = [esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS]


def record(seq, state=0xFFFFFFFF):
    crc = zlib.crc32(seq.to_bytes(4, "little"), 0xFFFFFFFF)
    return seq.to_bytes(4, "little") + b"\xff" * 20 + state.to_bytes(4, "little") + crc.to_bytes(4, "little")


def two_slots(firmware, *records):
    """A dump with an app in each slot."""
    dump = bytearray(esp.dump(esp.tiny(firmware.read_bytes(), *SLOTS)))
    app = esp.app_of(esp.tiny(firmware.read_bytes()))
    dump[0x1B0000:0x1B0000 + len(app)] = app
    for i, data in enumerate(records):
        dump[0xE000 + i * 0x1000:0xE000 + i * 0x1000 + 32] = data
    return dump


def boots(molt, name):
    return json.loads(molt.ok("ota", "status", "--json", name))["boots_next"]


def test_the_boot_record_stays_when_it_means_the_same(molt, firmware, tmp_path):
    (tmp_path / "dump.bin").write_bytes(two_slots(firmware, record(1, 2), record(2, 2)))
    assert boots(molt, "dump.bin") == "ota_1"
    molt.ok("edit", "dump.bin", "--move", "vfs=0x351000", "--resize", "vfs=rest", "-o", "out.bin")
    assert boots(molt, "out.bin") == "ota_1"
    molt.ok("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert boots(molt, "out.bin") == "ota_1" and at(out, 0xE000, record(1, 2)) and at(out, 0xF000, record(2, 2))


def test_the_boot_record_is_made_anew(molt, firmware, tmp_path):
    """A third slot changes what a record means: 4 was ota_1 of two, and would be ota_0 of three."""
    (tmp_path / "dump.bin").write_bytes(two_slots(firmware, record(3, 2), record(4, 2)))
    assert boots(molt, "dump.bin") == "ota_1"
    text = molt.ok("edit", "dump.bin", "--delete", "vfs", "--add", "ota_2:app:ota_2:0x350000:64K", "-o", "out.bin")
    assert "otadata" in text and boots(molt, "out.bin") == "ota_1"


def test_another_app_boots(molt, firmware, tmp_path):
    dump = two_slots(firmware, record(1, 2), record(2, 2))
    (tmp_path / "dump.bin").write_bytes(dump)
    done = molt("edit", "dump.bin", "--delete", "ota_1", "-o", "out.bin", check=1)
    assert "boots afterwards, instead of 'ota_1'" in done.stdout and "data would be lost: 'ota_1'" in done.stderr
    molt.ok("edit", "dump.bin", "--delete", "ota_1", "--force", "-o", "out.bin")
    assert boots(molt, "out.bin") == "ota_0"
    dump[0x10000] = 0xFF
    (tmp_path / "dump.bin").write_bytes(dump)
    words = molt.fails("edit", "dump.bin", "--delete", "ota_1", "--force", "-o", "no.bin")
    assert "nothing would boot afterwards: 'ota_0' comes first" in words


def test_a_smaller_flash(molt, tiny, tmp_path):
    """What is lost with --force does not keep the dump long."""
    (tmp_path / "dump.bin").write_bytes(dump_with(tiny, vfs=b"files", factory=esp.app_of(tiny)))
    done = molt("edit", "dump.bin", "-s", "2M", "--delete", "vfs", "-o", "out.bin", check=1)
    assert "data would be lost: 'vfs'" in done.stderr
    molt.ok("edit", "dump.bin", "-s", "2M", "--delete", "vfs", "--force", "-o", "out.bin")
    assert (tmp_path / "out.bin").stat().st_size == 2 << 20


def test_a_table_that_overlaps_is_mended(molt, firmware, tiny, tmp_path):
    """The app's bytes are the app's, also where another row claims them."""
    rows = esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x10000, 0x1000, "x"), esp.row(1, 0x81, 0x9000, 0x9000, "y")
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes(), *rows))
    molt.ok("edit", "fw.bin", "--move", "x=0x200000", "--delete", "y", "--force", "-o", "out.bin")
    assert at((tmp_path / "out.bin").read_bytes(), 0xF000, esp.app_of(tiny))
    rows = esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x10000, 0xFFFFF000 - 0x10000, "huge")
    (tmp_path / "fw.bin").write_bytes(esp.tiny(firmware.read_bytes(), *rows))
    molt.ok("edit", "fw.bin", "--resize", "huge=64K", "--move", "huge=0x200000", "--force", "-o", "out.bin")


def test_rows_over_the_bootloader(molt, firmware, tmp_path):
    data = esp.tiny(firmware.read_bytes(), esp.FACTORY, esp.row(1, 0x81, 0x1000, 0x80000, "vfs"), esp.row(1, 2, 0x8000, 0x3000, "nvs"))
    (tmp_path / "dump.bin").write_bytes(esp.dump(data))
    molt.ok("edit", "dump.bin", "-l", "original", "--force", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert at(out, 0x1000, data[:0x7000]) and at(out, 0x10000, data[0xF000:])


def random_words(chance, names):
    """Two to four changes, most of them possible."""
    words = []
    for _ in range(chance.randrange(2, 5)):
        name = chance.choice(names)
        kind = chance.choice(["resize", "resize", "move", "move", "rename", "layout", "flash-size"])
        if kind == "resize":
            words += ["--resize", "%s=%s" % (name, chance.choice(["rest", "16K", "32K", "512K", "1M", "1.5M"]))]
        elif kind == "move":
            words += ["--move", "%s=%d" % (name, chance.choice([0x200000, 0x210000, 0x280000, 0x380000, 0x3F0000, 0x400000, 0x500000, 0x20000]))]
        elif kind == "rename":
            new = name[:8] + str(chance.randrange(10))
            names[names.index(name)] = new
            words += ["--rename", "%s=%s" % (name, new)]
        elif kind == "flash-size" and "-s" not in words:
            words += ["-s", "8M"]
        elif kind == "layout" and "-l" not in words:
            layout = chance.choice(["ota", "default", "original", "two-slots", "micropython"])
            names[:] = ["nvs"]
            words += ["-l", layout]
    return words


def test_random_edits_lose_nothing(molt, tiny, tmp_path):
    """Whatever succeeds without --force has each partition's bytes once, in a partition of its kind; what fails leaves nothing."""
    marks = {"nvs": b"settings" * 512, "vfs": b"files..." * 512, "more": b"more too" * 512}
    dump = bytearray(esp.dump(esp.with_table(tiny, esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x200000, 0x100000, "vfs"),
                                             esp.row(1, 0x81, 0x300000, 0x10000, "more"))))
    for name, offset in (("nvs", 0x9000), ("vfs", 0x200000), ("more", 0x300000)):
        dump[offset:offset + 0x1000] = marks[name]
    (tmp_path / "dump.bin").write_bytes(dump)
    app, done = esp.app_of(tiny), 0
    for seed in range(120):
        words = random_words(random.Random(seed), ["nvs", "factory", "vfs", "more"])
        (tmp_path / "out.bin").unlink(missing_ok=True)
        result = molt("edit", "dump.bin", *words, "-o", "out.bin")
        assert (result.returncode == 0) == (tmp_path / "out.bin").exists(), (seed, result.stderr)
        if result.returncode:
            continue
        done += 1
        out = (tmp_path / "out.bin").read_bytes()
        rows = esp.rows_of(out[0x1000:])
        for name, mark in marks.items():
            places = [row for row in rows if at(out, row[2], mark)]
            assert out.count(mark) == 1 and len(places) == 1, (seed, words, name)
            assert (places[0][1] == 2) == (name == "nvs")
        assert out.count(app) == 1 and any(row[0] == 0 and at(out, row[2], app) for row in rows), (seed, words)
    assert done >= 30, done
