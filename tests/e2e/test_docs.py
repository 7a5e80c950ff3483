"""The documents: every command line in them parses, every error is explained, runnable sequences run; help and man pages; what is
installed can be used."""
import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from conftest import TOP, molt_path

pytestmark = pytest.mark.fast

PAGES = sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")])
ERROR_ROW = re.compile(r'\{MOLT_\w+, "([^"]+)"\}')


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, "%s\n%s%s" % (words, done.stdout, done.stderr)
    return done


@pytest.fixture
def verbs(molt):
    found = re.findall(r"^  ([a-z][a-z -]*?)  ", molt.ok("help"), re.M)
    assert len(found) > 10
    return found


def options_of(help_text):
    """{"--json": takes a value} of the rows in a verb's help."""
    found = {"--help": False}
    for letter, name, argument in re.findall(r"^\s+(?:(-\w), )?\s*(--[a-z0-9-]+)(?: ([A-Z][A-Z|.]*))?", help_text, re.M):
        found[name] = bool(argument)
        if letter:
            found[letter] = bool(argument)
    return found


# ---- Help and man pages ----

def test_help_fits_100_columns(molt, verbs):
    for words in [["help"], *(["help", *verb.split()] for verb in verbs)]:
        for line in molt.ok(*words).splitlines():
            assert len(line) <= 100, "molt %s: %d columns: %s" % (" ".join(words), len(line), line)


@pytest.fixture
def pages(molt, tmp_path):
    run(TOP / "scripts/man.sh", molt.path, tmp_path / "man")
    return tmp_path / "man"


def test_every_verb_has_a_man_page(molt, verbs, pages):
    assert {page.name for page in pages.iterdir()} == {"molt.1", *("molt-%s.1" % v.replace(" ", "-") for v in verbs)}
    for verb in verbs:
        text = (pages / ("molt-%s.1" % verb.replace(" ", "-"))).read_text()
        for option in options_of(molt.ok("help", *verb.split())):
            assert option.replace("-", r"\-") in text, "%s: no %s" % (verb, option)


def man_warnings(path):
    done = run("groff", "-man", "-Tutf8", "-ww", "-b", "-z", path)
    return done.stderr


def test_man_pages_have_no_warnings(pages):
    for page in pages.iterdir():
        assert man_warnings(page) == ""


def test_a_broken_man_page_is_noticed(tmp_path):
    (tmp_path / "bad.1").write_text('.TH BAD 1\n.SH NAME\nbad \\- text\n.if \\n(nosuch .nosuchmacro\n.nosuchmacro\n')
    assert "nosuchmacro" in man_warnings(tmp_path / "bad.1")


# ---- What is installed ----

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A prefix with everything from the default build. Not built here: other tests use what would be rewritten."""
    assert (TOP / "build/man/molt.1").exists(), "run 'cmake --build build'"
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", TOP / "build", "--prefix", prefix)
    return prefix


def test_install(installed, firmware, tmp_path):
    molt = installed / "bin/molt"
    assert "MicroPython  v1.23.0" in run(molt, "info", firmware).stdout
    assert (installed / "share/man/man1/molt.1").exists()
    assert (installed / "share/molt/micropython/ota/__init__.py").exists()
    assert not (installed / "share/molt/micropython/native").exists()
    assert (installed / "lib/udev/rules.d/60-molt.rules").read_bytes() == (TOP / "udev/60-molt.rules").read_bytes()


@pytest.fixture(scope="module")
def example(installed, tmp_path_factory):
    """example(NAME): that program, built against what is installed."""
    env = {**os.environ, "PKG_CONFIG_PATH": str(next(installed.glob("**/pkgconfig/molt.pc")).parent)}
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "molt", env=env).stdout)
    folder = tmp_path_factory.mktemp("examples")

    def build(name):
        run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", TOP / "examples" / (name + ".c"), *flags, "-o", folder / name)
        return folder / name
    return build


def test_example_info(example, firmware):
    program = example("info")
    shown = run(program, firmware).stdout
    assert "firmware file for esp32" in shown and "MicroPython v1.23.0" in shown
    bad = subprocess.run([program, "/dev/null"], capture_output=True, text=True)
    assert bad.returncode == 1 and "/dev/null" in bad.stderr


def test_example_make_image(example, installed, firmware, tmp_path):
    """The command makes the same."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("print(1)\n")
    program, out = example("make_image"), tmp_path / "out.bin"
    assert "layout ota for 8 MB" in run(program, firmware, tmp_path / "app", out).stdout
    run(installed / "bin/molt", "edit", firmware, "--flash-size", "8M", "--layout", "ota", "--put", tmp_path / "app",
        "-o", tmp_path / "same.bin")
    assert out.read_bytes() == (tmp_path / "same.bin").read_bytes()
    assert run(installed / "bin/molt", "fs", "cat", out, "/main.py").stdout == "print(1)\n"
    bad = subprocess.run([program, firmware, tmp_path / "nowhere", tmp_path / "none.bin"], capture_output=True, text=True)
    assert bad.returncode == 1 and "nowhere" in bad.stderr and not (tmp_path / "none.bin").exists()


