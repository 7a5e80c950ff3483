# A fake of MicroPython's machine module for the simulated board: what an updater and its tests need.
import binascii
import board
import time

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
_CAUSES = {"power-on": PWRON_RESET, "watchdog": WDT_RESET, "deep-sleep": DEEPSLEEP_RESET}


def reset():
    board.reset()


def reset_cause():
    return _CAUSES.get(board.facts["reset_cause"], HARD_RESET)


def deepsleep(time_ms=0):
    # Time asleep is skipped; without one, something outside wakes the board at once.
    board.deepsleep(time_ms)


def lightsleep(time_ms=0):
    time.sleep_ms(time_ms)


def unique_id():
    return binascii.unhexlify(board.facts["unique_id"])


class RTC:
    def datetime(self, value=None):
        # (year, month, day, weekday, hours, minutes, seconds, microseconds), as ntptime sets it.
        if value is None:
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(board.clock())
            return year, month, day, weekday, hour, minute, second, 0
        year, month, day, _, hour, minute, second, _ = value
        board.set_clock(int(time.mktime((year, month, day, hour, minute, second, 0, 0))))


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        board.watchdog(timeout)

    def feed(self):
        board.feed()
