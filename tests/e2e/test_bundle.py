"""key, bundle, publish: against pycose and cbor2, and against everything that can go wrong with files."""
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess
import zlib

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pycose.algorithms import Es256
from pycose.headers import Algorithm, ContentType, Critical, KID
from pycose.keys import EC2Key
from pycose.messages import Sign1Message

TOP = pathlib.Path(__file__).resolve().parents[2]
VECTORS = TOP / "tests/vectors/bundle"
MAGIC = b"MOLT\r\n\x1a\x01"
BUNDLE = "application/vnd.molt.bundle+cbor"
CHANNEL = "application/vnd.molt.channel+cbor"
EPOCH = {"SOURCE_DATE_EPOCH": "1760000000"}


def private_key(path):
    return serialization.load_pem_private_key(path.read_bytes(), None)


def cose_key(path):
    """The private key of a file, for pycose."""
    private = private_key(path).private_numbers()
    public = private.public_numbers
    return EC2Key(crv="P_256", x=public.x.to_bytes(32, "big"), y=public.y.to_bytes(32, "big"),
                  d=private.private_value.to_bytes(32, "big"))


def key_id(path):
    public = private_key(path).public_key().public_numbers()
    return hashlib.sha256(public.x.to_bytes(32, "big") + public.y.to_bytes(32, "big")).digest()[:8]


def split(data):
    """Envelope and chunks of a bundle."""
    assert data[:8] == MAGIC
    size = int.from_bytes(data[8:12], "little")
    return data[12:12 + size], data[12 + size:]


def join(envelope, chunks):
    return MAGIC + len(envelope).to_bytes(4, "little") + envelope + chunks


def sign(key, content_type, payload, extra=None):
    message = Sign1Message(phdr={Algorithm: Es256, ContentType: content_type, **(extra or {})},
                           uhdr={KID: key_id(key)}, payload=payload)
    message.key = cose_key(key)
    return message.encode()


def verified(envelope, key, content_type):
    """The payload, once pycose has verified the envelope and cbor2 would write it the same."""
    message = Sign1Message.decode(envelope)
    message.key = cose_key(key)
    assert message.verify_signature()
    assert message.phdr == {Algorithm: Es256, ContentType: content_type}
    assert message.uhdr == {KID: key_id(key)}
    content = cbor2.loads(message.payload)
    assert cbor2.dumps(content, canonical=True) == message.payload
    return content


@pytest.fixture
def key(molt, tmp_path):
    molt.ok("key", "new", "key")
    return tmp_path / "key"


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text("import lib.a\n")
    (folder / "lib/a.py").write_text("a = 1\n" * 500)
    (folder / "lib/b.py").write_text("")
    return folder


@pytest.fixture
def small(molt, key, release, tmp_path):
    """A bundle of a release alone."""
    molt.ok("bundle", "create", "-o", "small.molt", "--release", release, "--key", key, "--sequence", 1, env=EPOCH)
    return tmp_path / "small.molt"


# ---- keys


def test_key_new(molt, tmp_path):
    out = molt.ok("key", "new", "k")
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    private = private_key(tmp_path / "k")
    assert isinstance(private.curve, ec.SECP256R1)
    public = serialization.load_pem_public_key((tmp_path / "k.pub").read_bytes())
    assert public.public_numbers() == private.public_key().public_numbers()
    assert key_id(tmp_path / "k").hex() in out
    assert molt.ok("key", "show", "k") == molt.ok("key", "show", "k.pub")
    assert key_id(tmp_path / "k").hex() in molt.ok("key", "show", "k.pub")


@pytest.mark.parametrize("there", ["k", "k.pub"])
def test_key_is_never_overwritten(molt, tmp_path, there):
    (tmp_path / there).write_text("mine")
    assert "never overwritten" in molt.fails("key", "new", "k")
    assert os.listdir(tmp_path) == [there] and (tmp_path / there).read_text() == "mine"


