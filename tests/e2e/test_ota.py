"""molt ota: what boots, in words and JSON; set-boot, confirm and rollback on files; what they refuse."""
import json
import struct
import zlib

import esp
import pytest

NEW, PENDING, VALID, INVALID, ABORTED = range(5)
AT = 0xE000  # otadata in esp's tables and in the layout that edit makes
BLANK = b"\xff" * 32


def record(seq, state, crc=None):
    seq = struct.pack("<I", seq)
    crc = zlib.crc32(seq, 0xFFFFFFFF) if crc is None else crc
    return seq + b"\xff" * 20 + struct.pack("<II", state, crc)


@pytest.fixture
def two_slots(molt, firmware, tmp_path):
    """Makes an 8 MB firmware file with the genuine app in both slots and these records; returns its path."""
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "base.bin")
    data = bytearray((tmp_path / "base.bin").read_bytes())
    slots = [row for row in esp.rows_of(data) if row[0] == 0]
    app = esp.app_of(firmware.read_bytes())
    data += b"\xff" * (slots[1][2] + len(app) - esp.BOOTLOADER - len(data))
    data[slots[1][2] - esp.BOOTLOADER:] = app

    def make(first=BLANK, second=BLANK):
        for sector, bytes_ in enumerate((first, second)):
            at = AT + 0x1000 * sector - esp.BOOTLOADER
            data[at:at + 0x1000] = bytes_.ljust(0x1000, b"\xff")
        path = tmp_path / "two.bin"
        path.write_bytes(data)
        return path

    return make


def records_of(path):
    data = path.read_bytes()
    at = AT - esp.BOOTLOADER
    return data[at:at + 32], data[at + 0x1000:at + 0x1020]


def status(molt, target, code=0):
    return json.loads(molt("ota", "status", "--json", target, check=code).stdout)


def test_status_in_words(molt, two_slots):
    words = molt.ok("ota", "status", two_slots(record(1, VALID), record(2, NEW)))
    for line in ("runs         ota_1", "boots next   ota_1: record 1 has the highest seq that counts (2)", "next update  ota_0",
                 "otadata at 0xe000", "record 0  seq 1 = ota_0, VALID: confirmed",
                 "record 1  seq 2 = ota_1, NEW: not booted yet; not confirmed, it is rolled back", "whole"):
        assert line in words, words


@pytest.mark.parametrize("first, second, chosen, why, slots", [
    (BLANK, BLANK, "ota_0", "blank", [None, None]),
    (record(1, VALID), BLANK, "ota_0", "record", ["ota_0", None]),
    (record(1, VALID), record(2, VALID), "ota_1", "record", ["ota_0", "ota_1"]),
    (record(3, VALID), record(3, NEW), "ota_0", "record", ["ota_0", "ota_0"]),
    (record(1, VALID), record(2, PENDING), "ota_0", "record", ["ota_0", "ota_1"]),
    (record(1, VALID), record(2, ABORTED), "ota_0", "record", ["ota_0", None]),
    (record(2, INVALID), record(4, ABORTED), "ota_0", "blank", [None, None]),
    (record(2, VALID, 0), BLANK, "ota_0", "crc", [None, None]),
    (record(0, VALID), BLANK, "ota_1", "record", ["ota_1", None]),
])
def test_status_as_json(molt, two_slots, first, second, chosen, why, slots):
    got = status(molt, two_slots(first, second))
    assert (got["boots_next"], got["chosen"], got["why"], got["running"]) == (chosen, chosen, why, chosen)
    assert [r["slot"] for r in got["records"]] == slots
    assert got["next_update"] == ("ota_1" if chosen == "ota_0" else "ota_0")
    assert [(s["name"], s["bootable"], s["release"]) for s in got["slots"]] == [("ota_0", True, None), ("ota_1", True, None)]
    assert got["running_known"] is False and got["rollback"] is None and got["wrong"] is False


def test_status_of_a_slot_that_does_not_start(molt, two_slots):
    """The bootloader falls back; status says so and fails."""
    path = two_slots(record(1, VALID), record(2, VALID))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the appended SHA-256 in ota_1
    path.write_bytes(data)
    got = status(molt, path, code=1)
    assert (got["chosen"], got["boots_next"], got["wrong"]) == ("ota_1", "ota_0", True)
    assert "falls back to ota_0" in got["findings"][0]["text"]
    assert got["slots"][1]["message"] == "wrong SHA-256 of the image"
    assert "WRONG" in molt("ota", "status", path, check=1).stdout
    assert "slot 'ota_1' at 0x210000 would not start: wrong SHA-256 of the image" in molt.fails("ota", "set-boot", path, "ota_1")
    # Healed: the records name what boots.
    assert "ota_0 boots next\n" in molt.ok("ota", "set-boot", path, "ota_0")
    assert records_of(path) == (record(1, VALID), BLANK)
    assert status(molt, path, code=0)["boots_next"] == "ota_0"


