"""ESP32 images, tables and dumps as tests need them, made without the code under test."""
import hashlib
import pathlib
import struct

TOP = pathlib.Path(__file__).resolve().parents[2]

BOOTLOADER, TABLE = 0x1000, 0x8000  # of the ESP32, in flash


def row(kind, subtype, offset, size, name, flags=0):
    return struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, offset, size, name.encode(), flags)


def table(*rows, md5=True):
    """The table's sector."""
    data = b"".join(rows)
    if md5:
        data += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(data).digest()
    return data.ljust(0x1000, b"\xff")


NVS = row(1, 2, 0x9000, 0x5000, "nvs")
OTADATA = row(1, 0, 0xE000, 0x2000, "otadata")
FACTORY = row(0, 0, 0x10000, 0x1F0000, "factory")
OTA_0 = row(0, 0x10, 0x10000, 0x1A0000, "ota_0")
OTA_1 = row(0, 0x11, 0x1B0000, 0x1A0000, "ota_1")
VFS = row(1, 0x81, 0x350000, 0xB0000, "vfs")


def with_table(firmware, *rows, md5=True):
    """A firmware file's bytes with another table."""
    at = TABLE - BOOTLOADER
    return firmware[:at] + table(*rows, md5=md5) + firmware[at + 0x1000:]


def dump(firmware, size=4 << 20):
    """A firmware file's bytes as a dump of a whole flash."""
    return (b"\xff" * BOOTLOADER + firmware).ljust(size, b"\xff")


def rows_of(firmware):
    """(type, subtype, offset, size, name) of each row of a firmware file."""
    found, at = [], TABLE - BOOTLOADER
    while firmware[at:at + 2] == b"\xaa\x50":
        magic, kind, subtype, offset, size, name, flags = struct.unpack_from("<2sBBII16sI", firmware, at)
        found.append((kind, subtype, offset, size, name.rstrip(b"\0").decode()))
        at += 32
    return found


def app_of(firmware):
    """The app image of a firmware file whose app lies at 0x10000: its bytes up to its end."""
    return firmware[0x10000 - BOOTLOADER:]


def seal(image):
    """An image with checksum and SHA-256 computed again; it must have an appended hash and end with it."""
    image = bytearray(image)
    at, xor = 24, 0xEF
    for _ in range(image[1]):
        length = struct.unpack_from("<I", image, at + 4)[0]
        for byte in image[at + 8:at + 8 + length]:
            xor ^= byte
        at += 8 + length
    end = at // 16 * 16 + 15
    image[end] = xor
    return bytes(image[:end + 1]) + hashlib.sha256(image[:end + 1]).digest()


def shortened(image):
    """An app image with its long segments cut by multiples of 64 KB, so that the mapped ones lie as before."""
    out, at = bytearray(image[:24]), 24
    for _ in range(image[1]):
        length = struct.unpack_from("<I", image, at + 4)[0]
        kept = length % 0x10000 + (0x10000 if length > 0x10000 else 0)
        out += image[at:at + 4] + struct.pack("<I", kept) + image[at + 8:at + 8 + kept]
        at += 8 + length
    return seal(bytes(out) + b"\0" * 16)


def descriptor(idf=b"v5.4.2", version=b"1.0", secure_version=0, page=16):
    """An app's descriptor, 256 bytes."""
    return (struct.pack("<II8x32s32s16s16s32s32s", 0xABCD5432, secure_version, version, b"test", b"12:00:00", b"Jan  1 2026", idf,
                        b"") + struct.pack("<HHBB74x", 0, 0xFFFF, page, 0))


def image(chip_id, segments, size_nibble=2, entry=0x40080000, min_rev=0, freq=0xF):
    """An image of (load address, data) segments with checksum and hash."""
    out = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, len(segments), 2, size_nibble << 4 | freq, entry, 0xEE, chip_id, 0, min_rev, 0, 1)
    for load, data in segments:
        out += struct.pack("<II", load, len(data)) + data
    return seal(out.ljust(len(out) // 16 * 16 + 16, b"\0"))


def app(chip_id, mapped, ram, pad=1024, **options):
    """An app image: descriptor and data in mapped memory (address = 0x20 in its page), code in RAM."""
    head = {name: options.pop(name) for name in ("idf", "version", "secure_version") if name in options}
    return image(chip_id, [(mapped, descriptor(**head) + b"\x5a" * pad), (ram, b"\x13\0\0\0" * 64)], **options)


def bootloader(chip_id, ram, idf=b"v5.4.2", size_nibble=2, freq=0, text=b""):
    """A bootloader with its descriptor; idf None: without one, as before ESP-IDF 5.2. text: strings that it holds."""
    said = struct.pack("<B2xBI32s24s16x", 0x50, 0, 1, idf, b"Jan  1 2026") if idf else b"\x01\0\0\0" * 20
    return image(chip_id, [(ram, said + text.ljust(432, b"\0"))], size_nibble, freq=freq)


def flash_of(chip_id, offset, mapped, ram, size=4 << 20, rows=None, **options):
    """A whole flash: bootloader, table (nvs, factory; or rows), app at 0x10000."""
    flash = bytearray(b"\xff" * size)
    boot = bootloader(chip_id, ram, size_nibble=(size >> 20).bit_length() - 1)
    flash[offset:offset + len(boot)] = boot
    flash[TABLE:TABLE + 0x1000] = table(*(rows or (NVS, FACTORY)))
    one = app(chip_id, mapped, ram, **options)
    flash[0x10000:0x10000 + len(one)] = one
    return bytes(flash)


def tiny(firmware, *rows, size=0x1000, says=b""):
    """A firmware of 64 KB: bootloader and table (or the rows given) of a genuine one, and the start of its app."""
    app = bytearray(app_of(firmware)[:32 + size])
    app[1] = 1  # a single segment, the one with the descriptor
    app[28:32] = size.to_bytes(4, "little")
    app[0x400:0x400 + len(says)] = says
    data = firmware[:0xF000] + seal(bytes(app) + bytes(16))
    return with_table(data, *rows) if rows else data
