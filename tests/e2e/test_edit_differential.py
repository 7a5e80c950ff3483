"""Random edits, the same for mp-image-tool-esp32 and for molt: the same bytes, but for differences that have a name here and in
docs/compared-with-mp-image-tool.md. The peer works in this process; its order of work is fixed, so molt's words come in that order.
"""
import pathlib
import random

import esp
import pytest
from peer import image_tool

BLOCK = 0x1000
CASES = 300  # of which at least 200 end with equal bytes

TABLES = {
    "genuine": (),
    "ota": (esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, esp.VFS),
    "default": (esp.row(1, 2, 0x9000, 0x7000, "nvs"), esp.FACTORY, esp.row(1, 0x81, 0x200000, 0x200000, "vfs")),
    "two-fs": (esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x200000, 0x80000, "vfs"), esp.row(1, 0x81, 0x300000, 0x80000, "data")),
    "gaps": (esp.NVS, esp.row(0, 0, 0x20000, 0x100000, "factory"), esp.row(1, 0x81, 0x180000, 0x100000, "vfs")),
}


class Case:
    """One edit: words for each of the two, from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.table = self.random.choice(list(TABLES))
        self.peer, self.molt, self.kinds = [], [], set()
        self.names = {"genuine": ["nvs", "phy_init", "factory", "vfs"], "ota": ["nvs", "otadata", "ota_0", "ota_1", "vfs"],
                      "default": ["nvs", "factory", "vfs"], "two-fs": ["nvs", "factory", "vfs", "data"],
                      "gaps": ["nvs", "factory", "vfs"]}[self.table]
        chosen = [make for make in (self.flash_size, self.layout, self.delete, self.resize, self.rename, self.add)
                  if self.random.random() < 0.4]
        for make in chosen or [self.random.choice((self.flash_size, self.resize, self.rename, self.delete))]:
            make()

    def say(self, kind, peer, molt):
        self.kinds.add(kind)
        self.peer += peer
        self.molt += molt

    def flash_size(self):
        size = self.random.choice(["4M", "8M", "8M", "16M"])
        self.say("flash-size", ["-f", size], ["-s", size])

    def layout(self):
        name = self.random.choice(["ota", "ota", "default", "original", "list"])
        if name == "list":
            app, fs = self.random.choice(["1M", "0x180000", "2M"]), self.random.choice(["0x40000", "1M"])
            words = "nvs=0x7000,factory=%s,vfs=%s" % (app, fs) + self.random.choice(["", ",more=fat:0"])
            self.names = ["nvs", "factory", "vfs"] + (["more"] if "more" in words else [])
            self.say("list", ["--table", words], ["--table", words])
            return
        self.names = {"ota": ["nvs", "otadata", "ota_0", "ota_1", "vfs"], "default": ["nvs", "factory", "vfs"],
                      "original": ["nvs", "phy_init", "factory", "vfs"]}[name]
        self.say(name, ["--table", name], ["-l", name])
        if name == "ota" and self.random.random() < 0.3:
            size = self.random.choice(["1M", "0x140000"])
            self.say("app-size", ["-a", size], ["--slot-size", size])

    def delete(self):
        name = self.random.choice([n for n in self.names if n in ("phy_init", "vfs", "data", "more", "nvs")])
        self.names.remove(name)
        self.say("delete", ["--delete", name], ["--delete", name])

    def resize(self):
        name = self.random.choice(self.names)
        if name == "otadata":
            name = "vfs"
        if name not in self.names:
            return
        blocks = {"nvs": [4, 5, 6, 7], "phy_init": [1], "factory": [0x100, 0x180, 0x1F0, 0x200, 0x280], "ota_0": [0x180, 0x1A0],
                  "ota_1": [0x180, 0x1A0]}.get(name, [0, 0, 0x20, 0x40, 0x80, 0x100])
        size = self.random.choice(blocks) * BLOCK
        self.say("resize", ["--resize", "%s=%d" % (name, size)], ["--resize", "%s=%s" % (name, size or "rest")])

    def rename(self):
        old = self.random.choice(self.names)
        new = self.random.choice(["app", "files", "x", "storage2"])
        self.names[self.names.index(old)] = new
        self.say("rename", ["--rename", "%s=%s" % (old, new)], ["--rename", "%s=%s" % (old, new)])

    def add(self):
        name = self.random.choice(["extra", "logs"])
        kind = self.random.choice(["fat", "nvs"])
        size = self.random.choice([0, 0x10, 0x40]) * BLOCK
        offset = self.random.choice(["", "", "0x380000", "0x500000"])
        self.say("add", ["--add", "%s=%s:%s%d" % (name, kind, offset and offset + ":", size)],
                 ["--add", "%s:data:%s:%s:%s" % (name, kind, offset, size or "rest")])


@pytest.fixture(scope="session")
def inputs(firmware, tmp_path_factory):
    folder = tmp_path_factory.mktemp("differential")
    for name, rows in TABLES.items():
        data = esp.tiny(firmware.read_bytes(), *rows)
        if name == "gaps":
            data = data[:0xF000] + b"\xff" * 0x10000 + data[0xF000:]
        (folder / (name + ".bin")).write_bytes(data)
    return folder


def run_peer(words):
    """True when it was content."""
    return image_tool(pathlib.Path(words[-1]).parent, *words) == 0


# ---- Differences, each with its name in docs/compared-with-mp-image-tool.md ----

class Outcome:
    def __init__(self, case, source, theirs, ours, said):
        self.case, self.said = case, said
        self.before = esp.rows_of(source.read_bytes())
        self.theirs = esp.rows_of(theirs.read_bytes()) if theirs else None  # None: refused
        self.ours = esp.rows_of(ours.read_bytes()) if ours else None

    def first_app(self, rows):
        return next(row[2] for row in rows if row[0] == 0)


def overlapping(o):
    """The peer's --add looks at no other partition."""
    return o.ours is None and "partitions overlap" in o.said and o.theirs and any(
        a[2] < b[2] + b[3] and b[2] < a[2] + a[3] for i, a in enumerate(o.theirs) for b in o.theirs[:i])