def test_set_boot_keeps_a_way_back(molt, two_slots):
    path = two_slots()
    words = molt.ok("ota", "set-boot", path, "ota_1")
    assert words.endswith("ota_1 boots next, as a trial: rolled back unless it is confirmed\n")
    assert sorted(records_of(path)) == [record(1, VALID), record(2, NEW)]


def test_dry_run_writes_nothing(molt, two_slots):
    path = two_slots(record(1, VALID))
    before = path.read_bytes()
    words = molt.ok("ota", "set-boot", "--dry-run", path, "ota_1")
    assert "record 1: ota_1, seq 2, NEW" in words and "ota_1 would boot next, as a trial" in words
    assert path.read_bytes() == before
    molt.ok("ota", "confirm", "--dry-run", two_slots(record(1, VALID), record(2, NEW)))
    assert records_of(path) == (record(1, VALID), record(2, NEW))


def test_confirm(molt, two_slots):
    path = two_slots(record(1, VALID), record(2, NEW))
    assert "ota_1 boots next\n" in molt.ok("ota", "confirm", path)
    assert records_of(path) == (record(1, VALID), record(2, VALID))
    assert "ota_1 is confirmed already" in molt.fails("ota", "confirm", path)


def test_rollback(molt, two_slots):
    path = two_slots(record(1, VALID), record(2, VALID))
    assert "ota_0 boots next\n" in molt.ok("ota", "rollback", path)
    assert records_of(path) == (record(1, VALID), BLANK)
    assert "no way back from ota_0: no record names another confirmed slot" in molt.fails("ota", "rollback", path)
    assert records_of(path) == (record(1, VALID), BLANK)


def test_rollback_to_a_slot_that_does_not_start(molt, two_slots):
    path = two_slots(record(2, VALID), record(3, VALID))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "ota_1 does not start (wrong SHA-256 of the image)" in molt.fails("ota", "rollback", path)
    assert path.read_bytes() == data


def test_a_switch_can_be_taken_back(molt, two_slots):
    """On a file the running slot is what would boot, so the pending one is set back by its own name."""
    path = two_slots(record(1, VALID), record(2, VALID))
    molt.ok("ota", "set-boot", path, "ota_0")
    assert records_of(path) == (record(3, NEW), record(2, VALID))
    molt.ok("ota", "rollback", path)
    assert records_of(path) == (BLANK, record(2, VALID))


# ---- Simulated boards: what runs is known, and the boot model is the judge ----

def new_board(molt, path, *words):
    molt.ok("sim", "new", "sim:b", "--flash", path, *words)
    return "sim:b"


def boot(molt, board):
    return json.loads(molt("sim", "boot", board, "--json").stdout)["running"]


@pytest.mark.fast
@pytest.mark.parametrize("rollback", [True, False])
def test_the_prediction_is_what_boots(molt, two_slots, rollback):
    """status says before what sim boot then runs; all recorded boots: tests/unit/test_bootchoice.c."""
    states = (NEW, PENDING, VALID)
    pairs = [(record(1, a), record(2, b)) for a in states for b in states] + [(BLANK, record(4, NEW)), (record(3, NEW, 5), BLANK)]
    for number, (first, second) in enumerate(pairs):
        board = "sim:p%d" % number
        molt.ok("sim", "new", board, "--flash", two_slots(first, second), *([] if rollback else ["--no-rollback"]))
        for _ in range(2):
            got = json.loads(molt("ota", "status", "--json", board).stdout)
            assert got["rollback"] is rollback
            assert boot(molt, board) == got["boots_next"], (number, got)
            again = json.loads(molt("ota", "status", "--json", board).stdout)
            assert again["running"] == got["boots_next"] and again["running_known"]


