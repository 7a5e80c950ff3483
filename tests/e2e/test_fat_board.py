"""A simulated ESP32 whose files lie on FAT: the whole way of an update with an app, and cuts in its files and records."""
import ast
import base64
import json
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
MAINS = {
    1: "raise RuntimeError('version 1 has a bug')",
    2: "import ota, part\nprint('PAIR', ota.pair(), part.version, open(__file__[:-7] + 'data/table').read(3))\nprint('confirmed', ota.confirm())",
}
CUTS = int(os.environ.get("MOLT_FAT_CUTS", "8"))  # of the 50 or so


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """A board with FAT, the package on it, enrolled by /ota.json; two bundles with app and files."""
    folder = tmp_path_factory.mktemp("fat")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("key", "new", "key.pem")
    for n, main in MAINS.items():
        (folder / ("app-%d/data" % n)).mkdir(parents=True)
        (folder / ("app-%d/main.py" % n)).write_text(main)
        (folder / ("app-%d/part.py" % n)).write_text("version = %d" % n)
        (folder / ("app-%d/data/table" % n)).write_text(str(n) * 9000)
        molt.ok("bundle", "create", "-o", "v%d.molt" % n, "--app", firmware, "--app-version", "%d.0.0" % n,
                "--release", "app-%d" % n, "--key", "key.pem", "--sequence", n)
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    public = base64.b64decode("".join((folder / "key.pem.pub").read_text().splitlines()[1:-1]))[-64:]
    port = TOP / "ports/micropython"
    files = {"/lib/ota/" + path.name: path.read_bytes() for path in (port / "ota").glob("*.py")}
    files["/lib/molt_x64.mpy"] = (TOP / "build/native/molt_x64.mpy").read_bytes()
    files["/boot.py"] = (port / "boot.py").read_bytes()
    files["/ota.json"] = json.dumps({"keys": [{"use": "both", "key": public.hex()}], "board": "FATBOARD"}).encode()
    run(molt, "import os\nos.mkdir('/lib')\nos.mkdir('/lib/ota')\nfor path, data in %r.items():\n    with open(path, 'wb') as file:\n"
        "        file.write(data)\n" % files, "--fs", "fat")
    with faultserver.Server(folder) as server:
        yield folder, server.base + "ok/"


def run(molt, script, *words, check=0):
    return lobo.Board(molt, molt.cwd, lobo.interpreter())(script, *words, check=check)


@pytest.fixture
def board(world, tmp_path):
    shutil.copytree(world[0] / "board", tmp_path / "board")
    molt = Molt(molt_path("MOLT_FAST"), tmp_path)
    return lambda script=None, *words, check=0: run(molt, script, *words, check=check)


def update(world, n, more=""):
    return "import ota\nota.update('%sv%d.molt', quiet=True%s)" % (world[1], n, more)


def good(world, done):
    """Version 2 runs, and its firmware and files are those of one bundle."""
    line = done.stdout[done.stdout.index("PAIR ") + 5:].splitlines()[0]
    text = Molt(molt_path("MOLT_FAST"), world[0]).ok("bundle", "show", "v2.molt")
    assert ast.literal_eval(line[:line.index(")") + 1]) == tuple(re.findall(r"^  SHA-256 +([0-9a-f]{64})$", text, re.M))
    assert line.endswith(" 2 222") and done.json["running"] == "ota_1"


def test_update_trial_and_confirm(board, world, tmp_path):
    flash = (tmp_path / "board/flash.bin").read_bytes()
    assert flash[0x410000 + 510:0x410000 + 512] == b"\x55\xaa" and b"littlefs" not in flash[0x410000:0x412000]
    done = board(update(world, 2))
    assert "confirmed True" in done.stdout
    good(world, done)
    done = board()
    assert "confirmed False" in done.stdout
    good(world, done)
    assert "FATBOARD" in board("from ota import _store; print(_store.device())").stdout


def test_a_failed_trial_goes_back_and_the_next_goes_on(board, world):
    done = board(update(world, 1))
    assert done.json["running"] == "ota_0" and done.json["boots"] == 3
    assert "(-77)" in board(update(world, 1), check=1).stderr
    good(world, board(update(world, 2)))
    # The failed version's files were orphans.
    assert board("import os; print(len(os.listdir('/rel')))").stdout.endswith("1\n")


TRACE = """
import esp32
board = esp32.board
ask, rows = board.request, []
def request(op, a=0, b=0, payload=b""):
    if op in (board.PROGRAM, board.ERASE, board.STORE_PUT):
        rows.append((op, a))
    if op == board.RESET:
        print("ROWS", rows)
    return ask(op, a, b, payload)
board.request = request
"""


def test_cuts_in_files_and_records(board, world, tmp_path):
    """FAT asks for sectors that are written wholly or not at all, so the power fails before sectors; and at every put."""
    board(update(world, 1))  # failed: most chunks of version 2 are in the slot
    shutil.copytree(tmp_path / "board", tmp_path / "ready")
    done = board(TRACE + update(world, 2))
    good(world, done)
    rows = ast.literal_eval(done.stdout[done.stdout.index("ROWS ") + 5:].splitlines()[0])
    erase, put = 4, 6
    wanted = [n for n, (op, at) in enumerate(rows, 1) if op == put or (op == erase and at >= 0x410000)]
    assert len(wanted) > 40
    for n in wanted[::max(1, len(wanted) // CUTS)] + wanted[-3:]:
        shutil.rmtree(tmp_path / "board")
        shutil.copytree(tmp_path / "ready", tmp_path / "board")
        board(update(world, 2), "--cut", n, check=3)
        board("import ota\nif not ota.info()['release']: ota.update('%sv2.molt', quiet=True, retry_failed=True)" % world[1])
        good(world, board())
