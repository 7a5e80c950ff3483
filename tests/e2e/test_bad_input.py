"""Input that is not what it should be, and outputs that cannot be: a clear message, exit code 1, nothing half-written."""
import os
import shutil
import subprocess
import tempfile

import esp
import pytest

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 40


def folder(path):
    return sorted(p.name for p in path.iterdir())


def inputs(firmware):
    data = firmware.read_bytes()
    return {
        "empty": (b"", "is empty, expected a firmware file"),
        "jpeg": (JPEG, "is a JPEG picture, expected a firmware file"),
        "text": (b"hello\n" * 2000, "is a text file, expected"),
        "zip": (b"PK\x03\x04" + bytes(5000), "is a ZIP archive"),
        "erased": (b"\xff" * 65536, "an erased flash"),
        "one-byte": (b"\xe9", "ends after 1 bytes"),
        "cut-before-table": (data[:0x3000], "before its partition table (at 0x7000 of the file): is the file truncated?"),
        "unknown-chip": (data[:12] + b"\x34\x12" + data[14:], "chip with id 0x1234, expected one of: esp32, esp32c3"),
        "17-segments": (data[:1] + b"\x11" + data[2:], "with 17 segments"),
    }


BAD = ["empty", "jpeg", "text", "zip", "erased", "one-byte", "cut-before-table", "unknown-chip", "17-segments"]


@pytest.mark.parametrize("name", BAD)
def test_not_a_firmware(molt, firmware, tmp_path, name):
    data, words = inputs(firmware)[name]
    (tmp_path / "in.bin").write_bytes(data)
    (tmp_path / "flash.bin").write_bytes(esp.dump(firmware.read_bytes()))
    before = (tmp_path / "flash.bin").read_bytes()
    for command in (["info", "in.bin"], ["info", "--json", "in.bin"], ["edit", "in.bin", "-s", "8M", "-o", "out.bin"],
                    ["flash", "in.bin", "flash.bin"], ["flash", "flash.bin", "in.bin"]):
        done = molt(*command, check=1)
        assert "in.bin: " in done.stderr and words in done.stderr, (command, done.stderr)
        assert done.stdout == ""
    assert folder(tmp_path) == ["flash.bin", "in.bin"]
    assert (tmp_path / "flash.bin").read_bytes() == before


def test_every_kind_has_a_case(firmware):
    assert sorted(inputs(firmware)) == sorted(BAD)


def test_names_that_lead_nowhere(molt, firmware, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "none.bin" in (words := molt.fails("info", "none.bin")) and "No such file" in words
    assert "is a directory, expected a firmware file" in molt.fails("info", "folder")
    assert "device or pipe" in molt.fails("info", "/dev/null")
    assert "too long" in molt.fails("info", "x" * 5000)


@pytest.fixture
def open_folder():
    """A folder that everybody may enter; pytest's own belong to one user."""
    with tempfile.TemporaryDirectory(prefix="molt-") as name:
        os.chmod(name, 0o755)
        yield name


def test_unreadable(molt, firmware, open_folder):
    """As nobody, since root may read everything."""
    assert os.geteuid() == 0, "this test changes the user, so it needs root"
    shutil.copy(molt.path, open_folder + "/molt")
    shutil.copy(firmware, open_folder + "/secret.bin")
    os.chmod(open_folder + "/secret.bin", 0)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", open_folder + "/molt", "info",
                           open_folder + "/secret.bin"], capture_output=True, text=True)
    assert done.returncode == 1 and "secret.bin" in done.stderr and "Permission denied" in done.stderr


TABLES = {
    "overlap": ([esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x1FF000, 0x1000, "vfs")], "partitions overlap"),
    "wrap": ([esp.FACTORY, esp.row(1, 0x81, 0x300000, 0xFFF00000, "vfs")], "partition passes 4 GB"),
    "slots-without-otadata": ([esp.NVS, esp.OTA_0, esp.OTA_1], "slots without otadata"),
    "nothing": ([], "no partition table"),
}


