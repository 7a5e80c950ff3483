"""Genuine dfu-util and MicroPython's pydfu.py on the simulated STM32F405 and others: what they do on a board they do on the
model, so the model is one that a tool can be tested against. Their faults show too (docs/dfu.md names them)."""
import pytest

import dfu

BASE = 0x08000000
FIRMWARE = 0x08020000


def test_dfu_util_lists(tmp_path):
    found = dfu.run(["dfu-util", "-l"], dfu.Device(), folder=tmp_path)
    assert found.code == 0, found.err
    assert 'Found DFU: [0483:df11] ver=2200, devnum=2, cfg=1, intf=0, path="1-1", alt=0, ' \
           'name="@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", serial="306A37613036"' in found.out
    assert 'alt=1, name="@Option Bytes  /0x1FFFC000/01*016 e"' in found.out
    assert 'alt=3, name="@Device Feature/0xFFFF0000/01*004 e"' in found.out


def test_pydfu_lists(tmp_path):
    found = dfu.run(dfu.pydfu() + ["-l"], dfu.Device(), folder=tmp_path)
    assert found.code == 0, found.err
    assert "Bus 1 Device 002: ID 0483:df11" in found.out
    assert "0x8020000  7 pages of 128K bytes" in found.out


@pytest.mark.parametrize("tool", ["dfu-util", "pydfu"])
def test_writes_and_leaves(tool, tmp_path):
    """Both erase what they write and nothing else; pydfu.py leaves to 0x08000000, dfu-util 0.11 to its last chunk."""
    data, before = dfu.vectors(n=140000), dfu.pattern(1 << 20, 3)
    (tmp_path / "firmware.dfu").write_bytes(dfu.dfu_file((FIRMWARE, data)))
    words = {"dfu-util": ["dfu-util", "-a", "0", "-s", ":leave", "-D", "firmware.dfu"], "pydfu": dfu.pydfu() + ["-u", "firmware.dfu"]}
    board = dfu.Device(flash=before)
    found = dfu.run(words[tool], board, folder=tmp_path)
    assert found.code == 0, found.err
    assert board.flash[0x20000:0x20000 + len(data)] == data
    assert board.flash[:0x20000] == before[:0x20000] and board.flash[0x60000:] == before[0x60000:]
    assert set(board.flash[0x20000 + len(data):0x60000]) == {0xFF}
    assert board.report["erases"] == [0] * 5 + [1, 1] + [0] * 8 and board.report["over_programmed"] == 0
    assert board.report["jumped"] and board.report["gone"]
    last = FIRMWARE + (len(data) - 1) // 2048 * 2048
    assert board.report["jumped_to"] == (BASE if tool == "pydfu" else last)


def test_dfu_util_reads(tmp_path):
    before = dfu.pattern(1 << 20)
    board = dfu.Device(flash=before)
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08004000:81920", "-U", "up.bin"], board, folder=tmp_path)
    assert found.code == 0, found.err
    assert (tmp_path / "up.bin").read_bytes() == before[0x4000:0x4000 + 81920] and board.flash == before


def test_leave_alone(tmp_path):
    board = dfu.Device(flash=dfu.vectors(BASE))
    found = dfu.run(dfu.pydfu() + ["-x"], board, folder=tmp_path)
    assert found.code == 0 and board.report["jumped_to"] == BASE, found.err


def test_mass_erase(tmp_path):
    board = dfu.Device(flash=dfu.pattern(1 << 20))
    found = dfu.run(dfu.pydfu() + ["-m"], board, folder=tmp_path)
    assert found.code == 0 and set(board.flash) == {0xFF} and board.report["mass_erases"] == 1, found.err


def test_two_elements_in_one_sector(tmp_path):
    """pydfu.py erases the sector for each element, so the first is lost; on the model as on a board."""
    one, two = dfu.vectors(n=4096), dfu.pattern(4096, 9)
    (tmp_path / "two.dfu").write_bytes(dfu.dfu_file((FIRMWARE, one), (FIRMWARE + 0x2000, two)))
    board = dfu.Device()
    found = dfu.run(dfu.pydfu() + ["-u", "two.dfu"], board, folder=tmp_path)
    assert found.code == 0, found.err
    assert set(board.flash[0x20000:0x22000]) == {0xFF} and board.flash[0x22000:0x23000] == two
    assert board.report["erases"][5] == 2


def test_read_protection(tmp_path):
    board = dfu.Device(flash=dfu.pattern(1 << 20), read_protected=True)
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:2048", "-U", "up.bin"], board, folder=tmp_path)
    assert found.code == 74 and board.report["status"] in (0, 11), found.err
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:unprotect:force", "-D", "/dev/null"], board, folder=tmp_path)
    assert set(board.flash) == {0xFF} and not board.report["read_protected"], found.err


