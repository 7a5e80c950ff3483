# The records where there is no NVS: two files each, /.molt/rN.a and .b, written in turn (docs/spec/store.md). No
# rename: on FAT that deletes first. The C side of this is engine/filestore.c.
import uos as os
import ustruct as struct
from binascii import crc32

_HEAD = "<IIII"  # counter, length, record, CRC-32 of these three and the data


def _path(record, copy):
    return "/.molt/r%d.%s" % (record, "ab"[copy])


def _newest(record):
    # (copy that counts, or -1; its counter; its data)
    found, highest, content = -1, 0, b""
    for copy in range(2):
        try:
            with open(_path(record, copy), "rb") as file:
                data = file.read(528)
        except OSError as error:
            if error.errno != 2:
                raise  # not "nothing there": an older record would come up again
            continue
        if len(data) < 16:
            continue
        counter, n, number, crc = struct.unpack(_HEAD, data)
        if n != len(data) - 16 or number != record or crc != crc32(data[16:], crc32(data[:12])):
            continue
        if found < 0 or counter > highest:
            found, highest, content = copy, counter, data[16:]
    return found, highest, content


def get(record):
    return _newest(record)[2] or None  # no data: removed


def put(record, data):
    copy, counter, old = _newest(record)
    if not data and not old:
        return
    try:
        os.mkdir("/.molt")
    except OSError:
        pass  # there already; else open() tells
    head = struct.pack("<III", counter + 1, len(data), record)
    with open(_path(record, 1 if copy == 0 else 0), "wb") as file:
        file.write(head + struct.pack("<I", crc32(data, crc32(head))) + data)
