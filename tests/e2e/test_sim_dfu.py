"""sim new, sim boot for boards with a USB boot loader."""
import fcntl
import json

import dfu
import pytest

CHIPS = ["stm32f405", "stm32f427", "stm32h743", "stm32l476", "stm32l452", "stm32c5", "gd32", "mboot", "mboot-packed", "plain", "plain-intolerant",
         "runtime", "runtime-reset"]


def facts(tmp_path, name="pyb"):
    return json.loads((tmp_path / name / "board.json").read_text())


@pytest.mark.parametrize("chip", CHIPS)
def test_new(chip, molt, tmp_path):
    assert "%s, in its USB boot loader, flash erased" % chip in molt.ok("sim", "new", "sim:pyb", "--chip", chip, "--serial", "S1")
    assert set((tmp_path / "pyb/flash.bin").read_bytes()) == {0xFF}
    found = facts(tmp_path)
    assert (found["kind"], found["profile"], found["serial"], found["on_bus"]) == ("dfu", chip, "S1", True)
    assert chip in molt.ok("sim", "new", "--help")


def test_boots_a_vector_table(molt, tmp_path):
    (tmp_path / "fw.bin").write_bytes(dfu.vectors(0x08000000, 600))
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405", "--board", "PYBV11", "--flash", "fw.bin")
    assert (tmp_path / "pyb/flash.bin").stat().st_size == 1 << 20
    assert "running: the program at 0x08000000" in molt.ok("sim", "boot", "sim:pyb")
    assert not facts(tmp_path)["on_bus"] and facts(tmp_path)["name"] == "PYBV11"
    found = json.loads(molt.ok("sim", "boot", "sim:pyb", "--json"))
    assert (found["result"], found["vectors"], found["stack"], found["reset"]) == ("runs", 0x08000000, 0x20020000, 0x08000101)
    assert json.loads(molt.ok("sim", "boot", "sim:pyb", "--json", "--boot0"))["result"] == "boot loader"
    assert facts(tmp_path)["on_bus"] and facts(tmp_path)["state"] == 10


@pytest.mark.parametrize("at, bytes", [(0, b"\xff" * 4), (0, b"\0\0\0\x40"), (4, b"\0"), (4, b"\x01\0\0\x09")])
def test_does_not_boot_what_is_no_vector_table(at, bytes, molt, tmp_path):
    image = bytearray(dfu.vectors(0x08000000, 64))
    image[at:at + len(bytes)] = bytes
    (tmp_path / "fw.bin").write_bytes(image)
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405", "--flash", "fw.bin")
    out = molt("sim", "boot", "sim:pyb", check=1).stdout
    assert "running: nothing" in out and "there is no vector table" in out


def test_mboot_starts_behind_itself(molt, tmp_path):
    (tmp_path / "fw.bin").write_bytes(b"\xff" * 0x8000 + dfu.vectors(0x08008000, 600))
    molt.ok("sim", "new", "sim:pyb", "--chip", "mboot", "--flash", "fw.bin")
    assert "the program at 0x08008000" in molt.ok("sim", "boot", "sim:pyb")


def test_refused(molt, tmp_path):
    (tmp_path / "long.bin").write_bytes(b"\0" * ((1 << 20) + 1))
    assert "larger than the flash" in molt.fails("sim", "new", "sim:pyb", "--chip", "stm32f405", "--flash", "long.bin")
    assert "No such file" in molt.fails("sim", "new", "sim:pyb", "--chip", "stm32f405", "--flash", "none.bin")
    for words in (["--revision", "1.0"], ["--no-rollback"], ["--serial", "x" * 64], ["--board", "x" * 33]):
        molt.fails("sim", "new", "sim:pyb", "--chip", "stm32f405", *words, code=2)
    molt.fails("sim", "new", "sim:pyb", "--serial", "x", code=2)
    assert not (tmp_path / "pyb").exists()
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    assert "is there already" in molt.fails("sim", "new", "sim:pyb", "--chip", "stm32f405")
    molt.ok("sim", "new", "sim:esp")
    molt.fails("sim", "boot", "sim:esp", "--boot0", code=2)


