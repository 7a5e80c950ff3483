"""run-qemu.py BOARD SCRIPT.py [--file FILE]... [--package DIR]... [--data NAME=FILE]... [--timeout S]

Runs SCRIPT.py on MicroPython's qemu port (scripts/qemu.sh built it), which has no file system: QEMU loads every file into memory that
MicroPython's heap does not reach. A --file can be imported (.py, .mpy), a --package is a folder of such files; a --data is a bytearray, named NAME, over that very memory, so
that a flash of 4 MB or a bundle costs no heap. The script goes over the raw REPL on QEMU's standard input and output; what it prints
goes to standard output. Status 0: it ended; 1: an exception (its traceback on standard error), the machine stopped, or the time is over.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parents[2]
# Command, and memory that neither program nor heap uses: start and size. The Arm board's is its PSRAM.
BOARDS = {
    "MPS2_AN385": (["qemu-system-arm", "-machine", "mps2-an385"], 0x21000000, 16 << 20),
    "VIRT_RV32": (["qemu-system-riscv32", "-machine", "virt", "-m", "128M", "-bios", "none"], 0x84000000, 64 << 20),
}

DISK = """
import io, sys, uctypes, vfs
class _File(io.IOBase):
    def __init__(self, where):
        self.data, self.at = memoryview(uctypes.bytearray_at(*where)), 0
    def ioctl(self, request, argument):
        return 0
    def readinto(self, buffer):
        n = min(len(buffer), len(self.data) - self.at)
        buffer[:n] = self.data[self.at:self.at + n]
        self.at += n
        return n
class _Disk:
    files, folders = %r, %r
    def mount(self, readonly, mkfs):
        pass
    def stat(self, path):
        if path not in self.files and path not in self.folders:
            raise OSError(2)
        return (0x8000 if path in self.files else 0x4000,) + (0,) * 9
    def open(self, path, mode):
        return _File(self.files[path])
vfs.mount(_Disk(), "/disk")
sys.path.insert(0, "/disk")
"""


class Machine:
    def __init__(self, command, timeout_s):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.seen = b""
        self.late = False
        self.clock = threading.Timer(timeout_s, self.end, [True])
        self.clock.start()

    def end(self, late=False):
        self.late = late
        self.process.kill()

    def close(self):
        self.clock.cancel()
        self.end()
        self.process.wait()

    def until(self, mark):
        """What comes before the mark."""
        while mark not in self.seen:
            more = self.process.stdout.read(4096)
            if not more:
                sys.exit("run-qemu.py: %s: %r" % ("the time is over" if self.late else "the machine stopped", self.seen))
            self.seen += more
        before, self.seen = self.seen.split(mark, 1)
        return before

    def run(self, script):
        """(what it printed, its traceback)"""
        self.process.stdin.write(script.encode() + b"\x04")
        self.until(b"OK")
        printed, traceback = self.until(b"\x04"), self.until(b"\x04")
        self.until(b">")
        return printed.decode().replace("\r\n", "\n"), traceback.decode().replace("\r\n", "\n")


def place(files, start, size):
    """QEMU's words for the files, and (address, bytes) of each."""
    words, places, at = [], [], start
    for path in files:
        n = os.path.getsize(path)
        if at + n > start + size:
            sys.exit("run-qemu.py: the files are larger than the %d bytes of memory for them" % size)
        if "," in str(path):
            sys.exit("run-qemu.py: %s: QEMU takes no comma in a file's name" % path)
        words += ["-device", "loader,file=%s,addr=0x%x,force-raw=on" % (path, at)]
        places.append((at, n))
        at += (n + 0xFFFF) & ~0xFFFF
    return words, places


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("script")
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--package", action="append", default=[], type=pathlib.Path)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=120)
    options = parser.parse_args()
    command, start, size = BOARDS[options.board]
    data = [word.split("=", 1) for word in options.data]
    files = {"/" + os.path.basename(path): path for path in options.file}
    for folder in options.package:
        files.update(("/%s/%s" % (folder.name, path.name), path) for path in sorted(folder.glob("*.*py")))
    words, places = place([*files.values()] + [path for _, path in data], start, size)
    scripts = [DISK % (dict(zip(files, places)), ["/" + folder.name for folder in options.package])]
    scripts += ["%s = uctypes.bytearray_at(0x%x, %d)\n" % (name, at, n)
                for (name, _), (at, n) in zip(data, places[len(files):])]
    scripts.append(pathlib.Path(options.script).read_text())
    machine = Machine(command + ["-nographic", "-monitor", "null", "-semihosting", "-kernel",
                                 str(TOP / "build/qemu" / (options.board + ".elf"))] + words, options.timeout)
    try:
        machine.process.stdin.write(b"\r\x03\x01")
        machine.until(b"raw REPL; CTRL-B to exit\r\n>")
        for script in scripts:
            printed, traceback = machine.run(script)
            sys.stdout.write(printed)
            if traceback:
                sys.exit(traceback)
    finally:
        machine.close()


if __name__ == "__main__":
    main()
