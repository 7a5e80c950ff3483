"""Images of every chip: made by esptool's elf2image out of ELF files of the RISC-V cross compiler, by hand for the Xtensa chips; what
esptool's image_info says of them is what molt info says."""
import re
import struct
import subprocess

import esp
import pytest
from esptool.cmds import elf2image, image_info
from esptool.targets import CHIP_DEFS

RISCV = ["esp32c3", "esp32c2", "esp32c6", "esp32c61", "esp32c5", "esp32h2", "esp32h21", "esp32h4", "esp32p4", "esp32s31"]
# name: image chip id, bootloader offset, a mapped address, a RAM address
XTENSA = {"esp32": (0, 0x1000, 0x3F400020, 0x40080000), "esp32s2": (2, 0x1000, 0x3F000020, 0x40024000),
          "esp32s3": (9, 0, 0x3C000020, 0x40374000), "esp32e22": (0x1F, 0, 0x3C000020, 0x31000000)}

PROGRAM = """
    .section .flash.appdesc, "a"
    .word 0xABCD5432, 3, 0, 0
    .asciz "1.2.3"
    .zero 26
    .asciz "chips"
    .zero 26
    .asciz "12:34:56"
    .zero 7
    .asciz "Jan  1 2026"
    .zero 4
    .asciz "v5.5.1"
    .zero 25
    .zero 36
    .byte 16, 0, 0, 0
    .zero 72
    .section .flash.text, "ax"
    .globl _start
_start:
    nop
    .zero 1000
    .section .iram0.text, "ax"
    nop
    .zero 500
    .section .dram0.data, "aw"
    .word 1, 2, 3
"""


def memory(name):
    """(DROM, IROM, RAM) as esptool's own map of the chip has them."""
    found = {}
    for low, high, kind in CHIP_DEFS[name].MEMORY_MAP:
        found.setdefault(kind, low)
    drom, irom = found["DROM"], found["IROM"]
    return drom, irom + 0x100000 if irom == drom else irom, found["IRAM"], found["DRAM"]


@pytest.fixture(scope="module")
def elves(tmp_path_factory):
    """One ELF file a chip; the code is the same, the places differ."""
    folder = tmp_path_factory.mktemp("elves")
    (folder / "x.S").write_text(PROGRAM)
    compiler = ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-nostdlib"]
    subprocess.run(compiler + ["-c", "x.S", "-o", "x.o"], cwd=folder, check=True)
    for name in RISCV:
        drom, irom, iram, dram = memory(name)
        (folder / (name + ".ld")).write_text("""ENTRY(_start) SECTIONS {
            .flash.appdesc 0x%x : { *(.flash.appdesc) }
            .flash.text 0x%x : { *(.flash.text) }
            .iram0.text 0x%x : { *(.iram0.text) }
            .dram0.data 0x%x : { *(.dram0.data) } /DISCARD/ : { *(*) } }"""
                                             % (drom + 0x20, irom + 0x20, iram + 0x8000, dram + 0x10000))
        subprocess.run(["riscv64-unknown-elf-ld", "-melf32lriscv", "-T", name + ".ld", "x.o", "-o", name + ".elf"],
                       cwd=folder, check=True)
    return folder


def as_esptool_says(path, capsys):
    """What image_info prints, as a dictionary; segments as a list of (load address, length)."""
    capsys.readouterr()
    image_info(str(path))
    text = capsys.readouterr().out
    said = dict(re.findall(r"^([A-Z][A-Za-z ()-]+): +(.*)$", text, re.M))
    said["segments"] = [(int(a, 16), int(b, 16)) for b, a in re.findall(r"^ *\d+ +0x([0-9a-f]+) +0x([0-9a-f]+)", text, re.M)]
    return said


def agree(image, said, chip):
    """One image of molt info --json against esptool's words."""
    assert image["entry"] == int(said["Entry point"], 16)
    assert [(s["load_address"], s["length"]) for s in image["segments"]] == said["segments"]
    assert said["Checksum"] == "0x%02x (%s)" % (image["checksum"], "valid" if image["checksum_ok"] else
                                                "invalid - calculated 0x%02x" % image["checksum_computed"])
    hash_said = said["Validation hash"].split()
    assert hash_said[1] == ("(valid)" if image["sha256_ok"] else "(invalid)")
    assert not image["sha256_ok"] or hash_said[0] == image["sha256"]
    assert int(re.match(r"\d+", said["Chip ID"]).group()) == image["chip_id"]
    assert said["Flash size"] == "%dMB" % (image["flash_size"] >> 20)
    # Two frequencies share a nibble on the C6: esptool names one of them.
    assert said["Flash freq"] in image["flash_freq"].split(" or ")
    assert said["Flash mode"] == image["flash_mode"].upper()
    assert said.get("ESP-IDF") == image["idf_version"]
    assert (said.get("Project name") or None, said.get("App version") or None) == (image["project"], image["version"])


