"""molt convert: UF2 files of images and back, against files built here; what would not boot is refused."""
import json
import os
import struct

import esp
import formats
import pytest


@pytest.fixture(scope="module")
def app(firmware):
    """A small app of the genuine firmware's code."""
    return esp.shortened(esp.app_of(firmware.read_bytes()))


@pytest.fixture
def convert(molt, tmp_path):
    def run(data, *words, out="out", **options):
        (tmp_path / "in").write_bytes(data)
        molt.ok("convert", "in", out, *words, **options)
        return (tmp_path / out).read_bytes()
    return run


@pytest.fixture
def refused(molt, tmp_path):
    def run(data, *words, code=1):
        (tmp_path / "in").write_bytes(data)
        before = sorted(os.listdir(tmp_path))
        text = molt.fails("convert", "in", "out", *words, code=code)
        assert sorted(os.listdir(tmp_path)) == before
        return text
    return run


def test_app(convert, app):
    assert convert(app) == formats.uf2(0, app, "ESP32")
    assert convert(app, "--family", "esp32", "--base", "0x10000") == formats.uf2(0x10000, app, "ESP32")
    assert convert(app + b"\xff" * 5000) == formats.uf2(0, app, "ESP32")  # what pads it is no part of it
    for size in (64, 256, 448, 476):
        assert convert(formats.uf2(0, app, "ESP32", size)) == app


@pytest.mark.parametrize("family, chip_id, offset, mapped, ram", [
    ("ESP32S2", 2, 0x1000, 0x3F000020, 0x40030000), ("ESP32S3", 9, 0, 0x3C000020, 0x40374000), ("ESP32C3", 5, 0, 0x3C000020, 0x40380000),
    ("ESP32P4", 0x12, 0x2000, 0x40000020, 0x4FF10000)])
def test_other_chips(convert, molt, family, chip_id, offset, mapped, ram):
    one = esp.app(chip_id, mapped, ram)
    assert convert(one) == formats.uf2(0, one, family)
    assert convert(formats.uf2(0, one, family)) == one
    flash = esp.flash_of(chip_id, offset, mapped, ram)
    assert convert(flash) == formats.uf2(0, one, family)
    whole = formats.uf2(offset, flash[offset:0x20000], family)
    assert convert(whole) == flash[offset:0x20000]
    found = json.loads(molt("info", "--json", "in").stdout)
    assert found["kind"] == "firmware file" and found["uf2_family"] == family and found["apps"][0]["error"] == 0


def test_firmware_and_dump(convert, molt, firmware, app):
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS)[:0xF000] + app
    assert convert(data) == formats.uf2(0, app, "ESP32")
    assert "taken from partition ota_0 of the firmware file" in molt.ok("convert", "in", "again")
    assert convert(data, "--whole") == formats.uf2(0x1000, data, "ESP32")
    dump = bytearray(esp.dump(data))
    other = esp.seal(app[:48] + b"other".ljust(32, b"\0") + app[80:])
    dump[0x1B0000:0x1B0000 + len(other)] = other
    dump[0xE000:0x10000] = formats.ota_record(2, 2) + formats.BLANK
    assert convert(bytes(dump)) == formats.uf2(0, other, "ESP32")  # the one that boots


def test_a_board(molt, firmware, tmp_path):
    data = firmware.read_bytes()
    molt.ok("sim", "new", "sim:board", "--flash", firmware)
    molt.ok("convert", "sim:board", "app.uf2")
    assert (tmp_path / "app.uf2").read_bytes() == formats.uf2(0, esp.app_of(data), "ESP32")
    molt.ok("convert", "sim:board", "--whole", "-o", "all.uf2")
    assert (tmp_path / "all.uf2").read_bytes() == formats.uf2(0, esp.dump(data), "ESP32")
    assert "cannot open the simulated board" in molt.fails("convert", "sim:nothing", "out")


def test_names_of_the_result(molt, firmware, tmp_path):
    assert "expected OUT" in molt.fails("convert", firmware, code=2)
    assert "expected one name" in molt.fails("convert", firmware, "a", "-o", "b", code=2)
    assert "6535 blocks" in molt.ok("convert", "-n", firmware)
    assert list(tmp_path.iterdir()) == []


def test_blocks_in_any_order_and_holes(convert, app):
    data = formats.uf2(0, app, "ESP32")
    blocks = [data[at:at + 512] for at in range(0, len(data), 512)]
    assert convert(b"".join([blocks[0]] + blocks[:0:-1])) == app
    comment = formats.uf2_block(0x5000000, b"x" * 256, 0, 1, 0, flags=1)
    assert convert(data + comment) == app
    first, last = (formats.uf2_block(0x08000000 + 0x400 * i, bytes([i]) * 256, i, 2, formats.FAMILY["STM32F4"]) for i in range(2))
    assert convert(first + last) == b"\0" * 256 + b"\xff" * 0x300 + b"\1" * 256


def test_rp2(convert, refused):
    small, large = formats.rp2040(), formats.rp2350()
    assert convert(small) == formats.uf2(0x10000000, small, "RP2040")
    assert convert(large) == formats.uf2(0x10000000, large, "RP2350_ARM_S")
    riscv = large.replace(b"\x42\x01\x21\x10", b"\x42\x01\x01\x11", 1)
    assert convert(riscv) == formats.uf2(0x10000000, riscv, 0xE48BFF5A)
    assert convert(formats.uf2(0x10000000, small, "RP2040")) == small.ljust(1024, b"\0")
    ignored = formats.uf2_block(0x10FFFF00, b"\xef" * 256, 0, 2, 0xE48BFF57, 0xA000, bytes.fromhex("04e35799"))
    assert convert(ignored + formats.uf2(0x10000000, large, "RP2350_ARM_S"))[:len(large)] == large
    assert "for an RP2040, expected one for family RP2350_ARM_S" in refused(small, "--family", "RP2350-ARM-S")
    assert "for an RP2350, expected one for family STM32F4" in refused(large, "--family", "STM32F4")
    assert "leave the flash of family RP2040" in refused(small, "--base", "0x10fffe00")
    assert "leave the flash" in refused(small, "--base", "0")