def test_other_verbs_say_what_it_is(molt):
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    for words in (["info"], ["doctor"], ["sim", "run"]):
        message = molt.fails(*words, "sim:pyb")
        assert "simulated stm32f405 with a USB boot loader" in message and "molt dfu" in message


@pytest.mark.parametrize("key, value", [("format", 2), ("chip", "z80"), ("profile", "z80"), ("name", 1), ("serial", "\n"), ("state", 11),
                                        ("status", -1), ("alternate", 4), ("pointer", 1 << 32), ("jump", "x"), ("jumped_to", None),
                                        ("on_bus", 1), ("boot0", 0), ("jumped", 0), ("read_protected", "no"), ("write_protected", [15]),
                                        ("small_memory", "ff"), ("counters", {}), ("fault", {"at_transfer": 1, "kind": "no"})])
def test_damaged_facts(key, value, molt, tmp_path):
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    changed = facts(tmp_path)
    changed[key] = value
    (tmp_path / "pyb/board.json").write_text(json.dumps(changed))
    assert '"%s" is missing or wrong' % key in molt.fails("sim", "boot", "sim:pyb")


def test_damaged_folder(molt, tmp_path):
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    with open(tmp_path / "pyb/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "in use by another process" in molt.fails("sim", "boot", "sim:pyb")
    (tmp_path / "pyb/flash.bin").write_bytes(b"short")
    assert "expected a file of 1048576 bytes" in molt.fails("sim", "boot", "sim:pyb")


def test_survives_the_process(molt, tmp_path):
    """A board's flash, state and counters are there for the next process; one that left does not answer until BOOT0 is held."""
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    (tmp_path / "fw.bin").write_bytes(dfu.vectors(0x08000000, 4000))
    board = dfu.Folder(tmp_path / "pyb")
    write = ["dfu-util", "-a", "0", "-s", "0x08000000", "-D", "fw.bin"]
    assert dfu.run(write, board, folder=tmp_path).code == 0 and board.flash[:4000] == dfu.vectors(0x08000000, 4000)
    found = facts(tmp_path)
    assert found["on_bus"] and found["state"] == 2 and found["counters"]["bytes_programmed"] == 4000 and found["counters"]["erases"][0] == 1
    assert dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:leave", "-D", "fw.bin"], board, folder=tmp_path).code == 0
    assert not facts(tmp_path)["on_bus"] and facts(tmp_path)["counters"]["erases"][0] == 2
    assert "No DFU capable USB device" in dfu.run(write, board, folder=tmp_path).err
    molt.ok("sim", "boot", "--boot0", "sim:pyb")
    assert dfu.run(write, board, folder=tmp_path).code == 0


def test_fault_by_hand(molt, tmp_path):
    molt.ok("sim", "new", "sim:pyb", "--chip", "stm32f405")
    changed = facts(tmp_path)
    changed["fault"] = {"at_transfer": 12, "kind": "gone"}
    (tmp_path / "pyb/board.json").write_text(json.dumps(changed))
    (tmp_path / "fw.bin").write_bytes(dfu.pattern(4000))
    found = dfu.run(dfu.pydfu() + ["-m"], dfu.Folder(tmp_path / "pyb"), folder=tmp_path)
    assert found.code == 0 and found.device[0].report["mass_erases"] == 1, "too few transfers for the fault"
    assert "fault" not in facts(tmp_path)
    changed = facts(tmp_path)
    changed["fault"] = {"at_transfer": 3, "kind": "gone"}
    (tmp_path / "pyb/board.json").write_text(json.dumps(changed))
    assert dfu.run(dfu.pydfu() + ["-m"], dfu.Folder(tmp_path / "pyb"), folder=tmp_path).code != 0
    assert not facts(tmp_path)["on_bus"]


def test_detached_board_stays_detached(molt, tmp_path):
    molt.ok("sim", "new", "sim:app", "--chip", "runtime")
    assert dfu.run(["dfu-util", "-E", "1", "-e"], dfu.Folder(tmp_path / "app"), folder=tmp_path).code in (0, 74)
    assert facts(tmp_path, "app")["profile"] == "runtime-dfu" and facts(tmp_path, "app")["chip"] == "runtime"
    molt("sim", "boot", "sim:app", check=0)
    assert facts(tmp_path, "app")["profile"] == "runtime"