def test_a_trial_on_a_board(molt, two_slots):
    board = new_board(molt, two_slots(record(1, VALID)))
    assert boot(molt, board) == "ota_0"
    molt.ok("ota", "set-boot", board, "ota_1")
    got = status(molt, board)
    assert (got["running"], got["boots_next"], got["trial"]) == ("ota_0", "ota_1", False)
    assert "a switch is pending: ota_0 runs, ota_1 boots next as a trial" in [f["text"] for f in got["findings"]]
    # Made again, nothing is written; taken back, and made once more.
    assert molt.ok("ota", "set-boot", board, "ota_1").startswith("nothing to write")
    assert molt.ok("ota", "set-boot", board, "ota_0").endswith("ota_0 boots next\n")
    assert status(molt, board)["boots_next"] == "ota_0"
    molt.ok("ota", "set-boot", board, "ota_1")
    assert boot(molt, board) == "ota_1"
    got = status(molt, board)
    assert (got["running"], got["boots_next"], got["trial"], got["wrong"]) == ("ota_1", "ota_0", True, False)
    assert "runs         ota_1 (on trial)" in molt.ok("ota", "status", board)
    for slot in ("ota_0", "ota_1"):  # where ESP-IDF's set_boot would lose the way back
        assert "ota_1 runs on trial" in molt.fails("ota", "set-boot", board, slot)
    assert [boot(molt, board) for _ in range(3)] == ["ota_0"] * 3


def test_confirm_on_a_board(molt, two_slots):
    board = new_board(molt, two_slots(record(1, VALID)))
    boot(molt, board)
    molt.ok("ota", "set-boot", board, "ota_1")
    assert "ota_0 runs, but otadata names ota_1: 'molt ota set-boot' with ota_0 first" in molt.fails("ota", "confirm", board)
    assert boot(molt, board) == "ota_1"
    molt.ok("ota", "confirm", board)
    assert [boot(molt, board) for _ in range(3)] == ["ota_1"] * 3
    assert "ota_1 is confirmed already" in molt.fails("ota", "confirm", board)
    molt.ok("ota", "rollback", board)
    assert [boot(molt, board) for _ in range(2)] == ["ota_0"] * 2


def test_a_bootloader_without_rollback(molt, two_slots):
    board = new_board(molt, two_slots(record(1, VALID)), "--no-rollback")
    boot(molt, board)
    words = molt.ok("ota", "set-boot", board, "ota_1")
    assert "this bootloader cannot roll back, the application has to" in words
    assert [boot(molt, board) for _ in range(2)] == ["ota_1"] * 2
    assert status(molt, board)["trial"] is True
    molt.ok("ota", "rollback", board)
    assert boot(molt, board) == "ota_0"


def test_a_fallback_is_seen_and_healed(molt, two_slots):
    path = two_slots(record(1, VALID), record(2, VALID))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    board = new_board(molt, path)
    assert boot(molt, board) == "ota_0"
    assert status(molt, board, code=1)["chosen"] == "ota_1"
    assert "ota_0 runs, but otadata names ota_1" in molt.fails("ota", "confirm", board)
    molt.ok("ota", "set-boot", board, "ota_0")
    assert status(molt, board)["chosen"] == "ota_0" == boot(molt, board)


# ---- Bad input ----

@pytest.mark.parametrize("slot, words", [
    ("ota_7", "no app partition 'ota_7'; there are: ota_0, ota_1"),
    ("nvs", "no app partition 'nvs'"),
    ("", "no app partition ''"),
])
def test_unknown_slot(molt, two_slots, slot, words):
    path = two_slots(record(1, VALID))
    before = path.read_bytes()
    assert words in molt.fails("ota", "set-boot", path, slot)
    assert path.read_bytes() == before


def test_empty_slot(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "base.bin")
    assert "slot 'ota_1' at 0x210000 is empty: write an app to it first" in molt.fails("ota", "set-boot", "base.bin", "ota_1")


def test_status_without_otadata(molt, firmware):
    text = molt.ok("ota", "status", firmware)
    assert "boots next   factory: the table has no otadata" in text and "'molt doctor' says which layout" in text
    got = status(molt, firmware)
    assert got["boots_next"] == "factory" and got["otadata_offset"] is None and got["records"] == [] and not got["wrong"]


@pytest.mark.parametrize("verb", [["set-boot"], ["confirm"], ["rollback"]])
def test_no_otadata(molt, firmware, verb):
    words = [firmware, "factory"] if verb == ["set-boot"] else [firmware]
    said = molt.fails("ota", *verb, *words)
    assert str(firmware) in said and "no otadata partition" in said and "'molt doctor' says which layout" in said


def test_one_slot(molt, firmware, tmp_path):
    path = tmp_path / "one.bin"
    path.write_bytes(esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0))
    got = status(molt, path)
    assert got["next_update"] is None and any("no second slot" in f["text"] for f in got["findings"])
    assert "no app partition 'ota_1'; there are: ota_0" in molt.fails("ota", "set-boot", path, "ota_1")


