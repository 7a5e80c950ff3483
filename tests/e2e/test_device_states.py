"""The boot hook over states that no update of ours leaves behind: each phase, running slot, otadata, record, cause. Whatever is there, the
board comes to an application or the prompt within a few boots, nothing leaves ota.boot(), and a new good update gets through.

Some of them, other ones each day's run does not choose: MOLT_STATES=N for more, MOLT_STATES_SEED for others."""
import itertools
import os
import random
import shutil
import struct
import zlib

import pytest

import boards
import lobo
from conftest import Molt, molt_path
from test_boot_hook import FAILED, FLOOR, RELEASES, STARTS, TOP, UPDATE, Board

FACTORY, OTA_0, OTA_1 = 0x10000, 0x10000 + lobo.SLOT, 0x10000 + 2 * lobo.SLOT
APPS = {"confirms": "ota.confirm()", "crashes": "1 / 0", "ends": ""}
CHOICES = {
    "phase": range(8),
    "target": (OTA_1, FACTORY, OTA_0),  # OTA_0: files alone
    "running": (OTA_1, OTA_0, FACTORY),
    "state": (0, 1, 2, 0xFFFFFFFF),  # of the record that counts
    "other": ("blank", "valid", "aborted", "garbage"),  # the other record
    "rollback": (True, False),
    "engine": (True, True, False),
    "candidate": (False, True),
    "releases": ("as they are", "as they are", "none"),
    "floor": ("as it is", "none"),
    "failed": ("none", "full"),
    "boots": (0, 1, 3, 255),
    "switches": (0, 3, 255),
    "chunk": (0xFF, 0, 3),
    "starts": (0, 2, 3, "garbage"),
    "app": tuple(APPS),
}


class World:
    """Versions 2 and 3 in ota_0 and ota_1, confirmed, with their files; version 1 alone in the factory slot."""

    def __init__(self, folder, firmware, *sim):
        self.folder = folder
        self.molt = molt = Molt(molt_path("MOLT_FAST"), folder)
        (folder / "dump.bin").write_bytes(lobo.dump(firmware.read_bytes(), "factory", "ota_0", "ota_1"))
        molt.ok("key", "new", "key.pem")
        molt.ok("sim", "new", "sim:board", "--flash", "dump.bin", *sim)
        molt.ok("sim", "boot", "sim:board")
        molt.ok("provision", "sim:board", "--key", "key.pem.pub")
        for n in (2, 3, 4):
            (folder / ("app-%d" % n)).mkdir()
            (folder / ("app-%d/main.py" % n)).write_text(
                "print('RUNS', %d)\nimport ota\n%s" % (n, "ota.confirm()" if n == 4 else
                                                      "exec(open('/app.py').read(), globals())"))
            (folder / ("image-%d" % n)).write_bytes(lobo.image(n))
            molt.ok("bundle", "create", "-o", "v%d.molt" % n, "--app", "image-%d" % n, "--app-version", "%d.0.0" % n,
                    "--release", "app-%d" % n, "--key", "key.pem", "--sequence", n)
            molt.ok("publish", "tree-%d" % n, "--bundle", "v%d.molt" % n, "--channel", "stable", "--key", "key.pem")
        self.path = folder / "board"
        for n in (2, 3):
            board = Board(self, "board", folder / ("of-%d" % n))
            board.put(app="ota.confirm()")
            board.molt.ok("update", "sim:board", "--from", folder / ("tree-%d" % n))
            assert board().runs == [n]
            shutil.rmtree(folder / "board")
            shutil.copytree(board.path, folder / "board")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory, firmware):
    made = {}

    def world(rollback):
        if rollback not in made:
            made[rollback] = World(tmp_path_factory.mktemp("world"), firmware, *() if rollback else ["--no-rollback"])
        return made[rollback]
    return world


def record(seq, state):
    head = struct.pack("<I", seq)
    return head + b"\xff" * 20 + struct.pack("<II", state, zlib.crc32(head, 0xFFFFFFFF))


def otadata(case):
    """Both sectors: the record that names what is to run, and another one."""
    first = {FACTORY: b"", OTA_0: record(11, case["state"]), OTA_1: record(12, case["state"])}[case["running"]]
    seq = 9 if case["running"] == OTA_1 else 10  # of the other slot, older
    second = {"blank": b"", "valid": record(seq, 2), "aborted": record(seq, 4), "garbage": bytes(range(32))}[case["other"]]
    if case["running"] == FACTORY and case["other"] == "valid":
        second = record(seq, 3)  # or it would run
    return first.ljust(4096, b"\xff") + second.ljust(4096, b"\xff")


