"""molt dfu write, molt dfu verify."""
import gzip
import json
import pathlib
import signal
import struct

import pytest

import dfu
from conftest import molt_path

BASE, TEXT, FILES, FILES_END = 0x08000000, 0x20000, 0x4000, 0x20000


@pytest.fixture(scope="module")
def parts():
    """The two parts of a Pyboard's firmware: a vector table whose reset vector lies in the second."""
    return struct.pack("<II", 0x20020000, BASE + TEXT + 0x201) + dfu.pattern(9000, 21), dfu.pattern(70_001, 22)


class Board:
    """A simulated Pyboard in a folder, its flash full of something."""

    before = dfu.pattern(1 << 16, 9) * 16

    def __init__(self, molt, parts, chip="stm32f405"):
        self.molt, self.parts = molt, parts
        (molt.cwd / "before.bin").write_bytes(self.before)
        (molt.cwd / "fw.dfu").write_bytes(dfu.dfu_file((BASE, parts[0]), (BASE + TEXT, parts[1])))
        molt.ok("sim", "new", "sim:pyb", "--chip", chip, "--flash", "before.bin")

    @property
    def flash(self):
        return (self.molt.cwd / "pyb/flash.bin").read_bytes()

    def again(self):
        self.molt.ok("sim", "boot", "--boot0", "sim:pyb")

    def expected(self):
        out = bytearray(self.before)
        out[:len(self.parts[0])] = self.parts[0]
        out[TEXT:TEXT + len(self.parts[1])] = self.parts[1]
        return bytes(out)


@pytest.fixture
def board(molt, parts):
    return Board(molt, parts)


def test_write(board, molt):
    out = molt.ok("dfu", "write", "fw.dfu", "sim:pyb")
    assert "0x08000000      16 KB  1 sector erased, 9008 bytes of the file" in out
    assert "erased 2 sectors, left 0 alone" in out and "verified; started at 0x08000000" in out
    assert board.flash == board.expected()
    assert "its application runs" in molt.fails("dfu", "write", "fw.dfu", "sim:pyb")
    board.again()
    out = molt.ok("dfu", "write", "--early-poll", "sim:pyb", "fw.dfu")  # the operands in the other order
    assert "nothing to write: the device has all of it; started at 0x08000000" in out


def test_json_and_stay(board, molt):
    found = json.loads(molt.ok("dfu", "write", "--json", "--stay", "fw.dfu", "sim:pyb"))
    assert (found["target"], found["file"], found["written"], found["verified"]) == ("sim:pyb", "fw.dfu", True, True)
    assert (found["sectors"], found["sectors_erased"], found["sectors_unchanged"]) == (2, 2, 0)
    assert found["bytes_given"] == 9008 + 70001 and found["bytes_kept"] == (16 + 128) * 1024 - 9008 - 70001
    assert (found["left"], found["entry"], found["rescue"]) == (False, None, None)
    again = json.loads(molt.ok("dfu", "write", "--json", "fw.dfu", "sim:pyb"))  # it stayed
    assert (again["sectors_unchanged"], again["bytes_written"], again["entry"]) == (2, 0, BASE)


def test_all_no_verify_force(board, molt, parts):
    """Options that change what is done, each beside the run without it."""
    def write(*words):
        done = json.loads(molt.ok("dfu", "write", "--json", "--stay", *words, "sim:pyb"))
        return done["sectors_erased"], done["sectors_unchanged"], done["verified"], done["bytes_verified"] > 0
    assert write("--no-verify", "fw.dfu") == (2, 0, False, False)
    assert board.flash == board.expected()
    assert write("fw.dfu")[:2] == (0, 2)
    assert write("--all", "fw.dfu") == (2, 0, True, True)
    assert board.flash == board.expected()
    other = dfu.dfu_file((BASE, parts[0][:8] + bytes(100)), vendor=0x1234)
    for name, content in ("other.dfu", other), ("crc.dfu", dfu.dfu_file((BASE, parts[0][:8] + bytes(101)))[:-1] + b"?"):
        (molt.cwd / name).write_bytes(content)
        assert "--force" in molt.fails("dfu", "write", name, "sim:pyb") and board.flash == board.expected()
    assert write("--force", "other.dfu")[0] == 1 and board.flash[8:108] == bytes(100)
    assert write("--force", "crc.dfu")[0] == 1 and board.flash[8:109] == bytes(101)


