# The records of the store, byte by byte as docs/spec/store.md has them; kept in esp32.NVS, namespace "molt", or in
# files (_pairs) where there is none.
import ustruct as struct

try:
    from esp32 import NVS
except ImportError:
    NVS = None

UPDATE, FLOOR, KEYS, FAILED, RELEASES, DEVICE, REPORT, STARTS = 1, 2, 3, 4, 5, 6, 7, 8
NONE, INSTALLING, SWITCHING, TRIAL, CONFIRMING, ROLLING_BACK, CONFIRMED, BROKEN = 0, 1, 2, 3, 4, 5, 6, 7
NO_CHUNK, CANDIDATE = 0xFF, 0xFFFFFFFF
_UPDATE = "<BBBBB3xiIII32s"
E_STORE = -20


def get(record):
    if NVS is None:
        from ota import _pairs

        return _pairs.get(record)
    buffer = bytearray(512)
    try:
        n = NVS("molt").get_blob("r%d" % record, buffer)
    except OSError as error:
        if error.errno == -4354:  # ESP_ERR_NVS_NOT_FOUND
            return None
        raise
    return bytes(buffer[:n])


def put(record, data):
    if NVS is None:
        from ota import _pairs

        return _pairs.put(record, data)
    nvs = NVS("molt")
    if data:
        nvs.set_blob("r%d" % record, data)
    elif get(record) is not None:
        nvs.erase_key("r%d" % record)
    nvs.commit()


def _wrong(record):
    from ota import Error

    raise Error(E_STORE, "record %d of the store is damaged, or of another version: erase the store, provision anew (%d)" % (
        record, E_STORE))


def _checked(record, least):
    data = get(record)
    if data is not None and (len(data) < least or data[0] != 1):
        _wrong(record)
    return data


class Update:
    def __init__(self):
        data = _checked(UPDATE, struct.calcsize(_UPDATE)) or bytes(struct.calcsize(_UPDATE))
        (_, self.phase, self.chunk, self.switches, self.boots, self.outcome, self.origin, self.target,
         self.sequence, self.digest) = struct.unpack(_UPDATE, data)

    def save(self):
        put(UPDATE, struct.pack(_UPDATE, 1, self.phase, self.chunk, self.switches, self.boots, self.outcome,
                                self.origin, self.target, self.sequence, self.digest))


def add_failed(digest):
    data = _checked(FAILED, 2) or b"\x01\x00"
    known = [data[i : i + 32] for i in range(2, 2 + 32 * data[1], 32)]
    if digest not in known:
        known = (known + [digest])[-8:]
        put(FAILED, bytes((1, len(known))) + b"".join(known))


def release_of(slot_offset, image_sha256):
    # Digest of the release that belongs to that image in that slot, or None.
    data = _checked(RELEASES, 2) or b"\x01\x00"
    if len(data) != 2 + 68 * data[1]:
        _wrong(RELEASES)
    for at in range(2, 2 + 68 * data[1], 68):
        if data[at : at + 36] == struct.pack("<I", slot_offset) + image_sha256:
            return data[at + 36 : at + 68]
    return None


def device():
    # (board name, device id as bytes); empty when the board was not provisioned.
    data = _checked(DEVICE, 3) or b"\x01\x00\x00"
    n = data[1]
    return data[2 : 2 + n].decode(), data[3 + n : 3 + n + data[2 + n]]