def no_size(o):
    """The peer's --add of "the rest" where nothing is left makes a partition of no bytes."""
    return o.theirs and any(row[3] == 0 for row in o.theirs) and (o.ours is None or all(row[3] for row in o.ours))


def app_moves(o):
    """The peer refuses whatever gives the first app another place; ours moves the app there."""
    return o.theirs is None and o.ours and o.first_app(o.ours) != o.first_app(o.before)


def app_stays(o):
    """The peer's layouts have the app at 0x10000, or are refused; ours begin where the app is."""
    return o.theirs is None and o.ours and o.first_app(o.ours) == o.first_app(o.before) != 0x10000 and o.case.kinds & {"default", "original"}


RULES = [overlapping, no_size, app_moves, app_stays]


def test_differential(molt, inputs, tmp_path):
    equal, refused, used, unexplained = 0, 0, {rule.__name__: 0 for rule in RULES}, []
    for seed in range(CASES):
        case = Case(seed)
        source = inputs / (case.table + ".bin")
        theirs, ours = tmp_path / "theirs.bin", tmp_path / "ours.bin"
        for path in (theirs, ours):
            path.unlink(missing_ok=True)
        content = run_peer([source, *case.peer, "-o", theirs])
        done = molt("edit", source, *case.molt, "-o", ours)
        assert done.returncode in (0, 1), (case.molt, done.stderr)
        assert ours.exists() == (done.returncode == 0)
        if content and done.returncode == 0 and theirs.read_bytes() == ours.read_bytes():
            equal += 1
        elif not content and done.returncode:
            refused += 1
        else:
            outcome = Outcome(case, source, theirs if content else None, ours if done.returncode == 0 else None, done.stderr)
            names = [rule.__name__ for rule in RULES if rule(outcome)]
            if len(names) != 1:
                unexplained.append((seed, case.table, case.peer, content, done.returncode, done.stderr, names))
            for name in names:
                used[name] += 1
    assert not unexplained
    assert equal >= 200, (equal, refused, used)
    assert all(used.values()), used


# ---- The peer's own cases, on the genuine firmware ----

GOLDEN = [  # its words, ours
    ("--table ota --app-size 0x1f0B", "-l ota --slot-size 0x1f0000"),
    ("--table default", "--layout default"),
    ("--table nvs=7B,factory=2M,vfs=1M,vfs2=fat:0", "--table nvs=28K,factory=2M,vfs=1M,vfs2=fat:0"),
    ("--delete phy_init", "--delete phy_init"),
    ("--resize vfs=1M", "--resize vfs=1M"),
    ("--rename vfs=vfs2,factory=app", "--rename vfs=vfs2,factory=app"),
    ("--resize vfs=1M --add data=fat:50B", "--resize vfs=1M --add data=fat:200K"),
    ("--flash-size 8M", "--flash-size 8M"),
    ("--flash-size 8M --resize vfs=0", "--flash-size 8M --resize vfs=0"),
]


def expected_rows(words):
    """The rows that the peer's own test expects."""
    rows, inside = [], False
    for line in OUTPUTS.read_text().splitlines():
        if not line.startswith(" "):
            inside = line == words + ": |"
        elif inside and len(line.split()) > 6 and line.split()[0] != "#":
            name, _, _, offset, size = line.split()[:5]
            rows.append((name, int(offset, 16), int(size, 16)))
    return rows


OUTPUTS = esp.TOP / "build/deps/src/mp_image_tool_esp32-0.1.1/tests/test_outputs.yaml"


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_golden(molt, firmware, tmp_path, number):
    theirs, ours = GOLDEN[number]
    assert run_peer([firmware, *theirs.split(), "-o", tmp_path / "theirs.bin"])
    molt.ok("edit", firmware, *ours.split(), "-o", "ours.bin")
    made = (tmp_path / "ours.bin").read_bytes()
    assert made == (tmp_path / "theirs.bin").read_bytes()
    rows = expected_rows(theirs)
    assert rows and [(row[4], row[2], row[3]) for row in esp.rows_of(made)] == rows


