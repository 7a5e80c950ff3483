"""molt sim run: a genuine MicroPython as the application of a simulated board."""
import json
import os
import pathlib

import pytest

import lobo

TOP = pathlib.Path(__file__).resolve().parents[2]
PEER = TOP / "build/deps/src/mp_image_tool_esp32-0.1.1/tests/data/mock-fs/ota"
APP_SIZE = 1672800  # of the genuine firmware's application


@pytest.fixture(scope="session")
def interpreter():
    """The genuine MicroPython that scripts/micropython.sh fetched."""
    return lobo.interpreter()


@pytest.fixture
def run(molt, firmware, interpreter, tmp_path):
    """Runs a script (text) on a board with two slots; options as words. The result has .json too."""
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")

    return lobo.Board(molt, tmp_path, interpreter)


def running(molt):
    return json.loads(molt("ota", "status", "--json", "sim:board").stdout)["running"]


WRITE = """
for name, text in %r:
    with open(name, "w") as file:
        file.write(text)
"""


def put(run, **files):
    """Text files of the board's root: main_py="..." """
    run(WRITE % [("/" + name.replace("_py", ".py"), text) for name, text in files.items()])


def test_first_boot_formats_and_a_later_one_keeps(run):
    first = run("import os; print(os.listdir('/')); open('/kept', 'w').close()")
    assert first.stdout == "['boot.py']\n"
    assert first.json["operations"] > 10 and first.json["end"] == "exit" and first.json["killed"] is None
    again = run("import os, sys; print(sorted(os.listdir('/')), sys.path, sys.implementation.name)")
    assert again.stdout == "['boot.py', 'kept'] ['', '.frozen', '/lib'] micropython\n"
    assert again.json["operations"] == 0


def test_boot_then_main_as_the_chip_does(run):
    put(run, boot_py="print('boot'); x = 5", main_py="print('main', x)\nraise SystemExit(7)")
    assert run(check=7).stdout == "boot\nmain 5\n"
    assert run("print('script', x)").stdout == "boot\nscript 5\n"
    put(run, boot_py="1 / 0", main_py="print('still')")
    failed = run()
    assert failed.stdout == "still\n" and "ZeroDivisionError" in failed.stderr
    put(run, main_py="1 / 0")
    assert "ZeroDivisionError" in run(check=1).stderr


def test_facts_reach_the_program(run):
    out = run("""
import esp, esp32, machine
p = esp32.Partition(esp32.Partition.RUNNING)
print(p.info(), esp32.Partition(esp32.Partition.BOOT).info()[4], p.get_next_update().info()[4])
print(esp.flash_size(), machine.reset_cause(), len(machine.unique_id()))
try:
    p.writeblocks(0, bytes(100))
except OSError as error:
    print(error.errno)
n = esp32.NVS("molt")
try:
    n.get_blob("r1", bytearray(9))
except OSError as error:
    print(error.errno)
n.set_blob("r1", b"abc")
b = bytearray(9)
print(n.get_blob("r1", b), bytes(b[:3]))
""").stdout.splitlines()
    assert out[0] == "(0, 16, 65536, 2097152, 'ota_0', False) ota_0 ota_1"
    assert out[1] == "8388608 1 6"
    assert out[2:] == ["-260", "-4354", "3 b'abc'"]
    assert run("import esp32; b = bytearray(9); print(esp32.NVS('molt').get_blob('r1', b))").stdout == "3\n"


def test_reset_boots_again_up_to_the_limit(run):
    put(run, main_py="import machine; print(machine.reset_cause()); machine.reset()")
    done = run(None, "--boots", "3", check=1)
    assert done.stdout == "1\n2\n2\n" and done.json["end"] == "boots" and done.json["boots"] == 3
    assert "3 boots and no end" in done.stderr


def test_script_runs_at_the_first_boot_only(run):
    put(run, main_py="print('main')")
    done = run("import machine; print('script'); machine.reset()")
    assert done.stdout == "script\nmain\n" and done.json["boots"] == 2


@pytest.mark.parametrize("rest, feeds", [("time.sleep(30)", False), ("while True: pass", False), ("", False),
                                         ("for i in range(20): time.sleep_ms(20); w.feed()", True)])
def test_watchdog(run, rest, feeds):
    put(run, main_py="import machine; print(machine.reset_cause())")
    # 6 s, at forty times the speed: 150 ms. Without anything more the program ends, and nobody feeds at the prompt.
    done = run("import machine, time\nw = machine.WDT(timeout=6000)\n%s\nprint('fed')%s" % (
        rest, "\nmachine.WDT(timeout=3600000)" if feeds else ""), "--time-scale", "40")
    if feeds:
        assert done.stdout == "fed\n" and done.json["boots"] == 1
    else:
        assert done.stdout in ("3\n", "fed\n3\n") and done.json["boots"] == 2