@pytest.mark.parametrize("verb", [["write", "fw.dfu"], ["leave"]])
def test_seconds_have_a_limit(verb, board, molt):
    assert "--back 86401: expected seconds, at most 86400" in molt.fails("dfu", *verb, "sim:pyb", "--back", "86401", code=2)
    assert "--wait 86401: expected seconds, at most 86400" in molt.fails("dfu", *verb, "sim:pyb", "--wait", "86401", code=2)


def test_dry_run(board, molt):
    assert "nothing was written" in molt.ok("dfu", "write", "--dry-run", "fw.dfu", "sim:pyb")
    assert json.loads(molt.ok("dfu", "write", "--json", "-n", "fw.dfu", "sim:pyb"))["written"] is False
    assert board.flash == board.before


def ihex(*elements):
    lines = []

    def record(kind, address, data):
        body = struct.pack(">BHB", len(data), address, kind) + data
        lines.append(":%s%02X" % (body.hex().upper(), -sum(body) & 0xFF))
    for address, data in elements:
        for at in range(0, len(data), 32):
            record(4, 0, struct.pack(">H", address + at >> 16))
            record(0, address + at & 0xFFFF, data[at:at + 32])
    record(1, 0, b"")
    return "\n".join(lines).encode() + b"\n"


def test_kinds(board, molt, parts):
    """Intel HEX, gzip and standard input bring the same bytes as the .dfu file."""
    elements = (BASE, parts[0]), (BASE + TEXT, parts[1])
    (molt.cwd / "fw.hex").write_bytes(ihex(*elements))
    (molt.cwd / "fw.dfu.gz").write_bytes(gzip.compress((molt.cwd / "fw.dfu").read_bytes()))
    (molt.cwd / "text.bin").write_bytes(parts[1])
    molt.ok("dfu", "write", "fw.hex", "sim:pyb", "--stay")
    assert board.flash == board.expected()
    for name in ("fw.dfu.gz", "fw.hex", "fw.dfu"):
        assert "nothing to write" in molt.ok("dfu", "write", name, "sim:pyb", "--stay")
        assert "equal: 77.2 KB" in molt.ok("dfu", "verify", name, "sim:pyb")
    assert "nothing to write" in molt.ok("dfu", "write", "text.bin", "--address", "0x08020000", "sim:pyb", "--stay")


def test_verify_differs(board, molt, parts):
    assert "0x08000000 holds" in molt.fails("dfu", "verify", "fw.dfu", "sim:pyb")
    molt.ok("dfu", "write", "--stay", "fw.dfu", "sim:pyb")
    path = molt.cwd / "pyb/flash.bin"
    flash = bytearray(path.read_bytes())
    flash[TEXT + 70_000] ^= 0x40
    path.write_bytes(flash)
    found = json.loads(molt("dfu", "verify", "--json", "fw.dfu", "sim:pyb", check=1).stdout)
    assert (found["equal"], found["address"], found["file_byte"]) == (False, BASE + TEXT + 70_000, parts[1][-1])
    assert found["device_byte"] == parts[1][-1] ^ 0x40
    assert path.read_bytes() == flash


REFUSED = [
    ("flat.bin --address 0x08000000", "0x08004000-0x0801ffff (112 KB) is where"),
    ("flat.bin --address 0x08000000 --board PYBV11", "PYBV11 keeps its files, and it is in use"),
    ("flat.bin", "--address 0x08000000"),
    ("flat.bin --address 0x080ff000", "0x08100000 is not in this device's memory 'Internal Flash'"),
    ("flat.bin --address 0x1fff7800 --alt 2", "cannot be erased"),
    ("fw.dfu --board PYBV12", "'PYBV12': is not known"),
    ("fw.dfu --mass-erase", "a mass erase loses them"),
    ("fw.dfu --entry 0x20000000", "--entry 0x20000000 is not in"),
    ("other.dfu", "for a device 1234:df11"),
    ("alt.dfu", "alternate setting 9"),
    ("fw.dfu --alt 2", "alternate setting of its bytes, 0, and 2 was asked for"),
    ("crc.dfu", "CRC"),
    ("none.dfu", "none.dfu"),
]


