"""The life of a device: many updates in a row, whatever a release may hold, every refusal, a full file system, odd boards.

Simulated boards with small images and the genuine MicroPython, made ready by `molt provision` as a user does it.
"""
import ast
import hashlib
import json
import pathlib
import random
import re
import shutil
import struct
import tempfile

import pytest
from littlefs import LittleFS

import boards
import faultserver
import lobo
import plainboard
from conftest import Molt, molt_path

pytestmark = pytest.mark.fast
TOP = pathlib.Path(__file__).resolve().parents[2]
MICROPYTHON = TOP / "build/micropython/micropython"
UPDATE, FLOOR, FAILED, RELEASES = 1, 2, 4, 5
BLOCK = 4096
MAIN = "import ota\nprint('PAIR', ota.pair())\nprint('RUNS %s', ota.confirm())\n"


class Device(lobo.Board):
    """A simulated board in a folder of its own; what it fetches lies there too, served at .base."""

    def __init__(self, folder, base, key="key.pem"):
        super().__init__(Molt(molt_path("MOLT_FAST"), folder), folder, MICROPYTHON)
        self.base, self.key = base, key

    def bundle(self, name, sequence, files=None, app=None, *words, key=None, env=None):
        """NAME.molt of {path: content} and an image; files of True: MAIN of that name."""
        given = []
        if app is not None:
            (self.folder / (name + ".bin")).write_bytes(app)
            given += ["--app", name + ".bin"]
        if files is not None:
            root = self.folder / ("release-" + name)
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            for path, content in ({"main.py": MAIN % name} if files is True else files).items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
            given += ["--release", root]
        self.molt.ok("bundle", "create", "-o", name + ".molt", *given, "--key", key or self.key, "--sequence", sequence, "--force",
                     *words, env=env)

    def update(self, name, *words, check=0, more="", before=""):
        return self("import ota\n%sota.update('%s%s', quiet=True%s)" % (
            before, self.base, name if "/" in name else name + ".molt", more), *words, check=check)

    def refusal(self, name, *words, more=""):
        """The number of the refusal of an update from inside, 0 when it was installed; and its text."""
        done = self("import ota\ntry:\n    ota.update('%s%s', quiet=True, restart=False%s)\n    print('ERROR 0 installed')\n"
                    "except ota.Error as error:\n    print('ERROR', error.errno, error)\n" % (
                        self.base, name if "/" in name else name + ".molt", more), *words)
        number, text = re.search("^ERROR (-?[0-9]+) (.*)$", done.stdout, re.M).groups()
        return int(number), text

    def sums(self, name):
        """{role: SHA-256} of a bundle."""
        shown = json.loads(self.molt.ok("bundle", "show", name + ".molt", "--json"))
        return {payload["role"]: payload["sha256"] for payload in shown["payloads"]}

    def records(self):
        data, at, found = self.store(), 4, {}
        while at < len(data):
            number, n = struct.unpack_from("<BxH", data, at)
            found[number] = data[at + 8:at + 8 + n]
            at += 8 + n
        return found

    def phase(self):
        return self.records()[UPDATE][1]

    def floor(self):
        return struct.unpack_from("<I", self.records().get(FLOOR, bytes(5)), 1)[0]

    def bound(self):
        """{offset of the slot: release (hex)}"""
        data = self.records().get(RELEASES, b"\1\0")
        assert len(data) == 2 + 68 * data[1]
        return {struct.unpack_from("<I", data, at)[0]: data[at + 36:at + 68].hex() for at in range(2, len(data), 68)}

    def files(self):
        return boards.files(self.folder / "board")

    def releases(self):
        """Names of the directories in /rel."""
        return {path.split("/")[2] for path in self.files() if path.startswith("/rel/")}

    def fs(self, change):
        """change(LittleFS) of the board's files, from outside."""
        offset, size = boards.partition(self.folder / "board", "vfs")
        fs = LittleFS(block_size=BLOCK, block_count=size // BLOCK, read_size=32, prog_size=32, mount=False)
        with open(self.folder / "board/flash.bin", "r+b") as flash:
            flash.seek(offset)
            fs.context.buffer = bytearray(flash.read(size))
            fs.mount()
            found = change(fs)
            fs.unmount()
            flash.seek(offset)
            flash.write(fs.context.buffer)
        return found

    def put(self, path, content):
        def change(fs):
            with fs.open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        self.fs(change)

    def report(self):
        return ast.literal_eval(self("import ota; print(repr(ota.report()))").stdout.splitlines()[-1])


def ran(done):
    """What each boot's application said: ["2", "3"]."""
    return re.findall("^RUNS (\\S+)", done.stdout, re.M)


def pairs(done):
    return [ast.literal_eval(line[5:]) for line in done.stdout.splitlines() if line.startswith("PAIR ")]


def provisioned(folder, firmware, *slots, **options):
    """sim:board in that folder, and key.pem; the package on it is the compiled one."""
    molt = Molt(molt_path("MOLT_FAST"), folder)
    (folder / "dump.bin").write_bytes(lobo.dump(firmware.read_bytes(), *slots, **options))
    molt.ok("key", "new", "key.pem")
    molt.ok("sim", "new", "sim:board", "--flash", "dump.bin")
    molt.ok("sim", "boot", "sim:board")
    molt.ok("provision", "sim:board", "--key", "key.pem.pub")
    assert "/lib/ota/_trial.mpy" in boards.files(folder / "board"), "run scripts/package.sh"


@pytest.fixture(scope="module")
def world(tmp_path_factory, firmware):
    """A provisioned board with two slots that never updated."""
    folder = tmp_path_factory.mktemp("life")
    provisioned(folder, firmware, "ota_0", "ota_1")
    return folder


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """Serves what lies below: (folder, base URL)."""
    folder = tmp_path_factory.mktemp("web")
    with faultserver.Server(folder) as server:
        yield folder, server.base + "ok/"


def in_the_web(web, source):
    """A device whose folder, below what is served, is a copy of the source."""
    place = pathlib.Path(tempfile.mkdtemp(dir=web[0]))
    shutil.copytree(source, place, dirs_exist_ok=True)
    return Device(place, web[1] + place.name + "/")


@pytest.fixture
def device(world, web, tmp_path):
    return in_the_web(web, world)


@pytest.fixture(scope="module")
def second_world(world, web, tmp_path_factory):
    device = in_the_web(web, world)
    device.bundle("2", 2, True, lobo.image(2, 70_000))
    assert ran(device.update("2")) == ["2"] and device.runs == "ota_1"
    return device.folder


@pytest.fixture
def second(second_world, web, tmp_path):
    """The device with version 2, confirmed, in ota_1."""
    return in_the_web(web, second_world)


# ---- Many updates ----

ORDER = """
from ota import _files, _esp
def noted(kind, name, text):
    work = getattr(kind, name)
    def note(self, first, *more):
        print("DID", text, first)
        return work(self, first, *more)
    setattr(kind, name, note)
noted(_files.Host, "file_remove", "remove")
noted(_files.Host, "store_put", "put")
noted(_esp.Host, "flash_erase", "erase")
"""
CYCLE = ("both", "files", "failing", "unsigned", "failing files")


def test_twenty_updates_in_a_row(device):
    """The pair that runs, what is left of others, the store and the floor, after each; removed is before the first erase."""
    device.bundle("0", 1, {"main.py": MAIN % 0, "data/table": "%04d" % 0 * 3000}, lobo.image(100, 70_000))
    assert ran(device.update("0")) == ["0"]
    runs = (device.sums("0")["app"], device.sums("0")["release"])
    slot, floor, fails, free = device.runs, 1, 0, {}
    for n in range(2, 23):
        kind = CYCLE[(n - 2) % len(CYCLE)]
        image = lobo.image(100 + n, 70_000) if kind in ("both", "unsigned", "failing") else None
        main = "raise RuntimeError('a bug')" if "failing" in kind else MAIN % n
        offsets = {"ota_0": 0x10000, "ota_1": 0x10000 + lobo.SLOT}
        other = offsets["ota_0" if slot == "ota_1" else "ota_1"]
        theirs = device.bound().get(other)
        if kind == "unsigned":
            (device.folder / "plain.bin").write_bytes(image)
            done = device("import ota\n%sota.allow_unsigned = True\nota.start('%splain.bin', file='', restart=True)" % (ORDER, device.base))
            runs = (hashlib.sha256(image).hexdigest(), runs[1])
        else:
            device.bundle(str(n), n, {"main.py": main, "data/table": "%04d" % n * 3000}, image)
            done = device.update(str(n), before=ORDER)
            if kind == "both":
                runs = (device.sums(str(n))["app"], device.sums(str(n))["release"])
            elif kind == "files":
                runs = (runs[0], device.sums(str(n))["release"])
            if "failing" in kind:
                fails += 1
            else:
                floor = n
        if kind in ("both", "unsigned"):
            slot = "ota_1" if slot == "ota_0" else "ota_0"
        where = "update %d, %s: %s" % (n, kind, done.stdout + done.stderr)
        assert pairs(done)[-1:] == [runs] and device.runs == slot, where
        # What is removed goes after its binding and before the first erase of the slot.
        did = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("DID ")]
        removed = [i for i, (what, name) in enumerate(did) if what == "remove"]
        erased = [i for i, (what, at) in enumerate(did) if what == "erase" and other <= int(at) < other + lobo.SLOT]
        unbound = [i for i, (what, record) in enumerate(did) if what == "put" and record == str(RELEASES)]
        assert bool(erased) == (image is not None), where
        if erased:
            assert all(i < erased[0] for i in removed), where
        if removed and theirs and image is not None:
            assert unbound and unbound[0] < removed[0], where
        # Files: what is bound, and at most one that the next update will remove.
        bound = device.bound()
        assert bound[offsets[slot]] == runs[1] and set(bound) <= {*offsets.values(), 0xFFFFFFFF}, where
        kept = {release[:16] for release in bound.values()}
        assert kept <= device.releases() and len(device.releases() - kept) <= (kind not in ("both", "unsigned")), where
        assert {path for path in device.files() if not path.startswith(("/rel/", "/lib/"))} <= {"/boot.py", "/ota.json"}, where
        # The store.
        records = device.records()
        assert device.floor() == floor and len(records[UPDATE]) == 56 and len(records[FLOOR]) == 13, where
        assert len(records.get(FAILED, b"\1\0")) == 2 + 32 * min(fails, 8), where
        now = int(device("import os; s = os.statvfs('/'); print('FREE', s[3] * s[0])").stdout.split("FREE ")[1].split()[0])
        assert now >= free.setdefault(kind, now) - BLOCK, where
    assert fails == 8 and n == 22


