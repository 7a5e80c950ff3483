"""molt edit on a simulated board: the same bytes as on a dump of it, little written, and what a power cut leaves."""
import json
import shutil

import esp
import lfsimage
import pytest

FILES = {"boot.py": b"# boot\n", "main.py": b"import app\n" * 30, "lib/x.py": b"y" * 9000}
TABLE = esp.row(1, 2, 0x9000, 0x6000, "nvs"), esp.row(1, 1, 0xF000, 0x1000, "phy_init"), esp.row(0, 0, 0x10000, 0x40000, "factory"), \
    esp.row(1, 0x81, 0x50000, 0x40000, "vfs")


@pytest.fixture(scope="session")
def dump(firmware):
    """2 MB of flash, half of it free; settings and a small littlefs."""
    data = bytearray(esp.dump(esp.tiny(firmware.read_bytes(), *TABLE), 2 << 20))
    data[0x1003] = data[0x1003] & 0x0F | 0x10  # 2 MB in the header
    boot = esp.seal(bytes(data[0x1000:0x1000 + boot_length(data[0x1000:])]))
    data[0x1000:0x1000 + len(boot)] = boot
    data[0x9000:0xA000] = b"s" * 0x1000
    data[0x50000:0x90000] = lfsimage.make(0x40000, FILES)
    return bytes(data)


def boot_length(image):
    at = 24
    for _ in range(image[1]):
        at += 8 + int.from_bytes(image[at + 4:at + 8], "little")
    return at // 16 * 16 + 16


@pytest.fixture
def board(molt, dump, tmp_path):
    (tmp_path / "dump.bin").write_bytes(dump)
    molt.ok("sim", "new", "sim:board", "--flash", "dump.bin")
    return tmp_path / "board"


def flash(board):
    return (board / "flash.bin").read_bytes()


MOVES = [["--move", "vfs=0x100000"], ["--resize", "vfs=rest"], ["--move", "factory=0x100000"], ["--resize", "factory=512K"], ["--resize", "vfs=128K"],
         ["--rename", "vfs=files"], ["--delete", "phy_init", "--resize", "nvs=rest"], ["-l", "ota", "--slot-size", "512K"], ["-s", "1M"],
         ["--move", "vfs=0x60000"], ["--add", "logs:data:fat:0x180000:64K"]]


@pytest.mark.parametrize("words", MOVES, ids=" ".join)
def test_as_on_a_dump(molt, board, dump, tmp_path, words):
    molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    want = (tmp_path / "out.bin").read_bytes().ljust(len(dump), b"\xff")
    before = flash(board)
    assert "written and verified: sim:board" in molt.ok("edit", "sim:board", *words)
    after = flash(board)
    assert after == want and before == dump
    booted = json.loads(molt.ok("sim", "boot", "--json", "sim:board"))
    assert booted["running"] in ("factory", "ota_0")


def test_only_what_differs_is_written(molt, board):
    text = molt.ok("edit", "sim:board", "--rename", "vfs=files")
    assert "1 sectors to write (4 KB)" in text
    words = molt.ok("edit", "sim:board", "--move", "files=0x100000", "--dry-run")
    assert "nothing was written" in words and "its one sector is erased and written at the end" in words
    assert "overwritten while it is in use" not in words
    assert "overwritten while it is in use" in molt.ok("edit", "sim:board", "--move", "files=0x51000", "--dry-run")


def test_refused_on_a_board(molt, board, dump):
    assert "the chip of sim:board has 2 MB" in molt.fails("edit", "sim:board", "-s", "4M")
    assert "no --output" in molt.fails("edit", "sim:board", "--rename", "vfs=x", "-o", "out.bin", code=2)
    assert "data would be lost: 'nvs'" in molt("edit", "sim:board", "--delete", "nvs", check=1).stderr
    assert flash(board) == dump


@pytest.mark.parametrize("words", [["--move", "vfs=0x100000"], ["--move", "factory=0x100000"], ["--resize", "vfs=512K", "--move", "vfs=0xc0000"]],
                         ids=" ".join)
def test_power_cut_at_each_operation(molt, board, dump, tmp_path, words):
    """Until the table is touched everything is as it was; afterwards everything is new. The same command goes on."""
    molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    want = (tmp_path / "out.bin").read_bytes()
    cut, windows = 1, 0
    while True:
        shutil.rmtree(board)
        molt.ok("sim", "new", "sim:board", "--flash", "dump.bin")
        done = molt("edit", "sim:board", *words, "--cut", cut)
        if done.returncode == 0:
            break
        assert done.returncode == 3, done.stderr
        now = flash(board)
        table = now[0x8000:0x9000]
        if table == dump[0x8000:0x9000]:  # the old table: its partitions have their bytes
            assert now[0x9000:0xA000] == dump[0x9000:0xA000] and now[0x10000:0x12000] == dump[0x10000:0x12000]
            assert lfsimage.files_of(now[0x50000:0x90000]) == FILES
            molt.ok("edit", "sim:board", *words)
            assert flash(board)[0x8000:0x9000] == want[0x8000:0x9000]
            row = [r for r in esp.rows_of(flash(board)[0x1000:]) if r[4] == "vfs"][0]
            assert lfsimage.files_of(flash(board)[row[2]:row[2] + row[3]]) == FILES
        elif table == want[0x8000:0x9000]:
            for _, _, offset, size, _ in esp.rows_of(want[0x1000:]):
                assert now[offset:offset + size] == want[offset:offset + size]
        else:
            windows += 1
        cut += max(1, cut // 8)
    assert flash(board) == want and windows <= 2


@pytest.mark.fast
def test_the_table_comes_behind_the_data_that_it_names(molt, board, dump, tmp_path):
    """Also where that data is written over what is in use: a new table never names what is not there yet."""
    words = ["--move", "vfs=0x51000"]
    assert "overwritten while it is in use" in molt.ok("edit", "sim:board", *words, "--dry-run")
    molt.ok("edit", "dump.bin", *words, "-o", "out.bin")
    want = (tmp_path / "out.bin").read_bytes()
    cut, old, new = 1, 0, 0
    while True:
        shutil.rmtree(board)
        molt.ok("sim", "new", "sim:board", "--flash", "dump.bin")
        if molt("edit", "sim:board", *words, "--cut", cut).returncode == 0:
            break
        now = flash(board)
        old += now[0x8000:0x9000] == dump[0x8000:0x9000]
        if now[0x8000:0x9000] == want[0x8000:0x9000]:
            new += 1  # what is to be erased comes last: it is not used any more
            assert all(now[at:at + 0x1000] == want[at:at + 0x1000] for at in range(0x9000, len(want), 0x1000)
                       if want[at:at + 0x1000].strip(b"\xff"))
        cut += 1
    assert old >= 4 and new >= 1 and flash(board) == want