def test_key_files_of_other_kinds(molt, tmp_path, small):
    plain, pem, pkcs8 = serialization.NoEncryption(), serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    p384 = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "p384").write_bytes(p384.private_bytes(pem, pkcs8, plain))
    other = rsa.generate_private_key(65537, 2048)
    (tmp_path / "rsa").write_bytes(other.private_bytes(pem, pkcs8, plain))
    locked = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "locked").write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, pkcs8, locked))
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").write_text("")
    for name, words in {"p384": "expected ECDSA P-256", "rsa": "expected ECDSA P-256", "locked": "password",
                        "text": "no key in it", "empty": "no key in it", "missing": "No such file",
                        ".": "is a directory"}.items():
        message = molt.fails("key", "show", name)
        assert message.startswith("molt key show: %s: " % name) and words in message
        assert words in molt.fails("bundle", "create", "-o", "x", "--release", "release", "--key", name, "-s", 1)
    assert "expected a private key" in molt.fails("bundle", "create", "-o", "x", "--release", "release", "--key",
                                                  "key.pub", "-s", 1)
    assert not (tmp_path / "x").exists()


def test_key_of_openssl(molt, tmp_path, release):
    """SEC 1 PEM ("EC PRIVATE KEY"), as `openssl ecparam -genkey` writes it."""
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sec1"], cwd=tmp_path,
                   check=True)
    molt.ok("bundle", "create", "-o", "x.molt", "--release", release, "--key", "sec1", "-s", 1)
    assert "right" in molt.ok("bundle", "show", "x.molt", "--key", "sec1")


# ---- bundles and their peers


def test_pycose_verifies_a_bundle(molt, key, release, firmware, tmp_path):
    molt.ok("bundle", "create", "-o", "x.molt", "--app", firmware, "--app-version", "9.8.7", "--release", release,
            "--key", key, "--sequence", 300, "--board", "ESP32_GENERIC", "--expires", 30, "--min-bootloader", "5.0.4",
            "--mpy-abi", "6.3", "--allow-downgrade", env=EPOCH)
    envelope, chunks = split((tmp_path / "x.molt").read_bytes())
    manifest = verified(envelope, key, BUNDLE)
    assert {k: v for k, v in manifest.items() if k not in (8, 9)} == {
        1: 1, 2: 300, 3: "ESP32_GENERIC", 4: 0, 5: 1675264, 6: 0x050004, 7: 0x603, 10: 1760000000,
        11: 1760000000 + 30 * 86400, 12: True}
    info = manifest[8]
    assert info.startswith(b"firmware::info:{") and info.endswith(b"}\0")
    assert json.loads(info[15:-1])["version"] == "9.8.7"
    app, chunks = decode(manifest[9][0], chunks)
    pack, chunks = decode(manifest[9][1], chunks)
    assert chunks == b""
    genuine = firmware.read_bytes()[0xF000:][:len(app)]
    assert app[0x30:0x50] == b"9.8.7".ljust(32, b"\0")
    assert app[:0x30] == genuine[:0x30] and app[0x50:-33] == genuine[0x50:-33]
    listed = cbor2.loads(pack[:manifest[9][1][9]])
    assert [entry[1] for entry in listed] == ["lib/a.py", "lib/b.py", "main.py"]
    assert hashlib.sha256(pack[:manifest[9][1][9]]).digest() == manifest[9][1][10]
    at = manifest[9][1][9]
    for entry in listed:
        content = pack[at:at + entry[2]]
        assert content == (release / entry[1]).read_bytes() and hashlib.sha256(content).digest() == entry[3]
        at += entry[2]
    assert at == len(pack)


def decode(payload, chunks):
    """A payload from the front of the chunks, with Python's zlib, and the chunks behind it."""
    out = b""
    for codec, size, digest in payload[8]:
        part, chunks = chunks[:size], chunks[size:]
        if codec == 1:
            inflate = zlib.decompressobj(-12)
            part = inflate.decompress(part)
            assert inflate.eof and not inflate.unused_data
        assert hashlib.sha256(part).digest() == digest
        out += part
    assert len(out) == payload[3] and hashlib.sha256(out).digest() == payload[4]
    return out, chunks


def test_stamped_app_is_whole(molt, key, firmware, tmp_path):
    """The app of the bundle, checksum and SHA-256 made anew, reads as well as the genuine one."""
    molt.ok("bundle", "create", "-o", "x.molt", "--app", firmware, "--app-version", "9.8.7", "--key", key, "-s", 1)
    envelope, chunks = split((tmp_path / "x.molt").read_bytes())
    app, _ = decode(verified(envelope, key, BUNDLE)[9][0], chunks)
    body, digest = app[:-32], app[-32:]
    assert hashlib.sha256(body).digest() == digest
    at, checksum = 24, 0xEF
    for _ in range(app[1]):
        size = int.from_bytes(app[at + 4:at + 8], "little")
        for byte in app[at + 8:at + 8 + size]:
            checksum ^= byte
        at += 8 + size
    assert checksum == body[-1]
    # And an app image given as such makes the same bundle as the firmware that it came in.
    (tmp_path / "app.bin").write_bytes(app)
    molt.ok("bundle", "create", "-o", "y.molt", "--app", "app.bin", "--key", key, "-s", 1)
    again = verified(split((tmp_path / "y.molt").read_bytes())[0], key, BUNDLE)
    assert again[9] == verified(envelope, key, BUNDLE)[9]


