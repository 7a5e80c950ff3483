"""molt flash: firmware to a simulated board that then boots it, what stays and what is lost, refusals."""
import fcntl
import json
import os
import pty
import subprocess

import esp
import pytest


@pytest.fixture
def roof(molt, tmp_path):
    """An erased board with 8 MB in the folder `roof`."""
    molt.ok("sim", "new", "sim:roof", "--flash-size", "8M")
    return tmp_path / "roof"


@pytest.fixture
def ota(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "-s", "8M", "-l", "ota", "-o", "ota.bin")
    return tmp_path / "ota.bin"


def boots(molt):
    return json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))


def test_an_erased_board_boots_what_is_flashed(molt, roof, ota):
    assert "nothing boots" in molt("info", "sim:roof", check=1).stdout
    text = molt.ok("flash", "ota.bin", "sim:roof")
    for words in ("write  bootloader", "write  table", "write  ota_0", "sectors to write", "written and verified: sim:roof"):
        assert words in text
    flash = (roof / "flash.bin").read_bytes()
    assert flash[esp.BOOTLOADER:esp.BOOTLOADER + len(ota.read_bytes())] == ota.read_bytes()
    outcome = boots(molt)
    assert outcome["result"] == "runs" and outcome["running"] == "ota_0" and not outcome["fell_back"]
    shown = json.loads(molt.ok("info", "--json", "sim:roof"))
    assert shown["kind"] == "simulated board" and shown["flash_size"] == 8 << 20
    assert shown["apps"][0]["micropython"] == "v1.23.0" and shown["apps"][1]["empty"]


def test_only_what_differs_is_written(molt, roof, ota, tmp_path):
    molt.ok("flash", "ota.bin", "sim:roof")
    assert "0 sectors to write" in molt.ok("flash", "ota.bin", "sim:roof")
    app = bytearray(esp.app_of(ota.read_bytes()))
    app[0x30:0x34] = b"2.0\0"  # one sector with the descriptor, one with the hash
    (tmp_path / "next.bin").write_bytes(ota.read_bytes()[:0xF000] + esp.seal(app))
    assert "2 sectors to write (8 KB)" in molt.ok("flash", "next.bin", "sim:roof")
    assert json.loads(molt.ok("info", "--json", "sim:roof"))["apps"][0]["version"] == "2.0"


def test_the_same_table_keeps_data_and_boots_the_new_app(molt, roof, ota):
    molt.ok("flash", "ota.bin", "sim:roof")
    boots(molt)  # writes otadata
    with open(roof / "flash.bin", "r+b") as flash:
        flash.seek(0x9000), flash.write(b"keys")
        flash.seek(0x410000), flash.write(b"files")
    text = molt.ok("flash", "ota.bin", "sim:roof")
    assert "keep   nvs" in text and "keep   vfs" in text and "erase  otadata" in text and "lose" not in text
    flash = (roof / "flash.bin").read_bytes()
    assert flash[0x9000:0x9004] == b"keys" and flash[0x410000:0x410005] == b"files" and flash[0xE000:0x10000] == b"\xff" * 0x2000
    assert boots(molt)["running"] == "ota_0"


def test_another_layout_says_what_is_lost(molt, firmware, roof, ota):
    molt.ok("flash", firmware, "sim:roof")
    assert boots(molt)["running"] == "factory"
    with open(roof / "flash.bin", "r+b") as flash:
        flash.seek(0x9000), flash.write(b"keys")
        flash.seek(0x200000), flash.write(b"files")
        flash.seek(0x410000), flash.write(b"older files")
    assert "--keep nvs" in molt.fails("flash", "ota.bin", "sim:roof")
    plan = molt.ok("flash", "ota.bin", "sim:roof", "--dry-run", "--force")
    assert "lose   nvs" in plan and "lose   vfs" in plan and "not carried over" in plan and "nothing was written" in plan
    assert (roof / "flash.bin").read_bytes()[0x9000:0x9004] == b"keys"
    molt.ok("flash", "ota.bin", "sim:roof", "--force")
    flash = (roof / "flash.bin").read_bytes()
    assert flash[0x9000:0x9004] == b"\xff" * 4 and flash[0x410000:0x410010] == b"\xff" * 16
    assert boots(molt)["running"] == "ota_0"


