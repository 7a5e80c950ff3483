"""The package `ota` as bytecode, installed by a genuine mip, and what it takes of flash and heap."""
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import urllib.request

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURES = ("x64", "armv6m", "armv7m", "armv7emsp", "rv32imc", "xtensawin")
pytestmark = pytest.mark.fast


@pytest.fixture(scope="session")
def native():
    """The folder of what package.sh made."""
    folder = TOP / "build/native"
    assert (folder / "mip/x64/package.json").exists(), "run scripts/native.sh and scripts/package.sh"
    return folder


def package(out, *words, top=TOP, most=99999, **env):
    return subprocess.run([top / "scripts/package.sh", *words], capture_output=True, text=True, timeout=200,
                          env={**os.environ, "MOLT_NATIVE_OUT": str(out), "MOLT_FLASH_MAX": str(most), **env})


@pytest.fixture
def out(native, tmp_path):
    """A folder of its own for package.sh, with the modules that native.sh made."""
    for path in native.glob("molt_*.mpy"):
        shutil.copy(path, tmp_path)
    return tmp_path


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_file_is_there_as_bytecode(native):
    names = {p.stem for p in (TOP / "ports/micropython/ota").glob("*.py")}
    assert {p.stem for p in (native / "ota").iterdir()} == names and len(names) > 8
    for path in (native / "ota").iterdir():
        data = path.read_bytes()
        if path.name == "_bare.py":  # for firmware that takes no bytecode of this version
            compile(data, path.name, "exec")
            continue
        assert data[:3] == b"M\x06\x00", path  # version 6 without architecture: every firmware from 1.19 on takes it
        assert b"ota/%s.py" % path.stem.encode() in data and str(TOP).encode() not in data


def test_the_same_bytes_from_another_directory(out, tmp_path):
    there = tmp_path / "a/longer name"
    for name in ("ports", "scripts"):
        shutil.copytree(TOP / name, there / name)
    shutil.copy(TOP / "CMakeLists.txt", there)
    (there / "build").mkdir()
    (there / "build/native-tools").symlink_to(TOP / "build/native-tools")
    for path in out.glob("molt_*.mpy"):
        (there / "out").mkdir(exist_ok=True)
        shutil.copy(path, there / "out")
    for done in (package(out, "x64", "rv32imc"), package(there / "out", "x64", "rv32imc", top=there)):
        assert done.returncode == 0, done.stderr
    for name in ("ota", "mip"):
        assert files_of(out / name) == files_of(there / "out" / name) != {}


def test_flash_budget(out):
    """60 KB for the package as installed; what it is with each native module is told, and no board's x64 is no exception."""
    done = package(out, most=60 * 1024)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^package (\d+) of 61440; with molt_(\w+)\.mpy (\d+)$", done.stdout, re.M)
    assert sorted(arch for _, arch, _ in rows) == sorted(ARCHITECTURES)
    sizes = {int(size) for size, _, _ in rows}
    assert len(sizes) == 1
    size = sizes.pop()
    for _, arch, total in rows:
        files = files_of(out / "mip" / arch)
        del files["package.json"]
        assert sum(map(len, files.values())) == int(total)
        assert sum(len(data) for name, data in files.items() if name.startswith("ota/")) == size
    assert package(out, most=size).returncode == 0
    over = package(out, most=size - 1)
    assert over.returncode == 1
    assert "package %d of %d bytes: over its budget" % (size, size - 1) in over.stderr


def test_a_missing_module_or_a_broken_file_is_named(tmp_path):
    assert "molt_x64.mpy: run scripts/native.sh" in package(tmp_path, "x64").stderr
    there = tmp_path / "tree"
    for name in ("ports", "scripts"):
        shutil.copytree(TOP / name, there / name)
    shutil.copy(TOP / "CMakeLists.txt", there)
    (there / "build").mkdir()
    (there / "build/native-tools").symlink_to(TOP / "build/native-tools")
    for text, words in (("def (", "line 1: invalid syntax"), ("import micropython\n@micropython.asm_thumb\ndef f(): pass", "not compiled")):
        (there / "ports/micropython/ota/_bad.py").write_text(text)
        done = package(there / "out", "x64", top=there)
        assert done.returncode == 1 and "ota/_bad.py: " + words in done.stderr