def test_molt_verifies_a_bundle_of_pycose(molt, key, tmp_path):
    content = b"print('from pycose')\n"
    listed = cbor2.dumps([{1: "main.py", 2: len(content), 3: hashlib.sha256(content).digest()}], canonical=True)
    pack = listed + content
    digest = hashlib.sha256(pack).digest()
    manifest = {1: 1, 2: 5, 9: [{1: 2, 2: "release", 3: len(pack), 4: digest, 7: 16, 8: [[0, len(pack), digest]],
                                 9: len(listed), 10: hashlib.sha256(listed).digest()}]}
    payload = cbor2.dumps(manifest, canonical=True)
    path = tmp_path / "p.molt"
    path.write_bytes(join(sign(key, BUNDLE, payload), pack))
    shown = json.loads(molt.ok("bundle", "show", path, "--key", key, "--json"))
    assert shown["signature"] == "right" and shown["sequence"] == 5
    assert shown["digest"] == hashlib.sha256(payload).hexdigest()
    assert shown["payloads"][0]["files"] == [{"path": "main.py", "length": len(content), "policy": "replace",
                                              "sha256": hashlib.sha256(content).hexdigest()}]
    # What a COSE library may say and Molt does not take.
    path.write_bytes(join(sign(key, CHANNEL, payload), pack))
    assert "content type" in molt.fails("bundle", "show", path)
    path.write_bytes(join(sign(key, BUNDLE, payload, {Critical: [3]}), pack))
    assert "protected header" in molt.fails("bundle", "show", path)
    message = Sign1Message.decode(sign(key, BUNDLE, payload))
    message.key = cose_key(key)
    path.write_bytes(join(message.encode(tag=False), pack))
    assert "envelope" in molt.fails("bundle", "show", path)


def test_same_input_same_bundle(molt, key, release, tmp_path):
    def body(name):
        molt.ok("bundle", "create", "-o", name, "--release", release, "--key", key, "-s", 1, env=EPOCH)
        envelope, chunks = split((tmp_path / name).read_bytes())
        return envelope[:-64], chunks
    first = body("a.molt")
    (release / "main.py").write_text((release / "main.py").read_text())  # another time, another inode order
    os.utime(release / "lib/a.py", (1, 1))
    assert body("b.molt") == first


def test_show(molt, key, small, tmp_path):
    out = molt.ok("bundle", "show", small)
    assert "not checked, by key %s" % key_id(key).hex() in out
    assert "right" in molt.ok("bundle", "show", small, "--key", "key.pub")
    molt.ok("key", "new", "other")
    other = molt("bundle", "show", small, "--key", "other.pub", check=1)
    assert "NOT the key given" in other.stdout
    shown = json.loads(molt.ok("bundle", "show", small, "--json"))
    assert shown["signature"] == "not checked" and shown["key_id"] == key_id(key).hex()
    assert [f["path"] for f in shown["payloads"][0]["files"]] == ["lib/a.py", "lib/b.py", "main.py"]
    data = bytearray(small.read_bytes())
    size = int.from_bytes(data[8:12], "little")
    data[12 + size - 1] ^= 1
    (tmp_path / "bad.molt").write_bytes(data)
    assert "signature   WRONG" in molt("bundle", "show", "bad.molt", "--key", key, check=1).stdout
    data[12 + size - 1] ^= 1
    data[-1] ^= 1
    (tmp_path / "bad.molt").write_bytes(data)
    broken = molt("bundle", "show", "bad.molt", "--key", key, check=1).stdout
    assert "BROKEN" in broken and "signature   right" in broken


