# A fake of MicroPython's esp module for the simulated board.
import board


def flash_size():
    return board.facts["flash_size"]


def flash_user_start():
    return 0x200000


def flash_read(offset, buffer):
    if isinstance(buffer, int):
        return board.read(offset, buffer)
    buffer[:] = board.read(offset, len(buffer))


def flash_write(offset, buffer):
    board.program(offset, buffer)


def flash_erase(sector):
    board.erase(sector * 4096, 4096)


def osdebug(*arguments):
    pass