@pytest.mark.parametrize("words, said", REFUSED)
def test_refused(words, said, board, molt, parts):
    good = (molt.cwd / "fw.dfu").read_bytes()
    files = {"flat.bin": parts[0].ljust(TEXT, b"\xff") + parts[1],
             "other.dfu": dfu.dfu_file((BASE, parts[0]), vendor=0x1234),
             "alt.dfu": dfu.dfu_file((BASE, parts[0]), alternate=9),
             "crc.dfu": good[:400] + bytes([good[400] ^ 1]) + good[401:]}
    for name, data in files.items():
        (molt.cwd / name).write_bytes(data)
    assert said in molt.fails("dfu", "write", *words.split(), "sim:pyb")
    assert board.flash == board.before


@pytest.mark.parametrize("words", ["fw.dfu usb: sim:pyb", "sim:pyb", "fw.dfu other.dfu", "fw.dfu --address x", "fw.dfu --entry -1",
                                   "fw.dfu --stay --entry 0x08000000", "fw.dfu --back never"])
def test_usage(words, board, molt):
    molt.fails("dfu", "write", *words.split(), code=2)
    assert board.flash == board.before


def test_overwrite_files_and_mass_erase(board, molt, parts):
    flat = parts[0].ljust(TEXT, b"\xff") + parts[1]
    (molt.cwd / "flat.bin").write_bytes(flat)
    out = molt.ok("dfu", "write", "flat.bin", "-A", "0x08000000", "sim:pyb", "--stay", "--overwrite-files")
    assert "which are lost (--overwrite-files)" in out
    assert board.flash[:len(flat)] == flat and board.flash[TEXT + 0x20000:] == board.before[TEXT + 0x20000:]
    molt.ok("dfu", "write", "fw.dfu", "sim:pyb", "--mass-erase", "--yes")
    assert board.flash == flat.ljust(1 << 20, b"\xff")


def test_mboot(molt, parts):
    """Behind mboot the firmware is in one piece, and the boot loader is not written over."""
    board = Board(molt, parts, chip="mboot")
    assert "USE_MBOOT=1" in molt.fails("dfu", "write", "fw.dfu", "sim:pyb")
    (molt.cwd / "app.dfu").write_bytes(dfu.dfu_file((BASE + TEXT, dfu.vectors(BASE + TEXT, 5000))))
    assert "started at 0x08020000" in molt.ok("dfu", "write", "app.dfu", "sim:pyb")
    assert board.flash[:TEXT] == board.before[:TEXT]


def test_plain(molt, parts):
    """A device without addresses takes the bytes as they are."""
    (molt.cwd / "app.bin").write_bytes(parts[0])
    (molt.cwd / "app.dfu").write_bytes(dfu.dfu_file((BASE, parts[0]), vendor=0xFFFF, product=0xFFFF))
    molt.ok("sim", "new", "sim:plain", "--chip", "plain")
    assert "without ST's extensions" in molt.fails("dfu", "write", "app.dfu", "sim:plain")
    assert "nothing was written" in molt.ok("dfu", "write", "-n", "app.bin", "sim:plain")
    assert "9008 bytes, as they are" in molt.ok("dfu", "write", "app.bin", "sim:plain")
    assert (molt.cwd / "plain/flash.bin").read_bytes() == parts[0].ljust(1 << 16, b"\xff")


def test_run_time(molt, parts):
    """An application is brought into its boot loader for a file without addresses."""
    (molt.cwd / "app.bin").write_bytes(parts[0])
    molt.ok("sim", "new", "sim:app", "--chip", "runtime")
    assert "molt dfu detach" in molt.fails("dfu", "write", "app.bin", "-A", "0", "sim:app")
    molt.ok("dfu", "write", "app.bin", "sim:app")
    assert (molt.cwd / "app/flash.bin").read_bytes() == parts[0].ljust(1 << 16, b"\xff")


