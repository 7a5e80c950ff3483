"""The power fails at an operation of flash or store while a genuine MicroPython on a simulated board updates itself, and comes back.

Whatever runs then is a whole firmware with the files that belong to it, and the same thing asked again gets through. Here every
operation is cut in one of three ways, and every sixth is followed to its end; MOLT_INSIDE_SOAK=1 (`make soak`): in all ways, all to the end.
"""
import ast
import hashlib
import os
import pathlib
import re
import shutil

import pytest

import faultserver
import lobo
from conftest import Molt, molt_path

pytestmark = pytest.mark.fast
TOP = pathlib.Path(__file__).resolve().parents[2]
SOAK = bool(os.environ.get("MOLT_INSIDE_SOAK"))
LAST = 12  # operations at the end, switch and trial, that are cut in every way here too
SHARDS = 3
KINDS = ("before", "after", "torn")

MAIN = "import ota, part\nprint('PAIR', ota.pair(), part.version, ota.confirm())\n"
RELEASES = {2: MAIN, 3: MAIN, 4: "import ota, part\nprint('PAIR', ota.pair(), part.version)\nraise RuntimeError('a bug')", 5: MAIN}


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """Small bundles; a board that runs version 2 with its files; a server."""
    folder = tmp_path_factory.mktemp("inside")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    (folder / "dump.bin").write_bytes(lobo.dump(firmware.read_bytes(), "ota_0", "ota_1"))
    molt.ok("key", "new", "key.pem")
    for n, main in RELEASES.items():
        (folder / ("app-%d/data" % n)).mkdir(parents=True)
        (folder / ("app-%d/main.py" % n)).write_text(main)
        (folder / ("app-%d/part.py" % n)).write_text("version = %d" % n)
        (folder / ("app-%d/data/table" % n)).write_text(str(n) * 5000)
        (folder / ("image-%d.bin" % n)).write_bytes(lobo.image(n, 70_000))
        app = () if n == 5 else ("--app", "image-%d.bin" % n)  # 5: files alone
        molt.ok("bundle", "create", "-o", "v%d.molt" % n, *app, "--release", "app-%d" % n, "--key", "key.pem", "--sequence", n)
    (folder / "plain.bin").write_bytes(lobo.image(6, 70_000))
    molt.ok("sim", "new", "sim:board", "--flash", "dump.bin")
    molt.ok("sim", "boot", "sim:board")
    molt.ok("provision", "sim:board", "--key", "key.pem.pub")
    with faultserver.Server(folder) as server:
        run = runner(folder, folder)
        done = run("import ota\nota.update('%sok/v2.molt', quiet=True)" % server.base)
        assert "PAIR" in done.stdout and done.json["running"] == "ota_1", done.stdout + done.stderr
        yield folder, server.base + "ok/"


def runner(folder, cwd):
    return lobo.Board(Molt(molt_path("MOLT_FAST"), cwd), folder, lobo.interpreter())


def pair(folder, n, firmware=None):
    """(SHA-256 of the firmware, of the files) that belong together, as the bundles say; firmware: of another bundle."""
    def sums(k):
        text = Molt(molt_path("MOLT_FAST"), folder).ok("bundle", "show", "v%d.molt" % k)
        return re.findall(r"^  SHA-256 +([0-9a-f]{64})$", text, re.M)
    return (sums(firmware)[0] if firmware else sums(n)[0], sums(n)[-1])


def seen(done):
    """The pair of every boot of a run whose application got that far."""
    return [ast.literal_eval(line[5:line.index(")") + 1]) for line in done.stdout.splitlines() if line.startswith("PAIR ")]


# What is asked for; version before; pair that it ends with (version of the files, of the firmware).
CASES = {
    "app": ("ota.update(BASE + 'v3.molt', quiet=True, retry_failed=True)", 2, (3, 3)),
    "files": ("ota.update(BASE + 'v5.molt', quiet=True, retry_failed=True)", 2, (5, 2)),
    "failing": ("ota.update(BASE + 'v4.molt', quiet=True, retry_failed=True)", 2, (2, 2)),
    "unsigned": ("ota.allow_unsigned = True; ota.start(BASE + 'plain.bin', file='', restart=True)", 2, (2, "plain")),
    "rollback": ("ota.info()['offset'] == 0x10000 and ota.rollback()", 3, (2, 2)),
}


class Sweep:
    def __init__(self, world, folder, case):
        self.world, self.folder, self.case = world, folder, case
        call, before, (files, firmware) = CASES[case]
        self.script = "import ota\nBASE = %r\n%s\n" % (world[1], call)
        shutil.copytree(world[0] / "board", folder / "ready")
        if before == 3:
            done = self.fresh()("import ota\nota.update(%r, quiet=True)" % (world[1] + "v3.molt"))
            assert done.json["running"] == "ota_0"
            shutil.rmtree(folder / "ready")
            shutil.copytree(folder / "board", folder / "ready")
        self.old = pair(world[0], before)
        if firmware == "plain":
            image = (world[0] / "plain.bin").read_bytes()
            self.new = (hashlib.sha256(image).hexdigest(), pair(world[0], files)[1])
        else:
            self.new = pair(world[0], files, firmware)
        self.allowed = {self.old, self.new} | ({pair(world[0], 4)} if case == "failing" else set())
        done = self.fresh()(self.script)
        self.operations = done.json["operations"]
        assert seen(done)[-1] == self.new and set(seen(done)) <= self.allowed

    def fresh(self):
        shutil.rmtree(self.folder / "board", ignore_errors=True)
        shutil.copytree(self.folder / "ready", self.folder / "board")
        return runner(self.folder, self.folder)

    def cut(self, n, kind, finish):
        where = "%s, operation %d of %d, %s" % (self.case, n, self.operations, kind)
        board = self.fresh()
        done = board(self.script, "--cut", n, "--cut-kind", kind, check=3)
        killed = done.json["killed"]  # None: cut in the bootloader's own write
        assert killed is None or killed["genuine"], where
        done = board()
        pairs = seen(done)
        assert pairs and set(pairs) <= self.allowed, (where, pairs, done.stdout + done.stderr)
        assert pairs[-1] in (self.old, self.new), where
        if finish:
            board(self.script)
            assert seen(board())[-1] == self.new, where


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("case", CASES)
def test_cut(world, tmp_path, case, shard):
    sweep = Sweep(world, tmp_path, case)
    every = range(1, sweep.operations + 1)
    cuts = [(n, kind) for n in every for i, kind in enumerate(KINDS)
            if SOAK or i == n % len(KINDS) or n > sweep.operations - LAST]
    mine = cuts[shard::SHARDS]
    for i, (n, kind) in enumerate(mine):
        sweep.cut(n, kind, SOAK or i % 6 == 0)
    print("CUTS", case, len(mine))


def test_there_are_enough_of_them(world, tmp_path):
    """The operations of a run are what its cuts are counted from: five cases, at least 500 in all."""
    total = 0
    for case in CASES:
        (tmp_path / case).mkdir()
        operations = Sweep(world, tmp_path / case, case).operations
        total += operations + min(operations, LAST) * 2
    assert total >= 500
