# A fake of MicroPython's machine module for the simulated board: what an updater and its tests need.
import binascii
import board

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5


def reset():
    board.reset()


def reset_cause():
    return {"power-on": PWRON_RESET, "watchdog": WDT_RESET}.get(board.facts["reset_cause"], HARD_RESET)


def unique_id():
    return binascii.unhexlify(board.facts["unique_id"])


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        board.watchdog(timeout)

    def feed(self):
        board.feed()
