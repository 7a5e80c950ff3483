"""The map of the flash: the bar of a terminal is tested in test_info.py, here the picture that --svg draws."""
import os
import pathlib
import xml.etree.ElementTree as ET

import esp
import formats
import pytest

SVG = "{http://www.w3.org/2000/svg}"
LEAST = 30
TOP = pathlib.Path(__file__).resolve().parents[2]


def boxes(path):
    """(name, offset, size, y, height) of each box of the map, and the used bytes of those that have them."""
    root = ET.parse(path).getroot()
    assert root.tag == SVG + "svg" and root.get("viewBox").split()[2:] == [root.get("width"), root.get("height")]
    found, used = [], {}
    for group in root.findall(".//%sg[@id='map']/%sg" % (SVG, SVG)):
        box = group.find(SVG + "rect[@data-offset]")
        name = box.get("data-name")
        found.append((name, *(int(box.get("data-" + k)) for k in ("offset", "size")), *(float(box.get(k)) for k in ("y", "height"))))
        fill = group.find(SVG + "rect[@data-used]")
        if fill is not None:
            used[name] = int(fill.get("data-used")), float(fill.get("width")) / float(box.get("width"))
    return root, found, used


def check_scale(found):
    """Boxes follow one another; those above the least height have one scale."""
    for (_, _, _, y, height), (_, _, _, after, _) in zip(found, found[1:]):
        assert abs(y + height - after) < 0.02
    scales = [height / size for _, _, size, _, height in found if height > LEAST + 0.02]
    assert scales and max(scales) < 1.001 * min(scales)
    for _, _, size, _, height in found:
        assert height >= LEAST - 0.01 and (height > LEAST + 0.02 or size * scales[0] < LEAST + 0.1)


def test_boxes_are_the_table(molt, firmware, tmp_path):
    assert molt.ok("info", firmware, "--svg", "map.svg") == molt.ok("info", firmware)
    root, found, used = boxes(tmp_path / "map.svg")
    rows = [(name, offset, size) for _, _, offset, size, name in esp.rows_of(firmware.read_bytes())]
    assert [b[:3] for b in found] == [("", 0, 0x1000), ("bootloader", 0x1000, 0x7000), ("partition table", 0x8000, 0x1000)] + rows
    check_scale(found)
    assert used["factory"][0] == 1672800 and abs(used["factory"][1] - 1672800 / 0x1F0000) < 1e-3
    words = " ".join(root.itertext())
    for word in ("ESP32_GENERIC-20240602-v1.23.0.bin", "4 MB of flash", "MicroPython v1.23.0", "82 % full", "0x200000", "0x400000", "unused"):
        assert word in words
    assert "prefers-color-scheme:dark" in words


def test_a_board_with_files(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    data = (tmp_path / "ota.bin").read_bytes().ljust(0x410000 - 0x1000, b"\xff")
    (tmp_path / "ota.bin").write_bytes(data + formats.littlefs(1008, [("big", os.urandom(100000))]))
    molt.ok("info", "ota.bin", "--svg", "map.svg")
    root, found, used = boxes(tmp_path / "map.svg")
    check_scale(found)
    assert [b[0] for b in found] == ["", "bootloader", "partition table", "nvs", "otadata", "ota_0", "ota_1", "vfs"]
    assert 100000 < used["vfs"][0] < 200000 and "ota_1" not in used
    words = " ".join(root.itertext())
    assert "boots next" in words and "littlefs 2." in words and "empty" in words


def test_names_of_hostile_tables(molt, firmware, tmp_path):
    names = ['<script>&"', "]]>'", "\033[2J\x01", "x" * 16]
    rows = [esp.FACTORY] + [esp.row(1, 0x40 + i, 0x200000 + 0x10000 * i, 0x10000, name) for i, name in enumerate(names)]
    data = esp.with_table(firmware.read_bytes(), *rows, md5=False)
    name = "a&b<'\"\udcff\x07.bin"
    with open(os.path.join(os.fsencode(tmp_path), os.fsencode(name)), "wb") as f:
        f.write(data)
    molt("info", "--json", name, "--svg", "map.svg")
    root, found, _ = boxes(tmp_path / "map.svg")
    assert [b[0] for b in found[5:9]] == ['<script>&"', "]]>'", "?[2J?", "x" * 16]
    assert not list(root.iter(SVG + "script")) and "a&b<'\"\ufffd\ufffd.bin" in "".join(root.itertext())


@pytest.mark.parametrize("count", [1, 40, 90])
def test_many_rows(molt, firmware, tmp_path, count):
    rows = [esp.row(1, 0x40, 0x10000 + 0x2000 * i, 0x1000, "row%d" % i) for i in range(count)]
    (tmp_path / "fw.bin").write_bytes(esp.with_table(firmware.read_bytes(), *rows))
    molt("info", "fw.bin", "--svg", "map.svg")
    _, found, _ = boxes(tmp_path / "map.svg")
    assert [b[0] for b in found if b[0].startswith("row")] == ["row%d" % i for i in range(count)]
    assert sum(b[2] for b in found) == 4 << 20
    check_scale(found)


def test_rows_that_overlap_or_leave_the_flash(molt, firmware, tmp_path):
    rows = [esp.FACTORY, esp.row(1, 0x81, 0x1FF000, 0x2000, "a"), esp.row(1, 2, 0x1FF000, 0x1000, "b"), esp.row(1, 2, 0x300000, 0xFFF00000, "c")]
    (tmp_path / "fw.bin").write_bytes(esp.with_table(firmware.read_bytes(), *rows))
    molt("info", "fw.bin", "--svg", "map.svg", check=1)
    _, found, _ = boxes(tmp_path / "map.svg")
    assert [b[0] for b in found if b[0]][2:] == ["factory", "b", "a", "c"]


def test_a_table_alone(molt, firmware, tmp_path):
    (tmp_path / "table.bin").write_bytes(firmware.read_bytes()[0x7000:0x7C00])
    molt("info", "table.bin", "--svg", "map.svg")
    _, found, _ = boxes(tmp_path / "map.svg")
    assert found[-1][:3] == ("vfs", 0x200000, 0x200000)


def test_the_picture_of_the_documents():
    root, found, used = boxes(TOP / "docs/pictures/flash-map.svg")
    check_scale(found)
    assert "ota_0" in used and "vfs" in used


def test_what_has_no_map(molt, firmware, tmp_path):
    (tmp_path / "app.bin").write_bytes(esp.app_of(firmware.read_bytes()))
    (tmp_path / "x.hex").write_bytes(formats.hex_file(0, b"abc"))
    assert "has no partition table" in molt("info", "app.bin", "--svg", "map.svg", check=1).stderr
    assert "is no flash" in molt("info", "x.hex", "--svg", "map.svg", check=1).stderr
    assert "no such" in molt("info", firmware, "--svg", "nowhere/map.svg", check=1).stderr.lower()
    assert not (tmp_path / "map.svg").exists()
