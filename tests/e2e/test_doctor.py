"""molt doctor: each check on a flash that has just this fault, and what it prints as the fix, run on a copy."""
import os
import shlex
import struct
import subprocess
import zlib

import esp
from conftest import TOP
import littlefs
import pytest

MAPPED, RAM = 0x3F400020, 0x40080000  # of the ESP32
SLOT = 0x180000
NVS = esp.row(1, 2, 0x9000, 0x4000, "nvs")
OTADATA = esp.row(1, 0, 0xD000, 0x2000, "otadata")
PHY = esp.row(1, 1, 0xF000, 0x1000, "phy_init")
OTA_0 = esp.row(0, 0x10, 0x10000, SLOT, "ota_0")
OTA_1 = esp.row(0, 0x11, 0x190000, SLOT, "ota_1")
VFS = esp.row(1, 0x81, 0x310000, 0xF0000, "vfs")
ROWS = [NVS, OTADATA, PHY, OTA_0, OTA_1, VFS]
BOOTLOADER = esp.bootloader(0, 0x3FFF0000, idf=b"v5.4.2")


def record(seq, state=2, crc=None):
    return struct.pack("<I20sII", seq, b"\xff" * 20, state, crc if crc is not None else zlib.crc32(struct.pack("<I", seq), 0xFFFFFFFF))