@pytest.mark.parametrize("content, words", [
    (b"", "not a Molt bundle"), (b"MOLT", "not a Molt bundle"), (b"\xff\xd8\xff\xe0JFIF" * 9, "not a Molt bundle"),
    (MAGIC, "ends too early"), (MAGIC + b"\0\0\0\0", "envelope size"), (MAGIC + b"\xff\xff\0\0", "envelope size"),
    (MAGIC + b"\x10\0\0\0" + b"x" * 16, "envelope")])
def test_show_bad_files(molt, tmp_path, content, words):
    (tmp_path / "bad").write_bytes(content)
    message = molt.fails("bundle", "show", "bad")
    assert message.startswith("molt bundle show: bad: ") and words in message


def test_truncated_anywhere(molt, small, tmp_path):
    data = small.read_bytes()
    for n in (11, 12, 13, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut").write_bytes(data[:n])
        assert "bundle ends too early" in molt.fails("bundle", "show", "cut")
    (tmp_path / "cut").write_bytes(data + b"x")
    assert "bytes behind the last chunk" in molt.fails("bundle", "show", "cut")


# ---- inputs and outputs that are wrong


def create(molt, *words, **options):
    return molt.fails("bundle", "create", "--key", "key", "--sequence", 1, *words, **options)


def test_output_exists(molt, small, release):
    before = small.read_bytes()
    assert "exists already" in create(molt, "-o", small, "--release", release)
    assert small.read_bytes() == before
    molt.ok("bundle", "create", "-o", small, "--release", release, "--key", "key", "-s", 2, "--force")
    assert small.read_bytes() != before


def test_output_is_an_input(molt, key, release, tmp_path):
    os.link(key, tmp_path / "alias")
    before = key.read_bytes()
    assert "is an input" in create(molt, "-o", "key", "--release", release, "--force")
    assert "is an input" in create(molt, "-o", "alias", "--release", release, "--force")
    assert key.read_bytes() == before


def test_bad_apps(molt, key, firmware, tmp_path):
    whole = firmware.read_bytes()
    app = bytearray(whole[0xF000:][:1672800])
    (tmp_path / "boot.bin").write_bytes(whole[:0x6000])
    (tmp_path / "text").write_text("hello, world\n" * 100)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "short.bin").write_bytes(app[:100000])
    (tmp_path / "more.bin").write_bytes(app + b"signature" * 100)
    app[50000] ^= 1
    (tmp_path / "bit.bin").write_bytes(app)
    app[50000] ^= 1
    app[12] = 0x77
    (tmp_path / "chip.bin").write_bytes(app)
    for name in ("boot.bin", "text", "empty", "short.bin", "more.bin", "bit.bin", "chip.bin", "missing", "."):
        message = create(molt, "-o", "x.molt", "--app", name)
        assert message.startswith("molt bundle create: %s" % name) and len(message.splitlines()) == 1
    assert "behind the end of the app image" in create(molt, "-o", "x.molt", "--app", "more.bin")
    assert "checksum" in create(molt, "-o", "x.molt", "--app", "bit.bin")
    assert "expected 1 to 31" in create(molt, "-o", "x.molt", "--app", firmware, "--app-version", "x" * 32)
    assert "expected 1 to 31" in create(molt, "-o", "x.molt", "--app", firmware, "--app-version", "")
    assert not [name for name in os.listdir(tmp_path) if name.startswith("x.molt")]


def test_bad_releases(molt, key, tmp_path):
    def refused(words):
        assert words in create(molt, "-o", "x.molt", "--release", "r")
        assert not (tmp_path / "x.molt").exists()
    refused("No such file")
    folder = tmp_path / "r"
    folder.mkdir()
    refused("no files in it")
    (folder / "main.py").write_text("1")
    (folder / "link.py").symlink_to("main.py")
    refused("link.py: is a symbolic link")
    (folder / "link.py").unlink()
    os.mkfifo(folder / "pipe")
    refused("pipe: is a device, pipe or socket")
    (folder / "pipe").unlink()
    (folder / "a\\b.py").write_text("1")
    refused("backslash")
    (folder / "a\\b.py").unlink()
    (folder / "a\nb.py").write_text("1")
    refused("control character")
    (folder / "a\nb.py").unlink()
    with open(os.fsencode(folder) + b"/\xff.py", "w"):
        pass
    refused("\\xff.py: its name is not UTF-8")
    os.unlink(os.fsencode(folder) + b"/\xff.py")
    (folder / ("n" * 100)).write_text("1")
    refused("path over 99 bytes")
    (folder / ("n" * 100)).unlink()
    (folder / "old.mpy").write_bytes(b"M\x05\x00\x1f")
    assert "old.mpy" in create(molt, "-o", "x.molt", "--release", "r", "--mpy-abi", "6.3")
    (folder / "old.mpy").unlink()
    for i in range(100):
        (folder / ("file%d" % i)).write_text("1")
    refused("release list")
    (tmp_path / "file").write_text("1")
    assert "Not a directory" in create(molt, "-o", "x.molt", "--release", "file")


