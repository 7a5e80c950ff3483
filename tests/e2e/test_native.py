"""The engine in genuine MicroPythons, the same C that devices run: as native module under Debian's, as user C module in one built here."""
import hashlib
import os
import pathlib
import subprocess
import zlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import esp

TOP = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.fast
ARCHITECTURES = ("x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin")


@pytest.fixture(scope="session")
def modules():
    """The folder of the built modules."""
    folder = TOP / "build/native"
    assert (folder / "molt_x64.mpy").exists(), "run scripts/native.sh"
    return folder


INTERPRETERS = {
    "native module": ("micropython", "import molt_x64 as molt"),
    "user C module": ("usermod", "import molt"),
}


@pytest.fixture(params=INTERPRETERS)
def micropython(request, modules, tmp_path):
    folder, importing = INTERPRETERS[request.param]
    binary = TOP / "build" / folder / "micropython"
    assert binary.exists(), "run scripts/%s.sh" % folder

    (tmp_path / "molt_x64.mpy").symlink_to(modules / "molt_x64.mpy")  # alone: the folder holds the compiled package too

    def run(script, heap="20m"):
        (tmp_path / "script.py").write_text("%s\nfrom host import *\n%s" % (importing, script))
        done = subprocess.run([binary, "-X", "heapsize=" + heap, "script.py"], cwd=tmp_path, capture_output=True,
                              text=True, timeout=280, env={**os.environ, "MICROPYPATH": str(TOP / "tests/native")})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


def public_bytes(key):
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def test_module_names_and_state_size(micropython):
    lines = micropython("print(sorted(n for n in dir(molt) if n[0] != '_'))\nprint(molt.STATE_SIZE)\n")
    assert lines[0] == str(sorted(["STATE_SIZE", "open", "step", "status", "boot", "confirm", "rollback", "switch", "image", "channel",
                                   "sha256", "verify", "inflate"]))
    assert int(lines[1]) < 16384


