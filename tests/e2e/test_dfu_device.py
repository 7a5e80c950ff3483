"""molt dfu read, erase, leave, detach, unprotect: on simulated boards in folders, and a few over a mocked USB bus."""
import json
import os
import pty
import re
import struct
import subprocess

import pytest

import dfu

K = 1024
FLASH = 0x08000000


class Board:
    """sim:NAME with what is on its flash. facts: of its board.json."""

    def __init__(self, molt, profile, flash, **facts):
        self.molt, self.folder, self.before = molt, molt.cwd / "b", flash
        (molt.cwd / "new.bin").write_bytes(flash)
        molt.ok("sim", "new", "sim:b", "--chip", profile, "--flash", "new.bin")
        (molt.cwd / "new.bin").unlink()
        self.change(**facts)

    def change(self, **facts):
        path = self.folder / "board.json"
        path.write_text(json.dumps({**self.facts(), **facts}))

    def facts(self):
        return json.loads((self.folder / "board.json").read_text())

    def flash(self):
        return (self.folder / "flash.bin").read_bytes()

    def erases(self):
        return self.facts()["counters"]["erases"]


@pytest.fixture(scope="session")
def f405():
    """1 MB: a vector table at its start, no byte of FF where it matters."""
    return struct.pack("<II", 0x20020000, FLASH + 0x189) + dfu.pattern(1024 * K - 8)


@pytest.fixture
def board(molt, f405):
    return Board(molt, "stm32f405", f405)


def others(molt):
    return sorted(path.name for path in molt.cwd.iterdir() if path.name != "b")


# ---- read ----

def test_read_whole_flash(molt, board):
    done = molt("dfu", "read", "sim:b", "-o", "flash.bin", check=0)
    assert done.stdout == "" and "1048576 bytes from 0x08000000" in done.stderr
    assert (molt.cwd / "flash.bin").read_bytes() == board.before
    assert board.flash() == board.before


def test_read_places_into_files(molt, board):
    told = molt.json("dfu", "read", "sim:b", "0x08000000+16=a.bin", "files=disk.img", "0x08020000-0x08020003",
                     "0x080ffff0", "-o", "rest.bin", "--board", "PYBV11")
    assert told["target"] == "sim:b"
    assert {file["file"]: file["bytes"] for file in told["files"]} == {
        "a.bin": 16, "disk.img": 112 * K, "rest.bin": 0xE0000}
    assert told["files"][0]["pieces"] == [{"address": 0x08020000, "size": 4}, {"address": 0x080FFFF0, "size": 16}]
    assert (molt.cwd / "a.bin").read_bytes() == board.before[:16]
    assert (molt.cwd / "disk.img").read_bytes() == board.before[16 * K:128 * K]
    rest = (molt.cwd / "rest.bin").read_bytes()
    assert rest == board.before[0x20000:0x20004] + b"\xFF" * (0xE0000 - 20) + board.before[-16:]


def hex_bytes(text):
    """{address: byte} of an Intel HEX file."""
    found, base = {}, 0
    for line in text.split():
        record = bytes.fromhex(line[1:])
        assert line[0] == ":" and sum(record) % 256 == 0
        if record[3] == 4:
            base = int.from_bytes(record[4:6], "big") << 16
        elif record[3] == 0:
            at = base + int.from_bytes(record[1:3], "big")
            found.update(zip(range(at, at + record[0]), record[4:-1]))
    return found


def test_read_keeps_addresses(molt, board):
    places = ["0x08003ff8+24", "0x08010001+3"]
    molt.ok("dfu", "read", "sim:b", *places, "-o", "x.hex")
    found = hex_bytes((molt.cwd / "x.hex").read_text())
    assert found == {FLASH + i: board.before[i] for i in [*range(0x3FF8, 0x4010), *range(0x10001, 0x10004)]}
    molt.ok("dfu", "read", "sim:b", *places, "-o", "x.bin", "--format", "dfu")
    assert (molt.cwd / "x.bin").read_bytes()[11 + 6 + 1 + 4 + 255 + 8:-16] == b"".join(
        struct.pack("<II", FLASH + at, n) + board.before[at:at + n] for at, n in ((0x3FF8, 24), (0x10001, 3)))


