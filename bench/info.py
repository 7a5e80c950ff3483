#!/usr/bin/env python3
"""info.py: `molt info` on a flash dump of 16 MB against sha256sum on the same file, alternately in the same run.

The dump is whole: bootloader, table, boot record, the genuine application in both slots, and a littlefs over the rest with 100 files,
nine tenths full. Goal: under twice the time of sha256sum. Medians of wall time, and of the processor's. Run it with build/venv's Python.
"""
import hashlib
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
FIRMWARE = TOP / "build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
MOLT = os.environ.get("MOLT_FAST") or os.environ.get("MOLT") or TOP / "build/molt"
RUNS = 21
SIZE, SLOT, FILES = 16 << 20, 0x280000, 0x4F0000  # where layout ota puts ota_1 and vfs on 16 MB


def noise(n):
    return b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(n // 32))


def make_dump(folder):
    """The path of the dump; everything but the second slot is made by the command."""
    dump, put = folder + "/dump.bin", folder + "/files"
    subprocess.run([MOLT, "edit", FIRMWARE, "-s", "16M", "-l", "ota", "-o", dump], check=True, stdout=subprocess.DEVNULL)
    with open(dump, "rb") as f:
        data = bytearray((b"\xff" * 0x1000 + f.read()).ljust(SIZE, b"\xff"))
    app = FIRMWARE.read_bytes()[0xF000:]
    data[SLOT:SLOT + len(app)] = app
    with open(dump, "wb") as f:
        f.write(data)
    os.mkdir(put)
    body = noise((SIZE - FILES) * 9 // 10 // 100)
    for i in range(100):
        with open("%s/file%d.bin" % (put, i), "wb") as f:
            f.write(body)
    subprocess.run([MOLT, "fs", "mkfs", dump], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([MOLT, "fs", "put", dump, put, "/data"], check=True, stdout=subprocess.DEVNULL)
    return dump


def once(command):
    """(wall, processor) in ms."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * wall, 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main():
    with tempfile.TemporaryDirectory() as folder:
        dump = make_dump(folder)
        said = subprocess.run([MOLT, "info", dump], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert said.count("v1.23.0") == 2 and "littlefs" in said and said.count(", right") == 6, said
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(once([MOLT, "info", dump]))
            theirs.append(once(["sha256sum", dump]))
    for i, name in enumerate(("wall time", "processor")):
        a, b = (statistics.median(run[i] for run in runs) for runs in (ours, theirs))
        print("info, dump of 16 MB, %-10s  molt %.1f ms, sha256sum %.1f ms: %.2f times (goal: under 2)" % (name, a, b, a / b))


main()