@pytest.mark.parametrize("name", RISCV)
def test_riscv(name, elves, molt, tmp_path, capsys):
    app = tmp_path / "app.bin"
    elf2image(str(elves / (name + ".elf")), name, output=str(app), flash_size="4MB", flash_mode="dio")
    done = molt.json("info", app)
    assert (done["kind"], done["chip"], done["wrong"]) == ("app image", name, False), done["findings"]
    image = done["apps"][0]
    assert (image["error"], image["version"], image["idf_version"], len(image["segments"]) >= 4) == (0, "1.2.3", "v5.5.1", True)
    agree(image, as_esptool_says(app, capsys), name)

    data = bytearray(app.read_bytes())
    data[-40] ^= 1  # padding before the hash, or the checksum: esptool judges it, and so do we
    data[image["segments"][0]["offset"] + 0x90] ^= 0x10
    app.write_bytes(data)
    image = molt.json("info", app, code=1)["apps"][0]
    assert not image["sha256_ok"] and not image["checksum_ok"]
    agree(image, as_esptool_says(app, capsys), name)


@pytest.mark.parametrize("freq", ["80m", "60m", "48m", "40m", "30m", "26m", "24m", "20m", "16m", "15m", "12m"])
def test_frequencies(freq, elves, molt, tmp_path, capsys):
    app = tmp_path / "app.bin"
    some = False
    for name in ("esp32c3", "esp32c2", "esp32c6", "esp32c61", "esp32h2"):
        if freq in CHIP_DEFS[name].FLASH_FREQUENCY:
            some = True
            elf2image(str(elves / (name + ".elf")), name, output=str(app), flash_freq=freq)
            assert freq in molt.json("info", app)["apps"][0]["flash_freq"].split(" or "), name
    assert some


@pytest.mark.parametrize("name", XTENSA)
def test_by_hand(name, molt, tmp_path, capsys):
    chip_id, bootloader, mapped, ram = XTENSA[name]
    (tmp_path / "app.bin").write_bytes(esp.app(chip_id, mapped, ram))
    done = molt.json("info", "app.bin")
    assert (done["kind"], done["chip"], done["wrong"]) == ("app image", name, False), done["findings"]
    agree(done["apps"][0], as_esptool_says(tmp_path / "app.bin", capsys), name)


@pytest.mark.parametrize("name", list(XTENSA) + RISCV)
def test_firmware_and_dump(name, molt, tmp_path):
    """A merged file begins at the bootloader's offset, a dump at 0: both are told, and the same is found."""
    chip_id = CHIP_DEFS[name].IMAGE_CHIP_ID
    offset = CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET
    mapped, ram = XTENSA[name][2:] if name in XTENSA else (memory(name)[0] + 0x20, memory(name)[2] + 0x8000)
    flash = esp.flash_of(chip_id, offset, mapped, ram)
    (tmp_path / "dump.bin").write_bytes(flash)
    (tmp_path / "firmware.bin").write_bytes(flash[offset:0x20000])
    for file, kind in ("firmware.bin", "firmware file"), ("dump.bin", "flash dump"):
        done = molt.json("info", file)
        assert (done["kind"], done["chip"], done["wrong"]) == (kind, name, False), done["findings"]
        assert done["bootloader"]["offset"] == offset and done["bootloader"]["idf_version"] == "v5.4.2"
        assert [a["offset"] for a in done["apps"]] == [0x10000]


def test_a_bootloader_where_an_app_belongs(molt, tmp_path):
    for name in RISCV:
        drom, _, iram, _ = memory(name)
        flash = bytearray(esp.flash_of(CHIP_DEFS[name].IMAGE_CHIP_ID, CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET, drom + 0x20, iram))
        begin = CHIP_DEFS[name].BOOTLOADER_FLASH_OFFSET
        flash[0x10000:0x18000] = flash[begin:begin + 0x8000]
        (tmp_path / "dump.bin").write_bytes(flash)
        texts = [f["text"] for f in molt.json("info", "dump.bin", code=1)["findings"]]
        assert any("app part of a downloaded firmware" in t for t in texts), (name, texts)