# ---- Refusals: the same from inside and from outside, and nothing is erased ----

JULY = {"SOURCE_DATE_EPOCH": "1719792000"}  # 2024-07-01


def publish(device, name, *words, tree="tree", key="key.pem", env=None):
    device.molt.ok("publish", tree, "--bundle", name + ".molt", "--channel", "stable", "--key", key, *words, env=env)
    return tree + "/"


def wrong_chip(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000, chip=5, load=0x3C000020, code_at=0x40380400))
    return "3", -79, "is for chip"


def wrong_board(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000), "--board", "LAMP")
    return "3", -78, "is for board 'LAMP'"


def slot_too_small(device):
    device.bundle("3", 3, True, lobo.image(3, lobo.SLOT))
    return "3", -80, "needs a slot of"


def slot_of_that_size_asked_for(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000), "--slot-size", "1M")
    return "3", -80, "needs a slot of"


def downgrade(device):
    device.bundle("1", 1, True, lobo.image(1, 70_000))
    return "1", -76, "has sequence number 1, and sim:board confirmed 2"


def key_unknown(device):
    device.molt.ok("key", "new", "strange.pem")
    device.bundle("3", 3, True, lobo.image(3, 70_000), key="strange.pem")
    return "3", -73, "a key that the device does not trust for bundles"


