# What runs, and the image in it. Without esp32: one slot at 0, of whose image nothing is known.
import ustruct as struct

try:
    import esp
    from esp32 import Partition
except ImportError:
    Partition = None


def running():
    if Partition is None:
        return 0, 0, 0, 0, "firmware", False
    return Partition(Partition.RUNNING).info()


def _length(offset, size):
    # Bytes of the application image at that offset of the flash without its appended SHA-256; 0 when there is none.
    if Partition is None:
        return 0
    head = esp_read(offset, 24)
    if head[0] != 0xE9 or not 0 < head[1] <= 16 or head[23] != 1:
        return 0
    at = 24
    for _ in range(head[1]):
        n = struct.unpack("<I", esp_read(offset + at + 4, 4))[0]
        if n > size or at + 8 + n > size:
            return 0
        at += 8 + n
    at += 16 - at % 16
    return at if at + 32 <= size else 0


def image_sha256(offset, size):
    # The SHA-256 at the end of the application image; None when there is none.
    at = _length(offset, size)
    return esp_read(offset + at, 32) if at else None


def firmware_sha256(offset, size):
    # Over the whole image as it is in the flash now: what 'molt bundle show' says of it. Takes a second or two.
    import uhashlib as hashlib

    n = _length(offset, size)
    if not n:
        return None
    digest = hashlib.sha256()
    buffer = bytearray(4096)
    for at in range(0, n + 32, 4096):
        part = memoryview(buffer)[: min(4096, n + 32 - at)]
        esp.flash_read(offset + at, part)
        digest.update(part)
    return digest.digest()


def esp_read(offset, n):
    buffer = bytearray(n)
    esp.flash_read(offset, buffer)
    return bytes(buffer)


def release_directory(release):
    return "/rel/" + "".join("%02x" % byte for byte in release[:8])


def current_release():
    # Digest of the release that belongs to what runs, or None.
    from ota import _store

    _, _, offset, size, _, _ = running()
    sha = image_sha256(offset, size) or bytes(32)
    found = _store.release_of(_store.CANDIDATE, sha)  # of files alone that are on trial, or were
    if found:
        try:
            update = _store.Update()
            if update.origin == update.target == offset and _store.SWITCHING <= update.phase <= _store.CONFIRMING:
                return found
        except OSError:
            pass  # a record that cannot be read says nothing of a trial
    return _store.release_of(offset, sha)
