"""The device package and the network: each fault of a server, TLS, waiting, one update at a time, and ota.run()."""
import ast
import hashlib
import json
import pathlib
import re
import shutil
import socket
import threading

import pytest

import faultserver
from conftest import Molt, molt_path
from test_device_update import TOP, board, digests, good, server, unharmed, update, world  # noqa: F401 (fixtures)

# Faults that the update gets over by itself.
OVERCOME = [
    "norange", "redirect=3", "chunked", "chunkedplain", "slow=2000000", "short=50000,only=bundles", "short=0,times=2",
    "reset,times=2", "status=503,times=2", "stall=1000,after=3,times=1", "norange,after=6", "short=9000,after=5,times=7",
    "cuthead=0,times=2,only=bundles", "cuthead=40,times=2,only=bundles", "http10", "unsized", "hello", "close",
    "elsewhere2", "slow=200,only=channels"]

# Faults that end in an error: its number, and what the text says.
ENDS = [
    ("status=404", -100, "status 404 (not there)"),
    ("status=404,only=bundles", -100, "status 404"),
    ("status=404,after=9", -100, "status 404"),
    ("status=500,after=9", -100, "status 500"),
    ("status=403", -100, "(not allowed)"),
    ("status=304", -100, "status 304"),
    ("nowhere", -100, "without a place to go to"),
    ("loop", -100, "more than 5 redirects"),
    ("elsewhere=ftp:||127.0.0.1", -105, "expected http://HOST"),
    ("elsewhere=http:||127.0.0.1:1", -102, "cannot connect"),
    ("short=0,after=9", -104, "the connection ended"),
    ("short=0,only=channels", -104, "ended early"),
    ("stall=0,after=9", -104, "stalled"),
    ("stall=0,only=channels", -104, "stalled"),
    ("mute", -104, "no answer for 1 s"),
    ("drip,after=9", -104, "stalled"),
    ("reset,after=9", -104, ""),
    ("changed,after=9", -91, "changed on the server during the download"),
    ("quiet,after=9", -91, "changed on the server during the download"),
    ("badrange=shifted,after=9", -101, "answered with bytes"),
    ("badrange=beyond", -101, "answered with bytes"),
    ("badrange=missing,only=bundles", -101, "without saying which"),
    ("badrange=garbage", -101, "'bytes 7-3/x'"),
    ("badrange=part200,after=9", -101, "status 200"),
    ("badrange=total,after=9", -91, "changed on the server during the download"),
    ("encoded,after=9", -101, "compressed"),
    ("encoded", -101, "compressed"),
    ("damage=700000,only=bundles", -82, "chunk"),
    ("damage=100,only=bundles", -74, "signature"),
    ("damage=60,only=channels", None, ""),
    ("nohttp", -100, "is not HTTP"),
    ("longhead", -100, "line of over 1 KB"),
    ("manyheads", -100, "too many headers"),
    ("binhead", -100, "no text"),
    ("badlength", -100, "cannot read a body"),
    ("oversize", -100, "longer than 512 bytes"),
    ("badchunk=size", -100, "no readable size"),
    ("badchunk=long", -100, "longer than it says"),
    ("badchunk=cut", -104, "ended"),
    ("page", None, ""),
]


def slug(text):
    return re.sub(r"\W", "-", text)


def error_of(done):
    """The number that ota.Error carries, and its text."""
    found = re.search(r"GOT (-?\d+) (.*)", done.stdout)
    assert found, done.stdout + done.stderr
    return int(found[1]), found[2]


def told(server, n, fault, **options):  # noqa: F811
    """A script that prints the error of an update."""
    options = {"timeout_s": 1, "tries": 2, "restart": False, **options}
    return ("import ota\ntry:\n    ota.update('%s%s/tree-%d', **%r)\n    print('INSTALLED')\n"
            "except ota.Error as error:\n    print('GOT', error.errno, error)" % (server.base, fault, n, options))


@pytest.mark.parametrize("fault", OVERCOME)
def test_gets_over(board, server, fault):  # noqa: F811
    if fault == "elsewhere2":  # an absolute redirect to another host
        fault = "elsewhere=" + server.base.replace("127.0.0.1", "localhost").replace("/", "|") + "ok"
    done = board(told(server, 2, fault, timeout_s=2, tries=4))
    assert "INSTALLED" in done.stdout, done.stdout + done.stderr
    assert board().json["running"] == "ota_1"


