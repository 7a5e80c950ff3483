"""The native module under Debian's MicroPython: a collector that runs all the time, and exceptions out of the host."""
import pytest

from test_native import board, micropython, modules  # noqa: F401 (fixtures)

pytestmark = pytest.mark.fast
SCRIPT = """
import stress
stress.%s(molt, bytes.fromhex("%s"))
"""


@pytest.mark.parametrize("micropython", ["native module"], indirect=True)
def test_updates_in_a_heap_full_of_holes(micropython, board):  # noqa: F811
    lines = micropython(SCRIPT % ("squeeze", board.hex()), heap="400k")
    assert len(lines) == 1 and lines[0].startswith("squeezed ")
    assert int(lines[0].split()[1]) > 1000


@pytest.mark.parametrize("micropython", ["native module"], indirect=True)
def test_an_exception_out_of_every_method(micropython, board):  # noqa: F811
    lines = micropython(SCRIPT % ("explode", board.hex()))
    tried = {}
    for line in lines:
        label, method, times = line.split("|")
        tried.setdefault(label, {})[method] = int(times)
    assert set(tried) == {"install", "boot", "confirm", "rollback"}
    # All that the engine ever calls.
    assert set(tried["install"]) == {"file_list", "file_mkdir", "file_read", "file_remove", "file_size", "file_space", "file_stat",
                                     "file_write", "flash_erase", "flash_program", "flash_read", "source_expect", "source_info", "source_read",
                                     "store_get", "store_put"}
    assert sum(tried["install"].values()) > 50
    assert {"flash_erase", "flash_program", "store_put"} <= set(tried["confirm"])
    assert {"flash_erase", "store_put"} <= set(tried["rollback"])
