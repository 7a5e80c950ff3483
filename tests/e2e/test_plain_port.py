"""Ports without slots: the package on a genuine MicroPython without an esp32 module, on littlefs and on FAT."""
import base64
import hashlib
import json
import pathlib
import re
import struct
import zlib

import pytest

from conftest import Molt, molt_path
from plainboard import NATIVE, PACKAGE, TOP, Board

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


# ---- Updates: files only ----

MAINS = {
    1: "import ota\nprint('RUNS 1', ota.confirm())",
    2: "import ota, part\nprint('RUNS 2', part.version, ota.confirm())",
    3: "raise RuntimeError('version 3 has a bug')",
    4: "print('RUNS 4 and forgets')",
    5: "import ota\nprint('RUNS 5', ota.confirm())",
    6: "import ota\nprint('RUNS 6', ota.confirm())",
}
BOOT = (TOP / "ports/micropython/boot.py").read_text()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles without an app, and what enrols a board for them."""
    folder = tmp_path_factory.mktemp("bundles")
    molt = Molt(molt_path("MOLT_FAST"), folder)
    molt.ok("key", "new", "key.pem")
    for n, main in MAINS.items():
        release = folder / ("release-%d" % n)
        (release / "data").mkdir(parents=True)
        (release / "main.py").write_text(main)
        (release / "part.py").write_text("version = %d\n" % n)
        (release / "data/table").write_bytes(bytes([n]) * 700)
        (release / "config.json").write_text("{'version': %d}" % n)
        molt.ok("bundle", "create", "-o", "%d.molt" % n, "--release", release, "--key", "key.pem", "--sequence", n,
                "--keep", "config.json", "--keep", "data/", "--delete", "data/tmp")
    public = base64.b64decode("".join((folder / "key.pem.pub").read_text().splitlines()[1:-1]))[-64:]
    (folder / "ota.json").write_text(json.dumps({"keys": [{"use": "both", "key": public.hex()}]}))
    return folder


@pytest.fixture
def enrolled(board, bundles):
    board("""
for path, text in (("/ota.json", %r), ("/boot.py", %r)):
    with open(path, "w") as file:
        file.write(text)
""" % ((bundles / "ota.json").read_text(), BOOT))
    board.update = lambda n, more="": "import ota\nota.update('file:/host%s/%d.molt', quiet=True%s)" % (bundles, n, more)
    return board


def test_files_only_update_trial_and_confirm(enrolled):
    board = enrolled
    assert board(board.update(1)) == "RUNS 1 True\n"
    assert board() == "RUNS 1 False\n"
    assert board(board.update(2)) == "RUNS 2 2 True\n"
    assert board() == "RUNS 2 2 False\n"
    out = board("import os; print(sorted(os.listdir('/')), len(os.listdir('/rel')))")
    assert out == "['.molt', 'boot.py', 'host', 'ota.json', 'rel'] 2\n"


CHANGE = """
import os
from ota import _slots
here = _slots.release_directory(_slots.current_release())
os.mkdir(here + "/data/tmp")
for name, text in (("config.json", "mine"), ("data/log", "l" * 900), ("data/tmp/x", "x"), ("other", "o")):
    with open(here + "/" + name, "w") as file:
        file.write(text)
"""
KEPT = """
from ota import _slots
here = _slots.release_directory(_slots.current_release())
for name in ("config.json", "data/log", "data/table", "data/tmp/x", "other"):
    try:
        with open(here + "/" + name) as file:
            print(name, file.read()[:6])
    except OSError:
        print(name, "-")
