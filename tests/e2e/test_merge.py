"""molt merge: one flashable image from its parts; the same bytes as esptool's merge_bin."""
import contextlib
import io
import json

import esp
import littlefs
import pytest
from esptool.cmds import merge_bin


@pytest.fixture(scope="module")
def made(firmware, tmp_path_factory):
    """A folder with the parts of a firmware file that has a short app and two slots."""
    folder = tmp_path_factory.mktemp("parts")
    data = esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS)
    boot = data[:0x7000].rstrip(b"\xff")
    parts = {"boot.bin": boot + b"\xff" * (-len(boot) % 16), "table.bin": data[0x7000:0x7C00],
             "app.bin": esp.shortened(esp.app_of(data)), "nvs.bin": bytes(range(256)) * 16,
             "vfs.img": bytes(littlefs.LittleFS(block_size=4096, block_count=0xB0).context.buffer)}
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    return parts


@pytest.fixture
def parts(made, tmp_path):
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def esptool(folder, *pairs, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        merge_bin([(offset, str(folder / name)) for offset, name in pairs], "esp32", output=str(folder / "peer.bin"), **options)
    return (folder / "peer.bin").read_bytes()


BOOT, TABLE, APP = (0x1000, "boot.bin"), (0x8000, "table.bin"), (0x10000, "app.bin")


def test_as_esptool(molt, parts, made):
    text = molt.ok("merge", "app.bin", "table.bin", "boot.bin", "-o", "ours.bin")  # any order
    assert "flash offset 0x1000 of esp32 with 4 MB" in text and "ota_0 boots then" in text
    assert (parts / "ours.bin").read_bytes() == esptool(parts, BOOT, TABLE, APP, target_offset=0x1000)
    molt.ok("merge", "boot.bin", "table.bin", "app.bin", "vfs.img", "nvs=nvs.bin", "-o", "ours.bin")
    theirs = esptool(parts, BOOT, TABLE, APP, (0x350000, "vfs.img"), (0x9000, "nvs.bin"), target_offset=0x1000)
    assert (parts / "ours.bin").read_bytes() == theirs
    molt.ok("merge", "boot.bin", "table.bin", "app.bin", "ota_1=app.bin", "--dump", "-o", "ours.bin")
    theirs = esptool(parts, BOOT, TABLE, APP, (0x1B0000, "app.bin"), pad_to_size="4MB")
    assert (parts / "ours.bin").read_bytes() == theirs and len(theirs) == 4 << 20
    molt.ok("merge", "boot.bin", "table.bin", "app.bin", "--flash-size", "16M", "-o", "ours.bin")
    theirs = esptool(parts, BOOT, TABLE, APP, target_offset=0x1000, flash_size="16MB")
    assert (parts / "ours.bin").read_bytes() == theirs
    molt.ok("info", "ours.bin")


def test_from_csv_and_onto_a_board(molt, parts):
    (parts / "table.csv").write_text(molt.ok("csv", "table.bin"))
    molt.ok("merge", "boot.bin", "table.bin", "app.bin", "-o", "binary.bin")
    shown = json.loads(molt.ok("merge", "boot.bin", "table.csv", "app.bin", "-o", "ours.bin", "--json"))
    assert (parts / "ours.bin").read_bytes() == (parts / "binary.bin").read_bytes()
    assert shown["start"] == 0x1000 and shown["boots_next"] == "ota_0" and shown["written"] and shown["chip"] == "esp32"
    assert shown["end"] - shown["start"] == len((parts / "ours.bin").read_bytes())
    molt.ok("sim", "new", "sim:roof", "--flash", "ours.bin")
    assert json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))["running"] == "ota_0"


def test_factory_first(molt, parts):
    (parts / "table.bin").write_bytes(esp.table(esp.NVS, esp.OTADATA, esp.row(0, 0x10, 0x200000, 0x100000, "ota_0"), esp.FACTORY))
    assert "write  factory" in molt.ok("merge", "boot.bin", "table.bin", "app.bin", "-n")


@pytest.mark.parametrize("words, said", [
    (["boot.bin", "app.bin"], "no partition table (binary or CSV) among the files"),
    (["table.bin", "app.bin"], "no bootloader among the files"),
    (["boot.bin", "table.bin", "app.bin", "table.bin"], "are both partition tables"),
    (["boot.bin", "table.bin", "app.bin", "app.bin"], "another one goes to its place as NAME=FILE"),
    (["boot.bin", "table.bin", "text.csv"], "text.csv"),
    (["boot.bin", "table.bin", "junk.bin"], "junk.bin: is nothing that Molt knows"),
    (["boot.bin", "table.bin", "none.bin"], "none.bin"),
    (["boot.bin", "table.bin", "ota_0=boot.bin"], "boot.bin"),
    (["boot.bin", "table.bin", "app.bin", "ota_0=app.bin"], "are the same flash"),
    (["boot.bin", "table.bin", "app.bin", "--chip", "esp32c3"], "is a bootloader for esp32, not for esp32c3"),
    (["boot.bin", "table.bin", "app.bin", "--flash-size", "2M"], "ends behind the 2 MB of flash"),
    (["boot.bin", "table.bin", "app.bin", "--flash-size", "3M"], "expected 1M, 2M, 4M, 8M"),
    (["boot.bin", "table.bin", "app.bin", "nvs=app.bin"], "'nvs' at 0x9000 has 20480"),
])
def test_refuses(molt, parts, words, said):
    (parts / "text.csv").write_text("# Name, Type\nnvs, what, is, this\n")
    (parts / "junk.bin").write_bytes(b"\x01\x02\x03\0" * 100)
    assert said in molt.fails("merge", *words, "-o", "out.bin")
    assert not (parts / "out.bin").exists()


def test_a_firmware_is_no_part(molt, parts, firmware):
    assert "is a firmware file, expected its parts" in molt.fails("merge", firmware, "table.bin", "-o", "out.bin")
    assert molt("merge", "boot.bin", "table.bin").returncode == 2
