"""The device package where something goes on for ever, raises at the wrong moment, or is another port's: on a board without slots."""
import socket
import threading

import pytest

import plainboard


@pytest.fixture
def board(tmp_path):
    return plainboard.Board(tmp_path, "lfs")


class Server(threading.Thread):
    """Answers the first request with these bytes."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.listener = answer, socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        try:
            connection.recv(4096)
            connection.sendall(self.answer)
        except OSError:
            pass
        connection.close()


BODY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"


@pytest.mark.parametrize("answer, said", [
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + BODY + b"X: y\r\n" * 9 + b"\r\n", "b'ok'"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + BODY + b"\r\n", "(-100, "),
    (BODY + b"X: y\r\n" * 9000 + b"\r\n", "(-100, "),
], ids=["few", "answers before the answer", "lines behind the body"])
def test_an_answer_comes_to_an_end(board, answer, said):
    """However fast the server is: nothing else runs on the device meanwhile."""
    server = Server(answer)
    assert board("from ota import _http\ntry:\n    print(_http.get('%s', 99))\nexcept _http.Failed as error:\n    print(error.args)"
                 % server.url).startswith(said)


def test_run_outlives_its_progress_call(board):
    script = ("import sys\nsys.path.append('.frozen')\nimport asyncio, ota\ndef progress(*now):\n    print('TOLD')\n    1 / 0\ntry:\n    asyncio.run(asyncio.wait_for(ota.run("
              "'http://127.0.0.1:1/', every_s=0.5, tries=1, progress=progress), 3))\nexcept asyncio.TimeoutError:\n    print('RUNS ON')")
    said = board(script)
    assert said.count("TOLD") > 1 and said.endswith("RUNS ON\n") and "ota: progress: " in said


@pytest.mark.parametrize("call", ["ota.update('http://127.0.0.1:1/', tries=1)", "ota.check('http://127.0.0.1:1/', tries=1)"])
@pytest.mark.parametrize("where, error", [("room", "MemoryError"), ("room", "KeyboardInterrupt"), ("settings", "MemoryError")])
def test_the_lock_is_released_wherever_it_ends(board, call, where, error):
    said = board("""
import ota
from ota import _update
old = _update.%s
def fails():
    raise %s
_update.%s = fails
try:
    %s
except BaseException as error:
    print(type(error).__name__)
_update.%s = old
try:
    %s
except ota.Error as error:
    print(error.errno)
""" % (where, error, where, call.replace("'http://127.0.0.1:1/'", "None") if where == "settings" else call, where, call))
    assert said == error + "\n-102\n"


def test_a_source_that_cannot_be_closed_holds_no_lock(board):
    said = board("""
import ota
from ota import _source, _update
with open("/x.molt", "w") as file:
    file.write("no bundle")
old = _source.File.close
def fails(self):
    old(self)
    raise OSError(5)
_source.File.close = fails
for i in range(2):
    try:
        ota.update("file:/x.molt")
    except OSError as error:
        print(error.errno)
""")
    assert said == "5\n5\n"


# Numbers as the ports have them: MicroPython's machine module of each.
@pytest.mark.parametrize("numbers", [
    {"PWRON": 1, "HARD": 2, "WDT": 3, "DEEPSLEEP": 4, "SOFT": 0},  # stm32
    {"PWRON": 1, "HARD": 16, "WDT": 32, "DEEPSLEEP": 128, "SOFT": 64},  # samd
    {"PWRON": 16, "HARD": 0, "WDT": 1, "DEEPSLEEP": 17, "SOFT": 2},  # as nrf
    {"PWRON": 1, "WDT": 3}])  # rp2
def test_reset_causes_go_by_their_names(board, numbers):
    said = board("""
import machine
numbers = %r
class Fake:
    pass
fake = Fake()
for name in numbers:
    setattr(fake, name + "_RESET", numbers[name])
from ota import _report, _trial
_trial.machine = fake
for name in ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT"):
    if name in numbers:
        fake.reset_cause = lambda: numbers[name]
        print(_report._word(), _trial._warm(), _trial._fast())
""" % numbers).splitlines()
    expected = {"PWRON": "power-on False 0", "HARD": "reset False 1", "WDT": "watchdog False 2", "DEEPSLEEP": "deep sleep True 0",
                "SOFT": "soft reset True 1"}
    if "HARD" not in numbers:
        expected["WDT"] = "watchdog False 1"
    assert said == [expected[name] for name in ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT") if name in numbers]