"""


def test_what_the_application_changed_is_carried_over(enrolled):
    board = enrolled
    board(board.update(1))
    board(CHANGE)
    for n in (2, 2):  # a second time it runs already
        board(board.update(n))
        assert board(KEPT).splitlines() == ["config.json mine", "data/log llllll", "data/table " + "\2" * 6, "data/tmp/x -", "other -"]


def test_a_failed_trial_leaves_what_the_application_changed(enrolled):
    board = enrolled
    board(board.update(1))
    board(CHANGE)
    board(board.update(3))
    assert board(KEPT).splitlines() == ["config.json mine", "data/log llllll", "data/table " + "\1" * 6, "data/tmp/x x", "other o"]


def test_what_such_a_board_refuses(enrolled, bundles, firmware):
    """Before anything is written but the newest signed time."""
    molt = Molt(molt_path("MOLT_FAST"), bundles)
    board = enrolled
    board(board.update(1))
    if not (bundles / "7.molt").exists():
        molt.ok("bundle", "create", "-o", "7.molt", "--app", firmware, "--release", "release-2", "--key", "key.pem", "--sequence", "7")
    before = board("import os; print(os.listdir('/rel'))")
    for n, code in ((7, -79), (1, None)):
        out = board("import ota\ntry:\n    print(ota.update('file:/host%s/%d.molt'))\nexcept ota.Error as error:\n    print(error.errno)" % (bundles, n))
        assert out == ("%d\n" % code if code else "ota: this bundle runs here already\nFalse\n")
    assert board("import os; print(os.listdir('/rel'))") == before and board() == "RUNS 1 False\n"
    assert "(-73)" in without_keys(board, bundles)


def without_keys(board, bundles):
    board("from ota import _store; _store.put(3, b''); import os; os.remove('/ota.json')")
    return board(board.update(2), check=1)


@pytest.mark.parametrize("n, told", [(3, "version 3 has a bug"), (4, "RUNS 4 and forgets")])
def test_a_failed_trial_goes_back_to_the_old_files(enrolled, n, told):
    board = enrolled
    board(board.update(1))
    out = board(board.update(n))
    assert told in out
    if n == 4:  # nothing ends it but a reset
        assert out == told + "\n"
    else:
        assert out.endswith("RUNS 1 False\n")
    assert board() == "RUNS 1 False\n"
    assert "(-77)" in board(board.update(n), check=1)


SETTLE = """
import ota
ota.boot()
from hashlib import sha256
from ota import _slots, _store
runs = _slots.current_release()
n = {%r: 1, %r: 2}[runs]
for name, digest in {1: %r, 2: %r}[n].items():
    with open(_slots.release_directory(runs) + "/" + name, "rb") as file:
        assert sha256(file.read()).digest() == digest, (n, name)
with open(_slots.release_directory(runs) + "/config.json") as file:
    assert file.read() == "mine"
if n == 2:
    assert _store.Update().phase == _store.CONFIRMED
    raise SystemExit(5)
ota.update("file:/host%s/2.molt", quiet=True, retry_failed=True)
raise SystemExit(9)
"""


def settle(bundles):
    """Boots until version 2 is confirmed; whatever runs before, its files are whole."""
    def files(n):
        folder = bundles / ("release-%d" % n)
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
                for path in folder.rglob("*") if path.is_file() and path.name != "config.json"}

    molt = Molt(molt_path("MOLT_FAST"), bundles)
    digests = [bytes.fromhex(re.search("^  SHA-256 +([0-9a-f]{64})$", molt.ok("bundle", "show", "%d.molt" % n), re.M)[1])
               for n in (1, 2)]
    return SETTLE % (*digests, files(1), files(2), bundles)


def test_a_cut_at_every_write_of_an_update(enrolled, bundles, tmp_path):
    """Every write of the device from the update's first to the confirm's last: install, what is carried over, trial, confirm."""
    board = enrolled
    board(board.update(1))
    board(CHANGE)
    script = settle(bundles)
    (tmp_path / "cuts").mkdir()
    board(board.update(2), record=str(tmp_path / "cuts"))
    names = sorted(path.name for path in (tmp_path / "cuts").iterdir())
    assert len(names) > 50 and {name[0] for name in names} == {"0", "1"}  # the install, the trial
    board(script, then=script, replay=str(tmp_path / "cuts"), ends=5, load=["ota._trial", "ota._update", "molt_x64"])


# ---- Room ----

FILL = """
import os
block = os.statvfs("/")[0]
def fill(name, n):
    done = 0
    try:
        with open(name, "wb") as file:
            while done < n:
                done += file.write(b"f" * min(512, n - done))
    except OSError:
        os.remove(name)
        return False
    return True
