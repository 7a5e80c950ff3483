"""Files of other formats as tests need them, made without the code under test: UF2, DfuSe, ELF, Intel HEX, otadata, RP2."""
import struct
import zlib

FAMILY = {"ESP32": 0x1C5F21B0, "ESP32S3": 0xC47E5767, "ESP32C3": 0xD42BA06C, "ESP32S2": 0xBFDD4EEE, "ESP32P4": 0x3D308E94, "RP2040": 0xE48BFF56,
          "RP2350_ARM_S": 0xE48BFF59, "STM32F4": 0x57755A57}


def uf2_block(address, data, number, count, family, flags=0x2000, more=b""):
    return struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, len(data), number, count, family) + \
        (data + more).ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2(address, data, family, size=256):
    family = FAMILY.get(family, family)
    parts = [data[at:at + size].ljust(size, b"\0") for at in range(0, len(data), size)]
    return b"".join(uf2_block(address + size * i, part, i, len(parts), family) for i, part in enumerate(parts))


def rp2040(text=b"MicroPython v1.23.0 on 2024-06-02; Raspberry Pi Pico"):
    """The beginning of a flash image: a second stage with its CRC (RP2040 data sheet, 2.8.1.3.1), then some bytes."""
    stage = bytes(range(252))
    crc = 0xFFFFFFFF
    for byte in stage:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return stage + struct.pack("<I", crc) + text.ljust(700, b"\x5a")


def rp2350():
    return b"\x01\x20\x08\x20" * 80 + struct.pack("<I", 0xFFFFDED3) + b"\x42\x01\x21\x10" * 4 + struct.pack("<I", 0xAB123579) + b"z" * 500


def dfuse(*elements, name=b"ST...", counted=False, vendor=0x0483, product=0xDF11):
    body = b"".join(struct.pack("<II", address, len(data)) + data for address, data in elements)
    body = b"Target" + struct.pack("<BI255sII", 0, 1, name, len(body), len(elements)) + body
    data = b"DfuSe\1" + struct.pack("<IB", 11 + len(body) + 16 * counted, 1) + body
    return dfu_suffix(data, 0x011A, vendor, product)


def dfu_suffix(data, version=0x0100, vendor=0x0483, product=0xDF11):
    data += struct.pack("<HHHH3sB", 0, product, vendor, version, b"UFD", 16)
    return data + struct.pack("<I", zlib.crc32(data) ^ 0xFFFFFFFF)


def elf(machine, address, data=b"12345678", entry=None):
    return struct.pack("<4sBBB9xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 2, machine, 1, entry or address, 52, 0, 0, 52, 32, 1, 0, 0, 0) + \
        struct.pack("<8I", 1, 84, address, address, len(data), len(data), 5, 4) + data


def hex_line(address, kind, data):
    record = bytes([len(data), address >> 8 & 255, address & 255, kind]) + data
    return ":%s%02X\n" % (record.hex().upper(), -sum(record) & 255)


def hex_file(address, data):
    lines = [hex_line(0, 4, struct.pack(">H", address >> 16))]
    lines += [hex_line((address & 0xFFFF) + at, 0, data[at:at + 16]) for at in range(0, len(data), 16)]
    return ("".join(lines) + hex_line(0, 1, b"")).encode()


def ota_record(seq, state, crc=None):
    crc = zlib.crc32(struct.pack("<I", seq), 0xFFFFFFFF) if crc is None else crc
    return (struct.pack("<I", seq) + b"\xff" * 20 + struct.pack("<II", state, crc)).ljust(0x1000, b"\xff")


BLANK = b"\xff" * 0x1000


def littlefs(blocks=16, files=()):
    from littlefs import LittleFS
    fs = LittleFS(block_size=4096, block_count=blocks)
    for name, data in files:
        with fs.open(name, "wb") as f:
            f.write(data)
    return bytes(fs.context.buffer)