def test_what_was_read_can_be_written_back(molt, board):
    """The board's disk, moved away and back."""
    for name in ("disk.hex", "disk.dfu"):
        molt.ok("dfu", "read", "sim:b", "files", "-o", name)
        molt.ok("dfu", "erase", "sim:b", "files")
        assert board.flash() == board.before[:16 * K] + b"\xFF" * 112 * K + board.before[128 * K:]
        molt.ok("dfu", "write", name, "sim:b", "--overwrite-files", "--stay")
        assert board.flash() == board.before


def test_read_files_is_a_file_system(molt, board):
    (molt.cwd / "app").mkdir()
    (molt.cwd / "app/main.py").write_text("print(1)\n")
    molt.ok("fs", "build", "app", "-o", "vfs.img", "--size", "112K")
    image = (molt.cwd / "vfs.img").read_bytes()
    (board.folder / "flash.bin").write_bytes(board.before[:16 * K] + image + board.before[128 * K:])
    molt.ok("dfu", "read", "sim:b", "files=disk.img")
    assert (molt.cwd / "disk.img").read_bytes() == image
    assert molt.ok("fs", "cat", "disk.img", "main.py") == "print(1)\n"


def test_read_two_ranges_are_one_disk(molt):
    flash = dfu.pattern(2048 * K)
    Board(molt, "stm32f427", flash)
    molt.ok("dfu", "read", "sim:b", "files=disk.img", "--board", "stm32f439")
    assert (molt.cwd / "disk.img").read_bytes() == flash[0x100000:0x130000] + flash[0x140000:0x150000]


def test_read_to_standard_output(molt, board):
    done = subprocess.run([molt.path, "dfu", "read", "sim:b", "0x08000001+3", "-o", "-"], cwd=molt.cwd, capture_output=True)
    assert (done.returncode, done.stdout) == (0, board.before[1:4])


def test_read_replaces_only_with_force(molt, board):
    (molt.cwd / "x.bin").write_text("mine")
    told = molt.fails("dfu", "read", "sim:b", "0x08000000+4", "-o", "x.bin")
    assert "x.bin: is there already; --force replaces it" in told
    assert board.facts()["counters"]["transfers"] == 0
    assert (molt.cwd / "x.bin").read_text() == "mine"
    molt.ok("dfu", "read", "sim:b", "0x08000000+4", "-o", "x.bin", "--force")
    assert (molt.cwd / "x.bin").read_bytes() == board.before[:4]


def test_read_progress(molt, board):
    lines = molt("dfu", "read", "sim:b", "-o", "x.bin", "--progress", "json", check=0).stderr.splitlines()
    progress = [json.loads(line) for line in lines if line.startswith("{")]
    assert progress and {p["progress"] for p in progress} == {"read"}
    assert progress[-1]["done"] == progress[-1]["total"] == 1024 * K
    done = [p["done"] for p in progress]
    assert done == sorted(done)


def test_read_of_a_plain_device(molt):
    flash = dfu.pattern(64 * K)
    Board(molt, "plain", flash)
    molt.ok("dfu", "read", "sim:b", "-o", "x.bin")
    assert (molt.cwd / "x.bin").read_bytes() == flash
    done = molt("dfu", "read", "sim:b", "-o", "x.dfu", "--limit", "5K", check=0)
    assert "x.dfu: 5120 bytes\n" in done.stderr
    assert (molt.cwd / "x.dfu").read_bytes()[:-16] == flash[:5 * K]
    assert molt.json("dfu", "show", "x.dfu")["suffix"]["crc_ok"] is True


# ---- erase ----

def test_erase_sectors(molt, board):
    told = molt.ok("dfu", "erase", "sim:b", "0x08020000", "0x080c0000+256K")
    assert "erased and verified: 3 sectors, 384 KB" in told
    assert board.flash() == board.before[:128 * K] + b"\xFF" * 128 * K + board.before[256 * K:768 * K] + b"\xFF" * 256 * K
    assert board.erases()[:12] == [0] * 5 + [1] + [0] * 4 + [1] * 2
    molt.ok("dfu", "erase", "sim:b", "0x08020000")  # blank: left alone
    assert board.erases()[5] == 1