def test_there_and_back(molt, firmware):
    molt.ok("edit", firmware, "--flash-size", "8M", "--resize", "vfs=0", "-o", "large.bin")
    molt.ok("edit", "large.bin", "--flash-size", "4M", "--resize", "vfs=0", "-o", "again.bin")
    assert (molt.cwd / "again.bin").read_bytes() == firmware.read_bytes()


# ---- Where the peer is wrong: what it does, and what we do ----

def test_a_renamed_file_system_stays(molt, inputs, tmp_path):
    """The peer erases the first 16 KB of what was renamed or moved."""
    data = (inputs / "genuine.bin").read_bytes().ljust(0x1FF000, b"\xff") + b"f" * 0x8000
    (tmp_path / "fw.bin").write_bytes(data)
    assert run_peer([tmp_path / "fw.bin", "--rename", "vfs=x", "-o", tmp_path / "theirs.bin"])
    assert (tmp_path / "theirs.bin").read_bytes()[0x1FF000:] == b"\xff" * 0x4000 + b"f" * 0x4000
    molt.ok("edit", "fw.bin", "--rename", "vfs=x", "-o", "ours.bin")
    assert (tmp_path / "ours.bin").read_bytes()[0x1FF000:] == b"f" * 0x8000


def test_a_partition_over_the_app(molt, inputs, tmp_path):
    """The peer takes it and erases 16 KB of the app."""
    (tmp_path / "fw.bin").write_bytes((inputs / "genuine.bin").read_bytes())
    assert run_peer([tmp_path / "fw.bin", "--add", "x=fat:0x10000:64K", "-o", tmp_path / "theirs.bin"])
    assert (tmp_path / "theirs.bin").read_bytes()[0xF000:0x10000] == b"\xff" * 0x1000
    assert "partitions overlap: 'factory'" in molt.fails("edit", "fw.bin", "--add", "x:data:fat:0x10000:64K", "-o", "ours.bin")


def test_an_app_larger_than_its_partition(molt, firmware, tmp_path):
    assert run_peer([firmware, "--resize", "factory=1M", "-o", tmp_path / "theirs.bin"])
    assert "a size of 0x1a0000 would fit" in molt.fails("edit", firmware, "--resize", "factory=1M", "-o", "ours.bin")


def test_a_flash_that_is_too_small(molt, inputs, tmp_path):
    (tmp_path / "fw.bin").write_bytes((inputs / "genuine.bin").read_bytes())
    assert run_peer([tmp_path / "fw.bin", "-f", "2M", "-o", tmp_path / "theirs.bin"])
    assert "behind the end of the flash" in molt.fails("edit", "fw.bin", "-s", "2M", "-o", "ours.bin")


def test_slots_that_do_not_boot(molt, inputs, tmp_path):
    (tmp_path / "fw.bin").write_bytes((inputs / "two-fs.bin").read_bytes())
    assert run_peer([tmp_path / "fw.bin", "--add", "x=ota_3:0x280000:64K", "-o", tmp_path / "theirs.bin"])
    assert "without a gap" in molt.fails("edit", "fw.bin", "--add", "x:app:ota_3:0x280000:64K", "-o", "ours.bin")


def test_a_table_without_md5_keeps_so(molt, inputs, tmp_path):
    """The peer adds the row; a bootloader of ESP-IDF 3.0 does not know it."""
    rows = [esp.NVS, esp.FACTORY, esp.row(1, 0x81, 0x200000, 0x100000, "vfs")]
    (tmp_path / "fw.bin").write_bytes(esp.with_table((inputs / "genuine.bin").read_bytes(), *rows, md5=False))
    assert run_peer([tmp_path / "fw.bin", "--rename", "vfs=x", "-o", tmp_path / "theirs.bin"])
    assert b"\xeb\xeb" in (tmp_path / "theirs.bin").read_bytes()[0x7000:0x8000]
    molt.ok("edit", "fw.bin", "--rename", "vfs=x", "-o", "ours.bin")
    assert b"\xeb\xeb" not in (tmp_path / "ours.bin").read_bytes()[0x7000:0x8000]


def test_a_dump(molt, inputs, tmp_path):
    (tmp_path / "dump.bin").write_bytes(esp.dump((inputs / "genuine.bin").read_bytes()))
    assert not run_peer([tmp_path / "dump.bin", "--rename", "vfs=x", "-o", tmp_path / "theirs.bin"])
    molt.ok("edit", "dump.bin", "--rename", "vfs=x", "-o", "ours.bin")


def test_a_result_that_cannot_be_leaves_no_file(molt, inputs, tmp_path):
    source = inputs / "genuine.bin"
    assert not run_peer([source, "--resize", "factory=5M", "-o", tmp_path / "theirs.bin"])
    assert "at most 0x3f0000 fit" in molt.fails("edit", source, "--resize", "factory=5M", "-o", "ours.bin")
    assert not (tmp_path / "ours.bin").exists()
