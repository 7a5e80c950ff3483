"""molt edit: byte-identical with mp-image-tool-esp32, readable for it and for esptool, and what it refuses."""
import json
import os
import pathlib
import subprocess
import sys

import esp
import pytest
from peer import named_from


def peer(*words):
    """mp-image-tool-esp32 beside the Python that runs the tests."""
    tool = os.path.join(os.path.dirname(sys.executable), "mp-image-tool-esp32")
    folder = pathlib.Path(words[-1]).parent if "-o" in words else pathlib.Path(words[0]).parent
    return subprocess.run([tool, *named_from(folder, words)], cwd=folder, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "COLUMNS": "200"})


def folder(path):
    return sorted(p.name for p in path.iterdir())


@pytest.mark.parametrize("size", ["8M", "16M"])
def test_identical_with_the_peer(molt, firmware, tmp_path, size):
    molt.ok("edit", firmware, "--flash-size", size, "--layout", "ota", "-o", "ours.bin")
    done = peer(firmware, "-f", size, "--table", "ota", "-o", tmp_path / "theirs.bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ours.bin").read_bytes() == (tmp_path / "theirs.bin").read_bytes()


def test_flash_size_alone_is_identical(molt, firmware, tmp_path):
    for size in ("2M", "8M"):  # 2M: the peer accepts the table that ends behind the flash
        done = molt("edit", firmware, "-s", size, "-o", "ours.bin")
        if size == "2M":
            assert done.returncode == 1 and "partition 'vfs'" in done.stderr and "end of the flash" in done.stderr
            continue
        assert done.returncode == 0
        assert peer(firmware, "-f", size, "-o", tmp_path / "theirs.bin").returncode == 0
        assert (tmp_path / "ours.bin").read_bytes() == (tmp_path / "theirs.bin").read_bytes()


def test_4m_app_too_large_both_refuse(molt, firmware, tmp_path):
    words = molt.fails("edit", firmware, "--flash-size", "4M", "--layout", "ota", "-o", "ours.bin")
    for fragment in ("1672800 bytes", "0x180000", "slot of 0x1a0000 would fit", "--flash-size 8M makes slots of 0x200000"):
        assert fragment in words
    done = peer(firmware, "-f", "4M", "--table", "ota", "-o", tmp_path / "theirs.bin")
    assert done.returncode != 0 and "exceeds" in done.stdout + done.stderr
    assert folder(tmp_path) == []


def test_a_small_app_on_4m_is_identical(molt, firmware, tmp_path):
    """The same firmware with its large text segment cut, so that it fits the 4 MB slots."""
    data = firmware.read_bytes()
    app = bytearray(esp.app_of(data))
    app[1] = 1  # only the first segment
    first = 24 + 8 + int.from_bytes(app[28:32], "little")
    small = esp.seal(bytes(app[:first]) + bytes(64))
    (tmp_path / "small.bin").write_bytes(data[:0xF000] + small)
    molt.ok("edit", "small.bin", "--layout", "ota", "-o", "ours.bin")
    done = peer(tmp_path / "small.bin", "--table", "ota", "-o", tmp_path / "theirs.bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ours.bin").read_bytes() == (tmp_path / "theirs.bin").read_bytes()
    assert esp.rows_of((tmp_path / "ours.bin").read_bytes())[2] == (0, 0x10, 0x10000, 0x180000, "ota_0")


def test_the_peer_reads_what_we_edit(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "ours.bin")
    done = peer(tmp_path / "ours.bin", "--check-app")
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert "8MB" in said and "otadata" in said and "Hash mismatch" not in said
    assert "Partition 'ota_0': Hash confirmed" in said


def test_esptool_agrees_with_the_new_bootloader_hash(molt, firmware, tmp_path):
    from esptool.bin_image import LoadFirmwareImage
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "ours.bin")
    (tmp_path / "boot.bin").write_bytes((tmp_path / "ours.bin").read_bytes()[:0x7000])
    boot = LoadFirmwareImage("esp32", str(tmp_path / "boot.bin"))
    assert boot.calc_digest == boot.stored_digest and boot.flash_size_freq >> 4 == 3


def test_the_plan_comes_first(molt, firmware, tmp_path):
    text = molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "--dry-run")
    for words in ("keep   ota_0", "until now in 'factory'", "write  table", "from 4 to 8 MB, its SHA-256 computed again", "nothing was written"):
        assert words in text
    assert folder(tmp_path) == []


