#!/usr/bin/env python3
"""dfu.py: a Pyboard's firmware over USB DFU: `molt dfu write`, dfu-util 0.11 and MicroPython's pydfu.py on the same simulated STM32F405, in real time.

The device is build/dfu_device: its flash takes the data sheet's typical times (DS8626), USB takes none but this machine's. The firmware has two
parts, as `make BOARD=PYBV11` builds it; the board holds another one before, and a full disk. Each tool writes it, and then writes it again. What the
flash holds afterwards, and where the device left to, is looked at; no tool's word is taken for it. One run each: the flash's time is the same every
time, and by far the most of it. Goals: 3 control transfers for 2 KiB written, or fewer; each sector erased once; a second write in under a tenth.
--firmware FILE takes another .dfu. Run it with build/venv's Python, behind scripts/native.sh (pydfu.py) and scripts/packages.sh (dfu-util, libumockdev-dev).
"""
import argparse
import os
import pathlib
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))
os.environ.setdefault("MOLT", os.environ.get("MOLT_FAST") or str(TOP / "build/molt"))

import dfu  # noqa: E402  after the path

BASE = 0x08000000
PARTS = ((BASE, 15500), (0x08020000, 363416))  # of PYBV11, MicroPython 1.29, gcc 12.2


def firmware_parts(seed):
    """Two parts of the genuine sizes that differ from those of any other seed everywhere; a vector table in the first."""
    parts = []
    for number, (address, size) in enumerate(PARTS):
        data = dfu.pattern(size, seed + number)
        parts.append((address, dfu.vectors(BASE + 0x20000, size, seed) if number == 0 else data))
    return parts


def parts_of(path):
    """(address, bytes) of each element of a DfuSe file with one target."""
    data, at, parts = pathlib.Path(path).read_bytes(), 11 + 274, []
    for _ in range(int.from_bytes(data[11 + 270:11 + 274], "little")):
        address, size = (int.from_bytes(data[at + i:at + i + 4], "little") for i in (0, 4))
        parts.append((address, data[at + 8:at + 8 + size]))
        at += 8 + size
    return parts


def flash_with(parts, before):
    flash = bytearray(before)
    for address, data in parts:
        flash[address - BASE:address - BASE + len(data)] = data
    return bytes(flash)


def count_by_work(trace):
    """Control transfers of the class by what they were for. A GETSTATUS or ABORT counts with what went before; a set-address with what
    follows, but for writing it is counted apart."""
    counts, work, waiting = dict.fromkeys(("erase", "address", "write", "read", "leave", "rest"), 0), "rest", 0
    for transfer in trace:
        if transfer["type"] & 0x60 != 0x20:
            continue
        request, length, command = transfer["request"], transfer["length"], transfer["value"] == 0 and transfer["data"][:2]
        if request == dfu.DNLOAD:
            work = "waiting" if command == "21" else "erase" if command == "41" else "write" if length else "leave"
        elif request == dfu.UPLOAD:
            work = "read"
        if work == "waiting":
            waiting += 1
        else:
            counts["address" if work == "write" else work] += waiting
            counts[work] += 1
            waiting = 0
    return counts


def right(flash, parts, before):
    """The firmware is there, and the board's files are as they were."""
    return all(flash[address - BASE:address - BASE + len(data)] == data for address, data in parts) and \
        flash[0x4000:0x20000] == before[0x4000:0x20000]


def measure(words, before, parts, folder, timing):
    device = dfu.Device(flash=before)
    begun = time.perf_counter()
    found = dfu.run(words, device, folder=folder, timing=timing, timeout=300)
    wall, report, counts = time.perf_counter() - begun, device.report, count_by_work(found.trace)
    written = sum(-(-len(data) // 2048) for _, data in parts)
    says = "right" if right(device.flash, parts, before) else "WRONG"
    left = "0x%08x" % report["jumped_to"] if report["jumped"] else "no"
    print("  %-18s %6.1f s  %5d %6d %6d %6d %6d   %5.2f + %4.2f  %6d  %-5s  %-10s  %d" % (
        "", wall, report["transfers"], counts["erase"], counts["address"], counts["write"], counts["read"], counts["write"] / written,
        counts["address"] / written, sum(report["erases"]), says, left, found.code))
    blocks = sum(t["type"] == 0x21 and t["request"] == dfu.DNLOAD and t["value"] >= 2 and t["length"] > 0 for t in found.trace)
    return wall, counts["write"] / max(blocks, 1), device


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", help="a .dfu file with one target, for the STM32F405")
    parser.add_argument("--timing", default="real", choices=["real", "none"], help="none: to try this program")
    given = parser.parse_args()
    parts = parts_of(given.firmware) if given.firmware else firmware_parts(1)
    files = dfu.pattern(0x1C000, 50)
    old = flash_with([(BASE + 0x4000, files), *firmware_parts(100)], b"\xff" * (1 << 20))
    size, missed = sum(len(data) for _, data in parts), []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "firmware.dfu").write_bytes(pathlib.Path(given.firmware).read_bytes() if given.firmware else dfu.dfu_file(*parts))
        tools = {"molt dfu write": [os.environ["MOLT"], "dfu", "write", "firmware.dfu"],
                 "molt, --no-verify": [os.environ["MOLT"], "dfu", "write", "--no-verify", "firmware.dfu"],
                 "molt, --early-poll": [os.environ["MOLT"], "dfu", "write", "--early-poll", "firmware.dfu"],
                 "molt, --all": [os.environ["MOLT"], "dfu", "write", "--all", "firmware.dfu"],
                 "dfu-util 0.11": ["dfu-util", "-a", "0", "-s", ":leave", "-D", "firmware.dfu"],
                 "pydfu.py": dfu.pydfu() + ["-u", "firmware.dfu"]}
        print("%d bytes in %d parts: %s" % (size, len(parts), ", ".join("%d at 0x%08x" % (len(data), address) for address, data in parts)))
        print("  first line: another firmware before; second: the same one\n  %-18s %8s  %5s %6s %6s %6s %6s  %13s  %6s  %-5s  %-10s  %s" % (
            "", "wall", "all", "erase", "addr.", "write", "read", "per 2 KiB", "erases", "flash", "left to", "exit"))
        for tool, words in tools.items():
            print("  " + tool)
            first, rate, device = measure(words, old, parts, folder, given.timing)
            again, _, second = measure(words, device.flash, parts, folder, given.timing)
            if tool == "molt dfu write":
                missed += ["transfers"] * (rate > 3) + ["second write"] * (again * 10 > first) + ["erases"] * (max(device.report["erases"]) > 1)
                missed += ["left to"] * (device.report["jumped_to"] != BASE) + ["the second erases"] * (sum(second.report["erases"]) > 0)
                print("  %-18s %.2f transfers a block (goal: 3), the second write in 1/%.0f of the first (goal: 1/10)" % ("", rate, first / again))
    print("missed: %s" % ", ".join(missed) if missed else "all goals are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