def key_for_channels_only(device):
    device.molt.ok("key", "new", "other.pem")
    device.molt.ok("provision", "sim:board", "--key", "other.pem.pub:channels")
    device.bundle("3", 3, True, lobo.image(3, 70_000), key="other.pem")
    return "3", -73, "a key that the device does not trust for bundles"


def channel_by_a_key_for_bundles_only(device):
    device.molt.ok("key", "new", "other.pem")
    device.molt.ok("provision", "sim:board", "--key", "other.pem.pub:bundles")
    device.bundle("3", 3, True, lobo.image(3, 70_000), key="other.pem")
    return publish(device, "3", key="other.pem"), -73, "one that may sign channels is needed"


def rollout_not_reached(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000))
    return publish(device, "3", "--rollout", 0), -90, "not in the rollout yet"


def not_before(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000))
    return publish(device, "3", "--not-before", "2099-01-01T00:00:00Z"), -90, "not in the rollout yet"


def channel_of_another_name(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000))
    tree = publish(device, "3")
    (device.folder / tree / "channels/beta").write_bytes((device.folder / tree / "channels/stable").read_bytes())
    return tree, -89, "is channel 'stable', expected 'beta'"


def bundle_behind_another(device):
    device.bundle("3", 3, True, lobo.image(3, 70_000))
    device.bundle("4", 4, True, lobo.image(4, 70_000))
    tree = publish(device, "3")
    bundle, = (device.folder / tree / "bundles").iterdir()
    shutil.copy(device.folder / "4.molt", bundle)
    return tree, -91, "is another bundle than the channel names"


