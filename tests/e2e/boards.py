"""A board's folder written by hand, so that a test of one verb does not lean on another: keys in the store (docs/spec/store.md), an
empty littlefs in vfs."""
import struct
import zlib

from cryptography.hazmat.primitives import serialization
from littlefs import LittleFS

BUNDLES, CHANNELS = 1, 2


def public_key(path):
    numbers = serialization.load_pem_public_key(path.read_bytes()).public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def write_keys(board, keys):
    """keys: (path of a public key, uses)... Nothing else may be in the store yet."""
    record = bytes([1, len(keys)]) + b"".join(bytes([uses]) + public_key(path) for path, uses in keys)
    assert not (board / "store.bin").exists()
    (board / "store.bin").write_bytes(b"MST1" + struct.pack("<BxHI", 3, len(record), zlib.crc32(record)) + record)


def partition(board, label):
    """(offset, size) from the table on the flash."""
    table = (board / "flash.bin").read_bytes()[0x8000:0x8C00]
    for at in range(0, len(table), 32):
        magic, _, _, offset, size, name, _ = struct.unpack("<HBBII16sI", table[at:at + 32])
        if magic == 0x50AA and name.rstrip(b"\0") == label.encode():
            return offset, size
    raise KeyError(label)


def format_vfs(board):
    offset, size = partition(board, "vfs")
    fs = LittleFS(block_size=4096, block_count=size // 4096, read_size=32, prog_size=32)
    with open(board / "flash.bin", "r+b") as f:
        f.seek(offset)
        f.write(fs.context.buffer)


def files(board):
    """Every file in vfs: {path: bytes}."""
    offset, size = partition(board, "vfs")
    fs = LittleFS(block_size=4096, block_count=size // 4096, read_size=32, prog_size=32, mount=False)
    fs.context.buffer = bytearray((board / "flash.bin").read_bytes()[offset:offset + size])
    fs.mount()
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = folder.rstrip("/") + "/" + name
            with fs.open(path, "rb") as f:
                found[path] = f.read()
    return found
