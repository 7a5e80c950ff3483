#!/usr/bin/env python3
"""edit.py: `molt edit` against mp-image-tool-esp32 on the same file in the same run, and how long the command takes to start.

Both make the OTA layout for 8 MB from the genuine firmware; the results are compared first. Goals: 1/50 of the peer's wall time
or less; start-up under 5 ms. Medians of wall and of processor time: the second tells more on a busy machine. Most of molt's time is the SHA-256 of the app, which the peer computes with --check-app only:
that is printed beside. Run it with build/venv's Python.
"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
FIRMWARE = TOP / "build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
MOLT = os.environ.get("MOLT_FAST") or os.environ.get("MOLT") or TOP / "build/molt"
PEER = pathlib.Path(sys.executable).with_name("mp-image-tool-esp32")


def median_ms(command, runs):
    """Wall and processor time."""
    times, cpu = [], []
    for _ in range(runs):
        if "-o" in command and os.path.exists(command[-1]):
            os.unlink(command[-1])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        used, begun = before.ru_utime + before.ru_stime, time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(1000 * (time.perf_counter() - begun))
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(1000 * (now.ru_utime + now.ru_stime - used))
    return statistics.median(times), statistics.median(cpu)


def main():
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = folder + "/ours.bin", folder + "/theirs.bin"
        edit = [MOLT, "edit", FIRMWARE, "--flash-size", "8M", "--layout", "ota", "-o", ours]
        peer = [PEER, FIRMWARE, "-f", "8M", "--table", "ota", "-o", theirs]
        (a, x), (b, y) = median_ms(edit, 21), median_ms(peer, 7)
        c, z = median_ms(peer + ["--check-app"], 7)
        with open(ours, "rb") as one, open(theirs, "rb") as other:
            if one.read() != other.read():
                sys.exit("the results differ")
        start, none = median_ms([MOLT, "--version"], 51)[0], median_ms(["/bin/true"], 51)[0]
    print("edit, 8M with layout ota    molt %.1f ms, mp-image-tool-esp32 %.0f ms: 1/%.0f (goal 1/50)" % (a, b, b / a))
    print("    in processor time       molt %.1f ms, mp-image-tool-esp32 %.0f ms: 1/%.0f" % (x, y, y / x))
    print("the same, app verified      molt %.1f ms, mp-image-tool-esp32 %.0f ms: 1/%.0f" % (a, c, c / a))
    print("    in processor time       molt %.1f ms, mp-image-tool-esp32 %.0f ms: 1/%.0f" % (x, z, z / x))
    print("start-up, molt --version    %.1f ms (goal 5 ms; /bin/true takes %.1f ms)" % (start, none))


main()