def native_code_of_another_abi(device):
    device.bundle("3", 3, {"main.py": MAIN % 3, "fast.mpy": b"M\x06" + bytes([2 << 2 | 2, 31]) + bytes(40)}, None, "--mpy-abi", "6.2")
    return "3", -83, None  # the command does not know which .mpy files a noise loads


def does_not_fit_the_files(device):
    device.bundle("3", 3, {"main.py": MAIN % 3, **{"big/%d" % n: random.Random(n).randbytes(900_000) for n in range(4)}},
                  lobo.image(3, 70_000))
    return "3", -4, "no space left"


REFUSALS = (wrong_chip, wrong_board, slot_too_small, slot_of_that_size_asked_for, downgrade, key_unknown, key_for_channels_only,
            channel_by_a_key_for_bundles_only, rollout_not_reached, not_before, channel_of_another_name, bundle_behind_another,
            native_code_of_another_abi, does_not_fit_the_files)


def same_everywhere(device, name, number, words, *clock, channel=""):
    """That refusal from inside and, with these words, from outside; the flash stays as it is, the application runs on."""
    before = device.flash()
    code, text = device.refusal(name, *clock, more=channel and ", channel=%r" % channel)
    assert code == number and text.endswith("(%d)" % number), text
    assert device.flash() == before
    if words:
        source = name if "/" in name else name + ".molt"
        done = device.molt("update", "sim:board", "--from", source, *(["--channel", channel] if channel else []))
        assert words in done.stderr + done.stdout and done.returncode == (number != -90), done.stderr + done.stdout
        assert device.flash() == before
    assert ran(device()) == ["2"]


@pytest.mark.parametrize("why", REFUSALS, ids=lambda why: why.__name__)
def test_refused_and_nothing_is_erased(second, why):
    name, number, words = why(second)
    same_everywhere(second, name, number, words, channel="beta" if number == -89 else "")


@pytest.mark.parametrize("how", ["inside", "outside"])
def test_a_downgrade_that_is_allowed(second, how):
    second.bundle("1", 1, True, lobo.image(1, 70_000), "--allow-downgrade")
    if how == "inside":
        done = second.update("1")
    else:
        second.molt.ok("update", "sim:board", "--from", "1.molt")
        done = second()
    assert ran(done) == ["1"] and second.runs == "ota_0" and second.floor() == 2  # the floor never sinks


@pytest.mark.parametrize("what", ["bundle", "channel"])
def test_expired_where_the_clock_is_known(device, what):
    """A clock that was never set says nothing: then the newest signed time that was seen decides."""
    device.bundle("2", 2, True, lobo.image(2, 70_000), env=JULY)
    device.update("2", "--clock", "unset")
    assert device.runs == "ota_1"
    device.bundle("3", 3, True, lobo.image(3, 70_000), *(("--expires", "2024-08-01") if what == "bundle" else ()), env=JULY)
    name, number = "3", -75
    if what == "channel":
        name, number = publish(device, "3", "--expires", "2024-08-01", env=JULY), -88
    same_everywhere(device, name, number, "expire", "--clock", "1800000000")
    before = device.flash()
    assert device.refusal(name, "--clock", "1735689600")[0] == 0  # before 2025: not set
    assert device.flash() != before


def test_expired_by_the_newest_signed_time(second):
    """Version 2 is of today, and the device's clock is unset: what expired before that is refused all the same."""
    second.bundle("3", 3, True, lobo.image(3, 70_000), "--expires", "2024-08-01", env=JULY)
    same_everywhere(second, "3", -75, "expired", "--clock", "unset")


# ---- What a release may hold, and where it may hang ----

FAST = ("--time-scale", "200")
BAD = {  # files; how the report's error ends
    "import hangs": ({"main.py": "import slow", "slow.py": "while True: pass"}, "reset before confirm: watchdog"),
    "main hangs": ({"main.py": "while True: pass"}, "reset before confirm: watchdog"),
    "sleeps too long": ({"main.py": "import time\ntime.sleep(10)"}, "reset before confirm: watchdog"),
    "no main.py": ({"other.py": "x = 1"}, "OSError: [Errno 2] ENOENT"),
    "syntax error": ({"main.py": "import ota\nota.confirm(\n"}, "SyntaxError: invalid syntax"),
    "compiled for another version": ({"main.py": "import fast", "fast.mpy": b"M\x05\x00\x1f" + bytes(9)}, "incompatible .mpy file"),
    "not text": ({"main.py": b"\xff\xfe\x00"}, "UnicodeError:"),
    "too deep": ({"main.py": "def f():\n    f()\nf()"}, "RuntimeError: maximum recursion depth exceeded"),
    "out of memory": ({"main.py": "x = []\nwhile True:\n    x.append(bytearray(100000))"}, "MemoryError: "),
}