def test_example_dfu(example, installed, tmp_path):
    """Writes a simulated board, says why it does not, and lists."""
    molt, program = installed / "bin/molt", example("dfu")
    firmware = struct.pack("<II", 0x20020000, 0x08020101) + bytes(range(256)) * 40
    (tmp_path / "firmware.bin").write_bytes(firmware)
    run(molt, "dfu", "pack", "firmware.bin@0x08020000", "-o", "firmware.dfu", cwd=tmp_path)
    run(molt, "sim", "new", "sim:board", "--chip", "stm32f405", cwd=tmp_path)
    done = run(program, "firmware.dfu", "sim:board", cwd=tmp_path)
    assert "written, verified; the firmware starts" in done.stdout and "verify   100%" in done.stderr
    assert (tmp_path / "board/flash.bin").read_bytes()[0x20000:0x20000 + len(firmware)] == firmware
    bad = subprocess.run([program, "nowhere.dfu", "sim:board"], capture_output=True, text=True, cwd=tmp_path)
    assert bad.returncode == 1 and "nowhere.dfu" in bad.stderr
    assert run(program).returncode == 0


def test_examples_are_short():
    assert all(len(path.read_text().splitlines()) < 80 for path in (TOP / "examples").glob("*.c"))


# ---- Command lines ----

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.S | re.M)


def command_lines(text):
    """Every command line that begins with molt: of shell blocks, indented blocks and `code` in sentences."""
    lines = []
    for info, body in FENCE.findall(text):
        if info.split()[:1] == ["sh"]:
            lines += body.splitlines()
    rest = FENCE.sub("", text)
    lines += re.findall(r"^    (.*)$", rest, re.M)
    lines += re.findall(r"`(molt [^`]+)`", rest)
    return [line.strip() for line in lines if re.match(r"\s*molt\s", line)]


def mistakes(line, help_of):
    """What is wrong with a command line; None when nothing is. help_of(words) is a verb's help or None."""
    words = shlex.split(line, comments=True)
    words = words[1:next((i for i, w in enumerate(words) if w in ("|", ">", "&&", "||", ";")), len(words))]
    if words[0] == "help":
        words = words[1:]
        return None if words in ([], ["VERB"]) or help_of(words) else "no such verb"
    if words[0] in ("--version", "VERB"):
        return None
    for n in (2, 1):
        text = help_of(words[:n])
        if text:
            break
    else:
        return "no such verb"
    known, rest = options_of(text), words[n:]
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            continue
        name, equals, _ = word.partition("=")
        if name not in known:
            return "no option %s" % name
        if known[name] and not equals and rest:
            rest.pop(0)
    return None


@pytest.fixture
def help_of(molt):
    known = {}

    def of(words):
        key = " ".join(words)
        if key not in known:
            done = molt("help", *words)
            known[key] = done.stdout if done.returncode == 0 and "usage: molt %s " % key in done.stdout else None
        return known[key]
    return of


def test_command_lines_parse(help_of):
    count = 0
    for page in PAGES:
        for line in command_lines(page.read_text()):
            count += 1
            assert mistakes(line, help_of) is None, "%s: %s" % (page.name, line)
    assert count > 100


@pytest.mark.parametrize("line, wrong", [
    ("molt frobnicate x", "no such verb"), ("molt info --nosuch x", "no option --nosuch"),
    ("molt help ota nosuch", "no such verb"), ("molt update -f site --cut 3 sim:x -z", "no option -z"),
    ("molt edit f.bin -s 8M --layout ota -o i.bin && rm x", None), ("molt help VERB", None)])
def test_wrong_command_lines_are_noticed(help_of, line, wrong):
    assert mistakes(line, help_of) == wrong


def test_every_verb_is_in_the_documents(verbs):
    text = (TOP / "docs/molt.md").read_text()
    for verb in verbs:
        assert "| `molt %s` |" % verb in text


def test_exit_codes_are_those_of_the_command(molt):
    text = (TOP / "docs/molt.md").read_text()
    codes = re.search(r"^Exit codes: (.*)\.$", molt.ok("help"), re.M).group(1)
    for code in codes.split("; "):
        number, words = code.split(" ", 1)
        assert "| %s | %s" % (number, words) in text


def test_every_error_is_explained():
    rows = ERROR_ROW.findall((TOP / "src/core/error.c").read_text())
    numbers = dict(re.findall(r"(MOLT_\w+) = (-\d+)", (TOP / "include/molt/error.h").read_text()))
    names = re.findall(r"\{(MOLT_\w+), ", (TOP / "src/core/error.c").read_text())
    assert len(rows) == len(names) == len(numbers) + 2  # MOLT_OK and MOLT_DONE are no errors
    page = (TOP / "docs/errors.md").read_text()
    for name, text in zip(names, rows):
        if name in numbers:
            assert "| %s | %s |" % (text, numbers[name]) in page, name
    assert len(re.findall(r"^\| [^|]+ \| -\d+ \|", page, re.M)) == len(numbers)