@pytest.mark.parametrize("name", TABLES)
def test_bad_tables_are_not_written_on(molt, firmware, tmp_path, name):
    rows, words = TABLES[name]
    data = esp.with_table(firmware.read_bytes(), *rows, md5=bool(rows))
    (tmp_path / "fw.bin").write_bytes(data)
    (tmp_path / "flash.bin").write_bytes(esp.dump(firmware.read_bytes()))
    before = (tmp_path / "flash.bin").read_bytes()
    assert words in molt.fails("edit", "fw.bin", "-s", "4M", "-o", "out.bin")
    assert words in molt.fails("flash", "fw.bin", "flash.bin")
    assert (tmp_path / "flash.bin").read_bytes() == before
    assert folder(tmp_path) == ["flash.bin", "fw.bin"]


def test_damaged_parts_are_not_written_on(molt, firmware, tmp_path):
    data = firmware.read_bytes()
    cases = {0x200: "bootloader at 0x1000: wrong image checksum", 0x20000: "at 0x10000: wrong image checksum", 0x7010: "wrong MD5",
             0xF00C: "image for another chip", len(data) - 3: "wrong SHA-256"}
    (tmp_path / "flash.bin").write_bytes(esp.dump(data))
    before = (tmp_path / "flash.bin").read_bytes()
    for at, words in cases.items():
        (tmp_path / "fw.bin").write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1:])
        for command in (["edit", "fw.bin", "-s", "8M", "-l", "ota", "-o", "out.bin"], ["flash", "fw.bin", "flash.bin"]):
            assert words in molt.fails(*command), hex(at)
    (tmp_path / "fw.bin").write_bytes(data[:-5000])
    assert "ends too early" in molt.fails("edit", "fw.bin", "-s", "8M", "-l", "ota", "-o", "out.bin")
    assert "ends too early" in molt.fails("flash", "fw.bin", "flash.bin")
    assert folder(tmp_path) == ["flash.bin", "fw.bin"]
    assert (tmp_path / "flash.bin").read_bytes() == before


def test_output_is_the_input(molt, firmware, tmp_path):
    shutil.copy(firmware, tmp_path / "fw.bin")
    os.link(tmp_path / "fw.bin", tmp_path / "hard.bin")
    os.symlink("fw.bin", tmp_path / "soft.bin")
    (tmp_path / "sub").mkdir()
    before = firmware.read_bytes()
    for out in ("fw.bin", "./fw.bin", "sub/../fw.bin", "hard.bin", "soft.bin", str(tmp_path / "fw.bin")):
        assert "is the input itself" in molt.fails("edit", "fw.bin", "-s", "8M", "-l", "ota", "-o", out)
    assert (tmp_path / "fw.bin").read_bytes() == before
    assert folder(tmp_path) == ["fw.bin", "hard.bin", "soft.bin", "sub"]


def test_output_cannot_be(molt, firmware, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "is a directory, expected the name of a file" in molt.fails("edit", firmware, "-s", "8M", "-l", "ota", "-o", "folder")
    assert "No such file" in molt.fails("edit", firmware, "-s", "8M", "-l", "ota", "-o", "none/out.bin")
    assert "device or pipe" in molt.fails("edit", firmware, "-s", "8M", "-l", "ota", "-o", "/dev/null")
    assert folder(tmp_path) == ["folder"] and folder(tmp_path / "folder") == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; unmounted afterwards. Mounting needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_full_disk(molt, firmware, small_disk):
    old = small_disk / "out.bin"
    old.write_bytes(b"old")
    words = molt.fails("edit", firmware, "-s", "8M", "-l", "ota", "-o", old)
    assert "No space left on device" in words and "nothing was written" in words
    assert folder(small_disk) == ["out.bin"] and old.read_bytes() == b"old"


def test_read_only_place(molt, firmware, small_disk):
    shutil.copy(os.devnull, small_disk / "x")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    words = molt.fails("edit", firmware, "-s", "8M", "-l", "ota", "-o", small_disk / "out.bin")
    assert "Read-only file system" in words and "choose a folder that can be written to" in words
    assert folder(small_disk) == ["x"]


def test_full_disk_on_standard_output(molt, firmware):
    with open("/dev/full", "w") as full:
        done = subprocess.run([molt.path, "info", str(firmware)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output" in done.stderr
