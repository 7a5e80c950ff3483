"""Fixtures of the command-line and peer tests.

$MOLT: the command under test (scripts/test.sh gives the sanitized one); without it build/molt. A test or file marked
`pytest.mark.fast` takes $MOLT_FAST instead: for work that sanitizers make too slow.
"""
import json
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line("markers", "fast: takes the optimized command, not the sanitized one")


class Molt:
    """The command. Call it with words; the result has returncode, stdout, stderr (text)."""

    def __init__(self, path, cwd):
        self.path, self.cwd = str(path), cwd

    def __call__(self, *words, check=None, timeout=120, input=None, env=None):
        done = subprocess.run([self.path, *map(str, words)], cwd=self.cwd, capture_output=True, text=True,
                              timeout=timeout, input=input, env={**os.environ, **(env or {})})
        assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
        if check is not None:
            assert done.returncode == check, "molt %s: %d\n%s%s" % (
                " ".join(map(str, words)), done.returncode, done.stdout, done.stderr)
        return done

    def ok(self, *words, **options):
        return self(*words, check=0, **options).stdout

    def json(self, *words, code=0, **options):
        """What --json prints; code: the exit code that is expected."""
        return json.loads(self(*words, "--json", check=code, **options).stdout)

    def fails(self, *words, code=1, **options):
        """The message of a failure, which must not have written to standard output half an answer."""
        return self(*words, check=code, **options).stderr


def molt_path(name="MOLT"):
    path = os.environ.get(name) or os.environ.get("MOLT") or TOP / "build" / "molt"
    assert os.access(path, os.X_OK), "%s: build it first" % path
    return path


@pytest.fixture
def molt(request, tmp_path):
    """The command, run in an empty folder of its own."""
    name = "MOLT"
    if request.node.get_closest_marker("fast"):
        name = "MOLT_FAST"
    return Molt(molt_path(name), tmp_path)


@pytest.fixture(scope="session")
def firmware():
    """The genuine ESP32_GENERIC MicroPython 1.23.0 firmware file."""
    path = TOP / "build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin"
    assert path.exists(), "%s: run scripts/deps.sh" % path
    return path