def little(size, version=0x00020000):
    fs = littlefs.LittleFS(block_size=4096, block_count=size // 4096, prog_size=256, disk_version=version)
    with fs.open("main.py", "w") as f:
        f.write("print('here')\n")
    return bytes(fs.context.buffer)


class Flash:
    """A flash of 4 MB in which everything is right; each test spoils one thing."""

    def __init__(self):
        self.bytes = bytearray(b"\xff" * (4 << 20))
        self.put(0x1000, BOOTLOADER)
        self.table(ROWS)
        self.put(0xD000, record(1))
        self.put(0x10000, self.app())

    def app(self, **options):
        return esp.app(0, MAPPED, RAM, idf=options.pop("idf", b"v5.4.2"), **options)

    def put(self, at, data):
        self.bytes[at:at + len(data)] = data

    def table(self, rows, md5=True):
        self.put(esp.TABLE, esp.table(*rows, md5=md5))

    def without(self, *gone, md5=True):
        self.table([r for r in ROWS if r not in gone], md5)

    def bootloader(self, **options):
        self.put(0x1000, b"\xff" * 0x7000)
        self.put(0x1000, esp.bootloader(0, 0x3FFF0000, **options))

    def instead(self, old, new):
        self.table([new if r is old else r for r in ROWS])


def put(at, data):
    return lambda f: f.put(at, data)


def instead(old, *new):
    return lambda f: f.instead(old, esp.row(*new))


def both(*steps):
    return lambda f: [step(f) for step in steps]


def merged(f):
    f.put(0x190000, bytes(f.bytes[0x1000:0x1000 + 0x20000]))


# id: what spoils the flash, words of the finding, other ids that come with it
WRONG = {
    "bootloader-broken": (put(0x1040, b"\x77"), "the ROM does not start it", []),
    "table-missing": (put(0x8000, b"\xff" * 0x1000), "the partition table", []),
    "table-past-flash": (instead(VFS, 1, 0x81, 0x310000, 0x600000, "vfs"),
                         "at 0x310000 with 0x600000 bytes and ends at 0x910000, the flash at 0x400000 (4 MB, from the bootloader's header)",
                         []),
    "header-past-chip": (lambda f: f.bootloader(size_nibble=5), "says 32 MB of flash, an esp32 addresses 16 MB at most",
                         ["dump-length"]),
    "table-overlap": (instead(OTA_1, 0, 0x11, 0x180000, SLOT, "ota_1"), "'ota_0' (0x10000 to 0x190000) runs into 'ota_1'", ["table-gap"]),
    "table-unaligned": (instead(OTA_1, 0, 0x11, 0x191000, SLOT - 0x1000, "ota_1"), "begins at 0x191000, no multiple of 0x10000", []),
    "table-rule": (instead(VFS, 1, 0x81, 0x310000, 0xF0000, "nvs"), "the same name", []),
    "md5-missing": (lambda f: f.without(md5=False), "(ESP-IDF v5.4.2) asks for one", []),
    "nvs-small": (instead(NVS, 1, 2, 0x9000, 0x2000, "nvs"), "has 0x2000 bytes, nvs needs 0x3000", []),
    "app-none": (put(0x10000, b"\xff" * 0x10000), "no app partition holds an app", []),
    "app-merged": (merged, "'ota_1' at 0x190000 holds a whole firmware file", []),
    "app-chip": (put(0x190000, esp.app(2, 0x3F000020, 0x40024000)), "is for esp32s2 (chip id 0x2), this is an esp32", []),
    "app-broken": (put(0x10200, b"\0"), "the app in 'ota_0' at 0x10000: wrong image checksum", []),
    "slots-gap": (instead(OTA_1, 0, 0x12, 0x190000, SLOT, "ota_2"), "is slot ota_2, but there are only 2 slots", []),
    "otadata-none": (both(lambda f: f.without(OTADATA), put(0xD000, b"\xff" * 32)), "2 slots but no otadata", []),
    "otadata-two": (instead(PHY, 1, 0, 0xF000, 0x1000, "otadata2"), "'otadata' at 0xd000 and 'otadata2' at 0xf000", []),
    "otadata-small": (instead(OTADATA, 1, 0, 0xD000, 0x1000, "otadata"), "otadata needs 0x2000", []),
    "otadata-points": (put(0xE000, record(2)), "otadata chooses 'ota_1' (record 1 has number 2, and (2 - 1) % 2 slots = 1), which is empty", []),
    "otadata-end": (put(0xD000, record(0xFFFFFFFD)), "number 0xfffffffd", []),
    "bootloader-old": (lambda f: f.bootloader(idf=b"v3.0.9"), "only apps that were built with CONFIG_ESP32_COMPATIBLE",
                       ["rollback-none"]),
    "fs-larger": (both(instead(VFS, 1, 0x81, 0x310000, 0x80000, "vfs"), put(0x310000, little(0xF0000))),
                  "has 240 blocks of 4096, 0xf0000 bytes; its place has 0x80000", []),
    "fs-newer": (both(lambda f: f.put(0x10000, f.app(version=b"MicroPython v1.2.0 on 2023-04-26")), put(0x310000, little(0xF0000, 0x00020001))),
                 "holds littlefs 2.1, MicroPython v1.2.0 mounts no more than 2.0", []),
}
ODD = {
    "dump-length": (lambda f: f.bytes.extend(b"\xff" * 4096), "the chip is larger than its header says", []),
    "table-gap": (instead(OTA_1, 0, 0x11, 0x1A0000, SLOT - 0x10000, "ota_1"), "0x190000 to 0x1a0000, behind partition 'ota_0'", []),
    "md5-none": (both(lambda f: f.without(md5=False), lambda f: f.put(0x10000, f.app(idf=b"v4.2"))), "apps of ESP-IDF 4.4", ["*"]),
    "nvs-none": (lambda f: f.without(NVS), "no nvs partition", []),
    "encrypted": (instead(NVS, 1, 2, 0x9000, 0x4000, "nvs", 1), "'nvs' is marked as encrypted", []),
    "app-full": (lambda f: f.put(0x10000, f.app(pad=SLOT - 0x1000)), "to 99 %", []),
    "app-stale": (both(lambda f: f.without(OTA_1), lambda f: f.put(0x190000, f.app())), "an app lies at 0x190000, where the table has nothing", ["*"]),
    "secure-version": (put(0x190000, esp.app(0, MAPPED, RAM, idf=b"v5.4.2", secure_version=3)),
                       "'ota_1' has secure version 3, that in 'ota_0' 0", []),
    "slots-none": (both(lambda f: f.table([NVS, esp.row(0, 0, 0x10000, 0x300000, "factory"), VFS]), put(0xD000, b"\xff" * 32)), "updates over the air need two", ["*"]),
    "slot-one": (lambda f: f.without(OTA_1), "one app slot only", ["*"]),
    "otadata-crc": (put(0xE000, record(2, crc=7)), "record 1 of otadata (number 2) has CRC 0x00000007, expected 0x55f63774", []),
    "otadata-trial": (put(0xD000, record(1, 0)), "'ota_0' boots next for the first time, as a trial", []),
    "bootloader-newer": (lambda f: f.bootloader(idf=b"v5.5.1"), "is of ESP-IDF v5.4.2, the bootloader of v5.5.1", []),
    "bootloader-major": (lambda f: f.bootloader(idf=b"v4.4.3"), "the bootloader is of ESP-IDF v4.4.3, the app in 'ota_0' of v5.4.2", ["rollback-none"]),
    "bootloader-unknown": (lambda f: f.bootloader(idf=None), "does not say which ESP-IDF", []),
    "rollback-none": (both(lambda f: f.bootloader(idf=b"v4.2"), lambda f: f.put(0x10000, f.app(idf=b"v4.2"))), "MicroPython's have rollback since", []),
    "files-none": (lambda f: f.table([NVS, OTADATA, OTA_0, esp.row(0, 0x11, 0x190000, 0x270000, "ota_1")]), "no partition for files", []),
    "files-name": (both(instead(VFS, 1, 0x81, 0x310000, 0xF0000, "internalfs"),
                        lambda f: f.put(0x10000, f.app(version=b"MicroPython v1.2.0 on 2023-04-26"))),
                   "is called 'internalfs', MicroPython v1.2.0 looks for 'vfs'", []),
    "fs-smaller": (put(0x310000, little(0x80000)), "has 0x80000 bytes, its place 0xf0000: 448 KB are not used", []),
    "fs-kind": (both(instead(VFS, 1, 0x82, 0x310000, 0xF0000, "vfs"), put(0x310000, little(0xF0000))), "is of subtype spiffs and holds littlefs", []),
    "fs-unknown": (put(0x310000, b"\0" * 4096), "holds neither littlefs nor FAT and is not erased", []),
}


def doctor(molt, name, code):
    return molt.json("doctor", name, code=code)["findings"]


def spoiled(tmp_path, spoil):
    flash = Flash()
    spoil(flash)
    (tmp_path / "dump.bin").write_bytes(flash.bytes)


def test_nothing_is_found_on_what_is_right(molt, tmp_path):
    spoiled(tmp_path, lambda f: None)
    assert doctor(molt, "dump.bin", 0) == []
    assert "flash dump for esp32\nnothing found\n" in molt.ok("doctor", "dump.bin")
    spoiled(tmp_path, put(0x310000, little(0xF0000)))
    assert doctor(molt, "dump.bin", 0) == []
    (tmp_path / "app.bin").write_bytes(Flash().app())
    assert doctor(molt, "app.bin", 0) == []


@pytest.mark.parametrize("name", list(WRONG) + list(ODD))
def test_found(name, molt, tmp_path):
    spoil, words, others = (WRONG.get(name) or ODD.get(name))
    spoiled(tmp_path, spoil)
    found = {f["id"]: f for f in doctor(molt, "dump.bin", 1 if name in WRONG else 0)}
    assert name in found and words in found[name]["text"], found
    assert found[name]["severity"] == ("wrong" if name in WRONG else "odd")
    assert "*" in others or sorted(found) == sorted([name] + others), found


# What no command can mend: it needs a firmware that is right, or a decision.
NO_FIX = {"bootloader-broken", "table-missing", "app-none", "app-chip", "app-broken", "otadata-end", "bootloader-old", "dump-length",
          "encrypted", "app-full", "secure-version", "otadata-crc", "bootloader-newer", "bootloader-major", "bootloader-unknown",
          "rollback-none", "files-none", "fs-kind", "fs-newer"}
# What else is odd about those flashes stays.
MORE_LEFT = {"md5-none": ["bootloader-newer"], "app-stale": ["table-gap", "slot-one"]}


@pytest.mark.parametrize("name", list(WRONG) + list(ODD))
def test_the_fix_mends_it(name, molt, tmp_path):
    """As printed, in a shell; then the doctor is content."""
    spoil = (WRONG.get(name) or ODD.get(name))[0]
    spoiled(tmp_path, spoil)
    fix = {f["id"]: f for f in doctor(molt, "dump.bin", 1 if name in WRONG else 0)}[name]["fix"]
    assert (fix is None) == (name in NO_FIX)
    if fix:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "molt").symlink_to(molt.path)
        done = subprocess.run(fix, shell=True, cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PATH": "%s/bin:%s" % (tmp_path, os.environ["PATH"])})
        assert done.returncode == 0, (fix, done.stderr)
        left = [f["id"] for f in doctor(molt, "fixed.bin" if (tmp_path / "fixed.bin").exists() else "dump.bin", 0)]
        assert left == MORE_LEFT.get(name, [])


# ---- Firmware files and boards ----

def test_a_genuine_firmware(molt, firmware):
    assert [f["id"] for f in doctor(molt, firmware, 0)] == ["slots-none"]


def test_an_app_larger_than_its_slot(molt, firmware, tmp_path):
    """The stock 4 MB OTA table cannot take the stock build: the slot that would is named, and a layout that has it."""
    small = esp.with_table(firmware.read_bytes(), *ROWS)
    (tmp_path / "small.bin").write_bytes(small)
    found = {f["id"]: f for f in doctor(molt, "small.bin", 1)}
    assert "has 1672800 bytes (0x198660), its slot 0x180000: the bootloader refuses it; a slot of 0x1a0000 would fit" \
        in found["app-too-large"]["text"]
    assert found["app-too-large"]["fix"] == "molt edit small.bin --layout two-slots --fs-name vfs -o fixed.bin"
    molt.ok(*shlex.split(found["app-too-large"]["fix"])[1:])
    assert [f["id"] for f in doctor(molt, "fixed.bin", 0)] == ["app-full"]
    found = {f["id"]: f for f in doctor(molt, firmware, 0)}
    molt.ok(*shlex.split(found["slots-none"]["fix"])[1:-1], "slots.bin")
    assert [f["id"] for f in doctor(molt, "slots.bin", 0)] == ["app-full"]


@pytest.mark.fast
@pytest.mark.parametrize("size", ["4M", "8M", "16M"])
def test_every_layout_is_right(size, molt, firmware):
    """Nothing is wrong with what molt edit makes, and nothing odd but what the layout is."""
    for layout in "ota", "default", "original", "micropython", "micropython-ota", "single", "two-slots", "three-slots":
        if molt("edit", firmware, "--flash-size", size, "--layout", layout, "-o", "made.bin").returncode == 0:
            ids = {f["id"] for f in doctor(molt, "made.bin", 0)}
            assert ids <= {"slots-none", "app-full", "table-gap", "files-name"}, (layout, ids)
            assert ("files-name" in ids) == (layout in ("single", "two-slots", "three-slots")), (layout, ids)
            assert ("slots-none" in ids) == (layout in ("default", "original", "micropython", "single")), (layout, ids)


@pytest.mark.parametrize("text, app, words", [
    (b"\0\x1b[0;31mE (%lu) %s: load partition table error!\0", b"v4.4.3", "the bootloader is of ESP-IDF 5.0 or 5.1, the app"),
    (b"\0\x1b[0;31mE (%u) %s: load partition table error!\0", b"v5.4.2", "the bootloader is of ESP-IDF before 5.0, the app"),
    (b"\0E (%d) %s: x\0ESP-IDF %s 2nd stage bootloader\0voff\0v4.2.3-dirty\0", b"v5.4.2", "the bootloader is of ESP-IDF v4.2.3-dirty"),
    (b"\0ESP-IDF %s 2nd stage bootloader\0v3.1.2\0", b"v3.3.1", "does not start apps of 3.3.1"),
    (b"\0ESP-IDF %s 2nd stage bootloader\0v3.1.2\0", b"v3.3.2", None),
    (b"\0E (%lu) %s: x\0", b"v6.0", None),
    (b"\0nothing of that\0", b"v5.4.2", "does not say which ESP-IDF"),
])
def test_versions_before_descriptors(text, app, words, molt, tmp_path):
    def spoil(f):
        f.bootloader(idf=None, text=text)
        f.put(0x10000, f.app(idf=app))
    spoiled(tmp_path, spoil)
    texts = [f["text"] for f in molt.json("doctor", "dump.bin", code=None)["findings"] if f["id"].startswith("bootloader-")]
    assert len(texts) == (words is not None) and all(words in t for t in texts), texts


def test_code_in_sram1(molt, tmp_path):
    """An ESP32's bootloader before 5.1 has its own data there."""
    app = esp.image(0, [(MAPPED, esp.descriptor(idf=b"v5.4.2") + b"\x5a" * 1024), (0x400A0000, b"\x13\0\0\0" * 64)])
    for idf, found in (b"v5.0.4", ["bootloader-old"]), (b"v5.1.2", []):
        spoiled(tmp_path, lambda f: (f.bootloader(idf=idf), f.put(0x10000, app)))
        assert [f["id"] for f in doctor(molt, "dump.bin", 1 if found else 0)] == found


@pytest.mark.parametrize("label", ["a b", "x;touch hit", "$(touch hit)", "it's `hit`", "a\\b", "--force", "caf\xe9", "50%s%n"])
def test_a_name_cannot_get_out_of_the_command(label, molt, tmp_path):
    """A table may come from anywhere; what is printed is to be pasted into a shell."""
    name = label.encode("latin-1")
    def spoil(f):
        vfs = bytearray(VFS)
        vfs[12:28] = name.ljust(16, b"\0")
        f.table([NVS, OTADATA, PHY, OTA_0, OTA_1, bytes(vfs)])
        f.put(0x310000, little(0x80000))
    spoiled(tmp_path, spoil)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "molt").symlink_to(molt.path)
    fix = {f["id"]: f for f in molt.json("doctor", "dump.bin", code=None)["findings"]}["fs-smaller"]["fix"]
    if label in ("--force", "caf\xe9"):
        assert fix is None
        return
    assert shlex.split(fix) == ["molt", "fs", "grow", "dump.bin", "-p", label]
    done = subprocess.run(fix, shell=True, cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PATH": "%s/bin:%s" % (tmp_path, os.environ["PATH"])})
    assert done.returncode == 0 and not (tmp_path / "hit").exists(), done.stderr


def test_other_kinds_of_file(molt, tmp_path):
    data = bytes(Flash().bytes)
    for name, piece, words in (("table.bin", data[0x8000:0x9000], "partition table"), ("boot.bin", BOOTLOADER, "bootloader"),
                               ("vfs.bin", little(0x20000), "file system image"), ("app.bin", Flash().app(), "app image")):
        (tmp_path / name).write_bytes(piece)
        assert doctor(molt, name, 0) == [] and words in molt.ok("doctor", name).splitlines()[0]
    (tmp_path / "app.bin").write_bytes(Flash().app()[:-1] + b"\0")
    assert [f["id"] for f in doctor(molt, "app.bin", 1)] == ["app-broken"]
    (tmp_path / "boot.bin").write_bytes(BOOTLOADER[:100] + b"\x99" + BOOTLOADER[101:])
    assert [f["id"] for f in doctor(molt, "boot.bin", 1)] == ["bootloader-broken"]
    (tmp_path / "table.bin").write_bytes(esp.table(NVS, OTA_0, esp.row(0, 0x11, 0x100000, SLOT, "ota_1")))
    assert [f["id"] for f in doctor(molt, "table.bin", 1)] == ["table-overlap"]


def test_no_layout_for_an_app_that_is_cut_short(molt, firmware, tmp_path):
    """molt edit makes none either."""
    (tmp_path / "cut.bin").write_bytes(firmware.read_bytes()[:400_000])
    found = {row["id"]: row for row in doctor(molt, "cut.bin", 1)}
    assert "app-broken" in found and not any("--layout" in (row["fix"] or "") for row in found.values())
    assert "cut.bin" in molt.fails("edit", "cut.bin", "-s", "8M", "--layout", "ota", "-o", "x.bin")


def test_boards(molt, tmp_path):
    spoiled(tmp_path, lambda f: None)
    molt.ok("sim", "new", "sim:b", "--flash", "dump.bin")
    assert doctor(molt, "sim:b", 0) == []
    flash = tmp_path / "b" / "flash.bin"
    whole = flash.read_bytes()

    flash.write_bytes(whole[:0x1000] + b"\xff" * 0x7000 + whole[0x8000:])
    found = {f["id"]: f for f in doctor(molt, "sim:b", 1)}
    assert "no bootloader at 0x1000" in found["bootloader-missing"]["text"]

    for nibble, name, code in (3, "header-past-chip", 1), (1, "header-smaller", 1):
        flash.write_bytes(whole[:0x1000] + esp.bootloader(0, 0x3FFF0000, size_nibble=nibble).ljust(0x7000, b"\xff") + whole[0x8000:])
        found = {f["id"]: f for f in doctor(molt, "sim:b", code)}
        assert found[name]["fix"] == "molt edit sim:b --flash-size 4M", found
        assert ("table-past-flash" in found) == (nibble == 1)
        molt.ok(*shlex.split(found[name]["fix"])[1:])
        assert doctor(molt, "sim:b", 0) == []

    app = esp.app(0, MAPPED, RAM, min_rev=399)
    flash.write_bytes(whole[:0x190000] + app + whole[0x190000 + len(app):])
    assert "is for revisions from 3.99, this chip is 3.0" in {f["id"]: f for f in doctor(molt, "sim:b", 1)}["app-revision"]["text"]


def test_a_board_runs_another_slot_than_boots_next(molt, tmp_path):
    spoiled(tmp_path, lambda f: f.put(0x190000, f.app()))
    molt.ok("sim", "new", "sim:b", "--flash", "dump.bin")
    molt("sim", "boot", "sim:b")
    assert doctor(molt, "sim:b", 0) == []
    flash = tmp_path / "b" / "flash.bin"
    data = bytearray(flash.read_bytes())
    data[0xE000:0xE020] = record(2)
    flash.write_bytes(data)
    found = doctor(molt, "sim:b", 1)
    assert [f["id"] for f in found] == ["otadata-disagrees"] and "'ota_0' runs, but 'ota_1' boots next" in found[0]["text"]
    assert found[0]["fix"] == "molt ota set-boot sim:b ota_0"
    molt.ok(*shlex.split(found[0]["fix"])[1:])
    assert doctor(molt, "sim:b", 0) == []


def test_a_bootloader_without_rollback_on_a_board(molt, tmp_path):
    spoiled(tmp_path, lambda f: None)
    molt.ok("sim", "new", "sim:b", "--flash", "dump.bin", "--no-rollback")
    assert [f["id"] for f in doctor(molt, "sim:b", 0)] == ["rollback-none"]


def test_what_is_no_target(molt, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 100)
    assert "a JPEG picture" in molt.fails("doctor", "x.jpg")
    assert "expected a firmware file" in molt.fails("doctor", code=2)
    ids = [line.split()[0] for line in molt.ok("doctor", "--list").splitlines()]
    assert [c["id"] for c in molt.json("doctor", "--list")] == ids and len(set(ids)) == len(ids)
    tested = set(WRONG) | set(ODD) | {"bootloader-missing", "header-smaller", "app-too-large", "app-revision", "otadata-disagrees",
                                      "memory-unknown"}  # the last one in test_chips.py
    assert {i for i in ids if not i.startswith("board-")} == tested


def test_every_check_is_documented(molt):
    text = (TOP / "docs" / "doctor.md").read_text()
    for check in molt.json("doctor", "--list"):
        assert "`%s`" % check["id"] in text, check["id"]


def test_what_info_and_status_advise_does_it(molt, firmware, tmp_path):
    """A layout that fits the genuine firmware on its 4 MB, and whose files MicroPython finds."""
    (tmp_path / "f.bin").write_bytes(firmware.read_bytes())
    for words in (("info", "f.bin"), ("ota", "status", "f.bin")):
        assert "'molt doctor' says which layout has" in molt.ok(*words)
    fix, = [shlex.split(f["fix"]) for f in doctor(molt, "f.bin", 0) if f["fix"]]
    assert "calls" not in molt.ok(*fix[1:]) and "a partition called vfs" not in molt.ok(*fix[1:])
    assert [f["id"] for f in doctor(molt, "fixed.bin", 0)] == ["app-full"]
    assert "no otadata" not in molt.ok("ota", "status", "fixed.bin")
    molt.ok("edit", "f.bin", "--layout", "two-slots", "-o", "lobo.bin")
    assert {f["id"]: f["fix"] for f in doctor(molt, "lobo.bin", 0)}["files-name"] == "molt edit lobo.bin --rename internalfs=vfs -o fixed.bin"