def test_erase_says_what_is_lost(molt, board):
    told = molt.json("dfu", "erase", "sim:b", "0x08005000+4K", "-W", "--dry-run")
    lost = [(step["what"], step["offset"], step["size"]) for step in told["plan"] if step["kind"] == "lose"]
    assert lost == [("beside the place", 0x08004000, 4 * K), ("beside the place", 0x08006000, 8 * K),
                    ("files", 0x08004000, 112 * K)]
    assert told["loses_files"] is True and told["erased"] is False
    assert board.flash() == board.before


def test_erase_all(molt, board):
    assert "erased and verified: 12 sectors, 1 MB" in molt.ok("dfu", "erase", "--all", "sim:b", "--yes")
    assert board.flash() == b"\xFF" * 1024 * K and board.facts()["counters"]["mass_erases"] == 1


def test_erase_finds_write_protection(molt, board):
    board.change(write_protected=[5])
    told = molt.fails("dfu", "erase", "sim:b", "0x08020000+256K")
    assert "1 of 2 sectors kept their bytes, the first at 0x08020000: expected FF" in told and "write protected" in told
    assert board.flash()[256 * K:384 * K] == b"\xFF" * 128 * K
    board.change(write_protected=[])
    molt.ok("dfu", "erase", "sim:b", "0x08020000+256K")
    assert board.flash()[128 * K:384 * K] == b"\xFF" * 256 * K


def test_erase_cut_short_is_repaired(molt, board):
    molt.ok("dfu", "erase", "sim:b", "0x08020000+256K", "--dry-run")
    opened = board.facts()["counters"]["transfers"]
    for at in (opened + 1, opened + 4, opened + 8):
        board.change(fault={"at_transfer": at, "kind": "gone"})
        told = molt.fails("dfu", "erase", "sim:b", "0x08020000+256K")
        assert "0x080" in told and "plug it in again" in told
        board.change(fault={"at_transfer": 0, "kind": "none"})
        molt.ok("sim", "boot", "sim:b", "--boot0")
    molt.ok("dfu", "erase", "sim:b", "0x08020000+256K")
    assert board.flash() == board.before[:128 * K] + b"\xFF" * 256 * K + board.before[384 * K:]


def on_terminal(molt, answer, *words):
    """Runs molt with a terminal for input and errors; (exit code, what the terminal showed)."""
    master, slave = pty.openpty()
    child = subprocess.Popen([molt.path, *words], cwd=molt.cwd, stdin=slave, stderr=slave, stdout=subprocess.DEVNULL)
    os.close(slave)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(master, 1000)
    os.write(master, answer)
    try:
        while more := os.read(master, 1000):
            shown += more
    except OSError:  # Linux: the other side is closed
        pass
    os.close(master)
    return child.wait(30), shown.decode()


@pytest.mark.parametrize("words", [["erase", "--all", "sim:b"], ["erase", "sim:b", "0x08004000"], ["unprotect", "sim:b"]])
def test_asks_on_a_terminal(molt, board, words):
    for answer in (b"n\n", b"\n", b"\x04"):
        code, shown = on_terminal(molt, answer, "dfu", *words)
        assert code == 1 and "nothing was changed" in shown
        assert board.flash() == board.before
    code, shown = on_terminal(molt, b"y\n", "dfu", *words)
    assert code == 0, shown


# ---- what is refused ----

