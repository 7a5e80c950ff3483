"""ota.boot() on simulated boards: how a trial may end, safe mode, reports, and every phase without an engine."""
import ast
import json
import os
import pathlib
import shutil
import struct
import zlib

import pytest
from littlefs import LittleFS

import boards
import faultserver
import plainboard
from conftest import Molt, molt_path

TOP = pathlib.Path(__file__).resolve().parents[2]
UPDATE, FLOOR, FAILED, RELEASES, REPORT, STARTS = 1, 2, 4, 5, 7, 8
INSTALLING, SWITCHING, TRIAL, CONFIRMING, ROLLING_BACK, CONFIRMED, BROKEN = 1, 2, 3, 4, 5, 6, 7
SLOTS = {"ota_0": 0x10000, "ota_1": 0x210000}
MAIN = """
print('RUNS', %d)
import ota
try:
    text = open('/app%d.py').read()
except OSError:
    text = 'ota.confirm()'
exec(text, globals())
"""


class World:
    def __init__(self, folder, firmware, *sim):
        self.folder = folder
        self.molt = molt = Molt(molt_path("MOLT_FAST"), folder)
        molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
        molt.ok("key", "new", "key.pem")
        for n in (2, 3, 4):
            (folder / ("app-%d" % n)).mkdir()
            (folder / ("app-%d/main.py" % n)).write_text(MAIN % (n, n))
            (folder / ("app-%d/connect.py" % n)).write_text("print('CONNECTED', %d)" % n)
            molt.ok("bundle", "create", "-o", "v%d.molt" % n, "--app", firmware, "--app-version", "%d.0.0" % n,
                    "--release", "app-%d" % n, "--key", "key.pem", "--sequence", n)
            molt.ok("publish", "tree-%d" % n, "--bundle", "v%d.molt" % n, "--channel", "stable", "--key", "key.pem")
        molt.ok("sim", "new", "sim:good", "--flash", "ota.bin", *sim)
        molt.ok("sim", "boot", "sim:good")
        molt.ok("provision", "sim:good", "--key", "key.pem.pub")
        molt.ok("update", "sim:good", "--from", "tree-2")
        molt.ok("sim", "run", "sim:good", "--quiet", "--micropython", TOP / "build/micropython/micropython")
        shutil.copytree(folder / "good", folder / "ready")
        molt.ok("update", "sim:ready", "--from", "tree-3")


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """Boards to copy: "good" runs version 2, confirmed, in ota_1; "ready" is that with version 3 to be tried in ota_0."""
    return World(tmp_path_factory.mktemp("world"), firmware)


@pytest.fixture(scope="module")
def old_world(tmp_path_factory, firmware):
    """The same with a bootloader without rollback."""
    return World(tmp_path_factory.mktemp("old"), firmware, "--no-rollback")


