"""molt info: genuine firmware, agreement with esptool, every kind of target, what is odd."""
import json
import os
import pty
import struct
import subprocess
import sys

import esp
import pytest


def info(molt, path, code=0):
    return json.loads(molt("info", "--json", path, check=code).stdout)


@pytest.fixture
def place(tmp_path):
    def put(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path
    return put


def test_genuine_firmware_in_words(molt, firmware):
    text = molt.ok("info", firmware)
    for words in ("firmware file, 1734240 bytes", "esp32", "4 MB", "MicroPython  v1.23.0 of 2024-06-02", "ESP-IDF      v5.0.4",
                  "1672800 bytes", "82.3 % of 1.94 MB", "checksum     0x00, right", ", right", "phy_init", "no two app slots"):
        assert words in text
    assert "\033" not in text  # colour is for terminals


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_map_is_as_wide_as_the_terminal(molt, firmware, columns):
    text = molt.ok("info", firmware, env={"COLUMNS": str(columns)})
    bar = next(line for line in text.splitlines() if line.startswith("  [")).strip("[] ")
    assert len(bar) == columns - 4
    assert bar.count("d") in range(len(bar) // 2 - 1, len(bar) // 2 + 2)  # vfs has half of the flash
    assert "C" in bar and "." not in bar


def test_colour_on_a_terminal(molt, firmware):
    for no_colour in (False, True):
        ours, theirs = pty.openpty()
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        env.update({"NO_COLOR": "1"} if no_colour else {})
        child = subprocess.Popen([molt.path, "info", str(firmware)], stdout=theirs, env=env)
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += (part := os.read(ours, 65536))
            except OSError:
                break
            if not part:
                break
        assert child.wait() == 0
        os.close(ours)
        assert (b"\033[32m" in seen) != no_colour


def test_agrees_with_esptool(molt, firmware, place):
    """Segments, checksum, hash, chip, flash size, as esptool reads the same two images."""
    from esptool.bin_image import LoadFirmwareImage
    data = firmware.read_bytes()
    shown = info(molt, firmware)
    for ours, raw in ((shown["bootloader"], data[:0x7000]), (shown["apps"][0], esp.app_of(data))):
        theirs = LoadFirmwareImage("esp32", str(place("image.bin", raw)))
        assert [(s["load_address"], s["offset"], s["length"]) for s in ours["segments"]] == \
            [(s.addr, s.file_offs + 8, len(s.data)) for s in theirs.segments]
        assert ours["entry"] == theirs.entrypoint
        assert ours["checksum"] == theirs.checksum and ours["checksum_ok"]
        assert ours["sha256"] == theirs.calc_digest.hex() == theirs.stored_digest.hex() and ours["sha256_ok"]
        assert ours["length"] == theirs.data_length + 32
        assert ours["flash_size"] == 4 << 20 and theirs.flash_size_freq >> 4 == 2
        assert ours["chip_id"] == theirs.chip_id
        assert (ours["min_rev_full"], ours["max_rev_full"]) == (theirs.min_rev_full, theirs.max_rev_full)


def test_agrees_with_esptool_in_words(molt, firmware, place):
    app = place("app.bin", esp.app_of(firmware.read_bytes()))
    said = subprocess.run([sys.executable, "-m", "esptool", "--chip", "esp32", "image-info", str(app)], capture_output=True,
                          text=True, check=True).stdout
    ours = info(molt, app)["apps"][0]
    assert "%s (valid)" % ours["sha256"] in said
    assert "Checksum: 0x%02x (valid)" % ours["checksum"] in said
    assert "ESP-IDF: %s" % ours["idf_version"] in said


def test_kinds(molt, firmware, place):
    data = firmware.read_bytes()
    assert info(molt, firmware)["kind"] == "firmware file"
    dump = info(molt, place("dump.bin", esp.dump(data)))
    assert dump["kind"] == "flash dump" and dump["apps"][0]["micropython"] == "v1.23.0"
    app = info(molt, place("app.bin", esp.app_of(data)))
    assert app["kind"] == "app image" and app["table"] is None and app["bootloader"] is None
    assert app["apps"][0]["micropython_date"] == "2024-06-02"
    table = info(molt, place("table.bin", data[0x7000:0x7C00]))
    assert table["kind"] == "partition table" and table["chip"] is None
    assert [p["name"] for p in table["table"]["partitions"]] == ["nvs", "phy_init", "factory", "vfs"]
    short = info(molt, place("short-table.bin", data[0x7000:0x70A0]))  # without the erased rest
    assert short["table"] == table["table"]


def test_a_slot_that_is_empty(molt, firmware, place):
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS)
    for name, raw in (("fw", data), ("dump", esp.dump(data))):
        shown = info(molt, place(name, raw))
        assert [a["empty"] for a in shown["apps"]] == [False, True]
        assert shown["wrong"] is False


WRONG = {
    "overlap": ([esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x1FF000, 0x1000, "vfs")], "'factory' (0x10000 to 0x200000) and 'vfs'"),
    "wrap": ([esp.FACTORY, esp.row(1, 0x81, 0x300000, 0xFFF00000, "vfs")], "partition passes 4 GB"),
    "behind the flash": ([esp.FACTORY, esp.row(1, 0x81, 0x300000, 0x200000, "vfs")], "expected 0x400000, found 0x500000"),
    "no otadata": ([esp.NVS, esp.OTA_0, esp.OTA_1], "slots without otadata"),
    "gap": ([esp.OTADATA, esp.OTA_0, esp.row(0, 0x12, 0x1B0000, 0x1A0000, "ota_2")], "gap in the numbers of the slots"),
    "escape": ([esp.FACTORY, esp.row(1, 0x81, 0x300000, 0x1000, "v\033[2J")], "'v?[2J'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables(molt, firmware, place, name):
    rows, words = WRONG[name]
    path = place("fw.bin", esp.with_table(firmware.read_bytes(), *rows))
    done = molt("info", path, check=1)
    assert words in done.stdout and "WRONG: " in done.stdout
    assert "\033" not in done.stdout
    shown = info(molt, path, code=1)
    assert shown["wrong"] and any(words in f["text"] for f in shown["findings"])


def change(data, at, value):
    return data[:at] + bytes([value]) + data[at + 1:]


def test_damaged_images(molt, firmware, place):
    data = firmware.read_bytes()
    app = 0x10000 - esp.BOOTLOADER
    for at, words in ((0x100, "bootloader at 0x1000: wrong image checksum"), (app + 0x5000, "app factory at 0x10000: wrong image checksum"),
                      (len(data) - 1, "wrong SHA-256 of the image"), (app + 12, "image for another chip"),
                      (app + 1, "malformed image segments"), (0x7005, "wrong MD5 of the partition table")):
        value = 0x77 if at != app + 1 else 17
        done = molt("info", place("fw.bin", change(data, at, value)), check=1)
        assert words in done.stdout, (hex(at), done.stdout)
    truncated = molt("info", place("fw.bin", data[:-100000]), check=1)
    assert "ends too early" in truncated.stdout and "fetch it again" in truncated.stdout


def test_merged_firmware_in_a_slot(molt, firmware, place):
    data = firmware.read_bytes()
    app = 0x10000 - esp.BOOTLOADER
    done = molt("info", place("fw.bin", data[:app] + data), check=1)
    assert "merged firmware where an app image is expected" in done.stdout and "only the app part" in done.stdout


def test_a_version_of_its_own(molt, firmware, place):
    app = bytearray(esp.app_of(firmware.read_bytes()))
    app[0x30:0x50] = b"2.0-roof\033[31m".ljust(32, b"\0")
    shown = info(molt, place("app.bin", esp.seal(app)))["apps"][0]
    assert shown["version"] == "2.0-roof?[31m" and shown["sha256_ok"] and shown["error"] == 0
