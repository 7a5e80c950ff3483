# The time module over the board's own clock, which starts as 'molt sim run --clock' says.
from time import *
import time as _host

import board


def time():
    return board.clock()


def time_ns():
    return board.clock() * 1000000000


def gmtime(seconds=None):
    return _host.gmtime(board.clock() if seconds is None else seconds)[:8]


localtime = gmtime