REFUSED = [  # words behind "dfu", profile, exit code, what the message says
    (["read", "sim:b"], "stm32f405", 2, "where to? expected PLACE=FILE, or --output FILE"),
    (["read", "sim:b", "all=x", "-o", "y"], "stm32f405", 2, "every place has its file already"),
    (["read", "sim:b", "0x08000000=x", "files=x"], "stm32f405", 2, "x: two outputs would go there"),
    (["read", "sim:b", "-o", "-", "--json"], "stm32f405", 2, "either the bytes or JSON"),
    (["read", "sim:b", "-o", "x", "--format", "elf"], "stm32f405", 2, "expected bin, hex or dfu"),
    (["read", "sim:b", "-o", "x", "--limit", "0"], "stm32f405", 2, "--limit 0: expected a size"),
    (["read", "sim:b", "-o", "x", "--limit", "4K"], "stm32f405", 2, "--limit is for a device without addresses"),
    (["read", "sim:b", "flash", "-o", "x"], "stm32f405", 1, "'flash': no place of the device's memory; expected ADDRESS"),
    (["read", "sim:b", "0x08100000", "-o", "x"], "stm32f405", 1, "inside of 0x08000000-0x080fffff"),
    (["read", "sim:b", "0x080fffff+2", "-o", "x"], "stm32f405", 1, "0x08100000 is outside"),
    (["read", "sim:b", "all", "0x08000000+1", "-o", "x"], "stm32f405", 1, "0x08000000: is in two of the places"),
    (["read", "sim:b", "files=x", "--board", "none"], "stm32f405", 1, "no file system"),
    (["read", "sim:b", "files=x"], "gd32", 1, "--board NAME"),
    (["read", "sim:b", "-o", "x.bin"], "mboot", 1, "ends in .dfu or .hex"),
    (["read", "sim:b", "-o", "x.bin"], "mboot-packed", 1, "lets nobody read: mboot with packing"),
    (["read", "sim:b", "0x0+4", "-o", "x"], "plain", 1, "a device without addresses"),
    (["read", "sim:b", "-o", "x.hex"], "plain", 1, "nothing for Intel HEX"),
    (["read", "sim:b", "-o", "no/such/x"], "plain", 1, "no/such"),
    (["erase", "sim:b"], "stm32f405", 2, "expected places to erase, or --all"),
    (["erase", "sim:b", "--all", "0x08000000"], "stm32f405", 2, "or --all without any"),
    (["erase", "sim:b", "all"], "stm32f405", 1, "--all alone"),
    (["erase", "sim:b", "--all"], "stm32f405", 1, "expected --yes. Nothing was changed"),
    (["erase", "sim:b", "0x08004000"], "stm32f405", 1, "files with it? There is no terminal"),
    (["erase", "sim:b", "0x08001000"], "stm32f405", 1, "it lies in the sector 0x08000000+16384"),
    (["erase", "sim:b", "0x0800c000+20K"], "stm32f405", 1, "--whole-sectors erases 0x0800c000-0x0801ffff"),
    (["erase", "sim:b", "0x08100000"], "stm32f405", 1, "nothing to erase at 0x08100000"),
    (["erase", "sim:b", "0x1fffc000+16", "--alt", "1"], "stm32f405", 1, "nothing to erase at 0x1fffc000, nor anywhere in this memory"),
    (["erase", "sim:b", "0x08020000"], "mboot-packed", 1, "erases by itself what it writes"),
    (["erase", "sim:b", "0x0+1K"], "plain", 1, "has no erase"),
    (["leave", "sim:b", "here"], "stm32f405", 2, "expected an address"),
    (["leave", "sim:b", "0x08100000"], "stm32f405", 1, "the entry 0x08100000 is in none of its memory"),
    (["leave", "sim:b", "0x0"], "plain", 1, "expected no entry"),
    (["leave", "sim:b"], "runtime", 1, "'molt dfu detach' brings it to DFU mode"),
    (["leave", "sim:b", "--back", "soon"], "stm32f405", 2, "--back soon: expected seconds"),
    (["erase", "sim:b", "--all", "--yes"], "runtime", 1, "has no erase"),
    (["unprotect", "sim:b", "--yes"], "plain", 1, "no command to lift the read protection"),
    (["unprotect", "sim:b", "--yes"], "mboot", 1, "no command to lift the read protection"),
    (["unprotect", "sim:b", "--yes"], "runtime", 1, "'molt dfu detach'"),
    (["unprotect", "sim:b"], "stm32f405", 1, "expected --yes. Nothing was changed"),
    (["detach", "sim:nosuch"], "stm32f405", 1, "nosuch"),
]