def test_mboot(tmp_path):
    data = dfu.vectors(n=70000)
    (tmp_path / "firmware.dfu").write_bytes(dfu.dfu_file((FIRMWARE, data)))
    for words in (dfu.pydfu() + ["-u", "firmware.dfu"], ["dfu-util", "-a", "0", "-s", ":leave", "-D", "firmware.dfu"]):
        board = dfu.Device("mboot", flash=dfu.pattern(1 << 20))
        found = dfu.run(words, board, folder=tmp_path)
        assert found.code == 0, found.err
        assert board.flash[0x20000:0x20000 + len(data)] == data and board.report["jumped_to"] == 0x08008000
    (tmp_path / "own.dfu").write_bytes(dfu.dfu_file((BASE, data)))
    board = dfu.Device("mboot")
    found = dfu.run(dfu.pydfu() + ["-u", "own.dfu"], board, folder=tmp_path)
    assert found.code != 0 and "Can't overwrite mboot" in found.out


@pytest.mark.parametrize("profile", ["stm32h743", "stm32l476", "stm32l452", "stm32f427", "gd32", "stm32c5"])
def test_other_loaders(profile, tmp_path):
    """Written and read back by dfu-util, in the part of flash that the quirks leave alone."""
    data = dfu.vectors(BASE, 8192)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device(profile, flash=bytes(8192))
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000", "-D", "firmware.bin"], board, folder=tmp_path)
    assert found.code == 0 and board.flash[:8192] == data, found.err
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:8192", "-U", "up.bin"], dfu.Device(profile, flash=data), folder=tmp_path)
    assert found.code == 0 and (tmp_path / "up.bin").read_bytes() == data, found.err


def test_l452_stalls_while_it_erases(tmp_path):
    """In real time: dfu-util's workaround for such loaders is what brings it through."""
    data = dfu.vectors(BASE, 4096)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device("stm32l452", flash=bytes(8192))
    found = dfu.run(["dfu-util", "-v", "-v", "-a", "0", "-s", "0x08000000", "-D", "firmware.bin"], board, folder=tmp_path, timing="real")
    assert found.code == 0 and board.flash[:4096] == data, found.err
    assert "Device stalled USB pipe" in found.err and any(t["result"] == -120 and t["state"] == 4 for t in found.trace)


@pytest.mark.parametrize("profile", ["plain", "plain-intolerant"])
def test_plain(profile, tmp_path):
    data = dfu.pattern(10000)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device(profile)
    found = dfu.run(["dfu-util", "-D", "firmware.bin"], board, folder=tmp_path)
    # It resets an intolerant device, and takes it for a failure that another one comes back: exit code 74.
    assert found.code == (0 if profile == "plain" else 74) and board.flash[:10000] == data, found.err
    assert board.report["jumped"] == (profile == "plain-intolerant")
    (tmp_path / "up.bin").unlink(missing_ok=True)
    found = dfu.run(["dfu-util", "-U", "up.bin"], dfu.Device(profile, flash=data), folder=tmp_path)
    assert found.code == 0 and (tmp_path / "up.bin").read_bytes() == data + b"\xff" * (65536 - 10000), found.err


def test_detaches_from_run_time(tmp_path):
    data = dfu.pattern(3000)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device("runtime", flash=bytes(3000))
    found = dfu.run(["dfu-util", "-E", "1", "-d", "1209:0002,1209:0003", "-D", "firmware.bin"], board, folder=tmp_path)
    assert found.code == 74 and board.flash[:3000] == data, found.out + found.err
    assert board.report["profile"] == "runtime"  # the reset started the application again


def test_several_devices(tmp_path):
    """Two boards with one serial number, as some STM32 have it: dfu-util wants a path."""
    boards = [dfu.Device(serial="SAME"), dfu.Device(serial="SAME")]
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:leave"] + ["-U", "a.bin"], *boards, folder=tmp_path)
    assert found.code != 0 and "More than one DFU capable USB device found" in found.err
    found = dfu.run(dfu.pydfu() + ["-x"], *boards, folder=tmp_path)
    assert "Multiple DFU devices found" in found.err
    found = dfu.run(["dfu-util", "-p", "1-2", "-a", "0", "-s", "0x08000000:16", "-U", "b.bin"], *boards, folder=tmp_path)
    assert found.code == 0 and boards[0].report["bytes_uploaded"] == 0 and boards[1].report["bytes_uploaded"] == 16


@pytest.mark.parametrize("fault, code, words", [("stall@30", 1, "Pipe error"), ("gone@30", 1, "No such device"),
                                                ("io@30", 1, "Input/Output Error")])
def test_faults(fault, code, words, tmp_path):
    (tmp_path / "firmware.dfu").write_bytes(dfu.dfu_file((FIRMWARE, dfu.vectors(n=20000))))
    board = dfu.Device(fault=fault)
    found = dfu.run(dfu.pydfu() + ["-u", "firmware.dfu"], board, folder=tmp_path)
    assert found.code == code and words in found.err, found.err
    assert board.report["gone"] == fault.startswith("gone")


def test_real_time(tmp_path):
    """An erase of 16 KB and a KB written take what the data sheet says: 400 ms and 16 us a byte, not less."""
    import time
    (tmp_path / "firmware.bin").write_bytes(dfu.pattern(1024))
    board = dfu.Device()
    begun = time.monotonic()
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000", "-D", "firmware.bin"], board, folder=tmp_path, timing="real")
    took = time.monotonic() - begun
    assert found.code == 0 and 0.416 < took < 20, (took, found.err)