def test_other_bytes(convert, refused):
    data = bytes(range(1, 200)) * 5
    assert convert(data, "-F", "STM32F4", "-b", "0x08010000") == formats.uf2(0x08010000, data, "STM32F4")
    assert convert(data, "-F", "0x12345678", "-b", "0") == formats.uf2(0, data, 0x12345678)
    assert convert(data, "-F", "RP2040", "-b", "0x10100000") == formats.uf2(0x10100000, data, "RP2040")
    assert "expected a firmware file" in refused(data)
    assert "no image that a board of family ESP32S3 would start" in refused(data, "-F", "ESP32S3", "-b", "0")
    assert "no image that a board of family RP2040 would start" in refused(data, "-F", "RP2040", "-b", "0x10000000")
    assert "no such family" in refused(data, "-F", "STM33", "-b", "0")
    assert "multiple of 256" in refused(data, "-F", "STM32F4", "-b", "0x80")
    assert "expected an address" in refused(data, "-F", "STM32F4", "-b", "flash", code=2)
    files = formats.littlefs()
    assert "is a file system image" in refused(files)
    assert convert(files, "-F", "RP2040", "-b", "0x10100000") == formats.uf2(0x10100000, files, "RP2040")


def test_what_would_not_boot(refused, convert, app, firmware):
    data = firmware.read_bytes()
    broken = bytearray(app)
    broken[0x2000] ^= 1
    assert "wrong image checksum" in refused(bytes(broken))
    assert convert(bytes(broken), "--force") == formats.uf2(0, bytes(broken), "ESP32")
    assert "ends too early" in refused(app[:-100])
    assert "is for esp32, expected an image for family ESP32S3" in refused(app, "--family", "ESP32S3")
    assert "expected an image for family RP2040" in refused(app, "--family", "RP2040")
    assert "no app in it would boot" in refused(data[:0x20000])
    assert "something is wrong with it" in refused(data[:0x20000], "--whole")
    assert "wrong image checksum" in refused(formats.uf2(0, bytes(broken), "ESP32"))
    assert "image for another chip" in refused(formats.uf2(0, app, "ESP32S3"))
    assert "ends too early" in refused(formats.uf2(0, app[:-4096], "ESP32"))
    assert convert(formats.uf2(0, app[:-4096], "ESP32"), "--force")[:100] == app[:100]


def test_uf2_files_that_are_not_whole(refused, app):
    data = formats.uf2(0, app, "ESP32")
    assert "it is not whole" in refused(data[:-512])
    assert "it is not whole" in refused(data[:-1])
    assert "no whole UF2 block" in refused(data[:100])
    long = data[:512 + 16] + struct.pack("<I", 477) + data[512 + 20:]
    assert "payload of a UF2 block" in refused(long) and "0x210" in refused(long)
    assert "no such family" in refused(data, "--family", "ESP33")
    assert "has nothing for family ESP32S3, but for ESP32" in refused(data, "--family", "ESP32S3")
    assert "says itself where its bytes go" in refused(data, "--base", "0")
    assert "blocks write nothing" in refused(formats.uf2_block(0, b"x", 0, 1, 9, flags=0x1000, more=b"main.py\0"))
    far = formats.uf2_block(0, b"x", 0, 2, 7) + formats.uf2_block(0x7F000000, b"x", 1, 2, 7)
    assert "more than the largest flash" in refused(far)


def test_several_families(convert, refused):
    both = formats.uf2(0x10000000, formats.rp2040(), "RP2040") + formats.uf2(0x10000000, formats.rp2350(), "RP2350_ARM_S")
    text = refused(both)
    assert "several families (RP2040, RP2350_ARM_S)" in text
    assert convert(both, "--family", "RP2350_ARM_S")[:len(formats.rp2350())] == formats.rp2350()


def test_other_kinds_and_names(refused, molt, tmp_path, app):
    for data, kind in ((formats.dfuse((0x08000000, b"a")), "DFU file"), (formats.elf(243, 0x42000020), "ELF program"),
                       (formats.hex_file(0, b"abc"), "Intel HEX file"), (formats.ota_record(1, 2) + formats.BLANK, "otadata")):
        text = refused(data)
        assert "is of kind '%s'" % kind in text and ("'molt dfu unpack'" in text) == (kind != "otadata")
    assert "is empty" in refused(b"")
    (tmp_path / "in").write_bytes(app)
    assert "is the input" in molt.fails("convert", "in", "in")
    assert "nothing: " in molt.fails("convert", "nothing", "out")
    molt.ok("convert", "-n", "in", "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").write_bytes(b"old")
    molt.ok("convert", "in", "out")
    assert (tmp_path / "out").read_bytes()[:4] == b"UF2\n"
    assert (tmp_path / "in").read_bytes() == app


def test_as_esptool_packs_it(convert, app, tmp_path):
    from esptool.uf2_writer import UF2Writer
    with UF2Writer(formats.FAMILY["ESP32"], str(tmp_path / "peer.uf2"), None) as writer:
        writer.add_file(0, app)
    assert convert((tmp_path / "peer.uf2").read_bytes()) == app
