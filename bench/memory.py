#!/usr/bin/env python3
"""memory.py: the most memory that each command has at a time (max RSS), against the size of what it works on.

A flash dump of 16 MB: the genuine app, a FAT of 6 MB and a littlefs of 7 MB, each five sixths full, 1 MB free. Goal: no more than twice the
image (diff, flash: both together; conversions: the larger of both). Subtracted is what the same program takes for a file of 3 KB, and of
boards the simulated chip, whose file is mapped. /usr/bin/time measures: a process started by Python itself would count Python's pages.
Exits with 1 when a goal is missed.
"""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
FIRMWARE = TOP / "build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
MOLT = os.environ.get("MOLT_FAST") or os.environ.get("MOLT") or TOP / "build/molt"
MB = 1 << 20
TABLE = """nvs,data,nvs,0x9000,0x6000
factory,app,factory,0x10000,0x1f0000
ffat,data,fat,0x200000,0x600000
vfs,data,fat,0x800000,0x700000
"""


def molt(*words):
    subprocess.run([MOLT, *words], check=True, stdout=subprocess.DEVNULL)


def peak(*words):
    """Max RSS in bytes."""
    done = subprocess.run(["/usr/bin/time", "-f", "%M", MOLT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode > 1:  # 1 = a finding, or a difference
        sys.exit("molt %s: exit code %d\n%s" % (" ".join(words), done.returncode, done.stderr))
    return 1024 * int(done.stderr.split()[-1])


def make_tree(folder, size, seed):
    """Files of random bytes, the last of them large; their folder."""
    chance = random.Random(seed)
    os.makedirs(folder)
    large, n, left = size // 6, 0, size - size // 6
    while left > 0:
        some = min(left, chance.choice([3000, 20000, 90000, 250000]))
        pathlib.Path(folder, "file%d.bin" % n).write_bytes(chance.randbytes(some))
        n, left = n + 1, left - some
    pathlib.Path(folder, "large.bin").write_bytes(chance.randbytes(large))
    return folder


def make_dump():
    pathlib.Path("table.csv").write_text(TABLE)
    molt("edit", FIRMWARE, "-s", "16M", "-t", "table.csv", "--force", "-o", "firmware.bin")
    dump = (b"\xff" * 0x1000 + pathlib.Path("firmware.bin").read_bytes()).ljust(16 * MB, b"\xff")
    pathlib.Path("dump.bin").write_bytes(dump)
    molt("fs", "mkfs", "dump.bin", "-p", "ffat", "-t", "fat")
    molt("fs", "mkfs", "dump.bin", "-p", "vfs", "-t", "littlefs")
    molt("fs", "put", "dump.bin", "-p", "ffat", make_tree("tree_fat", 5 * MB, 1), "/")
    molt("fs", "put", "dump.bin", "-p", "vfs", make_tree("tree", 35 * MB // 6, 2), "/")
    molt("read", "dump.bin", "bootloader=boot.bin", "table=table.bin", "factory=app.bin", "ffat=ffat.img", "vfs=vfs.img")
    molt("extract", "dump.bin", "-o", "app.bin")
    shutil.copy("dump.bin", "other.bin")
    molt("fs", "rm", "other.bin", "-p", "vfs", "/tree/file0.bin")
    molt("fs", "rm", "other.bin", "-p", "ffat", "/tree_fat/file0.bin")
    make_tree("more", MB // 4, 3)
    pathlib.Path("table2.csv").write_text(TABLE.replace("0x600000", "0x500000").replace("0x800000", "0x700000"))
    molt("edit", "dump.bin", "--resize", "ffat=5376K", "--move", "vfs=0x780000", "-o", "moved.bin")


def new_board(name, *options):
    shutil.rmtree(name, ignore_errors=True)
    molt("sim", "new", "sim:" + name, *options)
    return "sim:" + name


def rows():
    """(what, bytes that it may be compared with, words)."""
    one = 16 * MB
    out = ("-o", "out.bin", "--force")
    yield "info", one, ("info", "dump.bin")
    yield "info --json", one, ("info", "dump.bin", "--json")
    yield "doctor", one, ("doctor", "dump.bin")
    yield "csv", one, ("csv", "dump.bin", "-o", "out.csv")
    yield "edit: rename", one, ("edit", "dump.bin", "--rename", "vfs=files", *out)
    yield "edit: littlefs moves", one, ("edit", "dump.bin", "--move", "vfs=0x900000", *out)
    yield "edit: littlefs grows", one, ("edit", "dump.bin", "--resize", "vfs=rest", *out)
    yield "edit: littlefs shrinks", one, ("edit", "dump.bin", "--resize", "vfs=6656K", *out)
    yield "edit: FAT grows, littlefs moves", one, ("edit", "dump.bin", "--resize", "ffat=7M", *out)
    yield "edit: FAT shrinks", one, ("edit", "dump.bin", "--resize", "ffat=5632K", *out)
    yield "edit: both shrink, one moves", one, ("edit", "dump.bin", "--resize", "ffat=5632K,vfs=6656K", "--move", "vfs=0x900000", *out)
    yield "edit --put", one, ("edit", "dump.bin", "--put", "more", *out)
    yield "edit of a board: FAT shrinks", one, ("edit", new_board("board", "--flash", "dump.bin"), "--resize", "ffat=5632K", "--force")
    yield "read all", one, ("read", "dump.bin", "all=out.bin")
    yield "read vfs", one, ("read", "dump.bin", "vfs=out.bin")
    yield "write vfs", one, ("write", "dump.bin", "vfs=vfs.img", "-o", "out.bin")
    yield "erase ffat", one, ("erase", "dump.bin", "ffat", *out)
    yield "extract", one, ("extract", "dump.bin", "-o", "out_app.bin", )
    yield "merge", one, ("merge", "boot.bin", "table.bin", "app.bin", "ffat=ffat.img", "vfs=vfs.img", "--dump", "-o", "out.bin")
    yield "convert to UF2", 2 * one, ("convert", "dump.bin", "--whole", "-o", "out.uf2")
    yield "convert from UF2", 2 * one, ("convert", "out.uf2", "-o", "out.bin")
    yield "diff", 2 * one, ("diff", "dump.bin", "other.bin")
    yield "diff, partitions moved", 2 * one, ("diff", "dump.bin", "moved.bin")
    yield "fs df", one, ("fs", "df", "dump.bin", "-p", "ffat")
    yield "fs check, littlefs", one, ("fs", "check", "dump.bin", "-p", "vfs")
    yield "fs check, FAT", one, ("fs", "check", "dump.bin", "-p", "ffat")
    yield "fs get, littlefs", one, ("fs", "get", "dump.bin", "-p", "vfs", "/", "got_lfs/")
    yield "fs get, FAT", one, ("fs", "get", "dump.bin", "-p", "ffat", "/", "got_fat/")
    yield "fs put, littlefs", one, ("fs", "put", "dump.bin", "-p", "vfs", "more", "-o", "out.bin")
    yield "fs put, FAT", one, ("fs", "put", "dump.bin", "-p", "ffat", "more", "-o", "out.bin")
    yield "fs put, onto a board", one, ("fs", "put", new_board("board", "--flash", "dump.bin"), "-p", "vfs", "more")
    yield "fs mkfs", one, ("fs", "mkfs", "dump.bin", "-p", "vfs", *out)
    yield "fs build, littlefs of 7 MB", 7 * MB, ("fs", "build", "tree", "-s", "7M", "-o", "out.img")
    yield "fs build, FAT of 6 MB", 6 * MB, ("fs", "build", "tree_fat", "-t", "fat", "-s", "6M", "-o", "out.img")
    yield "flash, onto a dump", 2 * one, ("flash", "moved.bin", "other.bin", "--force", "--dry-run")
    yield "flash, the same layout", 2 * one, ("flash", "dump.bin", new_board("board", "--flash", "other.bin"), "--force")
    yield "flash, erased board", 2 * one, ("flash", "dump.bin", new_board("board", "--flash-size", "16M"), "--force")
    yield "flash, keeps vfs and ffat", 2 * one, ("flash", "moved.bin", new_board("board", "--flash", "dump.bin"), "--keep", "vfs,ffat",
                                                 "--force")


def main():
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_dump()
        base = peak("read", "table.bin", "table=out.bin")
        print("a file of 3 KB: %.1f MB, subtracted below" % (base / MB))
        print("%-34s %9s %9s %6s" % ("command", "image MB", "peak MB", "times"))
        for what, image, words in rows():
            chip = 16 * MB if any(str(word).startswith("sim:") for word in words) else 0
            used = max(0, peak(*words) - base - chip)
            times = round(used / image, 2)
            over += times > 2
            print("%-34s %9.1f %9.1f %6.2f%s" % (what, image / MB, used / MB, times, "  MISSED: over 2" if times > 2 else ""))
        os.chdir("/")
    print("goal: no more than 2 times the image: %s" % ("missed by %d" % over if over else "met by all"))
    return 1 if over else 0


sys.exit(main())
