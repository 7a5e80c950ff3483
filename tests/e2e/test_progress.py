"""--progress: lines of JSON on a pipe, one line on a terminal, nothing elsewhere."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time

import pytest

import dfu
from conftest import molt_path

KEYS = {"progress", "unit", "done", "total", "elapsed_ms", "rate", "left_ms"}


@pytest.fixture
def job(molt, firmware):
    """Words of a command that writes 1.6 MB to a board."""
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "image.bin")
    molt.ok("sim", "new", "sim:board", "--flash-size", "8M")
    return "flash", "image.bin", "sim:board"


def lines_of(stderr):
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    assert lines and all(set(line) == KEYS for line in lines), stderr
    return lines


def on_terminal(molt, words, columns):
    """What a terminal of that width gets on standard error; standard output goes elsewhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen([molt.path, *words], cwd=molt.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: the other end was closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert child.wait(60) == 0, said
    return said.decode()


def test_json_tells_each_phase_to_its_end(molt, job):
    done = molt(*job, "--progress", "json", check=0)
    lines = lines_of(done.stderr)
    assert len(lines) == len(done.stderr.splitlines()), "nothing else is there"
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)
    first, last = lines[0], lines[-1]
    assert first["progress"] == "write" and first["unit"] == "bytes" and first["done"] == 0
    assert last["done"] == last["total"] == first["total"] == int(re.search(r"\((\d+) KB\)", done.stdout)[1]) * 1024
    assert "written and verified" in done.stdout


def test_json_is_no_flood(molt, job):
    """416 sectors are reported; ten lines a second are printed, and the last."""
    begun = time.monotonic()
    lines = lines_of(molt(*job, "--progress=json", check=0).stderr)
    spent = time.monotonic() - begun
    assert 2 <= len(lines) <= 3 + 10 * spent
    told = [line["elapsed_ms"] for line in lines[:-1]]
    assert all(b - a >= 100 for a, b in zip(told, told[1:]))


def test_json_counts_files_as_files(molt, firmware, tmp_path):
    (tmp_path / "app").mkdir()
    for i in range(3):
        (tmp_path / "app" / ("f%d.py" % i)).write_text("print(%d)\n" % i)
    molt.ok("fs", "build", "app", "-o", "image.bin", "--size", "128K")
    last = lines_of(molt("fs", "get", "--progress=json", "image.bin", "/", "out", check=0).stderr)[-1]
    assert last["unit"] == "files" and last["done"] == last["total"] >= 3 and last["rate"] is None


def phases(lines):
    """{phase: its last line}, in the order in which they began."""
    return {line["progress"]: line for line in lines}


def test_json_of_phases_that_take_turns(molt, tmp_path):
    """Erase, write and verify of a device are a phase each, to the end, whichever sector they are at."""
    (tmp_path / "fw.dfu").write_bytes(dfu.dfu_file((0x08000000, dfu.vectors(0x08000000, 9000)), (0x08020000, dfu.pattern(300_000))))
    molt.ok("sim", "new", "sim:stm", "--chip", "stm32f405")
    last = phases(lines_of(molt("dfu", "write", "fw.dfu", "sim:stm", "--progress=json", check=0).stderr))
    assert [name for name in last if name in ("erase", "write", "verify")] == ["erase", "write", "verify"]
    assert all(last[name]["done"] == last[name]["total"] for name in ("erase", "write", "verify"))


def test_json_tells_rate_and_time_left(tmp_path):
    """On a device that takes its time: 24 KB at 16 us a byte, behind two erases of 0.4 s."""
    (tmp_path / "fw.dfu").write_bytes(dfu.dfu_file((0x08000000, dfu.vectors(0x08000000, 24 * 1024))))
    done = dfu.run([molt_path(), "dfu", "write", "--board", "none", "fw.dfu", "--progress=json"], dfu.Device(), folder=tmp_path, timing="real")
    assert done.code == 0, done.err
    known = [line for line in lines_of(done.err) if line["rate"]]
    assert known and phases(known).keys() & {"erase", "write"}
    for line in known:
        assert abs(line["left_ms"] - (line["total"] - line["done"]) * 1000 / line["rate"]) <= 20
        assert line["elapsed_ms"] >= 500 and line["rate"] <= 32768 / 0.4 * 1.1


def test_a_failure_follows_the_lines(molt, job):
    molt.ok(*job)
    done = molt("read", "sim:board", "no-such-partition", "--progress=json")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("molt read: ")


def test_nothing_is_drawn_into_a_pipe(molt, job):
    assert molt(*job, check=0).stderr == ""
    assert molt("flash", "--progress", "auto", "image.bin", "sim:board", check=0).stderr == ""


def test_none_draws_nothing_on_a_terminal(molt, job):
    assert on_terminal(molt, [*job, "--progress", "none"], 80) == ""


@pytest.mark.parametrize("columns", [200, 80, 40, 20, 5])
def test_a_terminal_gets_one_line_that_fits(molt, job, columns):
    said = on_terminal(molt, job, columns)
    assert "\n" not in said and said.endswith("\r\x1b[K"), "the line is gone at the end"
    drawn = said.split("\r\x1b[K")[1:-1]
    assert drawn and all(0 < len(line) < columns for line in drawn), drawn
    if columns >= 80:
        assert re.match(r"write       0%  \[\.+\]  0 B of 1\.\d+ MB$", drawn[0]), drawn
        assert re.match(r"write     100%  \[#+\]  (1\.\d+ MB) of \1", drawn[-1]), drawn
    elif columns == 20:
        assert drawn[-1] == "write     100%"


def test_who_reads_the_lines_may_go_away(molt, job):
    """The work is finished; only nobody hears of it."""
    ours, theirs = os.pipe()
    os.close(ours)
    child = subprocess.run([molt.path, *job, "--progress=json"], cwd=molt.cwd, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    assert child.returncode == 0 and b"written and verified" in child.stdout


def test_another_mode_is_refused_before_anything_is_done(molt, job):
    before = (molt.cwd / "board/flash.bin").read_bytes()
    assert "--progress 'xml': expected auto, json or none" in molt.fails(*job, "--progress", "xml", code=2)
    assert (molt.cwd / "board/flash.bin").read_bytes() == before
