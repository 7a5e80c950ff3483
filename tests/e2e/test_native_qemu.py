"""The native modules for rv32imc, armv6m and armv7m, executed: on MicroPython's own port to QEMU's bare boards, in a heap of 140 KB."""
import hashlib
import pathlib
import re
import subprocess
import sys
import zlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import esp

TOP = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.fast
BOARDS = {"rv32imc": "VIRT_RV32", "armv6m": "MPS2_AN385", "armv7m": "MPS2_AN385"}


@pytest.fixture(params=BOARDS)
def machine(request, tmp_path):
    """machine(script, NAME=path of the data...) -> the lines printed; `molt` is the module, `host` importable."""
    arch, board = request.param, BOARDS[request.param]
    module = TOP / ("build/native/molt_%s.mpy" % arch)
    assert module.exists(), "run scripts/native.sh"
    assert (TOP / "build/qemu" / (board + ".elf")).exists(), "run scripts/qemu.sh"

    def run(script, **data):
        path = tmp_path / "script.py"
        path.write_text("import molt_%s as molt\nfrom host import *\n%s" % (arch, script))
        command = [sys.executable, TOP / "tests/native/run-qemu.py", board, path, "--file", module,
                   "--file", TOP / "tests/native/host.py", "--timeout", "200"]
        for name, file in data.items():
            command += ["--data", "%s=%s" % (name, file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    run.arch = arch
    return run


def public_bytes(key):
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def test_hash_verify_inflate_under_collector_stress(machine, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    digest = hashlib.sha256(b"molt").digest()
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    plain = bytes((7 * i * i + i // 5) & 255 for i in range(20000))
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    (tmp_path / "packed").write_bytes(packer.compress(plain) + packer.flush())
    (tmp_path / "plain").write_bytes(plain)
    lines = machine("""
key, digest, signature = bytes.fromhex("%s"), bytes.fromhex("%s"), bytes.fromhex("%s")

def wrong(data):
    return [bytes(data[:i]) + bytes([data[i] ^ 1]) + bytes(data[i + 1:]) for i in (0, 31, len(data) - 1)]

def check():
    seen = [molt.sha256(memoryview(plain)[:n]).hex() for n in (0, 3, 55, 56, 64, 1000, 20000)]
    seen.append(molt.verify(key, digest, signature))
    seen.append([molt.verify(key, digest, s) for s in wrong(signature)])
    seen.append([molt.verify(key, d, signature) for d in wrong(digest)])
    seen.append([molt.verify(k, digest, signature) for k in wrong(key)])
    at = 0
    def sink(piece):
        nonlocal at
        gc.collect()
        assert piece == memoryview(plain)[at:at + len(piece)], at
        at += len(piece)
    seen.append((molt.inflate(packed, sink), at))
    seen.append(molt.inflate(memoryview(packed)[:-9], lambda piece: None))
    seen.append(molt.inflate(b"\\x07", sink))
    return seen

first = check()
for line in first:
    print(line)
def again():
    assert check() == first
collector_stress(again, 3)
for wrong_call in (lambda: molt.verify(key[:-1], digest, signature), lambda: molt.step(bytearray(9), None),
                   lambda: molt.status(bytearray(molt.STATE_SIZE)), lambda: molt.sha256(5)):
    try:
        wrong_call()
        print("accepted")
    except (ValueError, TypeError) as e:
        print(type(e).__name__)
""" % (public_bytes(key.public_key()).hex(), digest.hex(), signature.hex()), packed=tmp_path / "packed", plain=tmp_path / "plain")
    no = "[False, False, False]"
    assert lines == [hashlib.sha256(plain[:n]).hexdigest() for n in (0, 3, 55, 56, 64, 1000, 20000)] + [
        "True", no, no, no, "(1, 20000)", "0", "-82", "ValueError", "ValueError", "ValueError", "TypeError"]


@pytest.fixture
def bundle(molt, firmware, tmp_path):
    """A flash that runs the genuine firmware from slot 0, a bundle with the same at version 9.8.7 and a release; (key, its app)."""
    app = esp.app_of(firmware.read_bytes())
    (tmp_path / "flash").write_bytes((b"\xff" * 0x10000 + app).ljust(4 << 20, b"\xff"))
    release = tmp_path / "release"
    release.mkdir()
    (release / "main.py").write_text("print('new')\n")
    (release / "helper.py").write_text("x = 1\n" * 1000)
    molt.ok("key", "new", "k")
    secret = next(p for p in tmp_path.iterdir() if p.name.startswith("k") and b"PRIVATE" in p.read_bytes())
    molt.ok("bundle", "create", "-o", "update.molt", "--app", firmware, "--app-version", "9.8.7", "--release", release,
            "--key", secret, "-s", 7)
    version = 24 + 8 + 16  # behind the headers of image and segment, magic, secure version and two reserved words
    new = esp.seal(app[:version] + b"9.8.7".ljust(32, b"\0") + app[version + 32:])
    key = serialization.load_pem_private_key(secret.read_bytes(), None)
    return public_bytes(key.public_key()).hex(), new


PRELUDE = """
import hashlib

class Small(Host):
    # Flash and bundle lie outside of the heap; nothing larger than a sector is ever copied.
    def flash_erase(self, offset, n):
        gc.collect()
        self.operate()
        assert offset %% 4096 == 0 and n %% 4096 == 0
        self.erased += n // 4096
        for at in range(offset, offset + n, 4096):
            self.flash[at:at + 4096] = b"\\xff" * 4096

host = Small(memoryview(flash), memoryview(bundle))
host.records[3] = b"\\x01\\x01\\x03" + bytes.fromhex("%s")

def install(host):
    state = molt.open(host)
    code = 0
    while code in (0, -1):
        code = molt.step(state, host)
    return code, state

def slot1(n):
    return hashlib.sha256(host.flash[0x1C0000:0x1C0000 + n]).digest().hex()
"""


def test_engine_goes_on_after_an_exception_installs_and_confirms(machine, bundle, tmp_path):
    key, new = bundle
    lines = machine(PRELUDE % key + """
host.bundle[200] ^= 1
print(install(host)[0])
host.bundle[200] ^= 1
host.fail_at = 150
try:
    install(host)
except RuntimeError as e:
    print("raised", e)
host.fail_at = None
code, state = install(host)
status = molt.status(state)
print(code, status[0], status[3], status[6] > 0)
state = None
print(sorted(p.split("/")[-1] for p in host.tree if p.endswith(".py")))
print(slot1(%d))
host.running = 1
# The bootloader's part: NEW becomes PENDING_VERIFY.
for at in (0xD000, 0xE000):
    if bytes(host.flash[at + 24:at + 28]) == bytes(4):
        host.flash[at + 24] = 1
print(molt.boot(host), molt.confirm(host), molt.confirm(host))
print(install(host)[0])
print("heap", gc.mem_alloc() + gc.mem_free())
""" % len(new), flash=tmp_path / "flash", bundle=tmp_path / "update.molt")
    assert int(lines[0]) in (-71, -73, -74)  # a byte of the manifest changed
    assert lines[1:3] == ["raised power", "1 done 0 True"]
    assert lines[3] == "['helper.py', 'main.py']"
    assert lines[4] == hashlib.sha256(new).hexdigest()
    assert lines[5] == "0 0 -65"  # the second time there is nothing to confirm
    assert lines[6] == "-92"  # installed already
    assert int(re.fullmatch(r"heap (\d+)", lines[7]).group(1)) < 143360