def test_hash_verify_inflate_under_collector_stress(micropython, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    digest = hashlib.sha256(b"molt").digest()
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    plain = bytes((7 * i * i + i // 5) & 255 for i in range(20000))
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    (tmp_path / "packed").write_bytes(packer.compress(plain) + packer.flush())
    lines = micropython("""
import gc, hashlib
key, digest, signature = bytes.fromhex("%s"), bytes.fromhex("%s"), bytes.fromhex("%s")
packed = open("packed", "rb").read()

def check():
    for n in (0, 55, 64, 1000):
        data = packed[:n]
        assert molt.sha256(data) == hashlib.sha256(data).digest()
    assert molt.verify(key, digest, signature) is True
    assert molt.verify(key, digest, signature[:-1] + bytes([signature[-1] ^ 1])) is False
    out = hashlib.sha256()
    def sink(piece):
        gc.collect()
        out.update(piece)
    assert molt.inflate(packed, sink) == 1
    assert molt.inflate(packed[:-9], lambda piece: None) == 0
    assert molt.inflate(b"\\x07", sink) == -82
    return out.digest()

first = check()
def again():
    assert check() == first
collector_stress(again)
for wrong in (lambda: molt.verify(key[:-1], digest, signature), lambda: molt.step(bytearray(9), None),
              lambda: molt.status(bytearray(molt.STATE_SIZE)), lambda: molt.sha256(5)):
    try:
        wrong()
        print("accepted")
    except (ValueError, TypeError) as e:
        print(type(e).__name__)
print(first.hex())
""" % (public_bytes(key.public_key()).hex(), digest.hex(), (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()))
    assert lines == ["ValueError", "ValueError", "ValueError", "TypeError", hashlib.sha256(plain).hexdigest()]


@pytest.fixture
def board(molt, firmware, tmp_path):
    """A flash that runs the genuine firmware, shortened, from slot 0, a bundle with the same at another version and a release, its
    key. A collection looks at all that the heap holds: small slots save most of the time."""
    app = esp.shortened(esp.app_of(firmware.read_bytes()))
    (tmp_path / "app.bin").write_bytes(app)
    (tmp_path / "flash").write_bytes((b"\xff" * 0x10000 + app).ljust(0x10000 + 2 * SLOT, b"\xff"))
    release = tmp_path / "release"
    release.mkdir()
    (release / "main.py").write_text("print('new')\n")
    (release / "helper.py").write_text("x = 1\n" * 1000)
    molt.ok("key", "new", "k")
    secret = next(p for p in tmp_path.iterdir() if p.name.startswith("k") and b"PRIVATE" in p.read_bytes())
    molt.ok("bundle", "create", "-o", "update.molt", "--app", "app.bin", "--app-version", "9.8.7", "--release", release,
            "--key", secret, "-s", 7)
    key = serialization.load_pem_private_key(secret.read_bytes(), None)
    return public_bytes(key.public_key())


SLOT = 0x60000
PRELUDE = """
import hashlib
host = Host(bytearray(open("flash", "rb").read()), open("update.molt", "rb").read())
host.flash_size, host.slots = len(host.flash), ((0, 0x10000, {slot}), (1, 0x10000 + {slot}, {slot}))
host.records[3] = b"\\x01\\x01\\x03" + bytes.fromhex("%s")

def install(host, most=100000):
    state = molt.open(host)
    for _ in range(most):
        code = molt.step(state, host)
        if code not in (0, -1):
            break
    return code, state
""".replace("{slot}", str(SLOT))


def test_engine_installs_and_confirms(micropython, board):
    lines = micropython(PRELUDE % board.hex() + """
code, state = install(host)
print(code, molt.status(state)[0], molt.status(state)[3])
print(sorted(p.split("/")[-1] for p in host.tree if p.endswith(".py")))
slot0, slot1 = [host.flash[offset:offset + size] for _, offset, size in host.slots]
print(slot1[:1] == b"\\xe9", slot0 == slot1, b"9.8.7" in slot1, b"9.8.7" in slot0)
print(host.erased <= 0x60 + 2)
host.running = 1
# The bootloader's part: NEW becomes PENDING_VERIFY.
for at in (0xD000, 0xE000):
    if host.flash[at + 24:at + 28] == bytes(4):
        host.flash[at + 24] = 1
print(molt.boot(host), molt.confirm(host), molt.confirm(host))
print(install(host)[0])
""")
    assert lines[0] == "1 done 0"
    assert lines[1] == "['helper.py', 'main.py']"
    assert lines[2] == "True False True False"
    assert lines[3] == "True"
    assert lines[4] == "0 0 -65"  # the second time there is nothing to confirm
    assert lines[5] == "-92"  # installed already


def test_an_exception_passes_through_and_a_new_state_goes_on(micropython, board):
    lines = micropython(PRELUDE % board.hex() + """
host.fail_at = 50
try:
    install(host)
except RuntimeError as e:
    print("raised", e)
host.fail_at, before = None, host.fetched
state = molt.open(host)
host.fail_at = host.operations + 1
for _ in range(3000):
    try:
        code = molt.step(state, host)
    except RuntimeError:
        break
try:
    molt.step(state, host)
except ValueError as e:
    print(e)
host.fail_at = None
code, state = install(host)
print(code, host.fetched - before < len(host.bundle), molt.status(state)[6] > 0)
""")
    assert lines == ["raised power", "left by an exception: open() again", "1 True True"]


def test_refusals_carry_their_codes(micropython, board):
    lines = micropython(PRELUDE % board.hex() + """
good = host.bundle
host.bundle = b"\\xff" + good[1:]
print(install(host)[0])
host.bundle = good[:200] + bytes([good[200] ^ 1]) + good[201:]
print(install(host)[0] in (-71, -73, -74))
host.bundle = good[:20000]
print(install(host)[0])
host.bundle = good
host.chip_id = 5
print(install(host)[0])
host.chip_id = 0
host.records[3] = b"\\x01\\x01\\x03" + bytes(64)
print(install(host)[0])
host.slots = ((0, 0x10000, 0x1B0000),)
try:
    host.slots = ((0, 0, 0),) * 18
    molt.open(host)
except ValueError as e:
    print(e)
""")
    assert lines[0] == "-70"
    assert lines[1] == "True"
    assert lines[2:] == ["-72", "-79", "-73", "slots: at most 17"]


NONE, INSTALLING, SWITCHING, TRIAL, CONFIRMING, ROLLING_BACK, CONFIRMED, FAILED = range(8)


def expected(phase, in_target, switches):
    """(action, phase afterwards) by docs/spec/store.md, "What each phase means at a boot"."""
    if phase in (NONE, INSTALLING, CONFIRMED, FAILED):
        return "run", phase
    if in_target:
        return {SWITCHING: ("run", TRIAL), TRIAL: ("restart", ROLLING_BACK), CONFIRMING: ("run", CONFIRMED),
                ROLLING_BACK: ("restart", ROLLING_BACK)}[phase]
    if phase in (SWITCHING, CONFIRMING) and switches < 3:
        return "restart", phase
    return "run", FAILED


def test_the_boot_hook_decides_like_the_engine_and_the_specification(micropython):
    """Every phase, slot, count of switches and boots, and otadata that a bootloader may leave."""
    lines = micropython("import sys\nsys.path.append(%r)\nimport hook\nhook.compare(molt)\n" % str(TOP / "ports/micropython"))
    lines = [line for line in lines if not line.startswith("ota: ")]
    assert len(lines) == 8 * 2 * 3 * 2 * 9 * 2
    seen = set()
    for line in lines:
        phase, running, switches, _, records, _, action, after, code = line.split("|")
        got = action, int(after)
        if int(code) < 0:  # no way back: it runs, and the phase is what it was, or rolling back
            assert running == "1" and int(phase) in (TRIAL, CONFIRMING, ROLLING_BACK) and action == "run", line
            assert int(after) == (CONFIRMED if int(code) == -63 else ROLLING_BACK), line
            seen.add(int(code))
            continue
        assert got == expected(int(phase), running == "1", int(switches)), line
    assert seen == {-63, -64}


def test_the_package_finds_its_engine(micropython, tmp_path):
    """The one in the firmware first; a folder of that name is none."""
    (tmp_path / "molt").mkdir()
    lines = micropython("import sys\nsys.path.append(%r)\nimport hook\nhook.install_fakes()\nfrom ota import _host\n"
                        "print(_host.engine() is molt)\n" % str(TOP / "ports/micropython"))
    assert lines == ["True"]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_header_says_architecture_and_version(modules, arch):
    head = (modules / ("molt_%s.mpy" % arch)).read_bytes()[:4]
    assert head[:2] == b"M\x06"
    assert head[2] & 3 == 3  # sub-version 6.3: firmware 1.23.0 and later
    assert head[2] >> 2 & 15 == {"x64": 2, "armv6m": 4, "armv7m": 5, "armv7emsp": 7, "xtensawin": 10, "rv32imc": 11}[arch]
