"""Simulated DFU devices on a mocked USB bus (tests/umock/dfu_device.c): any program that uses libusb finds them.

    found = dfu.run(["dfu-util", "-l"], dfu.Device("stm32f405", flash=b"..."), folder=tmp_path)
    found.code, found.out, found.err, found.device[0].flash, .report, found.trace
    dfu.run([...], dfu.Folder(tmp_path / "pyb"), folder=tmp_path)       a board of `molt sim new`

dfu_file makes DfuSe files by the description in docs/SPEC.md, independent of molt.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import zlib

from conftest import TOP, molt_path

TOOLS = TOP / "build/native-tools/micropython/tools"
DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT = 1, 2, 3, 4, 5, 6


def mock():
    """dfu_device beside the command under test; or $MOLT_DFU_BUS, as in a guest with a bus of its kernel (scripts/usbip.sh)."""
    path = pathlib.Path(os.environ.get("MOLT_DFU_BUS") or pathlib.Path(molt_path()).parent / "dfu_device")
    assert path.exists(), "%s: build it (scripts/packages.sh brings libumockdev-dev)" % path
    return path


def pydfu():
    """The command that starts MicroPython's pydfu.py."""
    assert (TOOLS / "pydfu.py").exists(), "%s: run scripts/native.sh" % TOOLS
    return [sys.executable, str(TOOLS / "pydfu.py")]


class Device:
    """One device to plug in. flash: its bytes before (short = the rest is FF); other words as dfu_device has them:
    Device("stm32f405", serial="X", fault="stall@7"), read_protected=True."""

    def __init__(self, profile="stm32f405", flash=b"", **options):
        self.profile, self.before, self.options = profile, flash, options
        self.flash = self.report = None

    def words(self, path):
        path.write_bytes(self.before)
        words = ["--profile", self.profile, "--flash", str(path)]
        for name, value in self.options.items():
            words.append("--" + name.replace("_", "-"))
            words += [] if value is True else [str(value)]
        return words


class Folder(Device):
    """A board that `molt sim new` made, on the bus; flash is read from its folder."""

    def __init__(self, path, **options):
        super().__init__(**options)
        self.path = pathlib.Path(path)

    def words(self, path):
        return ["--folder", str(self.path)] + super().words(path)[4:]


class Found:
    def __init__(self, done, devices, trace):
        self.code, self.out, self.err, self.device, self.trace = done.returncode, done.stdout, done.stderr, devices, trace

    def requests(self, device=1):
        """The class requests that the device answered, in order: [(request, value, length), ...]"""
        return [(t["request"], t["value"], t["length"]) for t in self.trace
                if t["device"] == device and t["type"] & 0x7F == 0x21]


def run(command, *devices, folder, timing="none", timeout=60, env=None, input=None):
    """Runs the command (a list of words) with the devices on the bus; folder keeps their files."""
    trace, report = folder / "trace.jsonl", folder / "report.json"
    words = [str(mock()), "--timing", timing, "--trace", str(trace), "--report", str(report)]
    for number, device in enumerate(devices):
        words += device.words(folder / ("flash%d.bin" % number))
    done = subprocess.run(words + ["--", *map(str, command)], cwd=folder, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, input=input)
    assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
    assert done.returncode != 126, done.stderr
    for number, (device, facts) in enumerate(zip(devices, json.loads(report.read_text()))):
        path = device.path / "flash.bin" if isinstance(device, Folder) else folder / ("flash%d.bin" % number)
        device.flash, device.report = path.read_bytes(), facts
    return Found(done, devices, [json.loads(line) for line in trace.read_text().splitlines()])


def dfu_file(*elements, vendor=0x0483, product=0xDF11, alternate=0):
    """A DfuSe file of one target; elements: (address, bytes). DFUImageSize without the suffix, as MicroPython wants it."""
    body = b"".join(struct.pack("<II", address, len(data)) + data for address, data in elements)
    target = struct.pack("<6sBI255sII", b"Target", alternate, 1, b"test", len(body), len(elements)) + body
    out = struct.pack("<5sBIB", b"DfuSe", 1, 11 + len(target), 1) + target
    out += struct.pack("<4H3sB", 0xFFFF, product, vendor, 0x011A, b"UFD", 16)
    return out + struct.pack("<I", 0xFFFFFFFF & ~zlib.crc32(out))


def pattern(n, seed=1):
    """n bytes that repeat nowhere near."""
    out = bytearray()
    while len(out) < n:
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        out += struct.pack("<I", seed >> 32)
    return bytes(out[:n])


def vectors(address=0x08020000, n=4096, seed=7):
    """A firmware that could start: stack pointer, reset vector behind the table, then anything."""
    return struct.pack("<II", 0x20020000, address + 0x101) + pattern(n - 8, seed)
