"""micropython-esp32-ota's calls, by ota.classic, on a simulated board that runs a genuine MicroPython. What its README documents."""
import hashlib
import json
import shutil

import pytest

import lobo
from test_lobo import V2, board, boards, confirm, put, server, world  # noqa: F401 (fixtures)

pytestmark = pytest.mark.fast

SHA = hashlib.sha256(V2).hexdigest()
IMPORT = "from ota.classic import update, rollback, status\n"


def run(board, text, *words, allow=True, check=0):
    start = "import ota\nota.allow_unsigned = True\n" if allow else "import ota\n"
    return board(start + IMPORT + text, *words, check=check)


def installed(board):
    assert board.slot(1)[:len(V2)] == V2
    assert board.boots() == "MicroPython_2"


def fails(board, text, error, *, allow=True):
    """That call raises, and nothing is switched."""
    done = run(board, text, allow=allow, check=1)
    assert error in done.stderr, done.stdout + done.stderr
    assert board.boots() == "MicroPython_1"
    return done.stderr


def test_from_file(board, server):
    done = run(board, "print('RESULT', update.from_file('%sok/v2.bin', sha='%s', length=%d, reboot=False))" % (
        server.base, SHA.upper(), len(V2)))
    assert "RESULT %d\n" % len(V2) in done.stdout and "is not signed" in done.stdout
    installed(board)


def test_from_file_on_the_device_restarts_by_itself(board, world):
    put(board, world, "v2.bin")
    done = run(board, "import time\ntime.sleep = lambda s: print('waits', s)\nupdate.from_file('/v2.bin', verify=True, verbose=False)\n"
                      "print('returned')")
    assert "Rebooting in 10 seconds" in done.stdout and "waits 10" in done.stdout and "returned" not in done.stdout
    assert "%" not in done.stdout and done.json["boots"] == 3


@pytest.mark.parametrize("words, error", [
    ("sha='%s'" % ("0" * 64), "ValueError: expected sha256 000"), ("length=5", "ValueError: "), ("auth=('a', 'b')", "TypeError")])
def test_what_does_not_fit(board, server, words, error):
    fails(board, "update.from_file('%sok/v2.bin', reboot=False, %s)" % (server.base, words), error)


def test_a_sum_is_no_permission(board, server):
    """The operator's word for one file is not a signature."""
    fails(board, "update.from_file('%sok/v2.bin', sha='%s')" % (server.base, SHA), "is not signed: refused", allow=False)


def test_errors_as_the_peer_raises_them(board, server):
    fails(board, "update.from_file('%sok/none.bin')" % server.base, "ValueError: ")
    fails(board, "update.from_file('/none.bin')", "Error")
    fails(board, "update.from_json('%sok/v2.txt')" % server.base, "ValueError: Url does not end with '.json'")
    fails(board, "update.from_json('%sok/none.json')" % server.base, "ValueError: ")


@pytest.mark.parametrize("name", ["v2.bin", "ok/v2.bin", "http"])
@pytest.mark.parametrize("where", ["server", "file"])
def test_from_json(board, world, server, name, where):
    if where == "file" and name != "http":
        return
    firmware = {"v2.bin": "v2.bin", "ok/v2.bin": "app/fw.bin", "http": server.base + "ok/v2.bin"}[name]
    (world / "fw.json").write_text(json.dumps({"firmware": firmware, "sha": SHA, "length": len(V2)}))
    if where == "file":
        put(board, world, "fw.json")
    url = "/fw.json" if where == "file" else server.base + "ok/fw.json"
    done = run(board, "print('RESULT', update.from_json(%r, reboot=False))" % url)
    assert "RESULT %d\n" % len(V2) in done.stdout
    installed(board)


def test_streams(board, world):
    """An open file; a stream that cannot go back; nothing is switched before close()."""
    put(board, world, "v2.bin")
    done = run(board, "class Uart:\n    def __init__(self, f): self.f = f\n    def readinto(self, b): return self.f.readinto(memoryview(b)[:700])\n"
                      "with open('/v2.bin', 'rb') as f:\n    work = update.OTA(sha=%r, length=%d)\n"
                      "    print('RESULT', work.from_stream(Uart(f)))\n    print(status.boot_ota())\n    work.close()\n"
                      "print(status.boot_ota())" % (SHA, len(V2)))
    assert "RESULT %d\n" % len(V2) in done.stdout
    before, after = [line for line in done.stdout.splitlines() if "<Partition" in line]
    assert "MicroPython_1" in before and "MicroPython_2" in after
    installed(board)
    fails(board, "with update.OTA() as work:\n    work.from_stream(open('/v2.bin', 'rb'))", "length=")


@pytest.mark.parametrize("step", [1, 1024, 60000])
def test_write(board, world, step):
    put(board, world, "v2.bin")
    text = ("with update.OTA(length=%d, sha=%r) as work:\n    with open('/v2.bin', 'rb') as f:\n        data = f.read(%d)\n"
            "        while data:\n            work.write(memoryview(data))\n            data = f.read(%d if f.tell() > 9 else 1)\n")
    run(board, text % (len(V2), SHA, step, max(step, 512)))
    installed(board)
    if step == 1024:
        fails(board, "with update.OTA(length=9) as work: work.write(bytes(10))", "ValueError: more")
        fails(board, "with update.OTA(length=9) as work: work.write(b'\\xe9')", "ValueError: 8 bytes are missing")
        fails(board, "work = update.OTA(length=%d, sha='0')\nf = open('/v2.bin', 'rb')\nfor _ in range(148): work.write(f.read(1024))\nwork.close()" % len(V2), "ValueError: expected")
        # An exception in between leaves all as it was, and the next one may begin.
        text = "try:\n    with update.OTA(length=99999) as work:\n        work.write(open('/v2.bin', 'rb').read(9999))\n        1 / 0\nexcept ZeroDivisionError: pass\n"
        run(board, text + "update.from_file('/v2.bin', reboot=False)")
        installed(board)


def test_bundle(board, server):
    run(board, "update.from_file('%sok/v5.molt', reboot=False)" % server.base, allow=False)
    assert board.boots() == "MicroPython_2"


def test_rollback(board, server):
    run(board, "update.from_file('%sok/v2.bin', reboot=False)" % server.base)
    run(board, "rollback.cancel()\nrollback.cancel()")
    assert board.boots() == "MicroPython_2"
    run(board, "rollback.force()")
    assert board.boots() == "MicroPython_1"  # on trial, too
    assert board.boots() == "MicroPython_2"
    run(board, "rollback.force()\nprint(status.boot_ota())\nrollback.cancel_force()\nprint(status.boot_ota())\nrollback.cancel_force()")
    assert board.boots() == "MicroPython_2"
    run(board, "rollback.force()")
    run(board, "rollback.cancel()")
    assert board.boots() == "MicroPython_1"


def test_status(boards):
    done = run(boards("two"), "print(status.ready(), status.boot_ota().info()[4])\nstatus.status()\nstatus.otadata_check()")
    assert "True MicroPython_1" in done.stdout and done.stdout.count("MicroPython_1") >= 3
    board = boards("single")
    done = run(board, "print(status.ready(), status.boot_ota().info()[4])\nstatus.status()\nstatus.otadata_check()")
    assert "False MicroPython\n" in done.stdout
    run(board, "try:\n    update.OTA()\nexcept OSError as error:\n    print(error.errno)\ntry:\n    rollback.force()\nexcept OSError as error:\n    print(error)")
