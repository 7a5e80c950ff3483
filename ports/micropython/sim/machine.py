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
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(board.clock())[:8]
            return year, month, day, weekday, hour, minute, second, 0
        year, month, day, _, hour, minute, second, _ = value
        year -= month < 3  # March is the first month; 719,468 days from 0000-03-01 to 1970-01-01
        days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
        board.set_clock(days * 86400 + hour * 3600 + minute * 60 + second)


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        board.watchdog(timeout)

    def feed(self):
        board.feed()
