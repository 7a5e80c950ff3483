"""The life of a device: many updates in a row, whatever a release may hold, every refusal, a full file system, odd boards.

Simulated boards with small images and the genuine MicroPython, made ready by `molt provision` as a user does it.
"""
import ast
import hashlib
import json
import pathlib
import re
import shutil
import struct

import pytest
from littlefs import LittleFS

import boards
import faultserver
import lobo
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
    assert "/lib/ota/_trial.mpy" in boards.files(folder / "board")


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


def in_the_web(web, folder, source):
    """A device whose folder, below what is served, is a copy of the source."""
    place = web[0] / folder.name
    shutil.copytree(source, place)
    return Device(place, web[1] + folder.name + "/")


@pytest.fixture
def device(world, web, tmp_path):
    return in_the_web(web, tmp_path, world)


@pytest.fixture
def second(device):
    """The device with version 2, confirmed, in ota_1."""
    device.bundle("2", 2, True, lobo.image(2, 70_000))
    assert ran(device.update("2")) == ["2"] and device.runs == "ota_1"
    return device


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