def test_policies(molt, key, tmp_path):
    """In the list by path; a folder to keep may hold files of the release."""
    folder = tmp_path / "policies"
    for name in ("main.py", "config.json", "data/first.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    text = molt.ok("bundle", "create", "-o", "p.molt", "-k", "key", "-s", "1", "-r", folder, "--keep", "config.json", "--keep", "data/",
                   "--delete", "old", "--delete", "log/a.txt", "--keep", "log/", "--keep", "data/")
    shown = json.loads(molt.ok("bundle", "show", "p.molt", "--json", "-k", "key"))["payloads"][0]["files"]
    assert [(file["path"], file["policy"], file["length"]) for file in shown] == [
        ("config.json", "if changed", 11), ("data", "keep folder", 0), ("data/first.txt", "replace", 14), ("log", "keep folder", 0),
        ("log/a.txt", "delete", 0), ("main.py", "replace", 7), ("old", "delete", 0)]
    assert "files only" in text
    assert re.search(r"data +0 B  keep folder\n", text) and re.search(r"old +0 B  delete\n", text)
    envelope, chunks = split((tmp_path / "p.molt").read_bytes())
    payload = verified(envelope, key, BUNDLE)[9][0]
    rows = cbor2.loads(decode(payload, chunks)[0][:payload[9]])
    assert [(row[1], row.get(4, 0)) for row in rows] == [("config.json", 1), ("data", 3), ("data/first.txt", 0), ("log", 3), ("log/a.txt", 2),
                                                         ("main.py", 0), ("old", 2)]
    assert all(row[3] == hashlib.sha256().digest() for row in rows if row.get(4, 0) >= 2)


@pytest.mark.parametrize("words, expected", [
    (["--keep", "man.py"], "no such file in policies; the nearest is 'main.py'"),
    (["--keep", "data"], "is a folder in policies: say 'data/'"),
    (["--keep", "main.py/"], "is a file in policies: say 'main.py'"),
    (["--keep", "main.py/x/"], "'main.py' is a file of the release"),
    (["--keep", "../x/"], "expected a path below"),
    (["--keep", "/data/"], "expected a path below"),
    (["--keep", ""], "expected a path below"),
    (["--keep", "x" * 100 + "/"], "longer than 99 bytes"),
    (["--delete", "main.py"], "brings 'main.py'"),
    (["--delete", "data/"], "brings 'data/first.txt'"),
    (["--keep", "log/", "--delete", "log"], "kept and deleted"),
])
def test_policies_that_cannot_be(molt, key, tmp_path, words, expected):
    folder = tmp_path / "policies"
    (folder / "data").mkdir(parents=True)
    (folder / "main.py").write_text("1")
    (folder / "data/first.txt").write_text("2")
    assert expected in molt.fails("bundle", "create", "-o", "p.molt", "-k", "key", "-s", "1", "-r", "policies", *words)
    assert not (tmp_path / "p.molt").exists()


def test_policies_need_a_release(molt, key, firmware):
    assert "--release" in molt.fails("bundle", "create", "-o", "p.molt", "-k", "key", "-s", "1", "-a", firmware, "--keep", "a", code=2)


def test_bad_command_lines(molt, key, release):
    def wrong(*words):
        return molt.fails("bundle", "create", *words, code=2)
    assert "-o" in wrong("--release", release, "--key", "key", "-s", 1)
    assert "--key" in wrong("--release", release, "-o", "x", "-s", 1)
    assert "what to pack" in wrong("--key", "key", "-o", "x", "-s", 1)
    base = ["--release", release, "--key", "key", "-o", "x"]
    for sequence in ([], ["-s", "0"], ["-s", "-1"], ["-s", "x"], ["-s", "4294967296"]):
        assert "--sequence" in wrong(*base, *sequence)
    for option, values in {"--expires": ["0", "x", "2020-01-01", "2027-02-30", "-3", "1K"],
                           "--min-bootloader": ["5.", "x", "256.0", "1.2.3.4", "0", ""],
                           "--mpy-abi": ["6.3.1", "x", "0"], "--slot-size": ["1000", "0", "x"]}.items():
        for value in values:
            assert option in wrong(*base, "-s", 1, option, value), value
    assert "needs --app" in wrong(*base, "-s", 1, "--app-version", "1")


