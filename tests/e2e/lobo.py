"""Boards, images and runs of the tests of LoBo's and micropython-esp32-ota's calls."""
import hashlib
import json
import os
import pathlib
import random
import struct

import esp

TOP = pathlib.Path(__file__).resolve().parents[2]
SLOT = 0x40000  # of the small boards: 256 KB


def image(seed, size=150_000, chip=0, load=0x3F400020, code_at=0x40080400):
    """A small app image that boots: its hash is right, its content is noise."""
    noise = random.Random(seed).randbytes(size)
    descriptor = struct.pack("<II8x32s32s16s16s32s", 0xABCD5432, 0, b"%d.0" % seed, b"app", b"12:00:00", b"Jan  1 2024",
                             b"v5.0.4").ljust(256, b"\0")
    flash = (descriptor + noise)[:size // 4 * 4]
    code = struct.pack("<II", code_at, 64) + noise[:64]
    head = struct.pack("<BBBBI8sH", 0xE9, 2, 2, 0x20, code_at, b"\xee" + bytes(7), chip).ljust(23, b"\0") + b"\1"
    head = head[:12] + struct.pack("<H", chip) + head[14:]
    body = head + struct.pack("<II", load, len(flash)) + flash + code
    return esp.seal(body.ljust(len(body) + 16 - len(body) % 16, b"\0"))


def dump(firmware, *slots, otadata=True, vfs=None):
    """A dump of a 4 MB flash: the bootloader of that firmware file, slots of those names ("ota_0", "factory=MicroPython", ...) with
    version 1 in the first one; vfs: bytes of it, else all that is left."""
    rows = [esp.NVS] + ([esp.OTADATA] if otadata else [])
    at = 0x10000
    for name in slots:
        name, _, label = name.partition("=")
        rows.append(esp.row(0, 0 if name == "factory" else 0x10 + int(name[4:]), at, SLOT, label or name))
        at += SLOT
    rows.append(esp.row(1, 0x81, at, vfs or 0x400000 - at, "vfs"))
    data = bytearray(esp.dump(firmware[:0x7000]))
    data[esp.TABLE:esp.TABLE + 0x1000] = esp.table(*rows)
    app = image(1)
    data[0x10000:0x10000 + len(app)] = app
    return bytes(data)


def interpreter():
    path = TOP / "build/micropython/micropython"
    assert os.access(path, os.X_OK), "%s: run scripts/micropython.sh" % path
    return path


def md5(data):
    return hashlib.md5(data).hexdigest()


class Board:
    """A simulated board in a folder; run(script) as its application."""

    def __init__(self, molt, folder, micropython):
        self.molt, self.folder, self.micropython = molt, folder, micropython

    def __call__(self, script=None, *words, check=0):
        words = ["sim", "run", "sim:board", "--json", "--quiet", "--micropython", self.micropython, *words]
        if script is not None:
            (self.folder / "script.py").write_text(script)
            words.append("script.py")
        done = self.molt(*words, check=check)
        done.json = json.loads(done.stderr[done.stderr.index("{\n"):done.stderr.rindex("}") + 1])
        self.runs = done.json["running"]  # at the end
        return done

    def boots(self):
        """The slot that the next power-on starts. (A trial that does not confirm ends with that run.)"""
        return self("import ota; print('SLOT', ota.info()['slot'])").stdout.split("SLOT ")[1].split()[0]

    def says(self, call, *words, allow=True, **options):
        """What the call returns, and what it printed; allow: unsigned images are."""
        script = "import ota\n%sprint('RESULT', %s)" % ("ota.allow_unsigned = True\n" if allow else "", call)
        done = self(script, *words, **options)
        assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
        lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        return lines[0] if lines else None, done.stdout

    def flash(self):
        return (self.folder / "board/flash.bin").read_bytes()

    def slot(self, number):
        """Bytes of the app slot at that place of the table, counted from 0."""
        at = 0x10000 + SLOT * number
        return self.flash()[at:at + SLOT]

    def store(self):
        path = self.folder / "board/store.bin"
        return path.read_bytes() if path.exists() else b""

    def state(self):
        """All that an install may change: slots, otadata, store."""
        return self.flash()[0xE000:0x10000 + 3 * SLOT], self.store()