def test_progress(board, molt):
    done = molt("dfu", "write", "--progress=json", "fw.dfu", "sim:pyb", check=0)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    last = {line["progress"]: line for line in lines}
    assert {"compare", "erase", "write", "verify"} <= set(last)
    for name in ("erase", "write", "verify"):
        assert last[name]["done"] == last[name]["total"] > 0


# ---- On a (mocked) bus ----

def test_ctrl_c(parts, tmp_path):
    """Ends at a safe point and says where; the same command again repairs."""
    (tmp_path / "fw.dfu").write_bytes(dfu.dfu_file((BASE, parts[0]), (BASE + TEXT, parts[1])))
    command = [molt_path(), "dfu", "write", "fw.dfu", "usb:"]
    found = dfu.run(["timeout", "--signal=INT", "--preserve-status", "1"] + command, dfu.Device("stm32f405", Board.before[:1 << 18]),
                    folder=tmp_path, timing="real")
    assert found.code in (128 + signal.SIGINT, -signal.SIGINT), found.err
    assert "cancelled" in found.err and "does not start" in found.err and "the same command again" in found.err
    assert found.device[0].flash[:8] == b"\xff" * 8
    again = dfu.run(command, dfu.Device("stm32f405", found.device[0].flash), folder=tmp_path)
    assert again.code == 0, again.err
    assert again.device[0].flash[:9008] == parts[0] and again.device[0].flash[TEXT:TEXT + 70_001] == parts[1]


@pytest.mark.parametrize("words, early", [
    (["dfu", "write", "fw.dfu"], False), (["dfu", "write", "--early-poll", "fw.dfu"], True), (["pydfu", "-u", "fw.dfu"], True),
    (["dfu-util", "-a", "0", "-s", ":leave", "-D", "fw.dfu"], False)], ids=["write", "early-poll", "pydfu", "dfu-util"])
def test_poll_times(words, early, parts, tmp_path):
    """The loader asks for 104 ms behind each block and is done after 33: who keeps to it, and who does not."""
    (tmp_path / "fw.dfu").write_bytes(dfu.dfu_file((BASE, parts[0][:8192])))
    found = dfu.run([molt_path(), *words], dfu.Device("stm32f405"), folder=tmp_path, timing="real")
    assert found.code == 0 and found.device[0].flash[:8192] == parts[0][:8192], found.err
    waits = [found.trace[i + 2]["time_us"] - found.trace[i + 1]["time_us"] for i, t in enumerate(found.trace)
             if t["request"] == dfu.DNLOAD and t["value"] >= 2 and t["length"] == 2048]
    assert len(waits) >= 3
    assert (min(waits) < 100_000) == early, waits


def test_rescue(parts, tmp_path):
    """Unplugged while a sector is erased that has more than the file gives: a file puts that back."""
    before = Board.before[:1 << 18]
    (tmp_path / "fw.dfu").write_bytes(dfu.dfu_file((BASE, parts[0]), (BASE + TEXT, parts[1])))
    command = [molt_path(), "dfu", "write", "fw.dfu", "usb:", "--stay"]
    clean = dfu.run(command, dfu.Device("stm32f405", before), folder=tmp_path)
    assert clean.code == 0, clean.err
    first = next(t["number"] for t in clean.trace if t["request"] == dfu.DNLOAD and t["value"] == 0 and t["data"].startswith("41"))
    found = dfu.run(command, dfu.Device("stm32f405", before, fault="gone@%d" % (first + 8)), folder=tmp_path)
    assert found.code == 1 and "molt-rescue-08002330.dfu" in found.err, found.err
    assert (tmp_path / "molt-rescue-08002330.dfu").exists()
    back = dfu.Device("stm32f405", found.device[0].flash)
    command[3] = "molt-rescue-08002330.dfu"
    rescued = dfu.run(command, back, folder=tmp_path)
    assert rescued.code == 0, rescued.err
    command[3] = "fw.dfu"
    again = dfu.run(command, dfu.Device("stm32f405", back.flash), folder=tmp_path)
    assert again.code == 0, again.err
    assert again.device[0].flash == clean.device[0].flash