def in_mount(molt, tmp_path, options, words):
    """Runs the command with a file system of its own on ./disk; the exit code, the message, and what is left there."""
    (tmp_path / "disk").mkdir(exist_ok=True)
    script = 'mount -t tmpfs -o "$0" none disk || exit 99; "$@"; code=$?; ls -A disk >left; exit $code'
    user = [] if os.geteuid() == 0 else ["-Ur"]
    done = subprocess.run(["unshare", *user, "-m", "sh", "-c", script, options, molt.path, *map(str, words)],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 99, "cannot mount a tmpfs: " + done.stderr
    return done.returncode, done.stderr, (tmp_path / "left").read_text().split()


def test_without_openssl(molt, tmp_path):
    """The library is loaded when it is needed: what needs none works, the rest says which one is missing."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    libraries = [line.split(" => ")[1] for line in listed.splitlines() if line.split()[0] == "libcrypto.so.3"]
    assert libraries
    script = "".join("mount --bind /dev/null %s || exit 99; " % path for path in libraries) + 'exec "$@"'
    user = [] if os.geteuid() == 0 else ["-Ur"]

    def hidden(*words):
        return subprocess.run(["unshare", *user, "-m", "sh", "-c", script, "sh", molt.path, *words], cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
    assert hidden("--version").returncode == 0
    done = hidden("key", "new", "k.pem")
    assert done.returncode == 1 and "keys need OpenSSL 3, which is not installed: expected libcrypto.so.3" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_full_disk_and_read_only(molt, key, firmware, small, tmp_path):
    make = ["bundle", "create", "-o", "disk/x.molt", "--app", firmware, "--key", "key", "-s", 1]
    publish = ["publish", "disk", "--channel", "stable", "--key", "key", "--bundle"]
    assert in_mount(molt, tmp_path, "size=4m", make)[0::2] == (0, ["x.molt"])
    for words in (make, ["key", "new", "disk/k"]):
        size = "size=64k" if words is make else "size=64k,nr_inodes=1"
        code, message, left = in_mount(molt, tmp_path, size, words)
        assert code == 1 and "No space left" in message and left == []
        code, message, left = in_mount(molt, tmp_path, "ro", words)
        assert code == 1 and "Read-only file system" in message and left == []
    molt.ok("bundle", "create", "-o", "large.molt", "--app", firmware, "--key", "key", "-s", 1)
    code, message, _ = in_mount(molt, tmp_path, "size=64k", [*publish, "large.molt"])
    assert code == 1 and "No space left" in message and "bundles/" in message
    assert in_mount(molt, tmp_path, "ro", [*publish, small])[0] == 1
    assert "No such file" in create(molt, "-o", "missing/x.molt", "--release", "release")


# ---- publishing


def tree_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_publish(molt, key, small, tmp_path):
    digest = hashlib.sha256(Sign1Message.decode(split(small.read_bytes())[0]).payload).digest()
    molt.ok("publish", "tree", "--bundle", small, "--channel", "stable", "--key", key, "--rollout", 100,
            "--not-before", "2027-06-01", "--expires", 7, env=EPOCH)
    tree = tmp_path / "tree"
    assert tree_of(tree) == ["bundles/%s.molt" % digest.hex(), "channels/stable"]
    assert (tree / tree_of(tree)[0]).read_bytes() == small.read_bytes()
    channel = verified((tree / "channels/stable").read_bytes(), key, CHANNEL)
    assert channel == {1: 1, 2: "stable", 3: digest, 4: 1760000000, 5: 1760000000 + 7 * 86400,
                       6: {1: digest[:16], 2: 100, 3: 1811808000}}
    # Again in the same second: still newer, the salt stays, the bundle is not written again.
    before = (tree / ("bundles/%s.molt" % digest.hex())).stat()
    out = molt.ok("publish", "tree", "--bundle", small, "--channel", "stable", "--key", key, env=EPOCH)
    assert digest.hex() in out and "was there" in out
    assert verified((tree / "channels/stable").read_bytes(), key, CHANNEL) == {
        1: 1, 2: "stable", 3: digest, 4: 1760000001}
    after = (tree / ("bundles/%s.molt" % digest.hex())).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    # A machine whose clock is far behind must not publish what devices would take for old.
    assert "set this machine's clock" in molt.fails("publish", "tree", "--bundle", small, "--channel", "stable",
                                                    "--key", key, env={"SOURCE_DATE_EPOCH": "1700000000"})


def test_publish_reads_a_channel_of_pycose(molt, key, small, tmp_path):
    (tmp_path / "tree/channels").mkdir(parents=True)
    path = tmp_path / "tree/channels/stable"
    payload = cbor2.dumps({1: 1, 2: "stable", 3: b"\xab" * 32, 4: 1759999999}, canonical=True)
    path.write_bytes(sign(key, CHANNEL, payload))
    publish = ["publish", "tree", "--bundle", small, "--channel", "stable", "--key", key]
    assert "ab" * 32 in molt.ok(*publish, env=EPOCH)
    before = path.read_bytes()
    for content, words in ((b"", "malformed channel"), (before[:-1], "malformed channel"),
                           (sign(key, BUNDLE, payload), "content type"),
                           (sign(key, CHANNEL, payload.replace(b"stable", b"other!")), "malformed channel"),
                           (sign(key, CHANNEL, payload.replace(b"stable", b"others")), "channel 'others'")):
        path.write_bytes(content)
        assert words in molt.fails(*publish, env=EPOCH)
        assert path.read_bytes() == content


def test_published_bundles_never_change(molt, key, release, small, tmp_path):
    publish = ["publish", "tree", "--channel", "stable", "--key", key, "--bundle"]
    molt.ok(*publish, small)
    channel = (tmp_path / "tree/channels/stable").read_bytes()
    molt.ok("bundle", "create", "-o", "anew.molt", "--release", release, "--key", key, "-s", 1, env=EPOCH)
    assert "never changes" in molt.fails(*publish, "anew.molt")  # the same manifest, another signature
    assert (tmp_path / "tree/channels/stable").read_bytes() == channel
    data = bytearray(small.read_bytes())
    data[-1] ^= 1
    (tmp_path / "bad.molt").write_bytes(data)
    assert "chunk" in molt.fails(*publish, "bad.molt")


def test_publish_bad_command_lines(molt, key, small, tmp_path):
    publish = ["publish", "tree", "--key", key, "--bundle", small]
    for name in ("", "../x", ".x", "a/b", "a b", "x" * 33):
        assert "expected 1 to 32 letters" in molt.fails(*publish, "--channel", name)
    assert "what to publish" in molt.fails(*publish, code=2)
    publish += ["--channel", "stable"]
    for option, values in {"--rollout": ["1001", "x", "-1", "1K"], "--expires": ["0", "2020-01-01"],
                           "--not-before": ["30", "x", "2027-13-01"]}.items():
        for value in values:
            assert option in molt.fails(*publish, option, value, code=2)
    (tmp_path / "file").write_text("")
    assert "Not a directory" in molt.fails("publish", "file", "--key", key, "--bundle", small, "--channel", "stable")
    assert not (tmp_path / "tree").exists()


# ---- the specification


@pytest.mark.parametrize("page, vector", [("bundle.md", "tiny.molt"), ("channel.md", "tiny.channel")])
def test_vectors_in_the_specification(page, vector):
    """The hex dump of the worked vector is that file, every byte of it."""
    text = (TOP / "docs/spec" / page).read_text().split("## Worked vector", 1)[1]
    rows = re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)", text, re.M)
    data = b""
    for offset, row in rows:
        assert int(offset, 16) == len(data)
        data += bytes.fromhex(row)
    assert data == (VECTORS / vector).read_bytes()


def test_vectors_by_pycose():
    key = VECTORS / "key.pem"
    bundle = (VECTORS / "tiny.molt").read_bytes()
    manifest = verified(split(bundle)[0], key, BUNDLE)
    assert manifest[2] == 7 and manifest[3] == "DEMO"
    channel = verified((VECTORS / "tiny.channel").read_bytes(), key, CHANNEL)
    assert channel[3] == hashlib.sha256(Sign1Message.decode(split(bundle)[0]).payload).digest()