def put(board, case):
    at, size = boards.partition(board.path, "otadata")
    with open(board.path / "flash.bin", "r+b") as flash:
        flash.seek(at)
        flash.write(otadata(case))
    now = board.records()
    rows = [now[RELEASES][i:i + 68] for i in range(2, len(now[RELEASES]), 68)] if case["releases"] != "none" else []
    if case["candidate"] and rows:
        rows.append(b"\xff\xff\xff\xff" + rows[0][4:])
    failed = b"\1\x08" + bytes(range(256)) if case["failed"] == "full" else b""
    starts = b"\x07abc" if case["starts"] == "garbage" else struct.pack("<BBI", 1, case["starts"], 0) if case["starts"] else b""
    board.records({
        UPDATE: struct.pack("<BBBBB3xiIII32s", 1, case["phase"], case["chunk"], case["switches"], case["boots"], 0, OTA_0,
                            case["target"], 3, b"\x77" * 32),
        RELEASES: b"\1" + bytes([len(rows)]) + b"".join(rows),
        FLOOR: now[FLOOR] if case["floor"] != "none" else b"", FAILED: failed, STARTS: starts})


def cases(n, seed):
    """n of them. Each pair of phase, target, running and state comes before one comes twice."""
    rng = random.Random(seed)
    first = list(itertools.product(*(CHOICES[name] for name in ("phase", "target", "running"))))
    rng.shuffle(first)
    for phase, target, running in itertools.islice(itertools.cycle(first), n):
        case = {name: rng.choice(list(values)) for name, values in CHOICES.items()}
        yield {**case, "phase": phase, "target": target, "running": running}


def text(case):
    return ",".join("%s=%s" % (name, hex(value) if name in ("target", "running") else value) for name, value in case.items())


@pytest.mark.parametrize("case", cases(int(os.environ.get("MOLT_STATES", "24")), int(os.environ.get("MOLT_STATES_SEED", "1"))), ids=text)
def test_a_state_comes_to_an_end(worlds, tmp_path, case):
    world = worlds(case["rollback"])
    board = Board(world, "board", tmp_path)
    board.put(app=APPS[case["app"]])
    if not case["engine"]:
        board.remove("/lib/molt_x64.mpy")
    put(board, case)
    done = board("--boots", "12", "--time-scale", "100", check=None)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and done.json["end"] == "exit", said
    assert 'File "boot.py"' not in said, said
    assert done.boots <= 8, said  # three crashes of the application among them
    board.put(app="ota.confirm()")
    board("--boots", "12", "--time-scale", "100", script="import ota\nota.confirm()")  # of what was never confirmed
    if not case["engine"]:
        engine = TOP / "build/native/molt_x64.mpy"
        board.fs(lambda fs: fs.open("/lib/molt_x64.mpy", "wb").write(engine.read_bytes()))
    board.molt.ok("update", "sim:board", "--from", world.folder / "tree-4")
    done = board("--boots", "12", "--time-scale", "100")
    assert done.runs[-1:] == [4] and board.update()["phase"] == 6, done.stdout + done.stderr


def test_by_hand_a_firmware_that_came_by_other_means_is_confirmed(worlds, tmp_path):
    board = Board(worlds(True), "board", tmp_path)
    board.remove("/lib/molt_x64.mpy")
    put(board, {**{name: values[0] for name, values in CHOICES.items()}, "phase": 6, "target": OTA_1, "running": OTA_0,
                "other": "blank"})
    board.put(app="print('CONFIRMED', ota.confirm(), ota.confirm())")
    assert "CONFIRMED True False" in board().stdout
    assert board().boots == 1 and board.status()["records"][0]["state"] == 2


@pytest.mark.parametrize("app, runs, phase", [("ota.confirm()", [3], 6), ("ota.rollback()", [3, 2], 7), ("import machine\nmachine.reset()", [3, 2], 7)])
def test_no_memory_for_the_engine(worlds, tmp_path, app, runs, phase):
    """A trial is confirmed and given up by hand then."""
    board = Board(worlds(True), "board", tmp_path)
    put(board, {**{name: values[0] for name, values in CHOICES.items()}, "phase": 2, "target": OTA_1, "running": OTA_1,
                "other": "valid", "boots": 0})
    board.put(app=app, lib__molt="def step(*_): raise MemoryError('no room')\nboot = confirm = rollback = step")
    done = board("--boots", "6")
    assert "ota: no memory for the engine: no room" in done.stdout and done.runs[:2] == runs and board.update()["phase"] == phase


@pytest.mark.parametrize("rollback", [True, False])
@pytest.mark.parametrize("target, boots", [(FACTORY, 2), (OTA_1, 2), (OTA_0, 4)])
def test_a_hook_that_does_not_load_ends(worlds, tmp_path, rollback, target, boots):
    """On trial in the factory app, which no record names: back. In ota_0, where nothing else is whole: it stays."""
    board = Board(worlds(rollback), "board", tmp_path)
    board.put(app="")
    put(board, {**{name: values[0] for name, values in CHOICES.items()}, "phase": 2, "target": target, "running": target,
                "other": "blank" if target == FACTORY else "valid", "boots": 0})
    board.update(origin=OTA_1 if target == OTA_0 else OTA_0)
    if target == OTA_0:
        with open(board.path / "flash.bin", "r+b") as flash:
            for at in (FACTORY, OTA_1):
                flash.seek(at)
                flash.write(bytes(4096))
    board.fs(lambda fs: fs.open("/lib/ota/_trial.py", "w").write("raise MemoryError"))
    done = board("--boots", "6")
    assert "ota: the boot hook does not load" in done.stdout and done.json["running"] == "ota_0"
    assert done.boots == boots and done.json["end"] == "exit" and done.runs == [2]
