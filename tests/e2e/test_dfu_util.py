"""molt dfu-util and molt pydfu: what scripts rely on is as genuine dfu-util 0.11 and pydfu.py have it, what did harm is not."""
import os
import pathlib
import pty
import re
import shlex
import struct
import subprocess
import zlib

import pytest

import dfu
from conftest import molt_path

BASE, FIRMWARE, FILES, FILES_END = 0x08000000, 0x08020000, 0x4000, 0x20000
FLASH = 1 << 20


def part0():
    """The first part of a Pyboard's firmware: a vector table whose reset vector lies in the second."""
    return struct.pack("<II", 0x20020000, FIRMWARE + 0x201) + dfu.pattern(0x1E00 - 8, 21)


@pytest.fixture
def firmware_dfu(tmp_path):
    """Two elements, as `make` builds it for a Pyboard; (path, bytes at 0, bytes at 0x20000)."""
    first, second = part0(), dfu.pattern(100_000, 22)
    (tmp_path / "firmware.dfu").write_bytes(dfu.dfu_file((BASE, first), (FIRMWARE, second)))
    return "firmware.dfu", first, second


class Board:
    """A simulated board in a folder; flash(): its bytes."""

    def __init__(self, molt, before):
        (molt.cwd / "before.bin").write_bytes(before)
        molt.ok("sim", "new", "sim:board", "--chip", "stm32f405", "--flash", "before.bin")
        self.target, self.path, self.molt = "sim:board", molt.cwd / "board/flash.bin", molt

    def flash(self):
        return self.path.read_bytes()

    def again(self):
        """Back into its boot loader, after it was told to leave."""
        self.molt.ok("sim", "boot", self.target, "--boot0")


@pytest.fixture
def board(molt):
    """Every byte of its flash is something."""
    return Board(molt, dfu.pattern(FLASH, 5))


@pytest.fixture
def util(molt, board):
    """util(words..., code=0): molt dfu-util on the board."""
    def run(*words, code=0, **options):
        return molt("dfu-util", *words, board.target, check=code, **options)
    return run


# ---- dfu-util: downloads ----

def test_a_dfu_file_is_written_and_started(util, board, firmware_dfu):
    path, first, second = firmware_dfu
    before = board.flash()
    done = util("-a", 0, "-D", path, "-s", ":leave")
    after = board.flash()
    assert after[:len(first)] == first and after[0x20000:0x20000 + len(second)] == second
    assert after[FILES:FILES_END] == before[FILES:FILES_END], "the files are as they were"
    assert "Download done.\nFile downloaded successfully\nSubmitting leave request...\n" in done.stdout
    assert done.stderr == ""


def test_a_raw_file_goes_to_its_address(util, board, tmp_path):
    (tmp_path / "fw.bin").write_bytes(dfu.vectors(n=5000))
    done = util("-s", "0x08020000:leave", "-D", "fw.bin")
    assert board.flash()[0x20000:0x20000 + 5000] == dfu.vectors(n=5000)
    assert "Submitting leave request" in done.stdout


def test_standard_input(molt, board, tmp_path):
    data = dfu.vectors(n=3000)
    (tmp_path / "fw.bin").write_bytes(data)
    words = shlex.join([str(molt.path), "dfu-util", "-s", "0x08020000", "-D", "-", board.target])
    assert os.system("cd %s && cat fw.bin | %s >out" % (shlex.quote(str(tmp_path)), words)) == 0
    assert board.flash()[0x20000:0x20000 + 3000] == data
    assert "leave" not in (tmp_path / "out").read_text()


def test_a_flat_file_over_the_files_needs_force(util, board, tmp_path):
    """What dfu-util does with it: the board's disk is gone."""
    flat = part0().ljust(0x20000, b"\xff") + dfu.pattern(60_000, 22)
    (tmp_path / "flat.bin").write_bytes(flat)
    before = board.flash()
    said = util("-s", "0x08000000:leave", "-D", "flat.bin", code=64).stderr
    assert "force" in said and "0x08004000" in said and board.flash() == before
    util("-s", "0x08000000:leave:force", "-D", "flat.bin")
    assert board.flash()[:len(flat)] == flat