@pytest.mark.parametrize("words, profile, code, says", REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_refused(molt, words, profile, code, says):
    size = {"stm32f405": 1024, "mboot": 3072, "mboot-packed": 3072, "gd32": 128}.get(profile, 64) * K
    made = Board(molt, profile, dfu.pattern(min(size, 64 * K)) + bytes(size - min(size, 64 * K)))
    told = molt.fails("dfu", *words, code=code)
    assert says in told and told.startswith("molt dfu %s: " % words[0])
    assert others(molt) == []
    facts = made.facts()["counters"]
    assert made.flash() == made.before and facts["erases"] == [0] * len(facts["erases"])
    assert facts["mass_erases"] == facts["bytes_programmed"] == 0 and made.facts()["on_bus"]


def test_a_map_that_ends_too_early_is_told(molt):
    made = Board(molt, "stm32f427", dfu.pattern(64 * K) + bytes(2048 * K - 64 * K))
    for words, told in (["-o", "o1"], True), (["all=o2", "0x08000000+1K=o3"], True), (["0x08000000+1K=o4", "files=o5", "--board", "PYBV11"], False), \
            (["0x08100000+1M=o6"], False):
        said = molt("dfu", "read", "sim:b", *words, check=0).stderr
        assert ("there may be more behind that" in said) == told, words
    assert (molt.cwd / "o6").read_bytes() == made.before[1024 * K:]


def test_read_protection_is_explained(molt, board):
    board.change(read_protected=True)
    for words in (["read", "sim:b", "-o", "x"], ["erase", "sim:b", "0x08020000"], ["erase", "sim:b", "--all", "--yes"]):
        told = molt.fails("dfu", *words)
        assert "protected" in told and "'molt dfu unprotect'" in told
        assert board.flash() == board.before and others(molt) == []


# ---- leave, detach, unprotect ----

@pytest.mark.parametrize("words, entry, found", [
    ([], "0x08000000", True), (["0x08020000"], "0x08020000", False), (["--alt", "1"], "0x08000000", True)])
def test_leave(molt, board, words, entry, found):
    told = molt.json("dfu", "leave", "sim:b", *words)
    assert told == {"target": "sim:b", "entry": int(entry, 0), "vectors_found": found, "gone": True, "back": False}
    facts = board.facts()
    assert facts["jumped"] and facts["jumped_to"] == int(entry, 0) and not facts["on_bus"]
    assert "is not on the bus" in molt.fails("dfu", "leave", "sim:b")


def test_leave_and_what_is_back(molt, board):
    assert molt.ok("dfu", "leave", "sim:b", "--back", "3") == "left to 0x08000000; back on the bus\n"
    molt.ok("sim", "boot", "sim:b", "--boot0")
    told = molt.fails("dfu", "leave", "sim:b", "0x08020000", "--back", "3")
    assert "nothing came back at its place within 3 s" in told


def test_leave_without_a_firmware(molt):
    Board(molt, "stm32f405", b"")
    assert molt.ok("dfu", "leave", "sim:b") == "left to 0x08000000, where no vector table was found\n"


def test_detach(molt):
    for profile in ("runtime", "runtime-reset"):
        made = Board(molt, profile, b"firmware" * 16)
        assert molt.json("dfu", "detach", "sim:b") == {"target": "sim:b", "id": "1209:0003", "detached": True}
        assert molt.ok("dfu", "detach", "sim:b") == "sim:b: in DFU mode already\n"
        assert molt.ok("dfu", "leave", "sim:b", "--back", "3") == "left DFU mode; back on the bus\n"
        assert made.facts()["profile"] == "runtime"
        for path in made.folder.iterdir():
            path.unlink()
        made.folder.rmdir()


def test_unprotect(molt, board):
    board.change(read_protected=True)
    told = molt.json("dfu", "unprotect", "sim:b", "--dry-run")
    assert told["plan"][0]["kind"] == "lose" and told["plan"][0]["size"] == 1024 * K and not told["unprotected"]
    assert board.flash() == board.before
    assert "back on the bus" in molt.ok("dfu", "unprotect", "sim:b", "--yes", "--back", "5")
    assert board.flash() == b"\xFF" * 1024 * K and not board.facts()["read_protected"]
    molt.ok("dfu", "read", "sim:b", "0x08000000+4", "-o", "x.bin")


# ---- devices without addresses ----

@pytest.mark.parametrize("profile, then", [
    ("plain", None), ("plain-intolerant", None), ("runtime", "runtime"), ("runtime-reset", "runtime")])
def test_write_to_a_plain_device(molt, profile, then):
    """Detached first where it runs its application; it starts what it got."""
    made = Board(molt, profile, dfu.pattern(64 * K))
    (molt.cwd / "fw.bin").write_bytes(firmware := dfu.pattern(5000, seed=3))
    molt.ok("dfu", "write", "fw.bin", "sim:b")
    assert made.flash()[:5000] == firmware
    facts = made.facts()
    assert facts["jumped"] and facts["on_bus"] == (then is not None) and facts["profile"] == (then or profile)


def test_stay_in_dfu_mode(molt):
    made = Board(molt, "plain", b"")
    (molt.cwd / "fw.bin").write_bytes(dfu.pattern(1000))
    molt.ok("dfu", "write", "fw.bin", "sim:b", "--stay")
    assert made.facts()["on_bus"] and not made.facts()["jumped"]
    molt.ok("dfu", "read", "sim:b", "-o", "x.bin", "--limit", "1000")
    assert (molt.cwd / "x.bin").read_bytes() == dfu.pattern(1000)


def test_a_file_for_another_device(molt):
    """The suffix may name the device in either of its modes."""
    made = Board(molt, "runtime", b"old")
    (molt.cwd / "fw.bin").write_bytes(firmware := dfu.pattern(1000))
    for product in ("0001", "0002", "0003"):
        molt.ok("dfu", "pack", "--plain", "fw.bin", "-o", product + ".dfu", "-v", "1209", "-p", product)
    told = molt.fails("dfu", "write", "0001.dfu", "sim:b")
    assert "the file is for 1209:0001" in told and made.flash()[:3] == b"old"
    for product in ("0002", "0003"):
        molt.ok("sim", "boot", "sim:b")
        molt.ok("dfu", "write", product + ".dfu", "sim:b")
        assert made.flash()[:1000] == firmware
        (made.folder / "flash.bin").write_bytes(bytes(64 * K))


def keys_in(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


def test_help_names_every_json_key(molt, board):
    for words in (["read", "sim:b", "0x08000000+4=x"], ["erase", "sim:b", "0x08020000", "-n"], ["unprotect", "sim:b", "-n"],
                  ["detach", "sim:b"], ["leave", "sim:b"]):
        keys = keys_in(molt.json("dfu", *words))
        told = molt.ok("help", "dfu", words[0])
        assert keys <= set(re.findall(r"\w+", told[told.index("Keys of --json"):])), words


# ---- over USB ----

def test_over_usb(molt, f405, tmp_path):
    def plugged(device, *words):
        return dfu.run([molt.path, "dfu", *words], device, folder=tmp_path)
    found = plugged(dfu.Device(flash=f405), "read", "0x08010000+100K", "-o", "x.bin")
    assert found.code == 0 and (tmp_path / "x.bin").read_bytes() == f405[64 * K:164 * K], found.err
    found = plugged(dfu.Device(flash=f405), "erase", "0x08020000")
    assert found.code == 0 and found.device[0].flash[128 * K:256 * K] == b"\xFF" * 128 * K, found.err
    found = plugged(dfu.Device(flash=f405), "leave", "usb:0483:df11")
    assert (found.code, found.out) == (0, "left to 0x08000000\n"), found.err
    found = plugged(dfu.Device(flash=f405, read_protected=True), "unprotect", "--yes", "--back", "5")
    assert found.code == 0 and found.device[0].flash == b"\xFF" * 1024 * K, found.err
    assert "back on the bus" in found.out
    found = plugged(dfu.Device("runtime", flash=b"firmware" * 8), "detach", "usb:1209:0002")
    assert (found.code, found.out) == (0, "usb:1209:0003,serial=P0003: in DFU mode\n"), found.err
    found = plugged(dfu.Device("runtime-dfu", flash=b"firmware" * 8), "leave", "usb:1209:0003", "--back", "5")
    assert (found.code, found.out) == (0, "left DFU mode; back on the bus\n"), found.err
