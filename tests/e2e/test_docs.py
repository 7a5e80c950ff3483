"""The documents: every command line in them parses, every error is explained, runnable sequences run; help and man pages; what is
installed can be used."""
import fcntl
import os
import re
import shlex
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
    for letter, name, argument in re.findall(r"^\s+(?:(-\w), )?\s*(--[a-z-]+)(?: ([A-Z][A-Z|.]*))?", help_text, re.M):
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
    """A prefix with everything from the default build, complete before it is installed."""
    prefix = tmp_path_factory.mktemp("prefix")
    with open(TOP / "build/installing.lock", "w") as lock:  # other workers may be here too
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "--build", TOP / "build", "-j2")
        run("cmake", "--install", TOP / "build", "--prefix", prefix)
    return prefix


def test_install(installed, firmware, tmp_path):
    molt = installed / "bin/molt"
    assert "MicroPython  v1.23.0" in run(molt, "info", firmware).stdout
    assert (installed / "share/man/man1/molt.1").exists()
    assert (installed / "share/molt/micropython/ota/__init__.py").exists()
    assert not (installed / "share/molt/micropython/native").exists()


def test_example_builds_against_what_is_installed(installed, firmware, tmp_path):
    pc = next(installed.glob("**/pkgconfig/molt.pc"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    flags = shlex.split(run("pkg-config", "--define-variable=prefix=%s" % installed, "--cflags", "--libs", "molt",
                            env=env).stdout)
    run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", TOP / "examples/info.c", *flags, "-o", tmp_path / "info")
    shown = run(tmp_path / "info", firmware).stdout
    assert "firmware file for esp32" in shown and "MicroPython v1.23.0" in shown
    bad = subprocess.run([tmp_path / "info", "/dev/null"], capture_output=True, text=True)
    assert bad.returncode == 1 and "/dev/null" in bad.stderr


def test_example_is_short():
    assert len((TOP / "examples/info.c").read_text().splitlines()) < 80
