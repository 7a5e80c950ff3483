"""Ports without slots: the package on a genuine MicroPython without an esp32 module, on littlefs and on FAT."""
import hashlib
import pathlib
import struct
import zlib

import pytest

from plainboard import Board

pytestmark = pytest.mark.fast
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors/store"


@pytest.fixture(params=["lfs", "fat"])
def board(request, tmp_path):
    return Board(tmp_path, request.param)


def pair(counter, record, data):
    head = struct.pack("<III", counter, len(data), record)
    return head + struct.pack("<I", zlib.crc32(head + data)) + data


def test_records_live_in_pairs(board):
    """Byte for byte what docs/spec/store.md says and what the C side reads and writes (tests/unit/test_filestore.c)."""
    out = board("""
from ota import _store
print(_store.get(3))
for data in (b"first", b"second", b"third"):
    _store.put(3, data)
    print(_store.get(3))
_store.put(5, b"")
import os
print(sorted(os.listdir("/.molt")))
for name in ("a", "b"):
    print(open("/.molt/r3." + name, "rb").read())
_store.put(3, b"")
print(_store.get(3), open("/.molt/r3.b", "rb").read())
""").splitlines()
    assert out[:5] == ["None", "b'first'", "b'second'", "b'third'", "['r3.a', 'r3.b']"]
    assert eval(out[5]) == pair(3, 3, b"third") == (VECTORS / "r3.a").read_bytes()
    assert eval(out[6]) == pair(2, 3, b"second") == (VECTORS / "r3.b").read_bytes()
    assert out[7] == "None %r" % pair(4, 3, b"")


@pytest.mark.parametrize("a, b, counts", [
    (pair(1, 3, b"old"), pair(2, 3, b"new"), b"new"), (pair(5, 3, b"new"), pair(4, 3, b"old"), b"new"),
    (pair(1, 3, b"old"), pair(2, 3, b"new")[:-1], b"old"), (pair(1, 3, b"old"), pair(2, 3, b"new") + b"x", b"old"),
    (pair(1, 3, b"old"), pair(2, 4, b"of another"), b"old"), (pair(1, 3, b"old"), b"", b"old"), (b"", b"", None),
    (pair(1, 3, b"old"), pair(2, 3, b"new")[:-1] + b"x", b"old"), (pair(1, 3, b"old"), pair(2, 3, b""), None),
    (pair(1, 3, b"old"), b"\xff" * 40, b"old"), (pair(1, 3, b"one"), pair(1, 3, b"two"), b"one")])
def test_which_of_a_pair_counts(board, a, b, counts):
    out = board("""
import os
os.mkdir("/.molt")
for name, data in (("a", %r), ("b", %r)):
    with open("/.molt/r3." + name, "wb") as file:
        file.write(data)
from ota import _store
print(_store.get(3))
_store.put(3, b"next")
print(_store.get(3))
""" % (a, b))
    assert out == "%r\nb'next'\n" % counts


def test_a_record_survives_a_cut_at_every_write(board, tmp_path):
    """The old or the new value, whole; and the next put works."""
    board("from ota import _store\nfor i in range(3): _store.put(1, b'a' * 56)\n_store.put(2, b'x' * 13)")
    (tmp_path / "cuts").mkdir()
    board("from ota import _store\n_store.put(1, b'b' * 56)\n_store.put(1, b'c' * 56)", record=str(tmp_path / "cuts"))
    assert len(list((tmp_path / "cuts").iterdir())) >= 4
    seen = board("""
from ota import _store
found = _store.get(1)
assert found in (b"a" * 56, b"b" * 56, b"c" * 56), found
assert _store.get(2) == b"x" * 13
print(chr(found[0]))
_store.put(1, b"d" * 56)
assert _store.get(1) == b"d" * 56
""", replay=str(tmp_path / "cuts"), load=["ota._store", "ota._pairs"])
    order = [letter for letter in seen.split()]
    assert order == sorted(order) and set(order) >= {"a", "b"}  # never back again


def test_the_host_says_that_there_are_no_slots(board):
    out = board("""
from ota import _host, _slots
host = _host.host()
print(host.slots, host.running, host.running_image, host.otadata, host.flash_size, host.image, host.target)
print(host.chip_id, hex(host.mpy_abi), _slots.running()[2:4], _slots.image_sha256(0, 0), _slots.current_release())
print(hasattr(host, "flash_program"), hasattr(host, "flash_erase"), _host.engine().__name__)
""").splitlines()
    assert out == ["((-1, 0, 0),) -1 None 0 0 None None", "65535 0x603 (0, 0) None None", "False False molt_x64"]


def test_which_release_runs(board):
    """The candidate while it is on trial, else the one that is bound."""
    out = board("""
from ota import _slots, _store
import struct
zeros = bytes(32)
rows = struct.pack("<I", 0) + zeros + b"o" * 32 + struct.pack("<I", 0xFFFFFFFF) + zeros + b"c" * 32
_store.put(5, b"\\x01\\x02" + rows)
for phase in range(8):
    update = _store.Update()
    update.phase = phase
    update.save()
    print(phase, chr(_slots.current_release()[0]))
update.phase, update.target = 3, 0x10000
update.save()
print(chr(_slots.current_release()[0]))
""").split()
    assert out == ["0", "o", "1", "o", "2", "c", "3", "c", "4", "c", "5", "o", "6", "o", "7", "o", "o"]