@pytest.mark.parametrize("write", ["p.writeblocks(100, bytes(4096))", "p.ioctl(6, 511)",
                                   "esp.flash_write(0x8000, bytes(4))", "esp.flash_erase(1)"])
def test_chip_aborts_on_a_write_to_what_it_runs(run, write, tmp_path):
    run()
    before = (tmp_path / "board/flash.bin").read_bytes()
    done = run("import esp, esp32; p = esp32.Partition(esp32.Partition.RUNNING)\n%s\nprint('not here')" % write)
    assert done.stdout == "" and done.json["boots"] == 2
    assert (tmp_path / "board/flash.bin").read_bytes() == before


@pytest.mark.parametrize("kind", ["before", "after", "torn"])
def test_cut_kills_a_genuine_micropython(run, kind):
    old, new = "old" * 2000, "new" * 1500
    put(run, file=old)
    operations = run(WRITE % [("/file", new)]).json["operations"]
    assert operations > 5
    put(run, file=old)
    seen = set()
    for n in range(1, operations + 1, 3):
        done = run(WRITE % [("/file", new)], "--cut", n, "--cut-kind", kind, check=3)
        assert done.json["end"] == "cut" and done.json["operations"] == n
        killed = done.json["killed"]
        assert killed["genuine"] and killed["executable"].endswith("/bin/micropython")
        assert not killed["native_code"] and killed["modules"] == ""
        assert not os.path.exists("/proc/%d" % killed["pid"])
        found = run("print(open('/file').read())").stdout.strip()
        assert found in (old, new)
        seen.add(found)
        put(run, file=old)
    assert old in seen


def test_cut_in_the_bootloader(run):
    done = run("", "--cut", "1", check=3)  # an erased otadata: the boot model writes a record first
    assert done.json["end"] == "cut" and done.json["killed"] is None
    assert run("print('up')").stdout == "up\n"


def test_update_tool_of_others_runs_on_the_fake_module(run, molt):
    """micropython-esp32-ota's compiled modules take our fake esp32 module for the real one."""
    files = [("/lib/ota/" + path.name, path.read_bytes()) for path in sorted(PEER.glob("*.mpy"))]
    assert len(files) == 4
    run("import os\nfor d in ('/lib', '/lib/ota'): os.mkdir(d)\n" + (WRITE % files).replace('"w"', '"wb"'))
    status = run("import ota.status; ota.status.status()").stdout
    assert "has booted from partition 'ota_0'" in status and "Next boot is 'ota_0'" in status
    update = """
import esp32, io, ota.update
class Image(io.IOBase):
    at, part = 0, esp32.Partition("ota_0")
    def readinto(self, buffer):
        n = min(len(buffer), %d - self.at)
        self.part.readblocks(0, memoryview(buffer)[:n], self.at)
        self.at += n
        return n
with ota.update.OTA(verify=True, verbose=False, reboot=True) as update:
    update.from_stream(Image())
""" % APP_SIZE
    done = run(update + "import machine; machine.reset()")
    assert running(molt) == "ota_1" and done.json["boots"] == 2
    # Not confirmed: the next reset goes back. Confirmed through the genuine call, it stays.
    assert run("").json["running"] == "ota_0"
    put(run, main_py="import esp32; esp32.Partition.mark_app_valid_cancel_rollback()")
    run(update + "import machine; machine.reset()")
    assert run("").json["running"] == "ota_1"


def test_errors(run, molt, tmp_path):
    assert "expected sim:FOLDER" in molt("sim", "run", "board", check=2).stderr
    assert "--cut-kind needs --cut" in molt("sim", "run", "sim:board", "--cut-kind", "torn", check=2).stderr
    assert "expected before, after or torn" in molt("sim", "run", "sim:board", "--cut", 1, "--cut-kind", "x",
                                                    check=2).stderr
    assert "--boots 0" in molt("sim", "run", "sim:board", "--boots", 0, check=2).stderr
    message = molt.fails("sim", "run", "sim:board", "--micropython", "no-such-program")
    assert "no-such-program: no MicroPython there: scripts/micropython.sh" in message
    assert "ended with code 0 before" in molt.fails("sim", "run", "sim:board", "--micropython", "true")
    assert "modules are missing" in molt.fails("sim", "run", "sim:board", env={"MOLT_PORT": str(tmp_path)})
    (tmp_path / "script.py").write_text("")
    molt.ok("sim", "new", "sim:blank")
    assert "nothing boots" in molt.fails("sim", "run", "sim:blank", "script.py")