SAMPLE = {
    "__init__": "LIMIT = 3\n",
    "_a": """
from ota import LIMIT
ONE, TWO = 1, -2
IMPORTED = 3
CHANGED = 4
SHADOW = 5
NAMED = 6
TEXT, SEVEN = "seven", 7
EIGHT = 1 << 3
low = 9
class Thing:
    NINE = 10
def change():
    global CHANGED
    CHANGED += 1
    return CHANGED
def shadow(SHADOW):
    return SHADOW
def all():
    return ONE, TWO, IMPORTED, change(), shadow(50), SHADOW, globals()["NAMED"], TEXT, SEVEN, EIGHT, low, LIMIT, -TWO ** 2
""",
    "_b": """
from ota import _a
from ota._a import IMPORTED
def all(thing):
    return _a.ONE, _a.TWO, IMPORTED, _a.CHANGED, _a.SHADOW, _a.NAMED, _a.TEXT, thing.NINE, _a.Thing.NINE, abs(_a.TWO) * _a.ONE
""",
}


def test_constants_in_place_change_nothing(tmp_path):
    for folder in ("plain", "short"):
        (tmp_path / folder / "ota").mkdir(parents=True)
    files = [tmp_path / "plain/ota" / (name + ".py") for name in SAMPLE]
    for path, text in zip(files, SAMPLE.values()):
        path.write_text(text)
    tool = [sys.executable, TOP / "scripts/inline-constants.py"]
    subprocess.run([*tool, tmp_path / "short/ota", *files], check=True)
    script = "import sys; sys.path.insert(0, sys.argv[1]); from ota import _a, _b; print(_a.all(), _b.all(_a.Thing))"
    said = [subprocess.run([sys.executable, "-B", "-c", script, tmp_path / folder], check=True, capture_output=True, text=True).stdout
            for folder in ("plain", "short")]
    assert said[0] == said[1] and "(1, -2, 3, 5, 50, 5, 6, 'seven', 7, 8, 9, 3, -4)" in said[0]
    short = (tmp_path / "short/ota/_a.py").read_text()
    assert "ONE" not in short and "TWO" not in short  # the others are reached in ways that are not followed
    assert all(name in short for name in ("IMPORTED = 3", "CHANGED = 4", "SHADOW = 5", "NAMED = 6", "EIGHT = 1 << 3", "NINE = 10"))
    assert "LIMIT = 3" in (tmp_path / "short/ota/__init__.py").read_text()
    files[2].write_text("def f(_a):\n    return _a.ONE\n")
    done = subprocess.run([*tool, tmp_path / "short/ota", *files], capture_output=True, text=True)
    assert done.returncode == 1 and "_b.py: a variable is called like a module" in done.stderr


# ---- mip ----