def test_three_parts_of_which_two_share_a_sector(util, board, tmp_path):
    one, two, three = dfu.vectors(n=4096), dfu.pattern(9000, 31), dfu.pattern(4096, 32)
    (tmp_path / "three.dfu").write_bytes(dfu.dfu_file((FIRMWARE, one), (0x08040000, two), (FIRMWARE + 0x2000, three)))
    util("-a", 0, "-D", "three.dfu")
    after = board.flash()
    assert after[0x20000:0x21000] == one and after[0x22000:0x23000] == three and after[0x40000:0x40000 + 9000] == two


def test_mass_erase_with_a_file(util, board, firmware_dfu):
    path, first, second = firmware_dfu
    said = util("-s", ":mass-erase", "-D", path, code=64).stderr
    assert "only be used with force" in said
    util("-s", ":mass-erase:force", "-D", path)
    after = board.flash()
    assert after[:len(first)] == first and set(after[FILES:FILES_END]) == {0xFF} and set(after[0xC0000:]) == {0xFF}


def test_elements_for_other_alternate_settings(util, board, tmp_path):
    def target(alternate, address, data):
        element = struct.pack("<II", address, len(data)) + data
        return struct.pack("<6sBI255sII", b"Target", alternate, 1, b"t", len(element), 1) + element
    body = target(0, FIRMWARE, dfu.vectors(n=2048)) + target(1, 0x1FFFC000, b"\xff" * 16)
    out = struct.pack("<5sBIB", b"DfuSe", 1, 11 + len(body), 2) + body + struct.pack("<4H3sB", 0xFFFF, 0xDF11, 0x0483, 0x011A, b"UFD", 16)
    (tmp_path / "two.dfu").write_bytes(out + struct.pack("<I", 0xFFFFFFFF & ~zlib.crc32(out)))
    done = util("-a", 0, "-D", "two.dfu")
    assert "1 of 2 elements are for other alternate settings than 0" in done.stderr
    assert board.flash()[0x20000:0x20000 + 2048] == dfu.vectors(n=2048)
    assert "holds nothing for alternate setting 2" in util("-a", 2, "-D", "two.dfu", code=64).stderr


def test_option_bytes(util, tmp_path):
    """Memory that is not erased is written with force, or where -a names it and the reset is expected, as scripts do."""
    (tmp_path / "option.bin").write_bytes(b"\xff\xaa\xff\x55" * 4)
    assert "-s ADDRESS:force" in util("-a", 1, "-s", "0x1FFFC000", "-D", "option.bin", code=64).stderr
    for words in ("0x1FFFC000:will-reset", "0x1FFFC000:force"):
        assert "File downloaded successfully" in util("-a", 1, "-s", words, "-D", "option.bin").stdout


# ---- dfu-util: uploads and commands ----

@pytest.mark.parametrize("words,start,end", [([], 0, FLASH), (["-s", "0x08004000:81920"], 0x4000, 0x18000),
                                             (["-s", ":0x800"], 0, 0x800), (["-s", "0x080C0000"], 0xC0000, FLASH)])
def test_upload(util, board, tmp_path, words, start, end):
    done = util("-a", "0", *words, "-U", "up.bin")
    assert (tmp_path / "up.bin").read_bytes() == board.flash()[start:end]
    assert "Received a total of %d bytes" % (end - start) in done.stdout


@pytest.mark.parametrize("alternate", ["0", "0x0", "Internal Flash", "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"])
def test_alternate_by_number_and_name(util, board, tmp_path, alternate):
    util("-a", alternate, "-s", "0x08000000:16", "-U", "up.bin")
    assert (tmp_path / "up.bin").read_bytes() == board.flash()[:16]


def test_upload_overwrites_nothing(util, tmp_path):
    (tmp_path / "up.bin").write_bytes(b"dear")
    assert "up.bin" in util("-U", "up.bin", code=73).stderr
    assert (tmp_path / "up.bin").read_bytes() == b"dear"


def test_what_has_no_effect_is_said(util, tmp_path):
    done = util("-s", "0x08000000:2048", "-U", "up.bin", "-Z", 4096, "-t", 4096)
    assert "2048 bytes came, --upload-size said 4096" in done.stderr
    assert "--transfer-size 4096: the device takes 2048 bytes at once" in done.stderr


def test_commands_alone(util, board):
    before = board.flash()
    assert "Submitting leave request" in util("-s", ":leave").stdout and board.flash() == before
    board.again()
    assert util("-s", ":mass-erase", code=64).stderr and board.flash() == before
    util("-s", ":mass-erase:force")
    assert set(board.flash()) == {0xFF}