def test_a_slot(molt, roof, ota, tmp_path):
    molt.ok("flash", "ota.bin", "sim:roof")
    (tmp_path / "app.bin").write_bytes(esp.app_of(ota.read_bytes()))
    words = molt.fails("flash", "app.bin", "sim:roof")
    assert "app.bin" in words and "expected --slot NAME" in words
    assert "write  ota_1" in molt.ok("flash", "app.bin", "sim:roof", "--slot", "ota_1")
    flash = (roof / "flash.bin").read_bytes()
    assert flash[0x210000:0x210000 + 1672800] == (tmp_path / "app.bin").read_bytes()
    assert boots(molt)["running"] == "ota_0"  # otadata was not touched
    assert "expected one of: ota_0, ota_1" in molt.fails("flash", "app.bin", "sim:roof", "--slot", "vfs")
    assert "keep   ota_0" in molt.ok("flash", "ota.bin", "sim:roof", "--slot", "ota_0")  # the app of a firmware file


def test_a_dump_goes_back_as_it_was(molt, roof, ota, tmp_path):
    molt.ok("flash", "ota.bin", "sim:roof")
    boots(molt)
    (tmp_path / "saved.bin").write_bytes((roof / "flash.bin").read_bytes())
    with open(roof / "flash.bin", "r+b") as flash:
        flash.write(b"\0" * 0x20000)
    molt("sim", "boot", "sim:roof", check=1)
    molt.ok("flash", "saved.bin", "sim:roof")
    assert (roof / "flash.bin").read_bytes() == (tmp_path / "saved.bin").read_bytes()
    assert boots(molt)["running"] == "ota_0"


def test_a_dump_as_target(molt, firmware, ota, tmp_path):
    (tmp_path / "dump.bin").write_bytes(b"\xff" * esp.BOOTLOADER + ota.read_bytes() + b"\xff" * ((8 << 20) - esp.BOOTLOADER - len(ota.read_bytes())))
    molt.ok("flash", "ota.bin", "dump.bin", "--slot", "ota_1")
    data = (tmp_path / "dump.bin").read_bytes()
    assert len(data) == 8 << 20 and data[0x210000:0x210000 + 1672800] == esp.app_of(ota.read_bytes())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dump.bin", "ota.bin"]


def test_refused(molt, firmware, roof, ota, tmp_path):
    before = (roof / "flash.bin").read_bytes()
    molt.ok("edit", firmware, "-s", "16M", "-l", "ota", "-o", "large.bin")
    assert "made for 16 MB of flash, sim:roof has 8 MB" in molt.fails("flash", "large.bin", "sim:roof")
    (tmp_path / "long.bin").write_bytes(ota.read_bytes().ljust(9 << 20, b"\xff"))
    assert "reaches to 0x901000, the flash of sim:roof ends at 0x800000" in molt.fails("flash", "long.bin", "sim:roof")
    molt.ok("sim", "new", "sim:c3", "--chip", "esp32c3")
    assert "is for esp32, sim:c3 has esp32c3" in molt.fails("flash", "ota.bin", "sim:c3")
    assert "is a firmware file, expected a board" in molt.fails("flash", "ota.bin", "ota.bin")
    assert "is a board, expected a firmware file" in molt.fails("flash", "sim:roof", "ota.bin")
    assert "sim:none" in (words := molt.fails("flash", "ota.bin", "sim:none")) or "none" in words
    assert (roof / "flash.bin").read_bytes() == before


def test_an_old_chip(molt, ota, tmp_path):
    app = bytearray(esp.app_of(ota.read_bytes()))
    app[15:17] = (301).to_bytes(2, "little")  # needs revision 3.1
    (tmp_path / "newer.bin").write_bytes(ota.read_bytes()[:0xF000] + esp.seal(app))
    molt.ok("sim", "new", "sim:roof", "--flash-size", "8M", "--revision", "3.0")
    assert "needs another chip revision" in molt.fails("flash", "newer.bin", "sim:roof")


def test_a_busy_board(molt, roof, ota):
    before = (roof / "flash.bin").read_bytes()
    with open(roof / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["flash", "ota.bin", "sim:roof"], ["info", "sim:roof"]):
            said = molt.fails(*words)
            assert "roof" in said and ("in use" in said or "another process" in said)
    assert (roof / "flash.bin").read_bytes() == before
    molt.ok("flash", "ota.bin", "sim:roof")


def test_progress_is_for_terminals(molt, roof, ota):
    assert molt("flash", "ota.bin", "sim:roof", check=0).stderr == ""
    with open(roof / "flash.bin", "r+b") as flash:
        flash.write(b"\0" * 0x20000)
    ours, theirs = pty.openpty()
    done = subprocess.run([molt.path, "flash", "ota.bin", "sim:roof"], cwd=molt.cwd, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    assert done.returncode == 0 and b"write" in os.read(ours, 65536)
    os.close(ours)