def test_memory_that_is_not_known_is_not_judged(molt, tmp_path):
    (tmp_path / "app.bin").write_bytes(esp.app(0x1F, 0x3C000020, 0x12345678))
    done = molt.json("info", "app.bin")
    assert not done["wrong"] and any("load addresses are not judged" in f["text"] for f in done["findings"])
    assert [f["id"] for f in molt.json("doctor", "app.bin")["findings"]] == ["memory-unknown"]
    (tmp_path / "app.bin").write_bytes(esp.app(0x09, 0x3C000020, 0x12345678))
    assert "no memory" in molt.json("info", "app.bin", code=1)["findings"][0]["text"]


def test_esp8266(molt, tmp_path):
    image = struct.pack("<BBBBIII", 0xE9, 1, 2, 0x40, 0x40100004, 0x40100000, 16) + b"\0" * 16
    (tmp_path / "image.bin").write_bytes(image.ljust(64, b"\0"))
    assert "ESP8266 (1 segments, entry 0x40100004, flash 4 MB), which is not supported" in molt.fails("doctor", "image.bin")
    (tmp_path / "image.bin").write_bytes(struct.pack("<BBBBIII", 0xEA, 4, 2, 0x40, 0x40100004, 0, 16).ljust(64, b"\0"))
    assert "which is not supported" in molt.fails("doctor", "image.bin")


def test_genuine(firmware, molt, tmp_path, capsys):
    """Bootloader and app of a downloaded firmware."""
    data = firmware.read_bytes()
    done = molt.json("info", firmware)
    for image, at in (done["bootloader"], 0), (done["apps"][0], 0x10000 - esp.BOOTLOADER):
        (tmp_path / "one.bin").write_bytes(data[at:at + image["length"]])
        agree(image, as_esptool_says(tmp_path / "one.bin", capsys), "esp32")


@pytest.mark.parametrize("name", list(XTENSA) + RISCV)
def test_every_chip_is_edited(name, molt, tmp_path):
    """Flash size, layout, the app taken out, the parts merged again: at each chip's bootloader offset."""
    chip = CHIP_DEFS[name]
    mapped, ram = XTENSA[name][2:] if name in XTENSA else (memory(name)[0] + 0x20, memory(name)[2] + 0x8000)
    flash = esp.flash_of(chip.IMAGE_CHIP_ID, chip.BOOTLOADER_FLASH_OFFSET, mapped, ram, size=2 << 20)
    (tmp_path / "firmware.bin").write_bytes(flash[chip.BOOTLOADER_FLASH_OFFSET:0x20000])
    molt.ok("edit", "firmware.bin", "--flash-size", "4M", "--layout", "ota", "-o", "ota.bin")
    done = molt.json("info", "ota.bin")
    assert (done["chip"], done["header_flash_size"], done["wrong"]) == (name, 4 << 20, False)
    assert done["bootloader"]["sha256_ok"] and [a["partition"] for a in done["apps"]] == ["ota_0", "ota_1"]
    expected = {"memory-unknown"} if name == "esp32e22" else set()
    assert {f["id"] for f in molt.json("doctor", "ota.bin")["findings"]} == expected
    molt.ok("extract", "ota.bin", "-o", "app.bin")
    app = esp.app(chip.IMAGE_CHIP_ID, mapped, ram)
    assert (tmp_path / "app.bin").read_bytes() == app
    molt.ok("read", "ota.bin", "bootloader=boot.bin", "table=table.bin")
    molt.ok("merge", "boot.bin", "table.bin", "app.bin", "-o", "merged.bin")
    merged, edited = (tmp_path / "merged.bin").read_bytes(), (tmp_path / "ota.bin").read_bytes()
    assert merged == edited[:len(merged)] and len(app) <= len(merged) - 0x10000 + chip.BOOTLOADER_FLASH_OFFSET


def test_other_chips_are_not_simulated(molt, tmp_path):
    """The boot model knows two bootloaders; of the others it would say what is not so."""
    flash = esp.flash_of(0x0D, 0, 0x42000020, 0x40808000)
    (tmp_path / "c6.bin").write_bytes(flash[:0x20000])
    assert "simulated boards are esp32 or esp32c3" in molt.fails("sim", "new", "sim:b", "--flash", "c6.bin")
    molt.ok("sim", "new", "sim:b")
    facts = tmp_path / "b" / "board.json"
    facts.write_text(facts.read_text().replace('"esp32"', '"esp32c6"'))
    assert '"esp32" or "esp32c3"' in molt.fails("doctor", "sim:b")