@pytest.mark.parametrize("words,entry", [(["-s", ":leave"], BASE), (["-s", "0x08020000:leave"], FIRMWARE),
                                         (["-s", "0x08004000:16:leave", "-U", "up.bin"], BASE)])
def test_where_it_leaves_to(words, entry, tmp_path):
    """To the firmware; elsewhere only when the address can mean nothing else."""
    board = dfu.Device(flash=part0().ljust(0x20000, b"\x55") + dfu.vectors(n=5000))
    done = dfu.run(molt_words("dfu-util", *words), board, folder=tmp_path)
    assert done.code == 0 and board.report["jumped"] and board.report["jumped_to"] == entry, done.err


def test_reset_and_detach(util):
    assert "Resetting USB" in util("-R", "-s", "0x08000000:16", "-U", "up.bin").stdout
    assert "in DFU mode already" in util("-e").stderr


def test_unprotect(tmp_path):
    words = molt_words("dfu-util", "-D", "fw.bin", "-s")
    (tmp_path / "fw.bin").write_bytes(dfu.vectors())
    board = dfu.Device(flash=dfu.pattern(FLASH, 5), read_protected=True)
    assert dfu.run([*words, "0x08020000:unprotect"], board, folder=tmp_path).code == 64 and board.report["read_protected"]
    done = dfu.run([*words, "0x08020000:unprotect:force"], board, folder=tmp_path)
    assert done.code == 0 and "erases flash and resets" in done.out, done.err
    assert not board.report["read_protected"] and set(board.flash) == {0xFF}


def test_verbose_prints_the_plan(util, firmware_dfu):
    said = util("-v", "-v", "-D", firmware_dfu[0]).stdout
    assert "Device DFU version 011a" in said and "Device returned transfer size 2048" in said and "0x08020000" in said


# ---- dfu-util: the command line ----