@pytest.mark.parametrize("fault, number, words", ENDS)
def test_ends_in_the_right_error_and_nothing_is_lost(board, world, server, fault, number, words):  # noqa: F811
    code, text = error_of(board(told(server, 2, fault)))
    assert code < 0 and (number is None or code == number), text
    assert words in text and "(%d)" % code in text
    assert unharmed(board)["phase"] in ("none", "installing")
    board(update(server, 2, "ok,tag=after-" + slug(fault), quiet=True))
    good(board, world)


@pytest.mark.parametrize("kind, words", [
    ("good", None), ("wrongname", "is for another name"), ("expired", "has expired"), ("future", "is not valid yet"),
    ("untrusted", "is not by the authority in ca"), ("selfsigned", "is not by the authority in ca")])
def test_https(board, world, tmp_path, kind, words):  # noqa: F811
    context = faultserver.make_certificate(tmp_path / "keys", kind)
    authority = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        script = told(secure, 2, "ok", ca=authority, timeout_s=10)
        if words is None:
            done = board(script)
            assert "INSTALLED" in done.stdout
            good(board, world)
            assert secure.connections <= 4  # a handshake takes a device a second or two
        else:
            code, text = error_of(board(script))
            assert code == -103 and words in text
            if kind in ("expired", "future"):
                code, text = error_of(board("from ota import _tls\n_tls.clock_set = lambda: False\n" + script))
                assert code == -103 and "clock is not set" in text and "ntptime.settime()" in text
            assert unharmed(board)["phase"] == "none"


def der_of(pem):
    import ssl
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def test_forms_of_ca(board, world, tmp_path):  # noqa: F811
    """Bytes or text, PEM or DER, a path, and the path in /ota.json; without any, https is refused before a connection."""
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    pem = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        url = secure.base + "ok/tree-2"
        done = board("""import json, ota
def attempt(**options):
    try:
        print(ota.check(%r, timeout_s=10, **options)["bytes"])
    except ota.Error as error:
        print(error.errno, error)
pem, der = %r, %r
for name, data in (("/ca.pem", pem), ("/ca.der", der), ("/ca.bad", b"nothing")):
    with open(name, "wb") as file:
        file.write(data)
for ca in (pem, pem.decode(), der, bytearray(der), "/ca.pem", "/ca.der", "/ca.bad", "/ca.none", None):
    attempt(ca=ca)
with open("/ota.json", "w") as file:
    json.dump({"ca": "/ca.der"}, file)
attempt()
""" % (url, pem, der_of(pem)))
        lines = done.stdout.splitlines()
        assert [line for line in lines[:6] + lines[9:]] == [lines[0]] * 7 and int(lines[0]) > 1 << 20
        assert lines[6].startswith("-103 ca: not a certificate in PEM or DER")
        assert lines[7].startswith("-5 ca: /ca.none cannot be read")
        assert lines[8].startswith("-103 ") and '"ca" in /ota.json' in lines[8]
        assert secure.connections == 7 * 2


def test_no_redirect_from_https_to_http(board, world, server, tmp_path):  # noqa: F811
    context = faultserver.make_certificate(tmp_path / "keys", "good")
    authority = (tmp_path / "keys/ca.pem").read_bytes()
    with faultserver.Server(world, context) as secure:
        plain = server.base.replace("/", "|").rstrip("|") + "|ok"
        before = len(server.log)
        code, text = error_of(board(told(secure, 2, "elsewhere=" + plain, ca=authority, timeout_s=10)))
        assert code == -105 and "redirects from https to http://" in text
        assert len(server.log) == before
        assert unharmed(board)["phase"] == "none"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing(board, tmp_path, scheme):  # noqa: F811
    faultserver.make_certificate(tmp_path / "keys", "good")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = board("import ota\ntry:\n    ota.check('%s://localhost:%d/t', ca=%r, timeout_s=1, tries=1)\n"
                     "except ota.Error as error:\n    print('GOT', error.errno, error)"
                     % (scheme, listener.getsockname()[1], (tmp_path / "keys/ca.pem").read_bytes()))
        assert error_of(done)[0] == -104 and "no answer for 1 s" in done.stdout
