"""What a release's policies keep (ota._carry), keys from /ota.json (ota._enrol), and room for files."""
import hashlib
import json
import struct

import pytest

from plainboard import Board

pytestmark = pytest.mark.fast
OLD, NEW = b"o" * 32, b"n" * 32  # digests of releases
REPLACE, IF_CHANGED, DELETE, FOLDER = range(4)


@pytest.fixture(params=["lfs", "fat"])
def board(request, tmp_path):
    return Board(tmp_path, request.param)


def head(major, n):
    if n < 24:
        return bytes((major << 5 | n,))
    size = 1 if n < 256 else 2 if n < 65536 else 4
    return bytes((major << 5 | 24 + (1, 2, 4).index(size),)) + n.to_bytes(size, "big")


def text(word):
    return head(3, len(word.encode())) + word.encode()


def release_list(entries):
    """docs/spec/bundle.md, "Release": {path: (content, policy)}."""
    out = head(4, len(entries))
    for path, (content, policy) in sorted(entries.items()):
        digest = hashlib.sha256(content).digest()
        out += head(5, 4 if policy else 3) + b"\x01" + text(path) + b"\x02" + head(0, len(content)) + b"\x03" + head(2, 32) + digest
        out += b"\x04" + head(0, policy) if policy else b""
    return out


def directory(digest):
    return "/rel/" + digest[:8].hex()


def install(board, digest, entries, listed=None):
    """A release's directory, as the engine leaves it."""
    files = {path: content for path, (content, policy) in entries.items() if policy < DELETE}
    files[".list"] = release_list(entries) if listed is None else listed
    put(board, {directory(digest) + "/" + path: content for path, content in files.items()})


def put(board, files):
    board("""
import os
for path, data in %r.items():
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(path, "wb") as file:
        file.write(data)
""" % files)


def found_in(digest):
    """Lines that make `found`, {path: content} of a release."""
    return """
found = {}
def walk(path):
    for entry in os.ilistdir(path):
        name = path + "/" + entry[0]
        if entry[1] & 0x4000:
            walk(name)
        else:
            with open(name, "rb") as file:
                found[name[%d:]] = file.read()
walk(%r)
""" % (len(directory(digest)) + 1, directory(digest))


def tree(board, digest):
    """{path: content} of a release."""
    return eval(board("import os\n%sprint(found)\n" % found_in(digest)))


CARRY = "from ota import _carry\n_carry.carry(%r, %r)" % (NEW, OLD)

OLD_FILES = {
    "main.py": (b"old code", REPLACE), "config.json": (b"{}", IF_CHANGED), "same.json": (b"same", IF_CHANGED),
    "gone.json": (b"gone", IF_CHANGED), "data": (b"", FOLDER), "data/seed": (b"seed", REPLACE), "data/other": (b"other", REPLACE),
    "cache": (b"", DELETE), "data/tmp": (b"", DELETE), "lib/x.py": (b"x", REPLACE),
}
NEW_FILES = {
    "main.py": (b"new code", REPLACE), "config.json": (b"{'new': 1}", IF_CHANGED), "same.json": (b"changed by the maker", IF_CHANGED),
    "data": (b"", FOLDER), "data/seed": (b"new seed", REPLACE), "data/other": (b"new other", REPLACE), "data/tmp": (b"", DELETE),
    "cache": (b"", DELETE), "lib/x.py": (b"new x", REPLACE), "fresh.json": (b"fresh", IF_CHANGED),
}
CHANGES = {  # by the application, in the old release
    "config.json": b"{'mine': 5}", "data/seed": b"grown", "data/log/1": b"1" * 3000, "data/log/2": b"", "own": b"not kept",
    "main.py": b"hacked", "data/tmp/x": b"not kept either", "cache/y": b"nor this", "lib/x.py": b"patched", "fresh.json": b"early"}
EXPECTED = {
    "main.py": b"new code", "config.json": b"{'mine': 5}", "same.json": b"changed by the maker", "data/seed": b"grown",
    "data/other": b"new other", "data/log/1": b"1" * 3000, "data/log/2": b"", "lib/x.py": b"new x", "fresh.json": b"early"}