class Board:
    """A copy of one of the world's boards. Call it to run it; the result has .json, and .runs: the versions that ran."""

    def __init__(self, world, name, folder):
        self.path, self.world = folder / "board", world
        shutil.copytree(world.folder / name, self.path)
        self.molt = Molt(molt_path("MOLT_FAST"), folder)

    def __call__(self, *words, script=None, check=0):
        words = ["sim", "run", "sim:board", "--json", "--micropython", TOP / "build/micropython/micropython", *words]
        if script is not None:
            (self.path / "../script.py").write_text(script)
            words.append("script.py")
        done = self.molt(*words, check=check)
        done.json = json.loads(done.stderr[done.stderr.index("{\n"):done.stderr.rindex("}") + 1])
        done.runs = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("RUNS ")]
        done.boots = done.json["boots"]
        return done

    def fs(self, change):
        offset, size = boards.partition(self.path, "vfs")
        fs = LittleFS(block_size=4096, block_count=size // 4096, read_size=32, prog_size=32, mount=False)
        with open(self.path / "flash.bin", "r+b") as flash:
            flash.seek(offset)
            fs.context.buffer = bytearray(flash.read(size))
            fs.mount()
            change(fs)
            fs.unmount()
            flash.seek(offset)
            flash.write(fs.context.buffer)

    def put(self, **files):
        """app3="...": /app3.py."""
        def change(fs):
            for name, text in files.items():
                with fs.open("/%s.py" % name.replace("__", "/"), "w") as file:
                    file.write(text)
        self.fs(change)

    def remove(self, *paths):
        self.fs(lambda fs: [fs.remove(path) for path in paths])

    def records(self, change=None):
        """{number: bytes} of the store, after `change` of them."""
        data, at, found = (self.path / "store.bin").read_bytes(), 4, {}
        while at < len(data):
            number, n = struct.unpack_from("<BxH", data, at)
            found[number] = data[at + 8:at + 8 + n]
            at += 8 + n
        if change:
            found.update(change)
            (self.path / "store.bin").write_bytes(b"MST1" + b"".join(
                struct.pack("<BxHI", n, len(d), zlib.crc32(d)) + d for n, d in found.items() if d))
        return found

    def update(self, **change):
        """The update record as a dictionary, after a change of some fields."""
        names = ("version", "phase", "chunk", "switches", "boots", "outcome", "origin", "target", "sequence", "digest")
        found = dict(zip(names, struct.unpack("<BBBBB3xiIII32s", self.records()[UPDATE])))
        if change:
            found.update(change)
            self.records({UPDATE: struct.pack("<BBBBB3xiIII32s", *found.values())})
        return found

    def report(self):
        """What ota.report() tells, with the application left out."""
        done = self(script="import ota; print(repr(ota.report()))")
        return ast.literal_eval(done.stdout.splitlines()[-1])

    def status(self):
        return json.loads(self.molt("ota", "status", "--json", "sim:board").stdout)


@pytest.fixture
def board(world, tmp_path):
    return lambda name, **files: made(world, name, tmp_path, files)


def made(world, name, folder, files):
    board = Board(world, name, folder)
    if files:
        board.put(**files)
    return board


def without_engine(board):
    board.remove("/lib/molt_x64.mpy")
    return board


# ---- How a trial ends ----

SLEEPS = ("import machine\nmachine.deepsleep(5000)", "from machine import deepsleep, lightsleep as x\ndeepsleep()",
          "from machine import *\ndeepsleep()")


@pytest.mark.parametrize("app, reset, error", [
    ("def f():\n    1 / 0\nf()", "exception", "ZeroDivisionError: divide by zero"),
    ("raise SystemExit(3)", "exception", "SystemExit: 3"),
    ("while True: pass", "watchdog", "reset before confirm: watchdog"),
    ("print('forgets to confirm')", "watchdog", "reset before confirm: watchdog"),
    ("raise KeyboardInterrupt", "watchdog", "reset before confirm: watchdog"),
    ("import machine; machine.reset()", "reset", "reset before confirm: reset"),
    ("ota.rollback()", "reset", "given up"),
    (SLEEPS[0], "reset", "deep sleep before confirm"), (SLEEPS[1], "reset", "deep sleep before confirm"),
    (SLEEPS[2], "reset", "deep sleep before confirm")])
def test_a_trial_that_is_not_confirmed_is_over(board, app, reset, error):
    board = board("ready", app3=app)
    done = board("--time-scale", "100")
    assert done.runs == [3, 2] and done.boots == 2 and done.json["running"] == "ota_1"
    assert "deep sleep\n" not in done.stderr  # the board itself never slept
    update = board.update()
    assert update["phase"] == BROKEN and update["digest"] in board.records()[FAILED]
    assert STARTS not in board.records()  # these resets count as a trial's
    report = board.report()
    assert report["outcome"] == update["outcome"]  # what info() says
    assert report.pop("error").endswith(error)
    assert report == {"outcome": -14 if "rollback" in app or reset == "exception" else -62, "sequence": 3, "slot": "ota_0", "reset": reset,
                      "boot": "power-on"}


def test_ctrl_c_in_a_trial_gives_the_prompt(board):
    """Nothing else is started, and the watchdog does its work."""
    board = board("ready", app3="raise KeyboardInterrupt", main="print('ANOTHER MAIN')")
    done = board("--time-scale", "100")
    assert "KeyboardInterrupt" in done.stderr and "ANOTHER" not in done.stdout
    assert "at the prompt; the watchdog bites after 60000 ms" in done.stderr and done.runs == [3, 2]


def test_the_watchdog_is_armed_before_anything_of_the_release(board):
    board = board("ready", boot_user="while True: pass")  # what comes before the release, too
    board.put(boot_user="import ota._trial as t\nif t.on:\n    while True: pass")
    done = board("--time-scale", "100")
    assert "watchdog: not fed for 60000 ms" in done.stderr and done.runs == [2]
    assert board.report()["reset"] == "watchdog"


def test_what_runs_after_a_confirm_is_no_trial(board):
    """Nor is an exception later the end of it; deep sleep is deep sleep again."""
    board = board("ready", app3="import machine\nfrom machine import deepsleep\nprint('cause', machine.reset_cause())\n"
                  "if machine.reset_cause() != 4:\n    machine.lightsleep(1)\n    ota.healthy()\n    ota.healthy()\n    deepsleep(1000)")
    board.records({REPORT: b'\1{"outcome": -62}'})
    done = board()
    assert done.runs == [3, 3] and "[board] deep sleep" in done.stderr and "cause 4" in done.stdout
    assert board.update()["phase"] == CONFIRMED and board.report() == {}
    assert not any("watchdog" in line for line in done.stderr.splitlines())


def test_a_confirm_puts_the_watchdog_out_of_the_way(board):
    done = board("ready", app3="ota.confirm()\nimport time\ntime.sleep_ms(900)\nprint('ALIVE')")("--time-scale", "100")
    assert done.boots == 1 and "ALIVE" in done.stdout


def test_healthy_confirms_a_firmware_that_came_by_other_means(board):
    board = board("ready", app2="ota.healthy()")
    board("--time-scale", "100")  # version 3 runs and confirms: both slots are whole
    board.put(app3="import esp32\nif esp32.Partition(1).info()[4] == 'ota_0':\n    esp32.Partition('ota_1').set_boot()\n"
              "    import machine\n    machine.reset()")
    done = board()
    assert done.runs == [3, 2]
    assert board().runs == [2]


def test_traceback_in_the_report(board):
    text = "\\u20ac\\u00fc\"\\\\\\x01\\n" * 200 + "THE END"
    board = board("ready", app3="raise ValueError('%s')" % text)
    board()
    record = board.records()[REPORT]
    assert record[0] == 1 and 490 <= len(record) <= 501
    assert json.loads(record[1:], strict=False)["error"].endswith("THE END")
    assert board.report()["error"].endswith("\u20ac\u00fc\"\\\x01\nTHE END")


def test_confirm_without_a_trial_costs_nothing(board):
    board = board("good", app2="print(ota.confirm())\nota.healthy()\nota.feed()")
    done = board()
    assert done.stdout == "RUNS 2\nFalse\n" and done.json["operations"] == 0


# ---- Resets in a row ----

CRASH = "import machine, esp32\nraise RuntimeError('crash')"
EXPLAINED = "ota: safe mode: 3 resets in a row"


@pytest.mark.parametrize("clock", [(), ("--clock", "unset")])
def test_safe_mode_after_three_fast_resets(board, clock):
    """connect.py of the release, never the application; the prompt without a watchdog where no URL is known."""
    board = board("good", app2=CRASH, main="print('ANOTHER MAIN')")
    done = board(*clock)
    assert done.runs == [2, 2, 2] and done.boots == 4 and done.json["end"] == "exit"
    assert EXPLAINED in done.stdout and "CONNECTED 2" in done.stdout and "/ota.json names none" in done.stdout
    assert "ANOTHER" not in done.stdout and "watchdog" not in done.stderr
    board.put(app2="print('fine')")  # a power cycle ends it
    assert board().runs == [2] and STARTS not in board.records()


def test_safe_mode_stays_over_resets_until_a_confirm(board):
    board = board("good", app2=CRASH, connect="import ota._trial as t, machine, esp32\nn = esp32.NVS('t')\ntry:\n"
                  "    i = n.get_i32('i')\nexcept OSError:\n    i = 0\nn.set_i32('i', i + 1)\nprint('SAFE', i)\n"
                  "if i == 1:\n    import ota\n    print('confirm', ota.confirm())\nif i < 2: machine.reset()")
    directory = [entry for entry in boards.files(board.path) if entry.endswith("connect.py") and "/rel/" in entry]
    board.remove(*directory)  # then /connect.py
    done = board("--boots", "10")
    # Three crashes, safe mode, a reset in it: safe mode again, confirm() ends it: three crashes to the next.
    assert done.stdout.count("SAFE") == 3 and done.runs == [2, 2, 2, 2, 2] and done.boots == 8


def test_safe_mode_without_connect_gives_the_prompt(board):
    board = board("good", app2=CRASH)
    board.remove(*[path for path in boards.files(board.path) if path.endswith("/connect.py")])
    done = board()
    assert EXPLAINED in done.stdout and "no connect.py" in done.stdout and done.boots == 4
    assert "watchdog" not in done.stderr


def test_safe_mode_installs_an_update(board, world):
    with faultserver.Server(world.folder) as server:
        board = board("good", app2=CRASH, connect="")
        board.fs(lambda fs: fs.open("/ota.json", "w").write(json.dumps({"url": server.base + "ok/tree-3"})))
        done = board("--boots", "10")
    assert done.runs == [2, 2, 2, 3] and done.boots == 5 and done.json["running"] == "ota_0"
    assert "CONNECTED 2" in done.stdout and board.update()["phase"] == CONFIRMED
    assert STARTS not in board.records()


def test_a_hang_in_safe_mode_ends(board):
    board = board("good", app2=CRASH)
    path, = [path for path in boards.files(board.path) if path.endswith("/connect.py") and "/rel/" in path and
             b"CONNECTED', 2" in boards.files(board.path)[path]]
    board.fs(lambda fs: fs.open(path, "w").write("print('HANGS')\nwhile True: pass"))
    done = board("--boots", "5", "--time-scale", "2000", check=1)
    assert done.stdout.count("HANGS") == 2 and "watchdog: not fed for 900000 ms" in done.stderr and done.runs == [2, 2, 2]


LATER = """
import machine, time, esp32
n = esp32.NVS('t')
try:
    i = n.get_i32('i')
except OSError:
    i = 0
n.set_i32('i', i + 1)
def clock(seconds):
    y, m, d, h, mi, s, w, _ = time.gmtime(time.time() + seconds)
    machine.RTC().datetime((y, m, d, w, h, mi, s, 0))
if i < 6:
    %s
    %s
print('ENOUGH')
"""


@pytest.mark.parametrize("before, end, boots, puts", [
    ("clock(100)", "machine.reset()", 7, 6),  # slow resets: the last one's time is kept each time
    ("clock(100)", "1 / 0", 7, 6),
    ("clock(-100)", "machine.reset()", 7, 6),
    ("clock(1000000000 if i == 1 else 0)", "machine.reset()", 5, 4),  # NTP once: counted from the next on
    ("clock(-100000000 if i == 1 else 0)", "machine.reset()", 5, 4),
    ("", "machine.deepsleep(20000)", 7, 0),  # wakes are none, and cost no flash
    ("if i % 3 == 2: machine.deepsleep(1000)", "machine.reset()", 7, 6),  # and break a row
    ("from ota import _trial; _trial._begin -= 61000; ota.feed()", "machine.reset()", 7, 11),  # ran for a minute
    ("", "raise SystemExit(0)", 1, 0),
])
def test_which_resets_count(board, before, end, boots, puts):
    board = board("good", app2=LATER % (before, end))
    done = board("--boots", "12")
    assert done.boots == boots and (EXPLAINED in done.stdout) == (boots == 5)
    assert done.json["operations"] == puts


def test_watchdog_for_normal_runs(board):
    board = board("good", app2="while True: pass", boot="import ota\nota.boot(watchdog_ms=30000)")
    done = board("--time-scale", "100")
    assert done.runs == [2, 2, 2] and done.stderr.count("watchdog: not fed for 30000 ms") == 3
    assert EXPLAINED in done.stdout
    board.put(app2="import time\nfor i in range(8):\n    time.sleep_ms(100)\n    ota.healthy()\nprint('FED')")
    done = board("--time-scale", "100", "--boots", "1", check=1)
    assert "FED" in done.stdout


# ---- What is not the engine's ----

@pytest.mark.parametrize("start, boots", [("machine.deepsleep(1000)", 3), ("machine.reset_cause = lambda: 5", 2)])
def test_a_start_without_the_bootloader_before_the_switch(board, start, boots):
    """Installed, not restarted, but slept, or soft reset: the old slot runs. A reset tries the new one; no switch is counted."""
    board = board("ready", app3="from ota import _store\nprint('SWITCHES', _store.Update().switches)\nota.confirm()")
    at, _ = boards.partition(board.path, "otadata")
    ready = (board.path / "flash.bin").read_bytes()[at:at + 0x2000]
    with open(board.path / "flash.bin", "r+b") as flash:
        flash.seek(at)
        flash.write((board.world.folder / "good/flash.bin").read_bytes()[at:at + 0x2000])
    board.put(boot="import ota, machine, esp32\nif machine.reset_cause() == 1:\n"
              "    p = esp32.Partition.find(1, 0)[0]\n    p.writeblocks(0, %r)\n    %s\nota.boot()" % (ready, start))
    before = board.update()["switches"]
    done = board()
    assert done.boots == boots and done.runs == [3] and board.update()["phase"] == CONFIRMED
    assert "SWITCHES %d\n" % before in done.stdout
    assert ("[board] deep sleep" in done.stderr) == (boots == 3)


def test_where_the_clock_begins_anew_a_timer_forgets(tmp_path):
    board = plainboard.Board(tmp_path, "lfs")
    assert board("""
import machine
class Timer:
    ONE_SHOT = 0
    def __init__(self, n):
        print("timer", n)
    def init(self, mode, period, callback):
        print(mode, period, _trial.starts()[0])
        callback(self)
machine.Timer = Timer
machine.reset_cause = lambda: 3
from ota import _trial
print(_trial._counted(), _trial.starts())
""") == "timer -1\n0 60000 1\n1 (0, 0)\n"


@pytest.mark.parametrize("name, content", [("_trial.py", b"raise MemoryError('memory allocation failed')"),
                                           ("_trial.mpy", b"M\x07\x00\x1f\x00"), ("__init__.mpy", b"M\x07\x00\x1f\x00")])
@pytest.mark.parametrize("start", ["good", "ready", "no rollback"])
def test_a_hook_that_does_not_load(board, old_world, name, content, start, tmp_path):
    """No reset loop, the release starts if it can, and a trial is given back, by a bootloader without rollback too."""
    if start == "no rollback":
        board = made(old_world, "ready", tmp_path, {"app2": "print()"})
    else:
        board = board(start, app2="print()")

    def change(fs):
        module = name.partition(".")[0]
        fs.remove("/lib/ota/" + next(each for each in fs.listdir("/lib/ota") if each.partition(".")[0] == module))
        fs.open("/lib/ota/" + name, "wb").write(content)
    board.fs(change)
    done = board()
    assert "ota: the boot hook does not load" in done.stdout and done.json["running"] == "ota_1"
    assert done.runs == ([] if "init" in name else [2]) and done.boots == (1 if start == "good" else 2)


def test_a_carry_that_crashes_ends(board):
    board = board("ready")
    board.fs(lambda fs: fs.open("/lib/ota/_carry.py", "w").write("import machine\nmachine.reset()"))
    done = board("--boots", "20")
    assert done.runs == [2] and board.update()["phase"] == BROKEN and board.update()["outcome"] == -63
    assert board.report()["error"] == "the firmware did not come up"


@pytest.mark.parametrize("machine, what", [
    ("class WDT:\n    def __init__(self, timeout):\n        if timeout > 8388: raise ValueError\n        print('armed', timeout)\n"
     "    def feed(self): print('fed')\nclass Timer:\n    PERIODIC = 1\n    def __init__(self, n): pass\n"
     "    def init(self, mode=1, period=0, callback=None):\n        print('timer', period); callback(self)\n"
     "    def deinit(self): pass\nmachine.WDT, machine.Timer = WDT, Timer", "armed 8000\ntimer 2000\nfed\n"),
    ("del machine.WDT", "")])
def test_ports_with_a_short_watchdog_or_none(board, machine, what):
    board = board("ready", boot="import machine\n%s\nimport ota\nota.boot()" % machine)
    done = board()
    assert done.runs == [3] and board.update()["phase"] == CONFIRMED and what in done.stdout
    assert "ota: the" not in done.stdout


# ---- Every phase, with the engine and by hand ----

def ending(board, *words):
    """What is left of an update after a power-on."""
    done = board("--boots", "20", "--time-scale", "100", *words)
    found, records = board.update(), board.records()
    return {"runs": done.runs[-1:], "running": done.json["running"], "phase": found["phase"], "outcome": found["outcome"],
            "failed": FAILED in records and found["digest"] in records[FAILED],
            "floor": struct.unpack_from("<I", records[FLOOR], 1)[0], "releases": records[RELEASES],
            "told": "the update cannot be brought to its end" in done.stdout}, done


KEEPS = {"runs": [3], "running": "ota_0", "phase": CONFIRMED, "outcome": 0, "failed": False, "floor": 3, "told": False}
BACK = {"runs": [2], "running": "ota_1", "phase": BROKEN, "failed": True, "floor": 2, "told": False}


@pytest.mark.parametrize("engine", ["engine", "by hand"])
@pytest.mark.parametrize("phase, where, app, end", [
    (SWITCHING, "target", "ota.confirm()", KEEPS),
    (SWITCHING, "target", "1 / 0", {**BACK, "outcome": -14}),
    (TRIAL, "target", "print()", {**BACK, "outcome": -62}),
    (ROLLING_BACK, "target", "print()", {**BACK, "outcome": -14}),
    (CONFIRMING, "target", "print()", KEEPS),
    (SWITCHING, "origin", "ota.confirm()", KEEPS),  # lost: written again
    (SWITCHING, "unloadable", "", {**BACK, "outcome": -63}),
    (TRIAL, "origin", "", {**BACK, "outcome": -62}),
    (ROLLING_BACK, "origin", "", {**BACK, "outcome": -14}),
    (CONFIRMING, "origin", "print()", KEEPS),
    (CONFIRMING, "unloadable", "", {**BACK, "outcome": -63}),
])
def test_every_phase_comes_to_its_end(board, world, engine, phase, where, app, end):
    board = board("ready", app3=app)
    if engine != "engine":
        without_engine(board)
    at, _ = boards.partition(board.path, "otadata")
    with open(board.path / "flash.bin", "r+b") as flash:
        if where == "origin":  # the records do not name the target any more
            flash.seek(at)
            flash.write((world.folder / "good/flash.bin").read_bytes()[at:at + 0x2000])
        if where == "unloadable":
            flash.seek(SLOTS["ota_0"])
            flash.write(bytes(4096))
    board.update(phase=phase)
    found, done = ending(board)
    assert {name: found[name] for name in end} == end
    assert ("no engine here" in done.stdout) == (engine != "engine")
    if where == "unloadable":
        assert board.report()["error"] == "the firmware did not come up"
    if end["phase"] == BROKEN:
        assert board.report()["outcome"] == end["outcome"]
    board.put(app2="print()", app3="print()")
    quiet = board()  # nothing is left to do
    assert "ota:" not in quiet.stdout and quiet.runs == end["runs"] and quiet.boots == 1
    status = json.dumps(board.status())
    assert "PENDING" not in status


@pytest.mark.parametrize("engine", ["engine", "by hand"])
def test_records_that_name_another_slot_while_a_confirm_was_cut(board, world, engine):
    """Somebody else's set_boot, say: the bootloader falls back to what was confirmed, and its confirm is finished."""
    board = board("ready", app3="print()")
    if engine != "engine":
        without_engine(board)
    board.update(phase=TRIAL, boots=1)
    board.put(boot="import ota, machine, esp32\nif machine.reset_cause() == 1:\n    from ota import _store\n"
              "    u = _store.Update(); u.phase = 4; u.save()\n    from ota import _records\n    _records.write(0x210000, 2)\nota.boot()")
    found, done = ending(board)
    assert {name: found[name] for name in KEEPS} == KEEPS
    assert "error -63" not in done.stdout
    assert board().boots == 1


@pytest.mark.parametrize("engine", ["engine", "by hand"])
@pytest.mark.parametrize("phase, app, end", [
    (SWITCHING, "ota.confirm()", {"phase": CONFIRMED, "floor": 5, "runs": [3]}),
    (SWITCHING, "1 / 0", {"phase": BROKEN, "outcome": -14, "failed": True, "runs": [2], "floor": 2}),
    (SWITCHING, "while True: pass", {"phase": BROKEN, "outcome": -62, "failed": True, "runs": [2], "floor": 2}),
    (TRIAL, "", {"phase": BROKEN, "outcome": -62, "failed": True, "runs": [2], "floor": 2}),
    (ROLLING_BACK, "", {"phase": BROKEN, "outcome": -14, "failed": True, "runs": [2], "floor": 2}),
    (CONFIRMING, "print()", {"phase": CONFIRMED, "floor": 5, "runs": [3]}),
])
def test_files_alone(board, engine, phase, app, end):
    """The slot stays; otadata is never written."""
    board = board("ready", app3=app)
    if engine != "engine":
        without_engine(board)
    releases = board.records()[RELEASES]
    rows = {struct.unpack("<I", releases[at:at + 4])[0]: releases[at:at + 68] for at in range(2, len(releases), 68)}
    old, new = rows[SLOTS["ota_1"]], rows[SLOTS["ota_0"]]
    candidate = b"\xff\xff\xff\xff" + old[4:36] + new[36:]
    at, _ = boards.partition(board.path, "otadata")
    otadata = (board.world.folder / "good/flash.bin").read_bytes()[at:at + 0x2000]
    with open(board.path / "flash.bin", "r+b") as flash:
        flash.seek(at)
        flash.write(otadata)
    board.records({RELEASES: b"\1\2" + old + candidate})
    board.update(phase=phase, origin=SLOTS["ota_1"], target=SLOTS["ota_1"], sequence=5)
    found, done = ending(board)
    assert {name: found[name] for name in end} == end and found["running"] == "ota_1"
    if found["phase"] == CONFIRMED:
        assert found["releases"] == b"\1\1" + old[:36] + new[36:]
    assert (board.path / "flash.bin").read_bytes()[at:at + 0x2000] == otadata
    assert board().runs == end["runs"]


def test_heap_of_a_boot_with_nothing_to_do(board):
    """Compiled on the board, with words of 64 bits: half of it on a device."""
    board = board("good", boot="import gc\ngc.collect()\na = gc.mem_alloc()\nimport ota\nota.launch = lambda path: None\nota.boot()\n"
                  "gc.collect()\nprint('HEAP', gc.mem_alloc() - a)")
    used = int(board().stdout.split("HEAP")[1])
    print("heap:", used)
    assert used < 24 * 1024