@pytest.mark.parametrize("what, app", [(what, "with a firmware") for what in BAD] + [
    (what, "files alone") for what in ("import hangs", "no main.py", "syntax error")])
def test_a_release_that_fails(second, what, app):
    files, error = BAD[what]
    second.bundle("3", 3, files, lobo.image(3, 70_000) if app == "with a firmware" else None)
    done = second.update("3", *FAST)
    assert ran(done) == ["2"] and second.runs == "ota_1" and second.phase() == 7
    report = second.report()
    assert report["error"].splitlines()[-1].startswith(error) or error in report["error"].splitlines()[-1], report
    assert report["reset"] == ("watchdog" if "watchdog" in error else "exception") and report["sequence"] == 3
    assert report["slot"] == ("ota_0" if app == "with a firmware" else "ota_1") and report["outcome"] == (
        -62 if report["reset"] == "watchdog" else -14)
    assert second.refusal("3")[0] == -77


@pytest.mark.parametrize("watched", [True, False])
def test_a_hang_in_a_callback_while_updating(second, watched):
    """The application hangs while it installs: with a watchdog of its own it starts again, and the next try goes on."""
    second.bundle("3", 3, True, lobo.image(3, 150_000))
    if watched:
        boot = second.files()["/boot.py"].decode()
        assert "ota.boot()" in boot
        second.put("/boot.py", boot.replace("ota.boot()", "ota.boot(watchdog_ms=30000)"))
    done = second.update("3", "--time-scale", "15", "--boots", "2", more=", progress=hang", before="""
def hang(done, total, text):
    if done > 60000:
        print("HANGS")
        while %r:
            pass
        raise KeyboardInterrupt
""" % watched, check=1)
    assert "HANGS" in done.stdout and second.runs == "ota_1" and second.phase() == 1
    assert ran(done) == ["2"] * watched and done.json["boots"] == 1 + watched
    done = second.update("3", "--boots", "2", check=watched)  # at the prompt nothing feeds that watchdog
    assert ran(done) == ["3"] and second.runs == "ota_0"


def test_an_empty_release(second):
    """Refused where it is made, as a device could only fail with it."""
    (second.folder / "empty").mkdir()
    done = second.molt("bundle", "create", "-o", "e.molt", "--release", "empty", "--key", "key.pem", "--sequence", 3)
    assert done.returncode == 1 and "empty" in done.stderr, done.stderr + done.stdout


NAMED = ("json", "hashlib", "binascii", "socket", "tls", "struct", "select", "os", "io", "errno", "random", "ota", "_trial", "_thread",
         "asyncio", "molt", "esp32x", "gc")


def test_modules_named_like_built_in_ones(second):
    """They are the application's; the package still updates from there, and confirms."""
    second.bundle("3", 3, {"main.py": MAIN % 3 + "import json\nprint(json.mine)\n", **{name + ".py": "mine = %r" % name for name in NAMED}},
                  lobo.image(3, 70_000))
    done = second.update("3")
    assert ran(done) == ["3"] and "\njson\n" in done.stdout, done.stdout + done.stderr
    second.bundle("4", 4, True, lobo.image(4, 70_000))
    done = second.update("4")
    assert ran(done) == ["4"], done.stdout + done.stderr


MANY = {
    "a b.txt": "blank", "d e/f g.txt": "blanks", "\u00fcml\u00e4ut.txt": "\u20ac", "\u65e5\u672c/\u8a9e.txt": "kanji",
    "\U0001f600.txt": "smile", "a'b\"c.txt": "quotes", "%s%%.txt": "percent", "x" * 60 + ".txt": "long", "none": "", "#.txt": "hash",
    "big": random.Random(5).randbytes(300_000), "blocks": bytes(8192), **{"many/%02d.txt" % n: "%d" % n * n for n in range(50)},
}


@pytest.mark.parametrize("app", ["with a firmware", "files alone"])
def test_many_files_large_ones_and_odd_names(second, app):
    second.bundle("3", 3, {**MANY, "main.py": MAIN % 3}, lobo.image(3, 70_000) if app == "with a firmware" else None)
    assert ran(second.update("3")) == ["3"]
    directory = "/rel/%s/" % second.sums("3")["release"][:16]
    found = {path[len(directory):]: content for path, content in second.files().items() if path.startswith(directory)}
    assert len(found.pop(".list")) <= 4096
    wanted = {path: content if isinstance(content, bytes) else content.encode() for path, content in MANY.items()}
    assert found == {**wanted, "main.py": (MAIN % 3).encode()}
    # And gone again, to the last one.
    second.bundle("4", 4, True, lobo.image(4, 70_000))
    second.bundle("5", 5, True, lobo.image(5, 70_000))
    assert ran(second.update("4")) == ["4"] and ran(second.update("5")) == ["5"]
    assert second.releases() == {second.sums(n)["release"][:16] for n in "45"}


