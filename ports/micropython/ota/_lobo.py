# LoBo's calls: an app image, or a bundle, from a server or a file. Nothing is erased before all that can be known is.
import uhashlib as hashlib
from ubinascii import hexlify

import ota
from ota import _host, _http, _source, _store, _update
from ota._update import fail

PATIENCE = {"timeout_s": 30, "tries": 5}  # with a server; for the application to change
_WORDS = {-2: "the factory slot runs", -66: "no factory slot", -36: "ends too early",
          -37: "a merged firmware file: send the app image (.app-bin) or a bundle",
          -80: "larger than the slot"}


def address(url, file="/MicroPython.bin", port=80, secure=None):
    # A bare host, with or without path, is http, with a certificate https.
    if not url:
        fail(-105, "no address given")
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "https" if secure else "http", url
    elif secure and scheme != "https":
        fail(-105, url + ": a certificate needs https")
    host, _, path = rest.partition("/")
    if int(port) != 80 and ":" not in host:
        host += ":%s" % port
    return "%s://%s/%s" % (scheme, host, path or file.lstrip("/"))


def web(url, ca=None, timeout=None):
    options = dict(PATIENCE)
    if timeout:
        options["timeout_s"] = timeout
    return _source.Web(url, ca=ca or _update.settings().get("ca"), **options)


def pieces(source, most, size):
    # The bytes from the start, until there are so many.
    at, buffer = 0, bytearray(size)
    while at < most:
        n = source.read(at, buffer)
        if n:
            if n < 0:
                raise source.failure
            yield memoryview(buffer)[:n]
            at += n
        elif n == 0:
            break


def _start_of(source, most, size):
    return b"".join(bytes(piece) for piece in pieces(source, most, size))


def text_of(source, most=512):
    data = _start_of(source, most, most)
    source.close()
    return data


def _md5_in(text, name):
    # As md5sum and others print it: the first word of 32 hex digits.
    for word in text.lower().split():
        if len(word) == 32 and not word.strip(b"0123456789abcdef"):
            return word.decode()
    fail(-35, name + ".md5: no MD5 in it")


class _Hashed:
    # What comes in another order, or to another sum than [(algorithm, hex digits, error)], is not switched to.
    def __init__(self, source, n, sums):
        self.n, self.sums, self.at = n, sums, 0
        self.info, self.expect, self.source = source.info, source.expect, source
        self.hashes = [getattr(hashlib, row[0])() for row in sums]

    def read(self, offset, buffer):
        n = self.source.read(offset, buffer)
        self.failure = self.source.failure
        if n and n > 0:
            if offset != self.at:
                return -3
            self.at += n
            for i, (name, digits, code) in enumerate(self.sums):
                self.hashes[i].update(memoryview(buffer)[:n])
                if self.at == self.n:
                    found = hexlify(self.hashes[i].digest()).decode()
                    if found != digits:
                        self.failure = ota.Error(code, "expected %s %s, found %s" % (name, digits, found))
                        return code
        return n


def installing(name, source, md5=None, sha="", length=0, factory=False, quiet=False):
    # Generator: as _update.steps(); nothing is switched before "switch" came. Ends with the number of bytes, or with 0:
    # that bundle runs here already. md5(): a source of the sum's file, or None.
    _update.lock()
    try:
        place = _update.room()
        host = _update.host_of(source)
        host.expect, host.retry_failed, host.image, host.target = None, False, None, -1 if factory else None
        if _start_of(source, 4, 24)[:4] != b"MOLT":
            _prepare(host, name, source, md5, sha.lower(), length)
        engine = _host.engine()
        state = _update.opened(engine, host, place)
        tell = _update._told(None, quiet)
        for now in _update.steps(engine, state, host):
            tell(now[0], now[1], "write" if now[0] else "")
            yield now
        update = _store.Update()
        print("ota: installed: %s next, on trial: without ota.confirm() the restart after goes back" % (
            "its files" if update.target == update.origin else label_of(update.target)))
        return now[1]
    except ota.Error as error:
        code = error.errno
        if code == -92:
            print("ota: this bundle runs here already")
            return 0
        if code in _WORDS and (host.image or factory):
            fail(code, "%s: %s" % (name, _WORDS[code]))
        raise
    finally:
        _update.unlock()  # first: closing may fail
        source.close()


def _prepare(host, name, source, md5, sha, length):
    if not ota.allow_unsigned and _update.settings().get("allow_unsigned") is not True:
        fail(-18, name + " is not signed: refused. Send a bundle, or set ota.allow_unsigned (also in /ota.json)")
    print("ota: warning: %s is not signed" % name)
    sums, code = [], -35
    text = md5 and md5()
    if text:
        sums.append(("md5", _md5_in(text_of(text), name), code))
    n = source.info()
    if not n:
        print("ota: no size: reading twice")
        digest, most = hashlib.sha256(), max(row[2] for row in host.slots)
        n = 0
        for piece in pieces(source, most + 1, 2048):
            digest.update(piece)
            n += len(piece)
        if not sha:
            sha, code = hexlify(digest.digest()).decode(), -91
    if sha:
        sums.append(("sha256", sha, code))
    if length and length != n:
        fail(-2, "%s: expected %d, found %d bytes" % (name, length, n))
    host.image, host.source = n, _Hashed(source, n, sums)


def label_of(offset):
    from ota._slots import Partition

    if Partition is None:
        return "firmware"
    for part in Partition.find(Partition.TYPE_APP):
        if part.info()[2] == offset:
            return part.info()[4]


def switch(number):
    # That slot boots next, on trial; the running one: a switch that no restart followed yet is taken back.
    _update.lock()
    try:
        host, engine, code = _update.host_of(), _host.engine(), 0
        if number != host.running:
            code = engine.switch(host, number)
            text = "restart begins a trial"
        else:
            text = "what runs stays"
            update = _store.Update()
            if update.phase == _store.SWITCHING and update.target != update.origin:
                update.phase = _store.ROLLING_BACK
                update.save()
                code = engine.boot(host)
        if code:
            fail(code)
        print("ota:", text)
        return True
    finally:
        _update.unlock()


def _told(restart, work):
    # True or False, and why is printed.
    try:
        done = bool(work())
    except Exception as error:
        print("ota:", error.args[1] if len(error.args) > 1 else error)
        return False
    if done and restart:
        import machine

        machine.reset()
    return done


def start(url=None, *, server=None, file="/MicroPython.bin", port=80, restart=False, md5=False, forceFactory=False,
          certificate=None):
    def work():
        where = address(url or server, file, port, certificate)
        path, mark, query = where.partition("?")
        beside = md5 and (lambda: web(path + ".md5" + mark + query, certificate))
        return _http.finished(installing(where, web(where, certificate), beside, factory=forceFactory))

    return _told(restart, work)


def fromfile(file, restart=False, *, forceFactory=False):
    def beside():
        try:
            return _source.File(file + ".md5")
        except _http.Failed:
            pass

    return _told(restart, lambda: _http.finished(installing(file, _source.File(file), beside, factory=forceFactory)))


def set_bootpart(name):
    def work():
        for number, offset, _ in _host.host().slots:
            if label_of(offset) == name:
                return switch(number)
        fail(-5, "no slot is called " + name)

    return _told(False, work)
