"""molt read, write, erase, extract: parts of firmware files, dumps and boards; the same bytes as mp-image-tool-esp32."""
import json
import struct
import zlib

import esp
import littlefs
import pytest
from peer import image_tool

APP = 0x10000
OTHER = 0x1B0000  # ota_1 of the files below
NAMES = ("bootloader", "partition_table", "nvs", "otadata", "ota_0")


def otadata(*records):
    """(seq, state) for each sector."""
    out = b""
    for seq, state in records:
        crc = zlib.crc32(struct.pack("<I", seq), 0xFFFFFFFF)
        out += struct.pack("<I20sII", seq, b"\xff" * 20, state, crc).ljust(0x1000, b"\xff")
    return out


@pytest.fixture(scope="module")
def small(firmware):
    """A firmware file with two slots, whose app is the genuine one, shortened; it ends with that app."""
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS)
    app = esp.shortened(esp.app_of(data))
    return bytearray(data[:0xC000 - 0x1000] + b"\xff" * 0x4000 + app), app


@pytest.fixture
def fw(small, tmp_path):
    (tmp_path / "fw.bin").write_bytes(small[0])
    (tmp_path / "app.bin").write_bytes(small[1])
    return tmp_path


def with_board(molt, fw):
    molt.ok("sim", "new", "sim:roof", "--flash-size", "4M")
    molt.ok("flash", "fw.bin", "sim:roof")
    assert json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))["running"] == "ota_0"
    return fw / "roof" / "flash.bin"


def test_reads_what_the_peer_reads(molt, fw):
    pairs = ["%s=%s" % (name, name) for name in NAMES]
    molt.ok("read", "fw.bin", *pairs)
    ours = [(fw / name).read_bytes() for name in NAMES]
    assert image_tool(fw, "fw.bin", "--read", ",".join(pairs)) == 0
    theirs = [(fw / name).read_bytes() for name in NAMES]
    assert ours[:-1] == theirs[:-1]
    # the peer ends where the file does; on flash the rest of the slot is erased
    assert ours[-1] == theirs[-1].ljust(0x1A0000, b"\xff")
    molt.ok("read", "--trim", "fw.bin", *pairs)
    for name, option in ((name, "--trim" if name in ("bootloader", "ota_0") else "--trimblocks") for name in NAMES):
        trimmed = (fw / name).read_bytes()
        image_tool(fw, "fw.bin", "--read", "%s=peer.bin" % name, option)
        assert trimmed == (fw / "peer.bin").read_bytes(), name


def test_reads_ranges_and_to_standard_output(molt, fw):
    molt.ok("read", "fw.bin", "0x8000+32", "-o", "row.bin")
    assert (fw / "row.bin").read_bytes() == esp.NVS
    molt.ok("read", "fw.bin", "all=whole.bin")
    assert (fw / "whole.bin").read_bytes() == (fw / "fw.bin").read_bytes()
    text = "no bytes but text\n".encode()
    (fw / "text.bin").write_bytes(esp.dump((fw / "fw.bin").read_bytes())[:0x350000] + text)
    assert molt.ok("read", "text.bin", "0x350000+18", "-o", "-").encode() == text


def test_extracts_the_app_as_the_peer(molt, fw, small, firmware):
    assert "MicroPython v1.23.0" in (text := molt.ok("extract", firmware)) and "of 'factory' at 0x10000" in text
    ours = (fw / (firmware.stem + ".app-bin")).read_bytes()
    image_tool(fw, firmware, "-x", "-o", "peer.bin")
    assert ours == (fw / "peer.bin").read_bytes() == esp.app_of(firmware.read_bytes())
    assert "has something of that name" not in (words := molt.fails("extract", firmware)) and ".app-bin" in words
    molt.ok("extract", "fw.bin", "-o", "out.bin")
    assert (fw / "out.bin").read_bytes() == small[1]