# ---- Firmware that loads another .mpy version ----

def another_version(device):
    """The engine's module as a firmware of another .mpy version finds it."""
    data = bytearray(device.files()["/lib/molt_x64.mpy"])
    data[1] += 1
    device.put("/lib/molt_x64.mpy", bytes(data))


@pytest.mark.parametrize("engine", ["in the release", "none"])
@pytest.mark.parametrize("main, runs", [(MAIN % 3, "3"), ("raise RuntimeError('a bug')", "2"), ("import machine\nmachine.reset()", "2")])
def test_the_engine_in_lib_is_of_another_version(second, engine, main, runs):
    """The hook brings the trial to its end without it; the release's own one is taken for what follows."""
    files = {"main.py": main}
    if engine == "in the release":
        files["molt_x64.mpy"] = second.files()["/lib/molt_x64.mpy"]
    second.bundle("3", 3, files, lobo.image(3, 70_000))
    second.update("3", more=", restart=False")
    another_version(second)
    done = second()
    assert ran(done) == [runs] and second.phase() == (6 if runs == "3" else 7), done.stdout + done.stderr
    assert second.floor() == int(runs) and "another version" not in done.stdout
    assert second()  # and nothing is left to do
    second.bundle("4", 4, {"main.py": MAIN % 4, **({"molt_x64.mpy": files["molt_x64.mpy"]} if runs == "3" and len(files) > 1 else {})},
                  lobo.image(4, 70_000))
    if runs == "3" and engine == "in the release":
        assert ran(second.update("4")) == ["4"]
    else:
        assert "ValueError: incompatible .mpy file" in second.update("4").stdout


def test_the_release_s_engine_is_found_after_the_one_in_lib_did_not_load(second):
    """The hook asked for the engine before the release was in sys.path: a confirm that was cut."""
    engine = second.files()["/lib/molt_x64.mpy"]
    second.bundle("3", 3, {"main.py": MAIN % 3, "molt_x64.mpy": engine}, lobo.image(3, 70_000))
    done = second.update("3")
    assert ran(done) == ["3"]
    another_version(second)
    second.bundle("4", 4, True, lobo.image(4, 70_000))
    second("import ota\nfrom ota import _store\nu = _store.Update()\nu.phase = _store.CONFIRMING\nu.save()")
    done = second.update("4")
    assert "ota: no engine here: incompatible .mpy file" in done.stdout and ran(done)[-1:] == ["4"], done.stdout + done.stderr


@pytest.mark.parametrize("fs", ["lfs", "fat"])
def test_native_code_of_another_abi_on_a_plain_port(world, tmp_path, fs):
    board = plainboard.Board(tmp_path, fs)
    site = boards.files(world / "board")["/ota.json"]
    board("with open('/ota.json', 'wb') as file:\n    file.write(%r)" % site)
    maker = Device(world, "")
    for n, sub in ((2, 2), (3, 3)):
        maker.bundle("plain-%d" % n, n, {"main.py": MAIN % n, "fast.mpy": b"M\x06" + bytes([2 << 2 | sub, 31]) + bytes(40)}, None,
                     "--mpy-abi", "6.%d" % sub)
    script = ("import ota\ntry:\n    ota.update('file:/host%s/plain-%d.molt', quiet=True, restart=False)\n    print('INSTALLED')\n"
              "except ota.Error as error:\n    print(error.errno)\nimport os\nprint('rel' in os.listdir('/'))")
    assert board(script % (world, 2)) == "-83\nFalse\n"
    assert board(script % (world, 3)) == "INSTALLED\nTrue\n"


# ---- A file system that is full, or nearly ----

FILL = """
import os
def fill(name, n):
    with open(name, "wb") as file:
        for _ in range(n):
            file.write(b"f" * 4096)
"""


@pytest.fixture(scope="module")
def small_world(tmp_path_factory, firmware):
    """A board with a vfs of 384 KB."""
    folder = tmp_path_factory.mktemp("small")
    provisioned(folder, firmware, "ota_0", "ota_1", vfs=96 * BLOCK)
    return folder


