# The client of the simulated board: requests over one pipe, replies over another (docs/spec/simulator-protocol.md).
# The board's flash, operation counter and power belong to the other end.
import json
import struct
import sys

HELLO, READ, PROGRAM, ERASE, STORE_GET, STORE_PUT = 1, 2, 3, 4, 5, 6
RESET, WATCHDOG, FEED, OPERATIONS, LOADED, END = 7, 8, 9, 10, 11, 12
SCRATCH_GET, SCRATCH_PUT, DEEP_SLEEP, CLOCK_GET, CLOCK_SET = 13, 14, 15, 16, 17

NOT_FOUND = -5  # the one status that is no failure
PIECE = 65536  # bytes of one request at most

_in = open(int(sys.argv[1]), "rb")
_out = open(int(sys.argv[2]), "wb")


_watching = False
_announced = []
_held = [-1] * 12  # offsets of blocks of 4 KB, and their bytes: made once, for tests measure the heap
_copies = [bytearray(4096) for _ in _held]
_next = 0


class BoardError(OSError):
    pass


# Ctrl-C comes at any instruction, and one that came within an exchange would leave half a request or half a reply in the
# pipes: it waits until the exchange is over. (A build without ffi takes its chance.)
try:
    import ffi

    _mask = ffi.open("libc.so.6").func("i", "sigprocmask", "iPP")
except (ImportError, OSError):

    def _mask(how, signals, before):
        pass


_INTERRUPT = b"\x02" + bytes(127)  # a sigset_t with SIGINT
_BLOCK, _UNBLOCK = 0, 1  # Linux


def _exactly(n):
    parts = []
    while n:
        part = _in.read(n)
        if not part:
            sys.exit(120)  # the other end is gone
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def watch_modules():
    global _watching
    _watching = True


def _announce():
    # Compiled modules are announced before the next write, so that a power cut can tell what it killed. (A hook in
    # __import__ would break relative imports.)
    for name in list(sys.modules):
        path = getattr(sys.modules[name], "__file__", None) or ""
        if path.endswith(".mpy") and path not in _announced:
            _announced.append(path)
            loaded(path)


def request(op, a=0, b=0, payload=b""):
    if _watching and op in (PROGRAM, ERASE, STORE_PUT):
        _announce()
    data = struct.pack("<BBHII", op, 0, 0, a, b) + payload
    _mask(_BLOCK, _INTERRUPT, None)
    try:
        at = 0
        while at < len(data):
            at += _out.write(memoryview(data)[at:])
        status, n = struct.unpack("<iI", _exactly(8))
        answer = _exactly(n)
    finally:
        _mask(_UNBLOCK, _INTERRUPT, None)
    return status, answer


def _ok(answer, what):
    if answer[0] < 0:
        raise BoardError(answer[0], what)
    return answer[1]


def read(offset, n):
    return b"".join(
        _ok(request(READ, offset + at, min(PIECE, n - at)), "read")
        for at in range(0, n, PIECE)
    )


def read_cached(offset, n):
    # For file systems, which read a few bytes at a time. Nobody else writes while this process lives.
    global _next
    at = offset % 4096
    if n > 4096 - at:
        return read(offset, n)
    block = offset - at
    if block not in _held:
        _next = (_next + 1) % len(_held)
        _held[_next] = -1
        _copies[_next][:] = read(block, 4096)
        _held[_next] = block
    return memoryview(_copies[_held.index(block)])[at : at + n]


def _changed(offset, n):
    for i, block in enumerate(_held):
        if block < offset + n and offset < block + 4096:
            _held[i] = -1


def program(offset, data):
    _changed(offset, len(data))
    for at in range(0, len(data), PIECE):
        piece = bytes(data[at : at + PIECE])
        _ok(request(PROGRAM, offset + at, len(piece), piece), "program")


def erase(offset, n):
    _changed(offset, n)
    _ok(request(ERASE, offset, n), "erase")


def store_get(record):
    status, data = request(STORE_GET, record)
    if status == NOT_FOUND:
        return None
    return _ok((status, data), "store")


def store_put(record, data):
    _ok(request(STORE_PUT, record, len(data), data), "store")


def reset():
    request(RESET)  # never answered
    sys.exit(120)


def deepsleep(ms):
    request(DEEP_SLEEP, ms)  # never answered
    sys.exit(120)


def clock():
    return struct.unpack("<q", _ok(request(CLOCK_GET), "clock"))[0]


def set_clock(seconds):
    _ok(request(CLOCK_SET, seconds), "clock")


def watchdog(timeout_ms):
    _ok(request(WATCHDOG, timeout_ms), "watchdog")


def feed():
    _ok(request(FEED), "feed")


def operations():
    return struct.unpack("<Q", _ok(request(OPERATIONS), "operations"))[0]


def loaded(name):
    _ok(request(LOADED, 0, len(name), name.encode()), "loaded")


def end(code):
    request(END, code & 0xFF)


def scratch_load():
    text = _ok(request(SCRATCH_GET), "scratch")
    return eval(text) if text else {}


def scratch_save(values):
    text = repr(values).encode()
    _ok(request(SCRATCH_PUT, 0, len(text), text), "scratch")


facts = json.loads(_ok(request(HELLO), "hello"))


def rows():
    # The partition table: (type, subtype, offset, size, label, encrypted).
    data = read(facts["table_offset"], 0xC00)
    found = []
    for at in range(0, len(data), 32):
        magic, kind, subtype, offset, size = struct.unpack("<HBBII", data[at : at + 12])
        if magic != 0x50AA:
            break
        label = data[at + 12 : at + 28].split(b"\0")[0].decode()
        flags = data[at + 28]
        found.append((kind, subtype, offset, size, label, bool(flags & 1)))
    return found