@pytest.fixture
def web():
    """serve(folder) -> base URL"""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def serve(folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return "http://127.0.0.1:%d" % server.server_address[1]

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def micropython(folder, script):
    binary = TOP / "build/micropython/micropython"
    assert binary.exists(), "run scripts/micropython.sh"
    (folder / "script.py").write_text(script)
    done = subprocess.run([binary, "script.py"], cwd=folder, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "MICROPYPATH": ".frozen:lib"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


INSTALL = """
import mip
mip.install("%s/package.json", target="lib")
import molt_x64, ota
print("STATE", molt_x64.STATE_SIZE, ota.__file__)
"""


def test_mip_relative_addresses(native, web):
    """As mip resolves them since MicroPython 1.25 (Debian's 1.25 has an older mip frozen in)."""
    base = web(native / "mip") + "/x64"
    with urllib.request.urlopen(base + "/package.json") as reply:
        found = json.load(reply)
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"]) and not set(found) - {"urls", "version"}
    wanted = files_of(native / "mip/x64")
    del wanted["package.json"]
    got = {}
    for name, url in found["urls"]:
        with urllib.request.urlopen(base + "/" + url) as reply:
            got[name] = reply.read()
    assert got == wanted


def test_mip_installs_it_by_whole_addresses(out, web, tmp_path_factory):
    """mip before MicroPython 1.25 takes no others."""
    board, elsewhere = tmp_path_factory.mktemp("board"), tmp_path_factory.mktemp("web")
    done = package(out, "x64", MOLT_MIP_URL=web(out / "mip") + "/")
    assert done.returncode == 0, done.stderr
    urls = json.loads((out / "mip/x64/package.json").read_text())["urls"]
    assert all(url.startswith("http://127.0.0.1:") and url.endswith("/x64/" + name) for name, url in urls)
    (out / "mip/x64/package.json").rename(elsewhere / "package.json")
    text = micropython(board, INSTALL % web(elsewhere))
    assert "Done\n" in text and re.search(r"^STATE \d+ lib/ota/__init__\.mpy$", text, re.M)
    assert files_of(board / "lib") == files_of(out / "mip/x64")


# ---- Heap ----

BEFORE = """
import gc, sys
gc.collect()
gc.collect()
before = gc.mem_free()
"""
MEASURED = BEFORE + """
import ota
ota.boot()
gc.collect()
print("HEAP", before - gc.mem_free(), ota.__file__.rsplit(".")[-1], *sorted(n for n in sys.modules if n.startswith("ota")))
"""
FORMS = {"py": TOP / "ports/micropython/ota", "mpy": TOP / "build/native/ota"}


def heap_of(text, form):
    print(text)
    line = next(line for line in text.splitlines() if line.startswith("HEAP ")).split()
    assert line[2] == form and "ota._trial" in line
    assert "ota._http" not in line and "ota._update" not in line  # nothing is imported before it is needed
    return int(line[1])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("board", ("VIRT_RV32", "MPS2_AN385"))
def test_heap_of_a_boot_with_nothing_to_do(native, tmp_path, board, form):
    """On boards with words of 32 bits, as devices have. The budget is that of the package as it is delivered, .mpy."""
    (tmp_path / "flash").write_bytes(b"\xff" * 0x11000)
    (tmp_path / "script.py").write_text("""
import hook, sys
class time:  # this port has none
    ticks_ms = time = lambda: 0
sys.modules["time"] = time
hook.install_fakes()
hook.now = hook.make(flash, (0, 0, 0, 0, "back", True))
hook.now.otadata = hook.OTADATA
""" + MEASURED)
    assert (TOP / ("build/qemu/%s.elf" % board)).exists(), "run scripts/qemu.sh"
    done = subprocess.run([sys.executable, TOP / "tests/native/run-qemu.py", board, tmp_path / "script.py", "--package", FORMS[form],
                           "--file", TOP / "tests/native/hook.py", "--file", TOP / "tests/native/host.py",
                           "--data", "flash=%s" % (tmp_path / "flash")], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 1000 < heap_of(done.stdout, form) <= {"mpy": 12, "py": 16}[form] * 1024


@pytest.mark.parametrize("form", FORMS)
def test_heap_of_a_simulated_boards_boot(molt, firmware, native, tmp_path, form):
    """All of a board, but words of 64 bits: nothing can be said of 12 KB here, only that it does not grow without notice."""
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("key", "new", "key.pem")
    molt.ok("sim", "new", "sim:board", "--flash", "ota.bin")
    molt.ok("sim", "boot", "sim:board")
    molt.ok("provision", "sim:board", "--key", "key.pem.pub")
    files = {"/lib/ota/" + path.name: path.read_bytes() for path in FORMS[form].iterdir() if path.suffix == "." + form}
    (tmp_path / "put.py").write_text("""
import os
for name in os.listdir("/lib/ota"):
    os.remove("/lib/ota/" + name)
for name, data in %r:
    with open(name, "wb") as file:
        file.write(data)
""" % [*files.items(), ("/boot.py", MEASURED.encode())])
    run = ("sim", "run", "sim:board", "--quiet", "--micropython", TOP / "build/micropython/micropython")
    molt.ok(*run, "put.py")
    assert 1000 < heap_of(molt.ok(*run), form) <= 20 * 1024