def prepared(board):
    install(board, OLD, OLD_FILES)
    put(board, {directory(OLD) + "/" + path: data for path, data in CHANGES.items()})
    install(board, NEW, NEW_FILES)


def test_what_is_carried_over(board):
    prepared(board)
    before = tree(board, OLD)
    assert board(CARRY) == ""
    found = tree(board, NEW)
    assert found.pop(".list") == release_list(NEW_FILES)
    assert found == EXPECTED
    assert tree(board, OLD) == before
    # A second time nothing is written.
    assert board(CARRY, count=1) == "WRITES 0\n"


def test_a_cut_at_every_write_of_a_carry(board, tmp_path):
    prepared(board)
    (tmp_path / "cuts").mkdir()
    board(CARRY, record=str(tmp_path / "cuts"))
    assert len(list((tmp_path / "cuts").iterdir())) > 20
    check = """
import os
from ota import _carry
with open(%r, "rb") as file:
    assert file.read() == b"{'mine': 5}"
there = []
for path in ("config.json", ".carry"):
    try:
        with open(%r + "/" + path, "rb") as file:
            there.append(file.read())
    except OSError:
        pass
assert b"{'new': 1}" in there or b"{'mine': 5}" in there, there
""" % (directory(OLD) + "/config.json", directory(NEW))
    end = found_in(NEW) + """
del found[".list"]
assert found == %r, found
""" % EXPECTED
    board(check + CARRY + end, replay=str(tmp_path / "cuts"), load=["ota._carry"])


@pytest.mark.parametrize("which", ["old", "new"])
@pytest.mark.parametrize("listed", [
    b"", b"\x80\x00", b"\x81", b"\x81\xa0", b"\x9b" + b"\xff" * 8, b"\x9f\xff", release_list(OLD_FILES)[:-1],
    release_list({"../x": (b"", FOLDER)}), release_list({"a//b": (b"", REPLACE)}), release_list({"x": (b"", 4)}),
    b"\x81\xa3\x01\x61\xff\x02\x00\x03\x58\x20" + bytes(32), b"\x81\xa3\x01\x61x\x02\x00\x03\x58\x1f" + bytes(31),
    b"\x81\xa3\x01\x79\xff\xff", b"\x81\xa4\x01\x61x\x02\x00\x03\x58\x20" + bytes(32) + b"\x04\x63abc"])
def test_a_malformed_list_carries_nothing_and_says_so(board, listed, which):
    install(board, OLD, OLD_FILES, listed if which == "old" else None)
    put(board, {directory(OLD) + "/config.json": b"{'mine': 5}"})
    install(board, NEW, NEW_FILES, listed if which == "new" else None)
    out = board(CARRY)
    name = directory(OLD if which == "old" else NEW)
    assert out == "ota: nothing is carried over: %s/.list is missing or malformed\n" % name
    assert tree(board, NEW)["config.json"] == b"{'new': 1}"


def test_nothing_to_carry_says_nothing(board):
    assert board("from ota import _carry\n_carry.carry(None, %r)\n_carry.carry(%r, None)\n_carry.carry(%r, %r)" % (NEW, NEW, NEW, NEW)) == ""
    install(board, NEW, {"main.py": (b"code", REPLACE), "old": (b"", DELETE)})
    assert board(CARRY) == ""  # the old one has no list, which does not matter


def test_no_room_leaves_the_new_files_whole(board):
    """Told, and everything else is carried on."""
    prepared(board)
    board("""
import os
def fill(most):
    n = 0
    try:
        with open("%s/data/big", "wb") as file:
            while n < most:
                n += file.write(b"b" * 512)
    except OSError:
        pass
    return n
all = fill(1 << 30)  # statvfs counts directories of littlefs twice
os.remove("%s/data/big")
assert fill(all * 2 // 3) < all
""" % (directory(OLD), directory(OLD)))
    out = board(CARRY)
    assert out.count("\n") == 1 and directory(OLD) + "/data/big is not carried over" in out
    found = tree(board, NEW)
    assert found.pop(".list") and found == EXPECTED