def test_a_dump_keeps_its_data(molt, firmware, tmp_path):
    """Settings go into the smaller nvs, bytes that are no file system move as they are; nothing else changes."""
    dump = bytearray(esp.dump(firmware.read_bytes()))
    dump[0x9000:0x9004] = b"keys"
    dump[0x200000:0x200007] = b"qzfiles"
    (tmp_path / "dump.bin").write_bytes(dump)
    text = molt.ok("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    assert "keep   nvs" in text and "write  vfs" in text and "moved from 0x200000" in text and "lose" not in text
    out = (tmp_path / "out.bin").read_bytes()
    assert len(out) == 8 << 20
    assert out[0x9000:0x9004] == b"keys" and out[0x410000:0x410007] == b"qzfiles" and out.count(b"qzfiles") == 1
    assert out[0x10000:0x10000 + 1672800] == bytes(dump[0x10000:0x10000 + 1672800])
    assert out[0x10000 + 1672800:0x410000].count(0xFF) == 0x400000 - 1672800
    shown = json.loads(molt.ok("info", "--json", "out.bin"))
    assert shown["kind"] == "flash dump" and shown["wrong"] is False


def test_a_dump_names_what_it_loses(molt, firmware, tmp_path):
    dump = bytearray(esp.dump(firmware.read_bytes()))
    dump[0x9000:0x9004] = b"keys"
    (tmp_path / "dump.bin").write_bytes(dump)
    done = molt("edit", "dump.bin", "--delete", "nvs", "-o", "out.bin", check=1)
    assert "lose   nvs" in done.stdout and "data would be lost: 'nvs'; --force" in done.stderr
    assert folder(tmp_path) == ["dump.bin"]
    assert "lose   nvs" in molt.ok("edit", "dump.bin", "--delete", "nvs", "--force", "-o", "out.bin")


def test_a_dump_that_boots_another_slot(molt, firmware, tmp_path):
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS)
    dump = bytearray(esp.dump(data))
    dump[0xE000:0xE020] = bytes.fromhex("02000000") + b"\xff" * 20 + bytes.fromhex("02000000") + (0x55F63774).to_bytes(4, "little")
    (tmp_path / "dump.bin").write_bytes(dump)
    text = molt.ok("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")  # ota_1 is empty: ota_0 runs
    assert "keep   ota_0" in text and "keep   otadata" in text
    second = esp.app_of(data)
    dump[0x1B0000:0x1B0000 + len(second)] = second
    dump[0x10000] = 0xE8  # whatever this was, ota_1 boots
    (tmp_path / "dump.bin").write_bytes(dump)
    text = molt.ok("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    out = (tmp_path / "out.bin").read_bytes()
    assert "moved from 0x1b0000" in text and out[0x210000:0x210000 + len(second)] == second and out[0xE000:0xE020] == dump[0xE000:0xE020]
    assert json.loads(molt.ok("ota", "status", "--json", "out.bin"))["boots_next"] == "ota_1"


def test_a_smaller_dump(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "-s", "16M", "-l", "ota", "-o", "fw16.bin")
    (tmp_path / "dump.bin").write_bytes(esp.dump((tmp_path / "fw16.bin").read_bytes(), 16 << 20))
    molt.ok("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "fw8.bin")
    assert (tmp_path / "out.bin").read_bytes() == esp.dump((tmp_path / "fw8.bin").read_bytes(), 8 << 20)
    full = bytearray((tmp_path / "dump.bin").read_bytes())
    full[12 << 20] = 0
    (tmp_path / "dump.bin").write_bytes(full)
    (tmp_path / "out.bin").unlink()
    assert "too small for what it holds: at least 0x711000 bytes" in molt.fails("edit", "dump.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    assert "out.bin" not in folder(tmp_path)


def test_command_line(molt, firmware):
    assert "expected --flash-size, --layout" in molt.fails("edit", firmware, "-o", "x.bin", code=2)
    assert "expected --output FILE" in molt.fails("edit", firmware, "-l", "ota", code=2)
    assert "expected a size such as 4M" in molt.fails("edit", firmware, "-s", "lots", "-o", "x.bin", code=2)
    assert "unknown layout 'pie', expected one of: ota" in molt.fails("edit", firmware, "-l", "pie", "-o", "x.bin")
    assert "expected 1, 2, 4, 8" in molt.fails("edit", firmware, "-s", "3M", "-o", "x.bin")
    assert "the esp32 addresses at most 16 MB" in molt.fails("edit", firmware, "-s", "32M", "-o", "x.bin")
    assert "--flash-size 8M makes slots of 0x200000" in molt.fails("edit", firmware, "-s", "2M", "-l", "ota", "-o", "x.bin")