low, high = 0, %d
while high - low > 512:  # the largest file that fits
    middle = (low + high) // 2
    if fill("/filler", middle):
        low = middle
        os.remove("/filler")
    else:
        high = middle
assert fill("/filler", low - %d)
from ota import _files
print(_files.Host().file_space())
"""


def really_free(board, leave, size=256 * 1024):
    """Fills the file system but for so many bytes; what the host says is free then."""
    return int(board(FILL % (size, leave)))


@pytest.mark.parametrize("leave", [0, 4096, 40000])
def test_free_space_is_what_really_can_be_written(enrolled, leave):
    enrolled(enrolled.update(1))
    told = really_free(enrolled, leave)
    assert abs(told - leave) <= 2 * 4096, told


@pytest.fixture(scope="module")
def large(bundles):
    """A bundle of 60 KB in 9 files, which does not deflate."""
    molt = Molt(molt_path("MOLT_FAST"), bundles)
    release = bundles / "large"
    (release / "a/b").mkdir(parents=True)
    (release / "main.py").write_text("import ota\nprint('LARGE', ota.confirm())")
    for n in range(8):
        content = b"".join(hashlib.sha256(b"%d %d" % (n, i)).digest() for i in range(234))
        (release / "a/b" / ("%d" % n)).write_bytes(content)
    molt.ok("bundle", "create", "-o", "9.molt", "--release", release, "--key", "key.pem", "--sequence", "9")


def test_a_release_that_fills_the_file_system(enrolled, large, tmp_path):
    """Refused before anything is written, or installed to its end, whatever is free; the edge lies where the room ends."""
    board = enrolled
    board(board.update(1))
    ready = board.image.read_bytes()
    outcomes = []
    for leave in range(84, 128, 4):
        board.image.write_bytes(ready)
        really_free(board, leave * 1024)
        before = board("import os; print(os.listdir('/rel'))")
        out = board("""
%s
""" % board.update(9).replace("\nota", "\ntry:\n    ota").rstrip() + """
except ota.Error as error:
    print(error)
""")
        if "LARGE True" in out:
            outcomes.append(True)
            assert board() == "LARGE False\n"
        else:
            found = re.search(r"files need (\d+) KB in the file system, (\d+) KB can be had.*\(-4\)", out)
            assert found and int(found[1]) > int(found[2]) and abs(int(found[2]) - leave) <= 8, out
            assert board("import os; print(os.listdir('/rel'))") == before
            outcomes.append(False)
    assert outcomes == sorted(outcomes)  # refused, refused, ..., installed, installed
    # 68 KB in whole blocks of littlefs, 24 KB for three directories; FAT gets by with less than is asked for.
    edge = 84 + 4 * outcomes.index(True)
    assert not outcomes[0] and edge <= 68 + 24 + 7 * 4, edge


def test_orphans_make_room(enrolled, large):
    """What belongs to nothing any more is taken away first, and counts as free."""
    board = enrolled
    board(board.update(1))
    board("""
import os
os.mkdir("/rel/0123456789abcdef")
for n in range(4):
    with open("/rel/0123456789abcdef/%d" % n, "wb") as file:
        file.write(b"o" * 16000)
""")
    really_free(board, 60 * 1024)
    assert board(board.update(9)) == "LARGE True\n"
    assert "0123456789abcdef" not in board("import os; print(os.listdir('/rel'))")


OWN = """
import os
from ota import _slots
here = at = _slots.release_directory(_slots.current_release()) + "/data"
with open(at + "/" + "f" * 200, "w") as file:  # longer than a path of the engine's
    file.write("own")