def test_extracts_from_dumps_slots_and_boards(molt, fw, small):
    app = small[1]
    second = bytearray(app)
    second[0x30:0x34] = b"2.0\0"
    second = esp.seal(second)
    dump = bytearray(esp.dump(bytes(small[0])))
    dump[OTHER:OTHER + len(second) + 100] = second + b"junk of an older app".ljust(100, b"\0")
    dump[0xE000:0x10000] = otadata((1, 2), (2, 2))
    (fw / "dump.bin").write_bytes(dump)
    text = molt.ok("extract", "dump.bin", "-o", "out.bin")  # otadata says ota_1
    assert "of 'ota_1'" in text and "left out: 100 bytes" in text and (fw / "out.bin").read_bytes() == second
    assert "not what boots next" in molt.ok("extract", "dump.bin", "--slot", "ota_0", "-o", "out.bin")
    assert (fw / "out.bin").read_bytes() == app
    molt.ok("sim", "new", "sim:roof", "--flash", "dump.bin")
    molt.ok("extract", "sim:roof", "-o", "again.bin")
    assert (fw / "again.bin").read_bytes() == second
    (fw / "padded.bin").write_bytes(app + b"\xff" * 4096)
    molt.ok("extract", "padded.bin", "-o", "out.bin")  # an app image with FF behind it
    assert (fw / "out.bin").read_bytes() == app
    signed = app.ljust((len(app) + 4095) // 4096 * 4096, b"\xff") + b"\xe7\x02".ljust(4096, b"\x11")
    (fw / "signed.bin").write_bytes(signed)
    molt.ok("extract", "signed.bin", "-o", "out.bin")
    assert (fw / "out.bin").read_bytes() == signed


def test_extract_refuses(molt, fw, small):
    assert "no app partition" in molt.fails("extract", "fw.bin", "--slot", "nvs", "-o", "out.bin")
    assert "'ota_7'" in molt.fails("extract", "fw.bin", "--slot", "ota_7", "-o", "out.bin")
    assert "expected one" in molt.fails("extract", "fw.bin", "--slot", "ota_1", "-o", "out.bin")
    assert "has no slots" in molt.fails("extract", "app.bin", "--slot", "ota_0", "-o", "out.bin")
    assert "input itself" in molt.fails("extract", "fw.bin", "-o", "./fw.bin")
    molt.ok("read", "fw.bin", "table=table.bin")
    assert "has no app" in molt.fails("extract", "table.bin", "-o", "out.bin")
    broken = bytearray(small[0])
    broken[0x10000] ^= 1
    (fw / "broken.bin").write_bytes(broken)
    assert "SHA-256" in (words := molt.fails("extract", "broken.bin", "-o", "out.bin")) or "checksum" in words
    assert not (fw / "out.bin").exists()


def test_writes_what_the_peer_writes(molt, fw, small):
    app = bytearray(small[1])
    app[0x30:0x34] = b"2.0\0"
    (fw / "new.bin").write_bytes(esp.seal(app))
    (fw / "nvs.bin").write_bytes(bytes(range(256)) * 20)
    for pairs in (["ota_0=new.bin"], ["ota_1=new.bin"], ["nvs=nvs.bin"], ["nvs=nvs.bin", "ota_0=app.bin"]):
        assert image_tool(fw, "fw.bin", "--write", ",".join(pairs), "-o", "peer.bin") == (0 if pairs != ["ota_1=new.bin"] else 1)
        molt.ok("write", "fw.bin", *pairs, "-o", "ours.bin")
        if pairs != ["ota_1=new.bin"]:
            assert (fw / "ours.bin").read_bytes() == (fw / "peer.bin").read_bytes(), pairs
    # the peer writes nothing behind the end of the file
    molt.ok("write", "fw.bin", "ota_1=new.bin", "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes() == bytes(small[0]).ljust(OTHER - esp.BOOTLOADER, b"\xff") + esp.seal(app)
    assert (fw / "fw.bin").read_bytes() == small[0]


def test_in_place(molt, fw, small):
    (fw / "nvs.bin").write_bytes(b"keys" * 10)
    before = (fw / "fw.bin").read_bytes()
    assert "nothing was written" in molt.ok("write", "fw.bin", "nvs=nvs.bin", "--dry-run")
    assert (fw / "fw.bin").read_bytes() == before
    assert "changes fw.bin in place" in molt.ok("write", "fw.bin", "nvs=nvs.bin")
    after = (fw / "fw.bin").read_bytes()
    assert after == before[:0x8000] + b"keys" * 10 + before[0x8028:]
    plan = json.loads(molt.ok("write", "fw.bin", "nvs=nvs.bin", "--json"))
    assert plan["written"] and plan["boots_next"] == "ota_0" and plan["refused"] is None
    assert plan["plan"][0]["kind"] == "keep" and plan["plan"][0]["offset"] == 0x9000


def test_an_app_is_verified(molt, fw, small, firmware):
    app = bytearray(small[1])
    cases = {
        "chip.bin": (esp.seal(app[:12] + b"\x05\0" + app[14:]), "chip"),
        "hash.bin": (bytes(app[:-1]) + bytes([app[-1] ^ 1]), "SHA-256"),
        "cut.bin": (bytes(app[:-4096]), "cut.bin"),
        "address.bin": (esp.seal(app[:24] + struct.pack("<I", 0x3F400120) + app[28:]), "address"),
        "text.bin": (b"hello", "text.bin"),
    }
    before = (fw / "fw.bin").read_bytes()
    for name, (data, words) in cases.items():
        (fw / name).write_bytes(data)
        assert words in molt.fails("write", "fw.bin", "ota_1=" + name, "--force"), name
    assert (fw / "fw.bin").read_bytes() == before
    molt.ok("edit", firmware, "-l", "ota", "-s", "8M", "-o", "eight.bin")
    plan = molt.ok("write", "eight.bin", "ota_1=" + str(firmware), "-o", "both.bin")
    assert "the app of 'factory' taken out of the firmware file" in plan
    assert (fw / "both.bin").read_bytes()[0x210000 - 0x1000:] == esp.app_of(firmware.read_bytes())
    rows = (esp.NVS, esp.OTADATA, esp.row(0, 0x10, APP, 0x180000, "ota_0"), esp.row(0, 0x11, 0x190000, 0x180000, "ota_1"))
    (fw / "tight.bin").write_bytes(esp.with_table(before, *rows))
    assert "a slot of 0x1a0000 would fit" in molt.fails("write", "tight.bin", "ota_1=" + str(firmware))


def test_bootloaders(molt, fw, small, firmware):
    molt.ok("read", "--trim", "fw.bin", "bootloader=boot.bin")
    plan = molt.ok("write", "fw.bin", "bootloader=boot.bin")
    assert "there already: bootloader for esp32" in plan
    assert "taken out of the firmware" in molt.ok("write", "fw.bin", "bootloader=" + str(firmware), "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes() == small[0]
    assert "is an app" in molt.fails("write", "fw.bin", "bootloader=app.bin")
    boot = bytearray((fw / "boot.bin").read_bytes())
    (fw / "c3.bin").write_bytes(esp.seal(boot[:12] + b"\x05\0" + boot[14:]))
    assert "is for esp32c3" in molt.fails("write", "fw.bin", "bootloader=c3.bin")
    boot[3] = 0x10 | boot[3] & 15  # 2 MB: the table does not fit any more
    (fw / "two.bin").write_bytes(esp.seal(boot))
    assert "nothing boots" in (words := molt.fails("write", "fw.bin", "bootloader=two.bin")) and "2 MB" in words


def test_tables(molt, fw, small):
    table = esp.table(esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.row(1, 0x81, 0x350000, 0xB0000, "files"))
    (fw / "table.bin").write_bytes(table)
    (fw / "files.bin").write_bytes(b"files")
    dump = esp.dump(bytes(small[0]))
    (fw / "dump.bin").write_bytes(dump[:0x350000] + b"data".ljust(0xB0000, b"\xff"))
    plan = molt.ok("write", "dump.bin", "table=table.bin", "-o", "ours.bin")
    assert "keep   vfs" in plan and "called 'files' from now on" in plan
    assert (fw / "ours.bin").read_bytes()[0x8000:0x9000] == table
    long = esp.table(esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.row(1, 0x81, 0x350000, 0x1B0000, "vfs"))
    (fw / "long.bin").write_bytes(long)
    assert "'vfs' ends behind the 4 MB" in molt.fails("write", "dump.bin", "table=long.bin", "--force")
    bad = bytearray(table)
    bad[0xA0 + 20] ^= 1
    (fw / "bad.bin").write_bytes(bad)
    assert "MD5" in molt.fails("write", "dump.bin", "table=bad.bin")
    (fw / "nowhere.bin").write_bytes(esp.table(esp.NVS, esp.OTADATA, esp.row(0, 0x10, 0x20000, 0x190000, "ota_0"), esp.OTA_1))
    words = molt.fails("write", "dump.bin", "table=nowhere.bin")
    assert "nothing would boot any more" in words and "--force does it all the same" in words
    molt.ok("write", "dump.bin", "table=nowhere.bin", "--force", "-o", "ours.bin")
    molt.ok("write", "dump.bin", "table=fw.bin")  # of a firmware file
    (fw / "table.csv").write_text(molt.ok("csv", "table.bin"))
    assert "made from CSV" in molt.ok("write", "dump.bin", "table=table.csv", "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes()[0x8000:0x9000] == table
    assert "has no partition table" in molt.fails("write", "dump.bin", "table=app.bin")


def test_otadata(molt, fw, small):
    (fw / "second.bin").write_bytes(otadata((1, 2), (2, 2)))
    assert "otadata would choose 'ota_1', which does not start" in molt.fails("write", "fw.bin", "otadata=second.bin")
    plan = molt.ok("write", "fw.bin", "otadata=second.bin", "ota_1=app.bin", "-o", "ours.bin")
    assert "ota_1 boots then; now it is ota_0" in plan and "record 1: ota_1, VALID" in plan
    (fw / "junk.bin").write_bytes(b"\x01\0\0\0" * 1024)
    assert "no record that counts" in molt.fails("write", "fw.bin", "otadata=junk.bin")


def test_a_board_is_written_where_it_differs(molt, fw, small):
    flash = with_board(molt, fw)
    before = flash.read_bytes()
    app = bytearray(small[1])
    app[0x30:0x34] = b"2.0\0"
    (fw / "new.bin").write_bytes(esp.seal(app))
    assert "'ota_0' is the slot that runs" in molt.fails("write", "sim:roof", "ota_0=new.bin")
    assert flash.read_bytes() == before
    molt.ok("write", "sim:roof", "ota_0=app.bin")  # the same: nothing changes
    text = molt.ok("write", "sim:roof", "ota_1=new.bin")
    assert "written and verified: sim:roof" in text
    after = flash.read_bytes()
    assert after == before[:OTHER] + esp.seal(app) + before[OTHER + len(app):]
    assert "2 sectors to write (8 KB)" in molt.ok("write", "sim:roof", "ota_1=app.bin")
    molt.ok("write", "sim:roof", "ota_0=new.bin", "--force")
    assert json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))["running"] == "ota_0"
    assert "a board is changed as it is" in molt.fails("write", "sim:roof", "ota_1=new.bin", "-o", "out.bin")


def test_data_that_does_not_fit_or_belong(molt, fw):
    (fw / "long.bin").write_bytes(b"x" * 0x5001)
    (fw / "empty.bin").write_bytes(b"")
    before = (fw / "fw.bin").read_bytes()
    for words, said in (
            (["nvs=long.bin"], "has 20481 bytes, 'nvs' at 0x9000 has 20480"),
            (["nvs=empty.bin"], "is empty"),
            (["nvs"], "expected NAME=FILE"),
            (["=long.bin"], "expected NAME=FILE"),
            (["nvs=none.bin"], "none.bin"),
            (["vsf=long.bin"], "expected nvs, otadata, ota_0, ota_1, vfs, bootloader, table, all or OFFSET+SIZE"),
            (["vfs=app.bin"], "holds the device's files"),
            (["0x8000+32K=long.bin"], "where bootloader and table are"),
            (["vfs=long.bin", "0x351000+32K=long.bin"], "'vfs' and '0x351000' are the same flash at 0x351000"),
            (["all=long.bin"], "molt flash"),
            (["nvs=sim:roof"], "is a board, expected a file")):
        assert said in molt.fails("write", "fw.bin", *words), words
        assert (fw / "fw.bin").read_bytes() == before
    assert "is an app image, expected a firmware file" in molt.fails("write", "app.bin", "all=fw.bin")
    for words, said in (
            (["nvs=a", "vfs=a"], "would both go there"), (["nvs", "vfs", "-o", "a"], "'vfs': where to?"),
            (["nvs=a", "-o", "b"], "every place has its file already"), (["nvs=fw.bin"], "is the input itself")):
        assert said in molt.fails("read", "fw.bin", *words)


def test_erases(molt, fw, small):
    image_tool(fw, "fw.bin", "--erase", "nvs", "-o", "peer.bin")
    (fw / "nvs.bin").write_bytes(b"keys" * 10)
    molt.ok("write", "fw.bin", "nvs=nvs.bin", "-o", "keys.bin")
    words = molt.fails("erase", "keys.bin", "nvs")
    assert "'nvs' holds what would be lost: settings" in words and "--force" in words
    assert "lose   nvs" in molt.ok("erase", "keys.bin", "nvs", "--force")
    assert (fw / "keys.bin").read_bytes() == (fw / "peer.bin").read_bytes() == small[0]
    words = molt.fails("erase", "fw.bin", "ota_0")
    assert "nothing would boot any more (now ota_0 does)" in words
    image_tool(fw, "fw.bin", "--erase", "ota_0", "-o", "peer.bin")
    molt.ok("erase", "fw.bin", "ota_0", "--force", "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes() == (fw / "peer.bin").read_bytes() == small[0][:APP - esp.BOOTLOADER]
    assert "firmware file, of which nothing would be left" in molt.fails("erase", "fw.bin", "--all")
    assert molt("erase", "fw.bin").returncode == 2 and molt("erase", "fw.bin", "nvs", "--all").returncode == 2


def test_erases_a_board(molt, fw, small):
    flash = with_board(molt, fw)
    assert "the slot that runs" in molt.fails("erase", "sim:roof", "ota_0")
    text = molt.ok("erase", "sim:roof", "otadata")
    assert "lose   otadata" in text and flash.read_bytes()[0xE000:0x10000] == b"\xff" * 0x2000
    before = flash.read_bytes()
    words = molt.fails("erase", "sim:roof", "--all")
    assert "the slot that runs" in words or "nothing would boot" in words
    assert flash.read_bytes() == before
    assert "lose   ota_0" in molt.ok("erase", "sim:roof", "--all", "--force")
    assert flash.read_bytes() == b"\xff" * (4 << 20)
    assert "nothing" in molt("sim", "boot", "sim:roof").stdout


# ---- File systems ----

def files(blocks, names=("boot.py", "main.py")):
    fs = littlefs.LittleFS(block_size=4096, block_count=blocks, disk_version=0x00020000)
    for name in names:
        with fs.open(name, "wb") as out:
            out.write(name.encode())
    return bytes(fs.context.buffer)


def test_firmware_and_files_in_one(molt, fw, small):
    (fw / "vfs.img").write_bytes(files(0xB0))
    assert image_tool(fw, "fw.bin", "--write", "vfs=vfs.img", "-o", "peer.bin") == 1  # "not in firmware file"
    text = molt.ok("write", "fw.bin", "vfs=vfs.img", "-o", "product.bin")
    assert "grow" not in text
    product = (fw / "product.bin").read_bytes()
    assert product == bytes(small[0]).ljust(0x350000 - esp.BOOTLOADER, b"\xff") + files(0xB0)
    molt.ok("read", "product.bin", "vfs=again.img")
    assert (fw / "again.img").read_bytes() == files(0xB0)
    words = molt.fails("erase", "product.bin", "vfs")
    assert "'vfs' holds what would be lost: littlefs 2.0 with 2 files and folders" in words
    molt.ok("erase", "product.bin", "vfs", "--force")
    assert (fw / "product.bin").read_bytes() == bytes(small[0]).ljust(0x350000 - esp.BOOTLOADER, b"\xff")
    (fw / "empty.img").write_bytes(files(0xB0, ()))
    molt.ok("write", "fw.bin", "vfs=empty.img", "-o", "product.bin")
    molt.ok("erase", "product.bin", "vfs")  # nobody's files


def test_a_file_system_meets_its_place(molt, fw):
    (fw / "small.img").write_bytes(files(0x20))
    assert "has 128 KB of the place's 704 KB; 'molt fs grow'" in molt.ok("write", "fw.bin", "vfs=small.img", "-o", "out.bin")
    (fw / "cut.img").write_bytes(files(0xC0)[:0xB0000])
    assert "littlefs 2.0 of 786432 bytes, 'vfs' has 720896" in molt.fails("write", "fw.bin", "vfs=cut.img", "-o", "no.bin")
    (fw / "text.img").write_bytes(b"hello")
    assert "no file system that Molt knows" in molt.ok("write", "fw.bin", "vfs=text.img", "-o", "out.bin")
    assert not (fw / "no.bin").exists()


def test_without_a_row_of_its_own(molt, fw, small):
    """As MicroPython 1.26 and later: the file system begins behind the last partition."""
    (fw / "new.bin").write_bytes(esp.with_table(bytes(small[0]), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1))
    (fw / "vfs.img").write_bytes(files(0xB0))
    molt.ok("write", "new.bin", "vfs=vfs.img")
    assert (fw / "new.bin").read_bytes()[0x350000 - esp.BOOTLOADER:] == files(0xB0)
    assert "2 files" in molt.fails("erase", "new.bin", "vfs")


def test_uf2(molt, fw, small):
    molt.ok("convert", "--whole", "fw.bin", "fw.uf2")
    molt.ok("convert", "fw.bin", "app.uf2")
    molt.ok("extract", "app.uf2", "-o", "out.bin")
    assert (fw / "out.bin").read_bytes() == small[1]
    molt.ok("extract", "fw.uf2", "-o", "out.bin")
    assert (fw / "out.bin").read_bytes() == small[1]
    assert "taken out of the firmware file" in molt.ok("write", "fw.bin", "ota_1=fw.uf2", "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes()[OTHER - esp.BOOTLOADER:] == small[1]
    before = (fw / "fw.uf2").read_bytes()
    (fw / "nvs.bin").write_bytes(b"keys" * 10)
    for words in (["write", "fw.uf2", "nvs=nvs.bin"], ["erase", "fw.uf2", "nvs"]):
        done = molt(*words, check=1)
        assert "fw.uf2: is a UF2 file and is not changed in place: --output FILE" in done.stderr and done.stdout == ""
    assert (fw / "fw.uf2").read_bytes() == before
    molt.ok("write", "fw.uf2", "nvs=nvs.bin", "-o", "ours.bin")
    assert (fw / "ours.bin").read_bytes()[0x8000:0x8028] == b"keys" * 10


def test_all_is_checked_before_the_first_byte(molt, fw):
    """And a file that cannot be written leaves nothing half-written."""
    before = (fw / "fw.bin").read_bytes()
    (fw / "good.bin").write_bytes(b"keys")
    assert "text.bin" in molt.fails("write", "fw.bin", "nvs=good.bin", "ota_1=text.bin")
    assert (fw / "fw.bin").read_bytes() == before
    assert "none/out.bin" in molt.fails("write", "fw.bin", "nvs=good.bin", "-o", "none/out.bin")
    assert "none/out.bin" in molt.fails("read", "fw.bin", "nvs=ok.bin", "otadata=none/out.bin")
    assert sorted(p.name for p in fw.iterdir() if p.name.startswith("out")) == []