@pytest.fixture
def small(small_world, web, tmp_path):
    device = in_the_web(web, small_world)
    device.bundle("2", 2, True, lobo.image(2, 70_000))
    assert ran(device.update("2")) == ["2"]
    return device


def really_free(device):
    """Bytes that one file more can have, by trying."""
    def change(fs):
        n = 0
        try:
            with fs.open("/probe", "wb") as file:
                while True:
                    n += file.write(b"p" * BLOCK)
                    file.flush()
        except Exception:
            pass
        fs.remove("/probe")
        return n
    return device.fs(change)


def test_a_file_system_that_is_full(small):
    """Refused before anything is erased, also the store is not touched; with room again it goes on. A firmware alone needs none."""
    free = really_free(small)
    small(FILL + "fill('/full', %d)" % (free // BLOCK - 2))
    assert really_free(small) <= 4 * BLOCK < free
    small.bundle("3", 3, True, lobo.image(3, 70_000))
    small.bundle("4", 4, None, lobo.image(4, 70_000))
    before = small.flash()
    code, text = small.refusal("3")
    assert code == -4 and re.search(r"files need \d+ KB in the file system, \d+ KB can be had", text)
    assert small.flash() == before and ran(small()) == ["2"]
    assert ran(small.update("4")) == ["2"] and small.runs == "ota_0" and small.floor() == 4
    small("import os; os.remove('/full')")
    small.bundle("5", 5, True, lobo.image(5, 70_000))
    assert ran(small.update("5")) == ["5"]


def test_a_release_that_fills_the_file_system(small):
    """Refused, or installed to its end: at every size; and the next one finds its room again."""
    free, outcomes = really_free(small) // 1024, []
    for n, size in enumerate(range(free - 64, free + 9, 12), 3):
        small.bundle(str(n), n, {"main.py": MAIN % n, "data": random.Random(n).randbytes(size * 1024)}, lobo.image(n, 70_000))
        runs, before = ran(small()), small.flash()
        code, text = small.refusal(str(n))
        if code == 0:
            assert ran(small()) == [str(n)]
            # Its room is needed for the next: the old release goes with the next small one.
            for k in (100 * n, 100 * n + 1):
                small.bundle("small", n, {"main.py": MAIN % k}, lobo.image(k, 70_000))
                assert ran(small.update("small")) == [str(k)]
        else:
            assert code == -4 and small.flash() == before and ran(small()) == runs, text
        outcomes.append(code == 0)
    assert outcomes[0] and not outcomes[-1] and outcomes == sorted(outcomes, reverse=True)


def test_nearly_full_with_many_small_files(small):
    """200 files in 20 folders of the application's own, up to the last blocks: what is told free can really be had."""
    small("""
import os
for d in range(6):
    os.mkdir("/d%d" % d)
    for n in range(30):
        with open("/d%d/%d" % (d, n), "w") as file:
            file.write("small " * 20)
""")
    free, done = really_free(small) // BLOCK, []
    for n, left in enumerate((free, 16, 12, 10, 9, 8, 7, 6, 4, 2), 3):
        room = max(free - left, 0)
        small(FILL + "fill('/filler', %d)" % room)
        small.bundle(str(n), n, True, lobo.image(n, 70_000))
        before = small.flash()
        code, text = small.refusal(str(n))
        if code:
            assert code == -4 and small.flash() == before, text
        else:
            assert ran(small()) == [str(n)]
        done.append(code == 0)
        assert len([path for path in small.files() if re.match("/d[0-9]", path)]) == 180
    assert done[0] and not done[-1] and done == sorted(done, reverse=True)


# ---- The channel moves on ----

@pytest.mark.parametrize("inside", [True, False])
def test_the_channel_moves_on_between_two_attempts(second, inside):
    """Each attempt is cut, and finds another bundle: also half of an older one's files and chunks. At the end the newest runs."""
    cuts = (20, 45, 70, 95)
    for n, cut in enumerate(cuts, 3):
        second.bundle(str(n), n, {"main.py": MAIN % n, "data/%d" % n: random.Random(n).randbytes(20_000), "data/same": b"s" * 9000},
                      lobo.image(n if n % 2 else 3, 150_000))
        tree = publish(second, str(n))
        if inside or n % 2:
            done = second("import ota\nota.update('%s%s', quiet=True)" % (second.base, tree), "--cut", cut, "--cut-kind",
                          ("before", "after", "torn")[n % 3], check=3)
        else:
            done = second.molt("update", "sim:board", "--from", tree, "--cut", cut, check=3)
        assert ran(second()) == ["2"], "cut %d" % n
    last = 3 + len(cuts)
    second.bundle(str(last), last, True, lobo.image(last, 150_000))
    tree = publish(second, str(last))
    done = second("import ota\nota.update('%s%s', quiet=True)" % (second.base, tree))
    sums = second.sums(str(last))
    assert ran(done) == [str(last)] and pairs(done) == [(sums["app"], sums["release"])] and second.floor() == last
    assert second.releases() == {sums["release"][:16], second.sums("2")["release"][:16]}
    assert "runs here already" in second("import ota\nprint(ota.update('%s%s'))" % (second.base, tree)).stdout


# ---- Odd boards, odd calls ----

CALLS = ("info()", "status()", "boot()", "boot()", "pair()", "report()", "feed()", "healthy()", "confirm()", "rollback()", "check(URL)", "update(URL, restart=False)",
         "start(URL)", "fromfile('/none')", "set_bootpart('ota_1')", "set_bootpart('none')")
EACH = """
import ota, sys
URL = %r
for call in %r:
    try:
        print("CALL", call, "GAVE", eval("ota." + call))
    except ota.Error as error:
        print("CALL", call, "ERROR", error.errno, error)
"""


def each(device, url, boot="import ota\nota.boot()\n"):
    """{call: what came of it}: words or a value, and no other exception."""
    device.put("/boot.py", boot)
    done = device(EACH % (url, CALLS))
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    found = dict(re.findall(r"^CALL (\S+(?: restart=False\))?) (.*)$", done.stdout, re.M))
    assert len(found) == len(set(CALLS)), done.stdout
    return found, done


KINDS = {
    "two slots": ({"slots": ("ota_0", "ota_1")}, 0, -64),
    "two slots, no otadata": ({"slots": ("ota_0", "ota_1"), "otadata": False}, -60, -64),
    "one slot": ({"slots": ("factory",), "otadata": False}, -60, -64),
    "one slot with otadata": ({"slots": ("ota_0",)}, -61, -64),
}


@pytest.mark.parametrize("boot", ["import ota\nota.boot()\n", "", "import ota\nota.boot()\nota.boot()\n"], ids=["boot", "no boot", "boot twice"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_call_on_odd_boards(web, tmp_path, firmware, kind, boot):
    """Without boot(), with it twice, without otadata, with one slot: words or a number, never a crash; files alone go everywhere."""
    words, update, rollback = KINDS[kind]
    words = dict(words)
    source = tmp_path / "made"
    source.mkdir()
    provisioned(source, firmware, *words.pop("slots"), **words)
    device = in_the_web(web, source)
    device.bundle("2", 2, None, lobo.image(2, 70_000))
    found, done = each(device, device.base + "2.molt", boot)
    assert found["update(URL, restart=False)"].startswith("GAVE True" if update == 0 else "ERROR %d " % update), found
    assert found["rollback()"].startswith("ERROR %d " % rollback), found
    assert found["start(URL)"] in ("GAVE False", "GAVE True") and found["fromfile('/none')"] == "GAVE False"
    assert found["set_bootpart('none')"] == "GAVE False" and found["confirm()"] in ("GAVE False", "GAVE None")
    assert found["boot()"] == "GAVE None" and found["report()"] == "GAVE {}"
    device.bundle("3", 3, True, None)
    if update:
        device.put("/boot.py", "import ota\nota.boot()\n")
        assert ran(device.update("3")) == ["3"] and ran(device()) == ["3"]


def test_boot_twice_in_a_trial(second):
    """The second call runs the release again, and harms nothing: a trial stays one, and is counted once."""
    boot = second.files()["/boot.py"].decode()
    second.bundle("3", 3, {"main.py": "print('STARTED')"}, lobo.image(3, 70_000))
    second.put("/boot.py", boot.replace("ota.boot()", "ota.boot()\n    ota.boot()"))
    done = second.update("3", *FAST)
    assert second.runs == "ota_1" and second.phase() == 7 and "2" in ran(done)
    second.bundle("4", 4, True, lobo.image(4, 70_000))
    assert set(ran(second.update("4"))) == {"4"} and second.phase() == 6


# ---- What the application itself puts into its release ----

def test_a_long_name_in_the_release_s_directory(second):
    """A name that the engine has no room for: the directory is cleared all the same."""
    directory = "/rel/%s/" % second.sums("2")["release"][:16]
    second.put(directory + "n" * 120, "mine")
    for n in (3, 4):
        second.bundle(str(n), n, True, lobo.image(n, 70_000))
        assert ran(second.update(str(n))) == [str(n)]
    assert second.releases() == {second.sums(n)["release"][:16] for n in "34"}
