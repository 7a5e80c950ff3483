"""molt info on everything: what a file is, what is worth showing, stable keys."""
import json
import pathlib
import re
import struct

import esp
import formats
import pytest

XTENSA, RISCV, ARM = 94, 243, 40


TOLD = set(re.findall(r"`(\w+)`", (pathlib.Path(__file__).parents[2] / "docs/json.md").read_text()))


def keys_in(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


@pytest.fixture
def shown(molt, tmp_path):
    """What --json says of these bytes; the text must come too, with the same exit code."""
    def show(data, name="file", code=0):
        (tmp_path / name).write_bytes(data)
        text = molt("info", name, check=code).stdout
        found = json.loads(molt("info", "--json", name, check=code).stdout)
        assert list(found)[:2] == ["kind", "target"] and list(found)[-2:] == ["findings", "wrong"]
        assert text.startswith("%s: %s, %d bytes" % (name, found["kind"], found["file_size"]))
        assert found["wrong"] is (code == 1)
        assert keys_in(found) - TOLD == set()
        return found
    return show


def test_otadata(shown):
    found = shown(formats.ota_record(3, 2) + formats.ota_record(4, 0))
    assert found["kind"] == "otadata" and found["decides"] == 1 and found["slot_of_two"] == 1
    assert [(r["seq"], r["state_name"], r["crc_ok"], r["blank"]) for r in found["records"]] == \
        [(3, "VALID", True, False), (4, "NEW", True, False)]
    found = shown(formats.ota_record(1, 2) + formats.BLANK)
    assert found["decides"] == 0 and found["records"][1]["blank"]
    found = shown(formats.ota_record(1, 2) + formats.ota_record(9, 2, crc=7))
    assert found["decides"] == 0 and "expected 0x" in found["findings"][0]["text"]
    found = shown(formats.ota_record(1, 3) + formats.ota_record(2, 4))
    assert found["decides"] is None and found["boots"].startswith("factory")


def test_two_erased_sectors_are_no_otadata(molt, tmp_path):
    (tmp_path / "erased").write_bytes(b"\xff" * 0x2000)
    assert "an erased flash" in molt.fails("info", "erased")


CSV = b"""# ESP-IDF Partition Table
# Name, Type, SubType, Offset, Size, Flags

nvs, data, nvs, 0x9000, 0x6000
 factory , APP, factory, , 1M
own, data, 0x42, , 4K
"""


def test_table_csv(shown, molt, tmp_path):
    found = shown(CSV)
    assert found["kind"] == "partition table CSV" and found["rows"] == 3 and found["end"] == 0x111000
    assert [(p["name"], p["type"], p["subtype"], p["offset"], p["size"], p["subtype_name"]) for p in found["partitions"]] == \
        [("nvs", 1, 2, 0x9000, 0x6000, "nvs"), ("factory", 0, 0, 0x10000, 0x100000, "factory"), ("own", 1, 0x42, 0x110000, 0x1000, None)]
    wrong = shown(CSV.replace(b"4K", b"4X"), code=1)
    assert wrong["partitions"] == [] and "line 6" in wrong["findings"][0]["text"]
    assert shown(b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"))["rows"] == 3
    for text in (b"name,age,town,zip\nme,app,data,1\n", b"# Name, Type, SubType, Offset\n", b"a,b\n", b"x, data, y\n"):
        (tmp_path / "text").write_bytes(text)
        assert "is a text file" in molt.fails("info", "text")


def test_rp2(shown):
    found = shown(formats.rp2040())
    assert (found["kind"], found["chip"], found["micropython"], found["container"]) == ("RP2 flash image", "RP2040", "v1.23.0", None)
    assert shown(formats.rp2350())["chip"] == "RP2350"
    no_start = formats.rp2350().replace(struct.pack("<I", 0xFFFFDED3), b"none")
    found = shown(formats.uf2(0x10000000, no_start, "RP2350_ARM_S"))
    assert found["chip"] is None and "boot ROM would not start it" in found["findings"][0]["text"]
    found = shown(formats.uf2(0x10000000, formats.rp2040(), "RP2040"))
    assert (found["kind"], found["container"], found["micropython_date"]) == ("RP2 flash image", "UF2", "2024-06-02")
    assert found["parts"] == [{"family": "RP2040", "family_id": 0xE48BFF56, "chips": "Raspberry Pi RP2040", "address": 0x10000000,
                               "end": 0x10000400, "bytes": 1024, "blocks": 4, "blocks_expected": 4}]
    # The block that works around an erratum of RP2350 A2 is not written.
    first = formats.uf2_block(0x10FFFF00, b"\xef" * 256, 0, 2, 0xE48BFF57, 0xA000, bytes.fromhex("04e35799"))
    found = shown(first + formats.uf2(0x10000000, formats.rp2350(), "RP2350_ARM_S"))
    assert found["chip"] == "RP2350" and found["ignored_blocks"] == 1 and len(found["parts"]) == 1
    found = shown(formats.uf2(0x10000000, b"z" * 1000, "RP2040"))
    assert found["chip"] is None and "boot ROM would not start it" in found["findings"][0]["text"]


def test_uf2_of_other_chips(shown):
    data = formats.uf2(0x08000000, b"MicroPython v1.23.0 on 2024-06-02" * 40, "STM32F4")
    found = shown(data)
    assert found["kind"] == "UF2 file" and found["parts"][0]["family"] == "STM32F4" and found["micropython"] == "v1.23.0"
    both = shown(data + formats.uf2(0, b"abc", 0x12345678))
    assert [p["family"] for p in both["parts"]] == ["STM32F4", "0x12345678"]
    cut = shown(data[:-512], code=1)
    assert "5 of the 6 blocks for STM32F4" in cut["findings"][0]["text"]
    assert "is not whole" in shown(data[:-3], code=1)["findings"][-1]["text"]
    assert shown(data + b"\0" * 512)["findings"][0]["severity"] == "odd"


def test_uf2_of_esp32(molt, firmware, tmp_path):
    data = firmware.read_bytes()
    for name, address, raw, kind in (("app.uf2", 0, esp.app_of(data), "app image"), ("fw.uf2", 0x1000, data, "firmware file")):
        (tmp_path / name).write_bytes(formats.uf2(address, raw, "ESP32"))
        found = json.loads(molt.ok("info", "--json", name))
        assert (found["kind"], found["container"], found["uf2_family"]) == (kind, "UF2", "ESP32")
        assert found["apps"][0]["sha256_ok"] and found["apps"][0]["micropython"] == "v1.23.0"
        assert "written by a UF2 file for ESP32" in molt.ok("info", name)


def test_uf2_of_one_part_at_its_place(molt, firmware, tmp_path):
    """What is written behind FF is told by its own first bytes, not by the FF before it."""
    data = firmware.read_bytes()
    parts = {"file system image": (0x200000, formats.littlefs(files=[("/main.py", b"x" * 700)])), "partition table": (0x8000, data[0x7000:0x8000]),
             "app image": (0x10000, esp.app_of(data)[:0x4000])}
    for kind, (address, raw) in parts.items():
        (tmp_path / "part.uf2").write_bytes(formats.uf2(address, raw, "ESP32S3" if kind == "file system image" else "ESP32"))
        found = molt.json("info", "part.uf2", code=None)
        assert (found["kind"], found["container"]) == (kind, "UF2")
        if kind == "file system image":
            assert "main.py" in molt.ok("fs", "ls", "part.uf2")
    (tmp_path / "ff.uf2").write_bytes(formats.uf2(0x1000, b"\xff" * 0x100 + b"\x80" * 0x100, "ESP32"))
    assert "text file" not in molt.ok("info", "ff.uf2")


def test_uf2_that_is_no_firmware(shown, firmware, molt, tmp_path):
    app = esp.app_of(firmware.read_bytes())
    cut = shown(formats.uf2(0, app, "ESP32")[:-512], code=1)
    assert cut["kind"] == "UF2 file" and "6534 of the 6535 blocks for ESP32" in cut["findings"][0]["text"]
    found = shown(formats.uf2(0x200000, b"what is this" * 100, "ESP32S3"))
    assert found["kind"] == "UF2 file" and "no flash that Molt knows" in found["findings"][0]["text"]
    (tmp_path / "other.uf2").write_bytes(formats.uf2(0, app, "ESP32S3"))
    done = molt("info", "other.uf2", check=1).stdout
    assert "WRONG: the UF2 file is for family ESP32S3, what it writes is for esp32" in done
    found = shown(formats.uf2_block(0x2000, b"a SAMD21 without a family" * 4, 0, 1, 0, flags=0))
    assert found["parts"][0]["family"] == "none" and found["parts"][0]["family_id"] is None and found["findings"] == []


def test_uf2_is_not_changed_in_place(molt, firmware, tmp_path):
    data = formats.uf2(0x1000, firmware.read_bytes(), "ESP32")
    (tmp_path / "fw.uf2").write_bytes(data)
    molt.ok("edit", "fw.uf2", "-s", "8M", "-l", "ota", "-o", "ota.bin")
    assert json.loads(molt.ok("info", "--json", "ota.bin"))["flash_size"] == 8 << 20
    for words in (["edit", "fw.uf2", "-s", "8M", "--in-place"], ["fs", "mkfs", "fw.uf2"]):
        assert "not changed in place" in molt.fails(*words), words
        assert (tmp_path / "fw.uf2").read_bytes() == data and sorted(p.name for p in tmp_path.iterdir()) == ["fw.uf2", "ota.bin"]


def test_every_key_of_flash_is_told(molt, firmware, tmp_path):
    (tmp_path / "vfs.img").write_bytes(formats.littlefs())
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "ota.bin")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    for name in (firmware, "vfs.img", "sim:board"):
        assert keys_in(json.loads(molt.ok("info", "--json", name))) - TOLD == set()


def test_uf2_as_esptool_writes_it(molt, firmware, tmp_path):
    """Flash offsets, MD5 behind each payload, numbers that begin again with each file."""
    from esptool.uf2_writer import UF2Writer
    data = firmware.read_bytes()
    with UF2Writer(formats.FAMILY["ESP32"], str(tmp_path / "merged.uf2"), None) as writer:
        for low, high in ((0, 0x6000), (0x7000, 0x8000), (0xF000, len(data))):
            writer.add_file(low + 0x1000, data[low:high])
    found = json.loads(molt.ok("info", "--json", "merged.uf2"))
    assert found["kind"] == "firmware file" and found["apps"][0]["sha256_ok"] and not found["wrong"]
    broken = bytearray((tmp_path / "merged.uf2").read_bytes())
    broken[0x123] ^= 1
    (tmp_path / "broken.uf2").write_bytes(broken)
    assert "WRONG: 1 blocks have a wrong MD5" in molt("info", "broken.uf2", check=1).stdout
    assert "1 of its UF2 blocks have a wrong MD5" in molt.fails("edit", "broken.uf2", "-s", "4M", "-o", "x")


def test_dfu(shown):
    found = shown(formats.dfuse((0x08000000, b"a" * 100), (0x08020000, b"MicroPython v1.22.1 on 2024-01-05")))
    assert (found["kind"], found["format"], found["vendor"], found["product"], found["crc_ok"]) == ("DFU file", "DfuSe", 0x483, 0xDF11, True)
    assert [(e["address"], e["size"], e["target"], e["alternate"]) for e in found["elements"]] == \
        [(0x08000000, 100, "ST...", 0), (0x08020000, 33, "ST...", 0)]
    assert found["micropython"] == "v1.22.1"
    assert shown(formats.dfuse((0, b"a"), counted=True))["elements"]
    plain = shown(formats.dfu_suffix(b"anything at all"))
    assert plain["format"] == "DFU 1.1" and plain["image_size"] == 15 and plain["elements"] == []
    data = bytearray(formats.dfuse((0x08000000, b"a" * 100), name=b"\x1b[2Jroof"))
    assert shown(bytes(data))["elements"][0]["target"] == "?[2Jroof"
    data[300] ^= 1
    assert "wrong CRC" in shown(bytes(data), code=1)["findings"][0]["text"]
    assert "no DFU suffix" in shown(bytes(data[:-1]), code=1)["findings"][0]["text"]
    assert "size of a DfuSe element" in shown(formats.dfu_suffix(bytes(data[:-16]).replace(b"\x64\0\0\0a", b"\xff\0\0\0a")), code=1)["findings"][-1]["text"]


def test_elf(shown):
    found = shown(formats.elf(RISCV, 0x42000020, b"MicroPython v1.23.0 on 2024-06-02"))
    assert (found["kind"], found["machine"], found["bits"], found["entry"]) == ("ELF program", "RISC-V", 32, 0x42000020)
    assert found["segments"][0]["size"] == 33 and found["segments"][0]["executable"] and found["micropython"] == "v1.23.0"
    assert "write the .bin" in found["findings"][0]["text"]
    assert shown(formats.elf(XTENSA, 0x400D0020))["machine"] == "Xtensa"
    assert shown(formats.elf(ARM, 0x08000000))["findings"] == []
    assert "behind its end" in shown(formats.elf(RISCV, 0x42000020)[:-1], code=1)["findings"][0]["text"]


def test_this_command_is_an_elf_program(molt):
    found = json.loads(molt.ok("info", "--json", molt.path))
    assert found["kind"] == "ELF program" and found["bits"] in (32, 64) and found["entry"] is None


def test_intel_hex(shown, molt, tmp_path):
    found = shown(formats.hex_file(0x08000000, b"a" * 100))
    assert found["kind"] == "Intel HEX file" and found["ranges"] == [{"address": 0x08000000, "end": 0x08000064, "size": 100}]
    text = formats.hex_file(0x08000000, b"a" * 100)
    assert "line 8" in shown(text[:-12], code=1)["findings"][0]["text"]
    (tmp_path / "colon").write_bytes(b": not hexadecimal\n")
    assert "begins as Intel HEX, but line 1" in molt.fails("info", "colon")


def test_esp8266(shown):
    image = struct.pack("<BBBBI", 0xE9, 1, 0, 0x40, 0x40100004) + struct.pack("<II", 0x40100000, 32) + b"\0" * 47 + b"\xef"
    found = shown(image)
    assert found["kind"] == "ESP8266 image" and found["entry"] == 0x40100004
    assert "1 segments, entry 0x40100004, flash 4 MB" in found["header"]
    assert "not supported" in found["findings"][0]["text"]


def test_bundle(shown, molt, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/main.py").write_text("print(1)\n")
    molt.ok("key", "new", "key.pem")
    molt.ok("bundle", "create", "--release", "files", "--key", "key.pem", "--sequence", "7", "-o", "app.molt")
    data = (tmp_path / "app.molt").read_bytes()
    found = shown(data)
    assert found["kind"] == "bundle" and found["sequence"] == 7 and found["chip"] is None
    assert [p["role"] for p in found["payloads"]] == ["release"]
    (tmp_path / "cut").write_bytes(data[:-1])
    assert "cut" in molt.fails("info", "cut")


def test_file_system_images(molt, tmp_path):
    (tmp_path / "vfs.img").write_bytes(formats.littlefs(files=[("main.py", b"print(1)" * 2000)]))
    found = json.loads(molt.ok("info", "--json", "vfs.img"))
    assert found["kind"] == "file system image" and found["apps"] == [] and found["table"] is None
    files = found["file_systems"][0]
    assert files["partition"] is None and files["file_system"].startswith("littlefs 2.") and files["block_count"] == 16
    assert 16000 < files["used"] < 32768 and files["used"] + files["free"] == 65536 and files["error"] == 0
    assert "free " in molt.ok("info", "vfs.img")


def test_fat_image(molt, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/main.py").write_bytes(b"print(1)" * 2000)
    molt.ok("fs", "build", "files", "-t", "fat", "-s", "512K", "-o", "fat.img")
    found = json.loads(molt.ok("info", "--json", "fat.img"))
    files = found["file_systems"][0]
    assert found["kind"] == "file system image" and files["file_system"] == "FAT12" and files["error"] == 0
    assert 16000 <= files["used"] <= 20480 and files["used"] + files["free"] < 512 << 10


def test_files_and_boot_record_of_a_dump(molt, firmware, tmp_path):
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.row(1, 0x81, 0x350000, 0x80000, "vfs"))
    dump = bytearray(esp.dump(data))
    dump[0xE000:0x10000] = formats.ota_record(1, 2) + formats.ota_record(2, 0)
    dump[0x350000:0x350000 + 16 * 4096] = formats.littlefs()
    (tmp_path / "dump.bin").write_bytes(dump)
    found = json.loads(molt("info", "--json", "dump.bin").stdout)
    assert found["boots_next"] == {"partition": "ota_1", "record": 1, "seq": 2, "state": 0}
    assert [(f["partition"], f["offset"], f["size"], f["block_count"]) for f in found["file_systems"]] == [("vfs", 0x350000, 0x80000, 16)]
    text = molt("info", "dump.bin").stdout
    assert "boots  ota_1 next: record 1 of otadata, seq 2, NEW" in text
    assert "64 KB, in 512 KB of flash" in text


def test_files_behind_the_last_partition(molt, firmware, tmp_path):
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.FACTORY)
    dump = bytearray(esp.dump(data))
    dump[0x200000:0x400000] = formats.littlefs(512)
    (tmp_path / "dump.bin").write_bytes(dump)
    found = json.loads(molt("info", "--json", "dump.bin").stdout)
    assert [(f["offset"], f["size"]) for f in found["file_systems"]] == [(0x200000, 0x200000)] and found["boots_next"] is None


def test_a_bare_bootloader(molt, firmware, tmp_path):
    (tmp_path / "bootloader.bin").write_bytes(firmware.read_bytes()[:23072])
    found = json.loads(molt.ok("info", "--json", "bootloader.bin"))
    assert found["kind"] == "bootloader" and found["chip"] == "esp32" and found["bootloader"]["sha256_ok"]
    assert found["table"] is None and found["apps"] == []


WORDS = {
    b"\x1f\x8b\x08\0": "gzip-compressed", b"PK\x03\x04": "a ZIP archive", b"BZh9": "bzip2-compressed", b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"\xfd7zXZ\0": "xz-compressed", b"\0" * 257 + b"ustar\0": "a tar archive",
    b"\xff\xd8\xff\xe0": "a JPEG picture", b"\x89PNG": "a PNG picture", b"GIF89a": "a GIF picture", b"%PDF-1.4": "a PDF document",
    b"M\x06\x1f\x1f": "a compiled MicroPython module (.mpy, version 6)", b"SQLite format 3\0": "a SQLite database",
    b"-----BEGIN PRIVATE KEY-----": "a key or certificate", b"MZ\x90\0": "a Windows program", b"<!DOCTYPE html>": "a web page",
    b"hello, world": "a text file", b"\0" * 100: "all zero bytes", b"\xff" * 100: "an erased flash", b"\1\2\3\4" * 9: "nothing that Molt knows",
}


@pytest.mark.parametrize("data", WORDS, ids=lambda data: WORDS[data])
def test_everything_else_in_words(molt, tmp_path, data):
    (tmp_path / "file").write_bytes(data.ljust(300, data[-1:]))
    for words in (["info"], ["info", "--json"]):
        assert "file: is %s" % WORDS[data] in molt.fails(*words, "file")