for depth in range(7):
    at += "/" + "d" * 120
    os.mkdir(at)
    with open(at + "/own", "w") as file:
        file.write("deep")
"""


def test_no_file_of_an_application_stops_an_update(enrolled):
    """Long names and deep folders, in /rel and below: carried over, and removed with the release that they were made in."""
    board = enrolled
    assert board(board.update(1)) == "RUNS 1 True\n"
    board(OWN + """
os.mkdir("/rel/" + "r" * 150)
os.mkdir("/rel/" + "0123456789abcdef" * 12)
""")
    for n, said in ((2, "RUNS 2 2 True\n"), (5, "RUNS 5 True\n"), (6, "RUNS 6 True\n")):
        assert board(board.update(n)) == said
        found = board("""
import os
from ota import _slots
here = _slots.release_directory(_slots.current_release()) + "/data"
print(len(os.listdir("/rel")), sorted(len(n) for n in os.listdir(here)), open(here + ("/" + "d" * 120) * 7 + "/own").read())
""")
        assert found == "4 [5, 120, 200] deep\n"  # two releases, two folders of the application's


# ---- Installed on the device itself ----

def install(board):
    """The package and the engine in /lib, as docs/ports-without-slots.md says."""
    files = {"/lib/ota/" + path.name: path.read_bytes() for path in pathlib.Path(PACKAGE, "ota").glob("*.py")}
    files["/lib/molt_x64.mpy"] = pathlib.Path(NATIVE, "molt_x64.mpy").read_bytes()
    board("""
import os
os.mkdir("/lib")
os.mkdir("/lib/ota")
for path, data in %r.items():
    with open(path, "wb") as file:
        file.write(data)
""" % files)


@pytest.mark.parametrize("root", ["/", "/flash"])
def test_installed_as_the_page_says(tmp_path, bundles, root, request):
    """On stm32 the file system lies at /flash; its boot.py mounts it at /."""
    for fs, size in (("lfs", (4096, 160)), ("fat", (512, 1200))):
        (tmp_path / fs).mkdir()
        board = Board(tmp_path / fs, fs)
        board.options = {"size": size, "path": []}
        install(board)
        page = (TOP / "docs/ports-without-slots.md").read_text()
        boot = BOOT if root == "/" else re.search("```py boot.py of stm32\n(.*?)```", page, re.S)[1]
        board("for path, text in (('/ota.json', %r), ('/boot.py', %r)):\n    with open(path, 'w') as file:\n        file.write(text)"
              % ((bundles / "ota.json").read_text(), boot))
        board.options["root"] = root
        script = "import os\nprint(os.getcwd())\n" + (boot if root == "/flash" else "import ota")
        out = board(script + "\nimport ota\nota.update('file:/host%s/2.molt', quiet=True)" % bundles)
        assert out == root + "\nRUNS 2 2 True\n"
        assert board() == "RUNS 2 2 False\n"
        assert "ota/_plain.py" in board("import os\n%s\nfrom ota import _plain\nprint(_plain.__file__)" % (boot if root == "/flash" else ""))


def test_what_provision_writes_enrols_the_board(board, bundles, tmp_path):
    (tmp_path / "files").mkdir()
    Molt(molt_path("MOLT_FAST"), tmp_path).ok("provision", "files", "--arch", "x64", "--key", bundles / "key.pem.pub", "--board", "ROOF")
    text = (tmp_path / "files/ota.json").read_text()
    board("for path, text in (('/ota.json', %r), ('/boot.py', %r)):\n    with open(path, 'w') as file:\n        file.write(text)" % (text, BOOT))
    assert board("import ota\nota.update('file:/host%s/1.molt', quiet=True)" % bundles) == "RUNS 1 True\n"
    assert board("from ota import _store; print(_store.device())") == "('ROOF', b'0102030405060708')\n"