def test_every_reason_of_a_failed_trial_is_explained():
    reasons = re.findall(r'case MOLT_E_\w+: return "([^"]+)"', (TOP / "src/ops/boot/bootchoice_store.c").read_text())
    assert len(reasons) >= 3
    page = (TOP / "docs/troubleshooting.md").read_text()
    for reason in reasons:
        assert "| %s |" % reason in page


def test_layers_of_the_architecture_are_those_that_are_checked():
    """The table in ARCHITECTURE.md against the one in scripts/check-layers.py."""
    source = (TOP / "scripts/check-layers.py").read_text()
    table = ast.literal_eval(re.sub(r"#.*", "", re.search(r"^MAY_INCLUDE = (\{.*?^\})", source, re.S | re.M).group(1)))
    told = {}
    for names, sees in re.findall(r"^\| ([a-z, ]+) \| ?(.*?) ?\|$", (TOP / "ARCHITECTURE.md").read_text(), re.M):
        for name in names.split(", "):
            told[name] = set(re.findall(r"[a-z]+", sees))
    for layer, may in table.items():
        if layer != "interface":
            assert told.get(layer) == may - {layer, "interface"}, layer


# ---- Sequences that run ----

def runnable(page):
    return [body for info, body in FENCE.findall(page.read_text()) if info.strip() == "sh run"]


def script_of(blocks, port):
    """One shell script; a line that ends with "# exit code N" has to end so, every other one with 0."""
    lines = ["set -eu"]
    for line in "\n".join(blocks).splitlines():
        expected = re.search(r"# exit code (\d+)\s*$", line)
        line = line.replace("127.0.0.1:8000", "127.0.0.1:%d" % port).replace("site 8000", "site %d" % port)
        lines.append('code=0; %s || code=$?; [ $code = %s ] || { echo "exit code $code of: %s"; exit 1; }' % (
            line[:expected.start()], expected.group(1), line[:expected.start()].strip()) if expected else line)
    return "\n".join(lines)


def plain(text):
    return " ".join(text.split())


RUNNABLE = [page for page in PAGES if runnable(page)]


def test_pages_run():
    assert {"make-an-ota-image.md", "update-over-the-air.md", "boot-record.md"} < {page.name for page in RUNNABLE}


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_sequences_run(page, molt, firmware, tmp_path):
    assert os.access(TOP / "build/micropython/micropython", os.X_OK), "run scripts/micropython.sh"
    assert (TOP / "build/native/molt_x64.mpy").exists(), "run scripts/native.sh"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/molt").symlink_to(molt.path)
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(firmware, folder / "firmware.bin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(tmp_path / "output", "w+") as output:
        shell = subprocess.Popen(["bash", "-c", script_of(runnable(page), port)], cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                                 env={**os.environ, "PATH": "%s:%s" % (tmp_path / "bin", os.environ["PATH"])})
        try:
            code = shell.wait(120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # a web server that the page started
        output.seek(0)
        printed = output.read()
    assert code == 0, printed
    said = {plain(line) for line in printed.splitlines()}
    for info, body in FENCE.findall(page.read_text()):
        if info.strip() == "shown":
            for line in filter(None, map(plain, body.splitlines())):
                assert line in said, "%s shows what is not printed: %s\n%s" % (page.name, line, printed)


# ---- JSON ----

def keys_in(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


@pytest.fixture
def board(molt, firmware, tmp_path):
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "image.bin")
    molt.ok("sim", "new", "sim:board", "--flash", "image.bin")
    molt.ok("sim", "boot", "sim:board")
    return "sim:board"


@pytest.mark.parametrize("verb", ["info", "ota status", "sim boot", "sim run", "bundle show"])
def test_help_names_every_json_key(verb, molt, firmware, board, tmp_path):
    words = [*verb.split(), "--json"]
    if verb == "bundle show":
        (tmp_path / "app").mkdir()
        (tmp_path / "app/main.py").write_text("print(1)")
        molt.ok("key", "new", "key.pem")
        molt.ok("bundle", "create", "-o", "b.molt", "--app", firmware, "--release", "app", "--key", "key.pem",
                "--sequence", 1)
        printed = molt.ok(*words, "b.molt")
    elif verb == "sim run":
        (tmp_path / "script.py").write_text("open('/x', 'w').write('x' * 10000)")
        printed = molt(*words, "--quiet", "--cut", 4, board, "script.py", check=3).stderr
        printed = printed[printed.index("{"):printed.rindex("}") + 1]
    else:
        printed = molt.ok(*words, board)
    keys = keys_in(json.loads(printed))
    told = molt.ok("help", *verb.split())
    told = set(re.findall(r"\w+", told[told.index("Keys of --json"):]))
    assert len(keys) >= 10 and keys - told == set()
