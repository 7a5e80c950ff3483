# Keys and the device's name, from /ota.json into the store: once, never over what is there. 'molt provision' wrote the
# file where it could not write the store.
import ota
from ota import _store

E_FORMAT = -12
_USES = {"bundles": 1, "channels": 2, "both": 3}


def _fail(text):
    raise ota.Error(E_FORMAT, "/ota.json: " + text)


def _found():
    import ujson as json

    try:
        with open("/ota.json") as file:
            text = file.read()
        found = json.loads(text)
    except OSError as error:
        if error.errno == 2:
            return {}
        raise
    except ValueError:
        _fail("not JSON")
    for pair in ("{}", "[]"):
        if text.count(pair[0]) != text.count(pair[1]):  # MicroPython's parser does not mind
            _fail("not JSON: cut short")
    if not isinstance(found, dict):
        _fail("expected an object")
    return found


def _keys(rows):
    from ubinascii import unhexlify

    if not isinstance(rows, list) or not 0 < len(rows) <= 4:
        _fail("keys: expected a list of 1 to 4")
    data = bytes((1, len(rows)))
    for i, row in enumerate(rows):
        try:
            use, text = _USES[row["use"]], row["key"]
            key = unhexlify(text)
        except (KeyError, TypeError, ValueError):
            _fail('keys[%d]: expected {"use": "bundles", "channels" or "both", "key": 128 hex digits}' % i)
        if len(key) != 64:
            _fail("keys[%d]: expected 128 hex digits, found %d" % (i, len(text)))
        data += bytes((use,)) + key
    return data


def _text(found, name, most):
    text = found.get(name, "")
    if not isinstance(text, str) or len(text.encode()) > most:
        _fail("%s: expected text of at most %d bytes" % (name, most))
    return text.encode()


def _device(found):
    board, number = _text(found, "board", 31), _text(found, "id", 64)
    if not number:
        import machine
        from ubinascii import hexlify

        number = hexlify(machine.unique_id()) if hasattr(machine, "unique_id") else b""
    return bytes((1, len(board))) + board + bytes((len(number),)) + number


def take():
    wanted = [record for record in (_store.KEYS, _store.DEVICE) if _store.get(record) is None]
    if not wanted:
        return
    found = _found()
    if not found:
        return
    records = []  # all is checked before anything is stored
    if _store.KEYS in wanted and "keys" in found:
        records.append((_store.KEYS, _keys(found["keys"])))
    if _store.DEVICE in wanted:
        records.append((_store.DEVICE, _device(found)))
    for record, data in records:
        _store.put(record, data)