def test_room_for_a_carry(board):
    prepared(board)
    blocks = sum((len(data) // size + 1) * (2 if path in OLD_FILES else 1)
                 for size in [4096 if board.fs == "lfs" else 512] for path, data in CHANGES.items())
    size = 4096 if board.fs == "lfs" else 512
    assert board("from ota import _carry; print(_carry.room(%r), _carry.room(%r))" % (OLD, NEW)) == "%d 0\n" % (blocks * size)


# ---- Keys from /ota.json ----

TAKE = """
import ota
from ota import _enrol, _store
try:
    _enrol.take()
except ota.Error as error:
    print(error.errno, error)
print(_store.get(3), _store.get(6))
"""


def key(n):
    return bytes([n]) * 64


def site(**more):
    return {"url": "http://x", "channel": "stable", "board": "LAMP", "id": "kitchen",
            "keys": [{"use": "both", "key": key(1).hex()}, {"use": "channels", "key": key(2).hex().upper()}], **more}


def enrolled(board, words):
    put(board, {"/ota.json": words if isinstance(words, bytes) else json.dumps(words).encode()})
    return board(TAKE)


def test_enrolment(board):
    keys, device = b"\x01\x02\x03" + key(1) + b"\x02" + key(2), b"\x01\x04LAMP\x07kitchen"
    assert enrolled(board, site()) == "%r %r\n" % (keys, device)
    # What is there stays.
    other = site(board="OTHER", id="x", keys=[{"use": "both", "key": key(9).hex()}])
    assert enrolled(board, other) == "%r %r\n" % (keys, device)
    assert enrolled(board, b"not JSON") == "%r %r\n" % (keys, device)


@pytest.mark.parametrize("there", [3, 6])
def test_enrolment_of_what_is_missing(board, there):
    board("from ota import _store; _store.put(%d, b'\\x01there')" % there)
    found = enrolled(board, site())
    assert found.count("there") == 1 and ("kitchen" in found) == (there == 3)


def test_enrolment_by_the_chip(board):
    assert enrolled(board, {"url": "http://x"}) == "None %r\n" % b"\x01\x00\x100102030405060708"
    assert "LAMP\\x100102" in enrolled(Board(board.folder, board.fs), {"board": "LAMP"})


def test_without_a_file_nothing_is_enrolled(board):
    assert board(TAKE) == "None None\n"
    assert enrolled(board, {}) == "None None\n"


@pytest.mark.parametrize("words, told", [
    (b"{", "not JSON"), (json.dumps(site()).encode()[:-1], "not JSON: cut short"),
    (json.dumps(site()).encode().split(b", {")[0], "not JSON"), (b"[1]", "expected an object"), (b"", "not JSON"), (b"\xff\xfe", "not JSON"),
    (site(keys=[]), "keys: expected a list of 1 to 4"), (site(keys="x"), "keys: expected a list of 1 to 4"),
    (site(keys=[{"use": "both", "key": key(n).hex()} for n in range(5)]), "keys: expected a list of 1 to 4"),
    (site(keys=[{"use": "both", "key": key(1).hex()}, {"use": "both", "key": "00" * 63}]),
     "keys[1]: expected 128 hex digits, found 126"),
    (site(keys=[{"use": "both", "key": "zz" * 64}]), 'keys[0]: expected {"use"'),
    (site(keys=[{"use": "both", "key": "0" * 127}]), 'keys[0]: expected {"use"'),
    (site(keys=[{"use": "all", "key": key(1).hex()}]), 'keys[0]: expected {"use"'),
    (site(keys=[{"key": key(1).hex()}]), 'keys[0]: expected {"use"'), (site(keys=[{"use": "both"}]), 'keys[0]: expected {"use"'),
    (site(keys=[{"use": "both", "key": 5}]), 'keys[0]: expected {"use"'), (site(keys=[7]), 'keys[0]: expected {"use"'),
    (site(keys=[{"use": [], "key": key(1).hex()}]), 'keys[0]: expected {"use"'),
    (site(board="x" * 32), "board: expected text of at most 31 bytes"), (site(board=5), "board: expected text"),
    (site(id="x" * 65), "id: expected text of at most 64 bytes"), (site(id=["x"]), "id: expected text")])
def test_what_enrolment_refuses(board, words, told):
    out = enrolled(board, words)
    assert out.startswith("-12 /ota.json: " + told), out
    assert out.endswith("\nNone None\n")