def test_tables_that_cannot_work(molt, firmware, tmp_path):
    path = tmp_path / "table.bin"
    small = esp.row(1, 0, 0xE000, 0x1000, "otadata")
    path.write_bytes(esp.with_table(firmware.read_bytes(), esp.NVS, small, esp.OTA_0, esp.OTA_1))
    assert "0x1000 bytes, otadata needs 0x2000" in molt.fails("ota", "status", path)
    second = esp.row(1, 0, 0x3F0000, 0x2000, "otadata2")
    path.write_bytes(esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, esp.OTA_1, second))
    assert "two otadata partitions" in molt.fails("ota", "status", path)
    gap = esp.row(0, 0x12, 0x1B0000, 0x1A0000, "ota_2")
    path.write_bytes(esp.with_table(firmware.read_bytes(), esp.NVS, esp.OTADATA, esp.OTA_0, gap))
    got = status(molt, path, code=1)
    assert "the bootloader never starts ota_2" in got["findings"][-1]["text"]
    assert "otadata cannot choose 'ota_2'" in molt.fails("ota", "set-boot", path, "ota_2")


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0" + b"JFIF" * 5000, b"\xe9\x03"])
def test_not_a_firmware(molt, tmp_path, content):
    (tmp_path / "x.bin").write_bytes(content)
    for verb in ("status", "confirm", "rollback"):
        assert "x.bin" in molt.fails("ota", verb, "x.bin")
    assert (tmp_path / "x.bin").read_bytes() == content


def test_usage(molt):
    assert "too few operands" in molt.fails("ota", "set-boot", "x.bin", code=2)
    assert "say which" in molt.fails("ota", code=2)
    assert "no option" in molt.fails("ota", "status", "--force", "x.bin", code=2)


def test_invalidate_on_a_file(molt, two_slots):
    path = two_slots(record(1, VALID), record(2, VALID))
    text = molt.ok("ota", "invalidate", path, "ota_1")
    assert "record 1: seq 2, INVALID: no longer counts" in text and "ota_0 boots next" in text
    assert records_of(path) == (record(1, VALID), record(2, INVALID))
    assert "INVALID: given up" in molt("ota", "status", path).stdout
    assert molt.ok("ota", "invalidate", path, "ota_1").startswith("nothing to write")
    assert "there is no way back from ota_0" in molt.fails("ota", "invalidate", path, "ota_0")
    assert records_of(path) == (record(1, VALID), record(2, INVALID))
    path = two_slots(record(1, VALID), record(2, VALID))
    assert "ota_1 boots next" in molt.ok("ota", "invalidate", path, "ota_0", "--dry-run").replace("would boot", "boots")
    molt.ok("ota", "invalidate", path, "ota_0")
    assert records_of(path) == (record(1, INVALID), record(2, VALID))


def test_invalidate_on_a_board(molt, two_slots):
    molt.ok("sim", "new", "sim:roof", "--flash", two_slots(record(1, VALID), record(2, VALID)))
    molt.ok("sim", "boot", "sim:roof")
    assert "ota_1 runs: 'molt ota rollback'" in molt.fails("ota", "invalidate", "sim:roof", "ota_1")
    molt.ok("ota", "invalidate", "sim:roof", "ota_0")
    assert json.loads(molt.ok("sim", "boot", "--json", "sim:roof"))["running"] == "ota_1"
    assert "there is no way back" in molt.fails("ota", "rollback", "sim:roof")
    assert "there are: ota_0, ota_1" in molt.fails("ota", "invalidate", "sim:roof", "vfs")


def test_a_dump_is_changed_too(molt, two_slots, tmp_path):
    (tmp_path / "dump.bin").write_bytes(esp.dump(two_slots(record(1, VALID)).read_bytes(), 8 << 20))
    for words in (["set-boot", "dump.bin", "ota_1"], ["confirm", "dump.bin"], ["rollback", "dump.bin"], ["invalidate", "dump.bin", "ota_1"]):
        assert "next" in molt.ok("ota", *words), words
    assert status(molt, "dump.bin")["boots_next"] == "ota_0" and (tmp_path / "dump.bin").stat().st_size == 8 << 20


def test_a_file_that_ends_before_its_otadata(molt, two_slots):
    data = two_slots().read_bytes()
    path = two_slots()
    rows = esp.rows_of(data)
    otadata = esp.row(1, 0, 0x7F0000, 0x2000, "otadata")
    path.write_bytes(esp.with_table(data, *(otadata if row[4] == "otadata" else esp.row(*row) for row in rows if row[4] != "vfs")))
    assert status(molt, path)["boots_next"] == "ota_0"
    molt.ok("ota", "set-boot", path, "ota_1")
    assert status(molt, path)["boots_next"] == "ota_1" and path.stat().st_size == 0x7F2000 - esp.BOOTLOADER
