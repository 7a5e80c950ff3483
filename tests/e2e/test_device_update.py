"""The device package: a simulated board, whose application is a genuine MicroPython, updates itself."""
import ast
import hashlib
import json
import os
import pathlib
import re
import shutil

import pytest

import faultserver
import lobo
from conftest import Molt, molt_path

TOP = pathlib.Path(__file__).resolve().parents[2]

MAINS = {
    1: "raise RuntimeError('version 1 has a bug')",
    2: "import ota, part\nprint('PAIR', ota.pair())\nprint('confirmed', ota.confirm())",
    3: "while True: pass",
    4: "import machine; machine.reset()",
    5: "print('version 5 forgets to confirm')",
    6: "import ota\nprint('giving up')\nota.rollback()",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """A provisioned board that never updated, six bundles and a published tree; tests work on copies."""
    folder = tmp_path_factory.mktemp("world")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("key", "new", "key.pem")
    for n, main in MAINS.items():
        (folder / ("app-%d" % n)).mkdir()
        (folder / ("app-%d/main.py" % n)).write_text(main)
        (folder / ("app-%d/part.py" % n)).write_text("version = %d" % n)
        molt.ok("bundle", "create", "-o", "v%d.molt" % n, "--app", firmware, "--app-version", "%d.0.0" % n,
                "--release", "app-%d" % n, "--key", "key.pem", "--sequence", n)
        molt.ok("publish", "tree-%d" % n, "--bundle", "v%d.molt" % n, "--channel", "stable", "--key", "key.pem")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    molt.ok("sim", "boot", "sim:board")
    molt.ok("provision", "sim:board", "--key", "key.pem.pub")
    return folder


@pytest.fixture
def board(world, tmp_path):
    """run(script, options...) on a copy of the board; .status() is 'ota status --json'."""
    shutil.copytree(world / "board", tmp_path / "board")
    molt = Molt(molt_path("MOLT_FAST"), tmp_path)
    run = lobo.Board(molt, tmp_path, lobo.interpreter())
    run.status = lambda: json.loads(molt("ota", "status", "--json", "sim:board").stdout)
    return run


@pytest.fixture
def server(world):
    with faultserver.Server(world) as running:
        yield running


def update(server, n, fault="ok", **options):
    words = "".join(", %s=%r" % item for item in options.items())
    return "import ota\nprint('updated', ota.update('%s%s/tree-%d'%s))" % (server.base, fault, n, words)


def digests(world, n):
    """SHA-256 of the firmware and of the release of bundle n, as 'molt bundle show' tells them."""
    text = Molt(molt_path("MOLT_FAST"), world).ok("bundle", "show", "v%d.molt" % n)
    return tuple(re.findall(r"^  SHA-256 +([0-9a-f]{64})$", text, re.M))


def good(board, world):
    """Version 2 runs, confirmed: firmware and files are those of one bundle, and the flash holds them."""
    done = board()
    assert done.json["running"] == "ota_1" and done.json["boots"] == 1
    pair = ast.literal_eval(done.stdout[done.stdout.index("PAIR ") + 5:].splitlines()[0])
    assert pair == digests(world, 2)
    assert done.json["firmware_sha256"] == pair[0]


def unharmed(board):
    """The old firmware runs, nothing of another's files does."""
    done = board("import ota; print(ota.info())")
    found = ast.literal_eval(done.stdout.splitlines()[-1])
    assert found["slot"] == "ota_0" and found["release"] is None and not found["trial"]
    return found


def test_update_is_tried_and_confirmed(board, world, server):
    done = board(update(server, 2))
    assert done.json["boots"] == 2 and done.json["running"] == "ota_1"
    assert "ota: installed: 26 chunks written, 0 kept" in done.stdout
    assert "confirmed True" in done.stdout
    good(board, world)
    assert "confirmed False" in board().stdout
    again = board(update(server, 2))
    assert "runs here already" in again.stdout and "updated False" in again.stdout and again.json["boots"] == 1


def test_one_request_for_each_run_of_bytes(board, server):
    board(update(server, 2, restart=False))
    bundle = [entry for entry in server.log if "/bundles/" in entry[0]]
    assert all(entry[1] and entry[1].startswith("bytes=") for entry in bundle)
    assert 27 <= len(bundle) <= 32  # head, chunks, the release


@pytest.mark.parametrize("n, note", [(1, "version 1 has a bug"), (3, ""), (4, ""), (5, "forgets to confirm"),
                                     (6, "giving up")])
def test_failed_trial_takes_firmware_and_files_back(board, server, n, note):
    done = board(update(server, n), "--time-scale", "100")
    assert done.json["boots"] == 3 and done.json["running"] == "ota_0"
    assert note in done.stdout + done.stderr
    assert unharmed(board)["phase"] == "failed"
    refused = board(update(server, n), check=1)
    assert "(-77)" in refused.stderr or "(-77," in refused.stderr


@pytest.mark.parametrize("engine", ["loads", "is gone"])
def test_bootloader_without_rollback(board, world, server, tmp_path, engine):
    """The record stays NEW and the trial boots again: the hook itself switches back, without the engine by erasing."""
    shutil.rmtree(tmp_path / "board")
    board.molt.ok("sim", "new", "sim:board", "--flash", world / "ota.bin", "--no-rollback")
    board.molt.ok("sim", "boot", "sim:board")
    board.molt.ok("provision", "sim:board", "--key", world / "key.pem.pub")
    board(update(server, 5, restart=False))
    if engine == "loads":
        done = board(None, "--time-scale", "100")
    else:  # the trial itself takes the engine away
        done = board("import os; os.remove('/lib/molt_x64.mpy')", "--time-scale", "100")
    assert done.json["running"] == "ota_0" and done.json["boots"] == 3
    assert unharmed(board)["phase"] == "failed"


def test_after_a_failed_trial_the_next_version_goes_on(board, world, server):
    board(update(server, 1))
    done = board(update(server, 2))
    # All but the descriptor's chunk and the one with the image's hash is there already.
    assert "2 chunks written, 24 kept" in done.stdout
    good(board, world)


@pytest.mark.parametrize("kind", ["before", "after", "torn"])
def test_cut_on_the_way(board, world, server, kind):
    done = board(update(server, 2), "--cut", "200", "--cut-kind", kind, check=3)
    killed = done.json["killed"]
    assert killed["genuine"] and killed["native_code"] and "/lib/molt_x64.mpy" in killed["modules"].split()
    assert killed["executable"].endswith("/bin/micropython")
    assert unharmed(board)["phase"] == "installing"
    again = board(update(server, 2))
    written, kept = map(int, re.search(r"(\d+) chunks written, (\d+) kept", again.stdout).groups())
    assert written + kept == 26 and kept >= 5  # 200 operations are about 6 chunks of 16 erases and 16 programs
    assert written * 32 + 200 < again.json["operations"] + 200 + 64
    good(board, world)


def test_cut_at_the_switch_and_in_the_trial(board, world, server, tmp_path):
    """Every operation of the last part: switch, reset, first boot of the trial, confirm."""
    board(update(server, 1))  # failed; most chunks of version 2 are there now
    shutil.copytree(tmp_path / "board", tmp_path / "ready")
    whole = board(update(server, 2)).json["operations"]
    good(board, world)
    ends = set()
    for n in range(whole - 24, whole + 1, 4):  # every one, of a small firmware: test_power_inside
        shutil.rmtree(tmp_path / "board")
        shutil.copytree(tmp_path / "ready", tmp_path / "board")
        done = board(update(server, 2), "--cut", n, "--cut-kind", ("before", "after", "torn")[n % 3], check=3)
        assert done.json["end"] == "cut"
        # Power comes back. Whatever runs, its files are its own.
        after = board()
        if "PAIR" in after.stdout:
            pair = ast.literal_eval(after.stdout[after.stdout.index("PAIR ") + 5:].splitlines()[0])
            assert pair == digests(world, 2)
        ends.add(after.json["running"])
        if after.json["running"] == "ota_0" and "PAIR" not in after.stdout:
            unharmed(board)
        board("import ota\nif ota.info()['release'] is None: ota.update('%sok/tree-2', retry_failed=True)" % server.base)
        good(board, world)
    assert ends == {"ota_0", "ota_1"}


def test_a_record_of_an_unknown_version_stops_no_application(board, world, server):
    board(update(server, 2))
    good(board, world)
    board("import esp32; esp32.NVS('molt').set_blob('r1', b'\\x02' * 56)")
    done = board("import ota; print('STARTED', ota.pair())")
    assert "record 1 of the store is damaged, or of another version: erase the store, provision anew (-20)" in done.stdout
    assert repr(digests(world, 2)) in done.stdout
    done = board("import ota\ntry:\n    ota.update('%sok/tree-3', quiet=True)\nexcept ota.Error as error:\n    print('GOT', error)" % server.base)
    assert "GOT damaged store record, or one of another version: erase the store, provision anew (-20)" in done.stdout
    # What docs/troubleshooting.md says helps: keys and name come from /ota.json again.
    text = (TOP / "docs/troubleshooting.md").read_text().split("## A record of the store", 1)[1]
    board(re.search(r"```python\n(.*?)```", text, re.S)[1])
    done = board(update(server, 2))
    assert "confirmed True" in done.stdout and repr(digests(world, 2)) in done.stdout, done.stdout + done.stderr
    board("import esp32; esp32.NVS('molt').set_blob('r5', b'\\1\\6abc')")
    # No release can be chosen: a few restarts, then safe mode, which looks for a connect.py.
    done = board()
    assert "which release belongs to this firmware is unknown: record 5 of the store is damaged" in done.stdout
    assert "no connect.py" in done.stdout and done.json["boots"] <= 5


def test_rollback_without_an_engine_gives_up_only_a_trial(board, world, server):
    """The confirmed version stays: it is not put on the list of failed ones."""
    board(update(server, 2))
    before = (board.molt.cwd / "board/store.bin").read_bytes()
    done = board("import os, ota\nos.remove('/lib/molt_x64.mpy')\ntry:\n    ota.rollback()\nexcept ota.Error as error:\n    print(error)")
    assert "(-64)" in done.stdout and done.json["boots"] == 1
    assert (board.molt.cwd / "board/store.bin").read_bytes() == before


def test_what_is_refused(board, world, server, tmp_path):
    other = Molt(molt_path("MOLT_FAST"), tmp_path)
    other.ok("key", "new", "other.pem")
    shutil.copytree(world / "tree-2", world / "tree-20", dirs_exist_ok=True)
    name = world / "tree-20/channels/stable"
    name.write_bytes(name.read_bytes()[:-1] + bytes([name.read_bytes()[-1] ^ 1]))
    assert "-74" in board(update(server, 20), check=1).stderr
    assert "404" in board(update(server, 2, channel="none"), check=1).stderr
    assert "ota.json" in board("import ota; ota.update()", check=1).stderr
    assert "http://HOST" in board("import ota; ota.update('ftp://x')", check=1).stderr
    assert board("import ota; print(ota.confirm())").stdout == "False\n"
    assert "-64" in board("import ota; ota.rollback()", check=1).stderr
    assert unharmed(board)["phase"] == "none"


def test_a_halt_cannot_be_undone_by_a_replay(board, world, server):
    """Who was told to wait has seen that channel: the file from before the halt is refused."""
    tree = world / "tree-21"
    shutil.copytree(world / "tree-2", tree)
    old = (tree / "channels/stable").read_bytes()
    Molt(molt_path("MOLT_FAST"), world).ok("publish", tree, "--bundle", "v2.molt", "--channel", "stable", "--key", "key.pem",
                                           "--rollout", "0")
    assert "-90" in board(update(server, 21), check=1).stderr
    (tree / "channels/stable").write_bytes(old)
    assert "-87" in board(update(server, 21), check=1).stderr
    assert unharmed(board)["phase"] == "none"


def test_another_bundle_than_the_channel_names(board, world, server):
    """Rightly signed, but put under the digest of another."""
    shutil.copytree(world / "tree-2", world / "tree-22")
    bundle, = (world / "tree-22/bundles").iterdir()
    shutil.copy(world / "v3.molt", bundle)
    assert "-91" in board(update(server, 22), check=1).stderr
    assert unharmed(board)["phase"] == "none"


def test_crashes_of_a_confirmed_release_end_in_safe_mode(board, world, server):
    board(update(server, 2))
    directory = "/rel/" + digests(world, 2)[1][:16]
    board("file = open('%s/main.py', 'w'); file.write('raise RuntimeError(5)'); file.close()" % directory)
    done = board()
    assert done.json["boots"] == 4 and done.json["running"] == "ota_1"
    assert "ota: safe mode: 3 resets in a row" in done.stdout
    assert done.stdout.count("RuntimeError: 5") == 3
    board("import ota; ota.confirm()")


def test_provision(world, tmp_path, board):
    molt = board.molt
    key = world / "key.pem.pub"
    shutil.rmtree(tmp_path / "board")
    molt.ok("sim", "new", "sim:board", "--flash", world / "ota.bin")
    before = hashlib.sha256((tmp_path / "board/flash.bin").read_bytes()).digest()
    plan = molt.ok("provision", "sim:board", "--key", key, "--dry-run")
    assert "nothing was written" in plan and "/lib/molt_x64.mpy" in plan
    assert hashlib.sha256((tmp_path / "board/flash.bin").read_bytes()).digest() == before
    molt.ok("provision", "sim:board", "--key", key, "--url", "http://127.0.0.1:9/t", "--channel", "beta")
    again = molt.ok("provision", "sim:board", "--key", key, "--url", "http://127.0.0.1:9/t", "--channel", "beta")
    assert again == "provisioned already: sim:board\n"
    listed, site = board("import os; print(sorted(os.listdir('/'))); print(open('/ota.json').read())").stdout.splitlines()
    assert listed == "['boot.py', 'lib', 'ota.json']"
    site = json.loads(site)
    assert [(row["use"], len(row["key"])) for row in site.pop("keys")] == [("both", 128)]
    assert site == {"url": "http://127.0.0.1:9/t", "channel": "beta", "board": "ESP32_GENERIC"}


def test_provision_keys_of_one_use(world, tmp_path, board, server):
    """A key for channels only signs no bundle, and the other way round."""
    molt = board.molt
    shutil.rmtree(tmp_path / "board")
    molt.ok("sim", "new", "sim:board", "--flash", world / "ota.bin")
    molt.ok("sim", "boot", "sim:board")
    key = world / "key.pem.pub"
    assert "is trusted for channels\n" in molt.ok("provision", "sim:board", "--key", key, "--use", "channels")
    assert "does not trust for bundles" in molt.fails("update", "sim:board", "--from", world / "tree-2")
    assert "is trusted for bundles\n" in molt.ok("provision", "sim:board", "--key", key, "--use", "bundles")
    assert molt.ok("provision", "sim:board", "--key", key) == "provisioned already: sim:board\n"
    molt.ok("update", "sim:board", "--from", world / "tree-2", "--dry-run")
    assert "found 'all'" in molt("provision", "sim:board", "--key", key, "--use", "all", check=2).stderr


def test_provision_keeps_what_is_there(world, tmp_path, board):
    """A file system that MicroPython made, with a boot.py of the user's."""
    molt = board.molt
    key = world / "key.pem.pub"
    shutil.rmtree(tmp_path / "board")
    molt.ok("sim", "new", "sim:board", "--flash", world / "ota.bin")
    board("f = open('/boot.py', 'w'); f.write('print(\"mine\")'); f.close(); f = open('/data', 'w'); f.write('x' * 9000);"
          " f.close()")
    assert "boot_user.py" in molt.ok("provision", "sim:board", "--key", key)
    assert board("print(len(open('/data').read()))").stdout == "mine\n9000\n"
    assert molt.ok("provision", "sim:board", "--key", key) == "provisioned already: sim:board\n"
    board("f = open('/boot.py', 'w'); f.write('print(\"another\")'); f.close()")
    assert "join the two by hand" in molt.fails("provision", "sim:board", "--key", key)


def test_provision_errors(world, tmp_path, board):
    molt = board.molt
    key = world / "key.pem.pub"
    assert "--key" in molt("provision", "sim:board", check=2).stderr
    assert "--url" in molt("provision", "sim:board", "--key", key, "--channel", "x", check=2).stderr
    assert "none.pem" in molt.fails("provision", "sim:board", "--key", "none.pem")
    assert "molt_x64.mpy" in molt.fails("provision", "sim:board", "--key", key, "--native", tmp_path)
    assert "no device package" in molt.fails("provision", "sim:board", "--key", key, env={"MOLT_PORT": str(tmp_path)})
    assert "64 bytes" in molt.fails("provision", "sim:board", "--key", key, "--id", "x" * 65)
    for n in range(3):
        molt.ok("key", "new", "k%d.pem" % n)
        molt.ok("provision", "sim:board", "--key", "k%d.pem.pub" % n)
    molt.ok("key", "new", "k4.pem")
    assert "no more fit" in molt.fails("provision", "sim:board", "--key", "k4.pem.pub")
    with open(tmp_path / "board/flash.bin", "r+b") as flash:
        flash.seek(0x410000)
        flash.write(bytes(8192))
    assert "littlefs" in molt.fails("provision", "sim:board", "--key", key)


def test_memory(board, world, server, tmp_path):
    """Bounds of this 64-bit simulation, its own modules included; not a measurement of a device, whose words are half as wide."""
    def limited(kib):
        small = tmp_path / ("micropython-%d" % kib)
        small.write_text("#!/bin/sh\nexec %s -X heapsize=%dk \"$@\"\n" % (TOP / "build/micropython/micropython", kib))
        small.chmod(0o755)
        return "--micropython", small

    CACHE = 12 * 4096  # of the simulator
    done = board("import gc\ngc.collect()\nprint('USED', gc.mem_alloc())", *limited(256 + CACHE // 1024))
    assert "MemoryError" not in done.stdout + done.stderr
    assert int(done.stdout.split("USED")[1]) < 64 * 1024 + CACHE
    board(update(server, 2, quiet=True), *limited(512 + CACHE // 1024))
    good(board, world)
