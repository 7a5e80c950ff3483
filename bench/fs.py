#!/usr/bin/env python3
"""fs.py: `molt fs build` against littlefs-python on the same folder in the same run: a littlefs of 2 MB with 100 files in 10 folders.

Three ways of the peer: its command (littlefs-python create), a script as users write it in a process of its own, and its calls alone in a
process that has imported it already. Before anything is measured the images are mounted by the peer and their trees compared. Goal: 1/10
of the peer's wall time or less. Medians. Run it with build/venv's Python.
"""
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from littlefs import LittleFS

TOP = pathlib.Path(__file__).resolve().parents[1]
MOLT = os.environ.get("MOLT_FAST") or os.environ.get("MOLT") or TOP / "build/molt"
SIZE, BLOCK, FILES = 2 << 20, 4096, 100
GEOMETRY = {"block_size": BLOCK, "block_count": SIZE // BLOCK, "read_size": 32, "prog_size": 32, "cache_size": 128, "lookahead_size": 32}


def make_tree(folder):
    """Sizes as of a project of Python files with some data: 1.4 MB in all."""
    chance = random.Random(8)
    for n in range(FILES):
        path = pathlib.Path(folder, "app", "part%d" % (n // 10), "file%d.py" % n)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice([50, 400, 3000, 9000, 20000, 50000])))
    return pathlib.Path(folder, "app")


def by_calls(app, image):
    fs = LittleFS(**GEOMETRY)
    for path in sorted(app.rglob("*")):
        name = "/" + str(path.relative_to(app))
        if path.is_dir():
            fs.mkdir(name)
        else:
            with fs.open(name, "wb") as file:
                file.write(path.read_bytes())
    pathlib.Path(image).write_bytes(fs.context.buffer)


def tree_of(image):
    fs = LittleFS(**GEOMETRY, mount=False)
    fs.context.buffer = bytearray(pathlib.Path(image).read_bytes())
    fs.mount()
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            with fs.open(folder.rstrip("/") + "/" + name, "rb") as file:
                found[folder.rstrip("/") + "/" + name] = file.read()
    return found


def processor_s():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def medians_ms(runs, output, act):
    """Of wall time, and of processor time with what children took. The output is a new file each time: to replace one, some disks are
    waited for."""
    wall, processor = [], []
    for _ in range(runs):
        os.unlink(output)
        begun, used = time.perf_counter(), processor_s()
        act()
        wall.append(1000 * (time.perf_counter() - begun))
        processor.append(1000 * (processor_s() - used))
    return statistics.median(wall), statistics.median(processor)


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def main():
    if sys.argv[1:2] == ["--calls"]:
        by_calls(pathlib.Path(sys.argv[2]), sys.argv[3])
        return
    with tempfile.TemporaryDirectory() as folder:
        app, image, theirs, third = make_tree(folder), folder + "/ours", folder + "/theirs", folder + "/third"
        molt = (MOLT, "fs", "build", app, "-o", image, "--size", SIZE, "--type", "littlefs-2.1")
        command = (pathlib.Path(sys.executable).with_name("littlefs-python"), "create", "--block-size", BLOCK, "--fs-size", SIZE, app, third)
        run(*molt)
        run(*command)
        by_calls(app, theirs)
        expected = {"/" + str(path.relative_to(app)): path.read_bytes() for path in app.rglob("*") if path.is_file()}
        if not len(expected) == FILES or not tree_of(image) == tree_of(theirs) == tree_of(third) == expected:
            sys.exit("the trees differ")
        ours = medians_ms(21, image, lambda: run(*molt))
        script = (sys.executable, __file__, "--calls", app, theirs)
        peers = {"littlefs-python create": medians_ms(7, third, lambda: run(*command)),
                 "a script with littlefs-python": medians_ms(7, theirs, lambda: run(*script)),
                 "its calls alone": medians_ms(7, theirs, lambda: by_calls(app, theirs))}
        size = sum(map(len, expected.values()))
    print("littlefs of 2 MB, %d files of %.2f MB in all   wall, processor (goal 1/10)" % (FILES, size / 2**20))
    print("%-30s %6.1f ms         %6.1f ms" % ("molt fs build", *ours))
    for name, times in peers.items():
        print("%-30s %6.1f ms: 1/%-5.1f %6.1f ms: 1/%.1f" % (name, times[0], times[0] / ours[0], times[1], times[1] / ours[1]))


if __name__ == "__main__":
    main()
