# Where the engine reads a bundle from: the web, or a file on the device. read() gives the count, None when nothing came
# yet, or a negative number whose text is in .failure.
import time

from ota import _http

E_IO, E_NOT_FOUND, E_CHANGED, E_RANGE, E_STALLED = -3, -5, -91, -101, -104
SKIP = 4096  # a gap that is read over rather than asked around
Failed = _http.Failed


class File:
    requests, failure = 0, None

    def __init__(self, path):
        try:
            self._file = open(path, "rb")
        except OSError as error:
            raise Failed(E_NOT_FOUND, "%s: cannot be opened: %s" % (path, error))

    def close(self):
        self._file.close()

    def info(self):
        return self._file.seek(0, 2)

    def expect(self, offset, n):
        return 0

    def read(self, offset, buffer):
        try:
            self._file.seek(offset)
            return self._file.readinto(buffer)
        except OSError as error:
            self.failure = Failed(E_IO, "the bundle's file: %s" % error)
            return E_IO


class Web:
    # By ranges, each as long as expect() says, over one connection while the server keeps it. A server without ranges
    # is read from the start, what is not wanted dropped. What length and entity tag say must stay the same.
    def __init__(self, url, tries=5, http=None, **options):
        self._http, self._url, self._tries = http or _http.Http(**options), url, tries
        self._total = self._etag = None
        self._open = self._asked = self._whole = False
        self._at = self._end = self._since = self._failures = 0
        self._wanted = 0, 0
        self._pause = None
        self.requests, self.failure = 0, None

    def close(self):
        self._open = self._asked = False
        self._http.close()

    def info(self):
        return self._total or 0

    def expect(self, offset, n):
        # Asked for at once when the connection is there: the answer comes while the flash is erased.
        self._wanted = offset, offset + n
        if self._total and not self._asked and not self._pause and offset < self._total and not self._reaches(offset):
            self._ask(offset, n)
            self._http.begin()
        return 0

    def read(self, offset, buffer):
        while True:
            try:
                if self._pause:
                    for _ in self._pause:
                        return None
                    self._pause = None
                return self._read(offset, buffer)
            except Failed as failure:
                self.failure = failure
                self.close()
                if self._since > 1024:
                    self._failures = 0  # that try brought something
                self._since = 0
                self._failures += 1
                if not failure.again or self._failures >= self._tries:
                    return failure.args[0]
                self._pause = _http.pausing(self._failures, self._http.wait_ms)

    def _read(self, offset, buffer):
        while True:
            if self._total is not None and offset >= self._total:
                return 0
            if not self._reaches(offset) and not self._opened(offset, len(buffer)):
                return None
            if not self._reaches(offset):
                raise Failed(E_RANGE, "%s: answered without the byte at %d" % (self._url, offset))
            gap = min(offset - self._at, 512)
            n = self._http.readinto(memoryview(bytearray(gap)) if gap else buffer)
            if n is None:
                return None
            if n == 0:
                self._open = False
                if self._whole and self._total is None:
                    self._total = self._at
                    continue
                raise Failed(E_STALLED, "%s: the connection ended at byte %d" % (self._url, self._at))
            self._at += n
            self._since += n
            if not gap:
                return n
            if self._http.wait_ms is not None and not self._at & 0x1FFF:
                return None  # who must not be held up long gets a turn

    def _reaches(self, offset):
        return self._open and self._at <= offset and (
            self._end is None or offset < self._end) and (self._whole or offset - self._at <= SKIP)

    def _ask(self, offset, n):
        http = self._http
        first, end = self._wanted
        end = end if first <= offset < end else offset + n
        if self._total is not None:
            end = min(end, self._total)
        self._first, self._last = offset, end
        self._open = False
        if self._at != self._end and self.requests:
            http.close()  # what is left of the last answer is not worth reading
        # Only a strong entity tag may stand in If-Range (RFC 9110, 13.1.5).
        http.ask(self._url, offset, end, self._etag if self._etag and self._etag[0] == '"' else None)
        self._asked = True
        self.requests += 1

    def _opened(self, offset, n):
        # None: no answer yet.
        http = self._http
        if self._asked and not self._first <= offset < self._last:
            self.close()  # something else was expected
        if not self._asked:
            self._ask(offset, n)
        if not http.open():
            return None
        self._asked = False
        if http.headers.get("content-encoding", "identity") != "identity":
            raise Failed(E_RANGE, "%s: sends compressed bytes, which were not asked for" % self._url)
        if http.status == 206:
            self._part(http)
        elif http.status == 200:
            self._all(http)
        elif http.status == 416:
            raise Failed(E_CHANGED if self._total else E_RANGE, "%s: has no bytes from %d on (status 416)" % (self._url, offset))
        else:
            raise _http.refused(http)
        self._open = True
        return True

    def _same(self, total, etag):
        if self._total is None:
            self._total = total
        if self._etag is None:
            self._etag = etag
        if total not in (None, self._total) or etag not in (None, self._etag):
            raise Failed(E_CHANGED, "%s: the file changed on the server during the download: start again" % self._url)

    def _part(self, http):
        text = http.headers.get("content-range", "")
        try:
            unit, _, rest = text.partition(" ")
            place, _, total = rest.partition("/")
            first, _, last = place.partition("-")
            first, last = int(first), int(last)
            total = None if total == "*" else int(total)
            if unit.lower() != "bytes" or last < first or (total is not None and last >= total):
                raise ValueError
        except ValueError:
            raise Failed(E_RANGE, "%s: answered a range without saying which ('%s')" % (self._url, text))
        if first != self._first or last >= self._last or http.length not in (None, last - first + 1):
            raise Failed(E_RANGE, "%s: answered with bytes %d to %d, expected %d to %d" % (
                self._url, first, last, self._first, self._last - 1))
        self._same(total, http.headers.get("etag"))
        self._at, self._end, self._whole = first, last + 1, False

    def _all(self, http):
        # The server knows no ranges, or the file is another one now (If-Range).
        self._same(None, http.headers.get("etag"))
        if http.length is not None and http.length != self._total and http.length == self._last - self._first:
            raise Failed(E_RANGE, "%s: answered a range with status 200 and %d bytes, expected status 206" % (
                self._url, http.length))
        self._same(http.length, None)
        self._at, self._end, self._whole = 0, http.length, True
