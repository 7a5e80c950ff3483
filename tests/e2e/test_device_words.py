"""What the package says where something is missing: no slots, no engine, no address, a wrong word."""
import pytest

from plainboard import Board

pytestmark = pytest.mark.fast


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path, "lfs")


def test_without_slots(board):
    assert board("import ota; print(ota.pair())") == "(None, None)\n"
    assert board("import ota; print(ota.set_bootpart('ota_1'))").endswith("no slot is called ota_1 (-5)\nFalse\n")


def test_start_without_an_address(board):
    out = board("import ota; ota.allow_unsigned = True; print(ota.start())")
    assert "no address given" in out and out.endswith("False\n")


def test_run_with_a_wrong_word(board):
    """Before the first wait, so nothing of asyncio is needed."""
    assert board("""
import sys
sys.modules["asyncio"] = sys
import ota
try:
    ota.run(nosuch=1).send(None)
except TypeError as error:
    print(error)
""") == "run() has no argument nosuch\n"


def test_without_the_engine(board):
    out = board("""
import sys
sys.path[:] = [path for path in sys.path if "native" not in path]
from ota import _host
try:
    _host.engine()
except ImportError as error:
    print(error)
""")
    assert "no molt_x64.mpy for this firmware in /lib: put it there, as 'molt provision' does" in out
