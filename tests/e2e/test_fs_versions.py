"""Which littlefs a new file system is: what the firmware's MicroPython mounts. Before 1.22 that is disk version 2.0 only."""
import pathlib

import littlefs
import pytest

import esp
import fsimage

VFS, SIZE = 0x20000, 0x10000
ROWS = [esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(0, 0, 0x10000, 0x10000, "factory"), esp.row(1, 0x81, VFS, SIZE, "vfs")]
TWO = [esp.row(1, 2, 0x9000, 0x4000, "nvs"), esp.row(1, 0, 0xD000, 0x2000, "otadata"), esp.row(0, 0x10, 0x10000, 0x10000, "ota_0"),
       esp.row(0, 0x11, 0x30000, 0x10000, "ota_1"), esp.row(1, 0x81, VFS, SIZE, "vfs")]
VERSIONS = {"v1.20.0": "2.0", "v1.21.0": "2.0", "v1.22.0-preview.31.gabc": "2.0", "v1.22.0": "2.1", "v1.23.0": "2.1", "v1.100.0": "2.1",
            "v2.0.0": "2.1", None: "2.0"}


def says(version):
    return b"MicroPython %s on 2024-06-02" % version.encode() if version else b""


@pytest.fixture
def app(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_bytes(b"print(1)\n" * 100)
    return tmp_path / "app"


def version_of(molt, name):
    return molt.json("fs", "info", name)["version"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_one_is_what_the_firmware_mounts(version, molt, firmware, app, tmp_path):
    expected = VERSIONS[version]
    (tmp_path / "f.bin").write_bytes(esp.tiny(firmware.read_bytes(), *ROWS, says=says(version)))
    molt.ok("fs", "mkfs", "f.bin", "-o", "made.bin")
    molt.ok("edit", "f.bin", "--put", "app", "-o", "put.bin")
    molt.ok("fs", "build", "app", "--from", "f.bin", "-o", "built.img")
    assert [version_of(molt, name) for name in ("made.bin", "put.bin", "built.img")] == [expected] * 3
    for asked in ("2.0", "2.1"):
        molt.ok("fs", "mkfs", "f.bin", "-o", "made.bin", "--type", "littlefs-" + asked)
        molt.ok("fs", "build", "app", "--from", "f.bin", "-o", "built.img", "--type", "littlefs-" + asked)
        assert version_of(molt, "made.bin") == version_of(molt, "built.img") == asked


def test_the_oldest_app_decides(molt, firmware, tmp_path):
    data = esp.tiny(firmware.read_bytes(), *TWO, says=says("v1.25.0"))
    old = esp.app_of(esp.tiny(firmware.read_bytes(), *TWO, says=says("v1.19.1")))
    both = data.ljust(0x2F000, b"\xff") + old
    (tmp_path / "new.bin").write_bytes(data)
    (tmp_path / "both.bin").write_bytes(both)
    for name, expected in (("new.bin", "2.1"), ("both.bin", "2.0")):
        molt.ok("fs", "mkfs", name)
        assert version_of(molt, name) == expected


def test_2_0_mounts_everywhere(molt, app, tmp_path):
    """A library that mounts no more than 2.0, and a genuine MicroPython, which makes it 2.1 when it writes; the files stay."""
    molt.ok("fs", "build", "app", "--size", "64K", "-o", "vfs.img")
    image = (tmp_path / "vfs.img").read_bytes()
    old = littlefs.LittleFS(block_size=4096, block_count=16, disk_version=0x00020000, mount=False)
    old.context.buffer = bytearray(image)
    old.mount()
    assert old.listdir("/") == ["main.py"]
    new = pathlib.Path(tmp_path, "vfs.img")
    before = fsimage.mp_tree(new, 0, 0x10000)
    fsimage.mp_write(new, 0, 0x10000, {"/more": b"x" * 3000}, mkfs=False)
    after = fsimage.mp_tree(new, 0, 0x10000)
    assert version_of(molt, "vfs.img") == "2.1" and after.pop("/more") and after == before


def test_doctor_finds_one_that_is_too_new(molt, firmware, tmp_path):
    for version, code in (("v1.21.0", 1), ("v1.22.0", 0)):
        (tmp_path / "f.bin").write_bytes(esp.tiny(firmware.read_bytes(), *ROWS, says=says(version)))
        molt.ok("fs", "mkfs", "f.bin", "--type", "littlefs-2.1")
        found = [f for f in molt.json("doctor", "f.bin", code=None)["findings"] if f["id"] == "fs-newer"]
        assert len(found) == code and all("MicroPython v1.21.0 mounts no more than 2.0" in f["text"] for f in found)
    assert "expected littlefs, littlefs-2.0, littlefs-2.1 or fat" in molt.fails("fs", "mkfs", "f.bin", "--type", "littlefs-3.0", code=2)