WRONG = {
    "nothing": [],
    "no-such-option": ["-Q"],
    "long": ["--lists"],
    "no-value": ["-D"],
    "word": ["-s", "0x08000000:leaf", "-D", "firmware.dfu"],
    "address": ["-s", "flash", "-D", "firmware.dfu"],
    "number": ["-i", "first", "-l"],
    "delay": ["-E", "", "-l"],
    "ids": ["-d", "stm:32", "-l"],
    "wide": ["-d", "12345:1", "-l"],
    "operands": ["-l", "one", "two"],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_command_lines(molt, name, tmp_path, firmware_dfu):
    done = molt("dfu-util", *WRONG[name], check=64)
    assert done.stderr.startswith("molt dfu-util: ") and done.stdout == ""


def test_version_and_help(molt):
    assert re.match(r"dfu-util 0\.11\b.*molt \d", molt.ok("dfu-util", "-V"))
    told = molt.ok("dfu-util", "-h")
    for letter in "hVvleEdpciaStUDRsZwn":
        assert re.search(r"^  -%s, --" % letter, told, re.M), letter


def test_files_that_cannot_be_written(util, board, firmware_dfu, tmp_path):
    good = (tmp_path / firmware_dfu[0]).read_bytes()
    (tmp_path / "crc.dfu").write_bytes(good[:400] + b"!" + good[401:])
    (tmp_path / "cut.dfu").write_bytes(good[:400])
    (tmp_path / "other.dfu").write_bytes(dfu.dfu_file((FIRMWARE, dfu.vectors()), product=0x1234))
    (tmp_path / "far.dfu").write_bytes(dfu.dfu_file((0x08100000, dfu.vectors())))
    (tmp_path / "raw.bin").write_bytes(dfu.vectors())
    before = board.flash()
    for name, code in {"crc.dfu": 65, "cut.dfu": 65, "none.dfu": 66, "other.dfu": 64, "far.dfu": 64, "raw.bin": 64}.items():
        said = util("-a", 0, "-D", name, "-s", ":leave", code=code).stderr
        assert name in said or "0x08100000" in said, said
    assert "0483:1234" in util("-a", 0, "-D", "other.dfu", code=64).stderr
    assert "-s ADDRESS" in util("-a", 0, "-D", "raw.bin", code=64).stderr
    assert firmware_dfu[0] in util("-s", "0x08020000", "-D", firmware_dfu[0], code=64).stderr
    assert board.flash() == before


# ---- pydfu ----

def test_pydfu_writes_and_leaves(molt, board, firmware_dfu):
    path, first, second = firmware_dfu
    before = board.flash()
    said = molt.ok("pydfu", "--vid", "0x0483", "--pid=0xDF11", "-u", path, board.target)
    assert re.sub(r"\s+", " ", said) == "Writing memory... Exiting DFU... Finished "
    after = board.flash()
    assert after[:len(first)] == first and after[0x20000:0x20000 + len(second)] == second
    assert after[FILES:FILES_END] == before[FILES:FILES_END]


def test_pydfu_mass_erase(molt, board, firmware_dfu):
    said = molt.ok("pydfu", "-m", "-u", firmware_dfu[0], board.target)
    assert said.startswith("Mass erase...\nWriting memory...") and set(board.flash()[FILES:FILES_END]) == {0xFF}
    board.again()
    molt.ok("pydfu", "-m", board.target)
    assert set(board.flash()) == {0xFF}


@pytest.mark.parametrize("answer,code", [("n", 1), ("", 1), ("y", 0)])
def test_pydfu_mass_erase_asks_on_a_terminal(molt, board, answer, code):
    before = board.flash()
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    done = subprocess.run([molt.path, "pydfu", "-m", board.target], cwd=molt.cwd, stdin=theirs, capture_output=True, text=True, timeout=60)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code and "Go on? [y/N]" in done.stderr, done.stderr
    assert board.flash() == (before if code else b"\xff" * FLASH)


def test_pydfu_lists(molt, board):
    said = molt.ok("pydfu", "-l", board.target)
    assert "ID 0483:df11\nMemory Layout\n    0x8000000  4 pages of  16K bytes\n    0x8010000  1 pages of  64K bytes\n" \
           "    0x8020000  7 pages of 128K bytes\n" in said


def test_pydfu_leaves(molt, board):
    assert molt.ok("pydfu", "-x", board.target) == "Exiting DFU...\nFinished\n"
    board.again()
    assert molt.ok("pydfu", board.target) == "No command specified\n"


def test_pydfu_fails_with_1(molt, board, firmware_dfu, tmp_path):
    data = bytearray((tmp_path / firmware_dfu[0]).read_bytes())
    data[500] ^= 1
    (tmp_path / "crc.dfu").write_bytes(data)
    (tmp_path / "raw.bin").write_bytes(dfu.vectors())
    before = board.flash()
    for name in ("crc.dfu", "raw.bin", "none.dfu"):
        assert name in molt.fails("pydfu", "-u", name, board.target)
    molt.fails("pydfu", "--vid", "stm", "-l", code=2)
    assert board.flash() == before


# ---- Beside the genuine tools, on one bus ----

def molt_words(*words):
    return [str(molt_path()), *words]


def found_lines(text):
    return [line for line in text.splitlines() if line.startswith("Found ")]


def test_the_lists_are_the_same(tmp_path):
    devices = [dfu.Device("stm32f405", serial="A"), dfu.Device("mboot", serial="B"), dfu.Device("plain", serial="C"), dfu.Device("runtime", serial="D")]
    theirs = dfu.run(["dfu-util", "-l"], *devices, folder=tmp_path)
    ours = dfu.run(molt_words("dfu-util", "-l"), *devices, folder=tmp_path)
    assert len(found_lines(theirs.out)) >= 6 and found_lines(ours.out) == found_lines(theirs.out)
    for words in (["-S", "B"], ["-a", "0"]):
        theirs = dfu.run(["dfu-util", "-l", *words], *devices, folder=tmp_path)
        ours = dfu.run(molt_words("dfu-util", "-l", *words), *devices, folder=tmp_path)
        assert set(found_lines(ours.out)) <= set(found_lines(theirs.out)) and found_lines(ours.out), words


IDS = {  # of -d: the products that are listed
    "0483:df11": {"df11"},
    "0x1209:0x0002": {"0002"},
    "1209:": {"0001", "0002"},
    ":df11": {"df11"},
    "*:*": {"df11", "0001", "0002"},
    "*,-": {"0002"},
    ",": {"df11", "0001"},
    ",1209:1": {"0001"},
    "1209:0002,:0001": {"0001", "0002"},
    "1209:0002,0483:df11": {"0002", "df11"},
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The products that each way to write -d lists; all in one run on one bus."""
    folder = tmp_path_factory.mktemp("ids")
    script = "; ".join("echo ids; %s" % shlex.join(molt_words("dfu-util", "-l", "-d", ids)) for ids in IDS)
    done = dfu.run(["sh", "-c", script], dfu.Device("stm32f405"), dfu.Device("plain"), dfu.Device("runtime"), folder=folder)
    assert done.code == 0, done.err
    return dict(zip(IDS, done.out.split("ids\n")[1:]))


@pytest.mark.parametrize("ids", IDS)
def test_ids_of_devices(ids, listed):
    assert set(re.findall(r"\[\w{4}:(\w{4})\]", listed[ids])) == IDS[ids]


SAME = {
    "write": (["-a", "0", "-D", "firmware.dfu"], 0),
    "raw": (["-a", "0", "-s", "0x08020000", "-D", "fw.bin"], 0),
    "read": (["-a", "0", "-s", "0x08004000:2048", "-U", "up.bin"], 0),
    "exists": (["-a", "0", "-s", "0x08004000:2048", "-U", "fw.bin"], 73),
    "no-file": (["-a", "0", "-D", "none.bin"], 66),
    "other-device": (["-a", "0", "-d", "0483:df11", "-D", "other.dfu"], 64),
    "no-device": (["-a", "0", "-d", "1234:5678,1234:5678", "-D", "fw.bin"], 74),
    "no-address": (["-a", "0", "-D", "fw.bin"], 64),
    "not-there": (["-a", "0", "-s", "0x08100000", "-D", "fw.bin"], 64),
    "no-force": (["-a", "0", "-s", ":mass-erase", "-D", "firmware.dfu"], 64),
    "bad-word": (["-a", "0", "-s", ":leaf", "-D", "firmware.dfu"], 64),
    "list": (["-l"], 0),
}


@pytest.mark.parametrize("name", SAME)
def test_exit_codes_are_the_same(name, tmp_path, firmware_dfu):
    words, code = SAME[name]
    (tmp_path / "fw.bin").write_bytes(dfu.vectors(n=3000))
    (tmp_path / "other.dfu").write_bytes(dfu.dfu_file((FIRMWARE, dfu.vectors()), product=0x1234))
    flashes = []
    for tool in (["dfu-util"], molt_words("dfu-util")):
        board = dfu.Device(flash=dfu.pattern(FLASH, 5))
        done = dfu.run(tool + words, board, folder=tmp_path)
        assert done.code == code, done.err + done.out
        flashes.append(board.flash)
        (tmp_path / "up.bin").unlink(missing_ok=True)
    if name == "write":
        first, second = firmware_dfu[1:]
        assert all(flash[:len(first)] == first and flash[0x20000:0x20000 + len(second)] == second for flash in flashes)


def test_a_device_that_vanishes_on_leaving_is_success(tmp_path):
    """GD32 goes without a status; dfu-util ends with 74 there."""
    board = dfu.Device("gd32", flash=dfu.pattern(0x20000, 5))
    (tmp_path / "fw.bin").write_bytes(dfu.vectors(BASE, n=3000))
    done = dfu.run(molt_words("dfu-util", "-s", "0x08000000:leave", "-D", "fw.bin"), board, folder=tmp_path)
    assert done.code == 0, done.err
    assert board.report["gone"] and board.flash[:3000] == dfu.vectors(BASE, n=3000)


def test_several_devices(tmp_path, firmware_dfu):
    devices = [dfu.Device(serial="AAA"), dfu.Device(serial="BBB")]
    done = dfu.run(molt_words("dfu-util", "-D", "firmware.dfu"), *devices, folder=tmp_path)
    assert done.code == 74 and "More than one DFU capable USB device found!" in done.err and "serial=BBB" in done.err
    assert not any(device.report["erases"][0] for device in devices)
    done = dfu.run(molt_words("dfu-util", "-S", "BBB", "-D", "firmware.dfu"), *devices, folder=tmp_path)
    assert done.code == 0, done.err
    assert set(devices[0].flash) == {0xFF} and devices[1].flash[:8] == part0()[:8]


# ---- MicroPython's make deploy ----

def deploy(tmp_path, *words):
    """ports/stm32/Makefile's rule that writes firmware.dfu, with the variables that it has; what it ran, and the board."""
    (tmp_path / "Makefile").write_text("""PYTHON ?= python3
Q = @
USE_PYDFU ?= 1
PYDFU ?= pydfu.py
DFU_UTIL ?= dfu-util
BOOTLOADER_DFU_USB_VID ?= 0x0483
BOOTLOADER_DFU_USB_PID ?= 0xDF11
define RUN_DFU
\t$(if $(filter $(USE_PYDFU),1),\\
\t$(Q)$(PYTHON) $(PYDFU) --vid $(BOOTLOADER_DFU_USB_VID) --pid $(BOOTLOADER_DFU_USB_PID) -u $(1),
\t$(Q)$(DFU_UTIL) -a 0 -d $(BOOTLOADER_DFU_USB_VID):$(BOOTLOADER_DFU_USB_PID) -D $(1) -s :leave)
endef
deploy: firmware.dfu
\t$(call RUN_DFU,$^)
""")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "molt").symlink_to(pathlib.Path(molt_path()).resolve())
    board = dfu.Device(flash=dfu.pattern(FLASH, 5))
    done = dfu.run(["make", *words, "deploy"], board, folder=tmp_path, env={"PATH": "%s:%s" % (bin_folder, os.environ["PATH"])})
    return done, board


def documented(name):
    """The words behind `make BOARD=PYBV11` of docs/make-deploy.md that set a variable of that name."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/make-deploy.md").read_text()
    lines = [shlex.split(line) for line in re.findall(r"^    make BOARD=PYBV11 (.*) deploy$", text, re.M)]
    return next(words for words in lines if any(word.startswith(name + "=") for word in words))


@pytest.mark.parametrize("variable,words", [("DFU_UTIL", "dfu-util -a 0 -d 0x0483:0xDF11 -D firmware.dfu -s :leave"),
                                            ("PYDFU", "pydfu --vid 0x0483 --pid 0xDF11 -u firmware.dfu")])
def test_make_deploy(variable, words, tmp_path, firmware_dfu):
    path, first, second = firmware_dfu
    done, board = deploy(tmp_path, *documented(variable))
    assert done.code == 0, done.err + done.out
    assert board.flash[:len(first)] == first and board.flash[0x20000:0x20000 + len(second)] == second
    assert board.flash[FILES:FILES_END] == dfu.pattern(FLASH, 5)[FILES:FILES_END]
    assert board.report["jumped"] and board.report["jumped_to"] == BASE
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/make-deploy.md").read_text()
    assert "molt " + words.replace("firmware.dfu", "build-PYBV11/firmware.dfu") in page


# ---- Devices of plain DFU ----

def plain_file(data, product=0x0001):
    out = data + struct.pack("<4H3sB", 0xFFFF, product, 0x1209, 0x0100, b"UFD", 16)
    return out + struct.pack("<I", 0xFFFFFFFF & ~zlib.crc32(out))


@pytest.mark.parametrize("profile", ["plain", "plain-intolerant"])
def test_plain_devices(profile, tmp_path):
    """The suffix chooses the device, as in dfu-util; -s is refused, because the device knows no addresses."""
    data = dfu.pattern(10_000, 8)
    (tmp_path / "plain.dfu").write_bytes(plain_file(data))
    device = dfu.Device(profile, flash=b"\xee" * 100)
    done = dfu.run(molt_words("dfu-util", "-s", ":leave", "-D", "plain.dfu"), device, folder=tmp_path)
    assert done.code == 64 and "plain DFU" in done.err and device.flash[:100] == b"\xee" * 100
    done = dfu.run(molt_words("dfu-util", "-R", "-D", "plain.dfu"), device, folder=tmp_path)
    assert done.code == 0 and "File downloaded successfully" in done.out, done.err
    assert device.flash[:len(data)] == data
    device = dfu.Device(profile, flash=data)
    done = dfu.run(molt_words("dfu-util", "-d", "1209:", "-U", "up.bin"), device, folder=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "up.bin").read_bytes()[:len(data)] == data


def test_a_running_application_is_detached(tmp_path):
    (tmp_path / "plain.dfu").write_bytes(plain_file(dfu.pattern(5000, 8), product=0xFFFF))
    for words in (["-e", "-d", "1209:*"], ["-d", "1209:*", "-D", "plain.dfu"]):
        device = dfu.Device("runtime")
        done = dfu.run(molt_words("dfu-util", *words), device, folder=tmp_path)
        assert done.code == 0, done.err
        assert any(request == 0 for request, _, _ in done.requests()), "DETACH was sent"
    assert device.flash[:5000] == dfu.pattern(5000, 8)
