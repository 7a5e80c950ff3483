# HTTP/1.1, GET only, over sockets that never block: who asks decides how long to wait.
import uselect as select
import usocket as socket
import time

E_STATUS, E_RANGE, E_CONNECT, E_TLS, E_STALLED, E_URL = -100, -101, -102, -103, -104, -105
REDIRECTS = 5
SLOWEST = 32  # bytes a second, on an average of timeout_s: below that a transfer is stalled
_KEPT = ("content-length", "content-range", "content-encoding", "transfer-encoding", "location", "etag", "connection")


class Failed(Exception):
    # args: Molt's number, text, and True when another try may help.
    @property
    def again(self):
        return self.args[0] in (E_CONNECT, E_STALLED) or len(self.args) > 2


def split(url):
    # (True for https, host, port, path with query).
    scheme, _, rest = url.partition("#")[0].partition("://")
    at = min([i for i in (rest.find("/"), rest.find("?")) if i >= 0] or [len(rest)])
    host, path = rest[:at], rest[at:]
    if "@" in host:
        raise Failed(E_URL, "%s://...: a user's name in a URL is not supported: put a token into the query" % scheme)
    if host[:1] == "[":
        name, good, port = host[1:].partition("]")
        good = good and port[:1] in ("", ":")
        port = port[1:]
    else:
        name, _, port = host.partition(":")
        good = True
    if port:
        good = good and port.isdigit() and 0 < int(port) < 65536
    if not good or scheme not in ("http", "https") or not name or any(not " " < c < "\x7f" for c in url):
        raise Failed(E_URL, "%s: expected http://HOST/PATH or https://..." % url)
    return scheme == "https", name, int(port or (443 if scheme == "https" else 80)), path if path[:1] == "/" else "/" + path


def joined(base, target):
    # Where a redirect from base leads.
    if "://" not in target.partition("?")[0]:
        scheme, _, rest = base.partition("?")[0].partition("://")
        host, _, path = rest.partition("/")
        if target[:2] == "//":
            target = scheme + ":" + target
        elif target[:1] == "/":
            target = "%s://%s%s" % (scheme, host, target)
        elif target[:1] == "?":
            target = "%s://%s/%s%s" % (scheme, host, path, target)
        else:
            path = path.rsplit("/", 1)[0] + "/" if "/" in path else ""
            while target[:3] == "../" or target[:2] == "./":
                if target[:2] == "..":
                    path = path[:-1].rsplit("/", 1)[0] + "/" if "/" in path[:-1] else ""
                target = target.partition("/")[2]
            target = "%s://%s/%s%s" % (scheme, host, path, target)
    if base[:6] == "https:" and target[:6] != "https:":
        raise Failed(E_URL, "%s redirects from https to %s: refused" % (base, target))
    return target


class Http:
    # One request at a time: ask(), open() until True, then status, length, headers and the body by readinto() or read().
    # With wait_ms they return None when nothing came for so long; without, they wait up to timeout_s and raise Failed.
    def __init__(self, ca=None, timeout_s=30, wait_ms=None):
        self._ca, self._timeout_s, self.wait_ms = ca, timeout_s, wait_ms
        self._buffer = bytearray(1024)
        self._stream = self._sock = self._server = self._context = None
        self._reusable = False
        self.close()

    def close(self):
        for stream in (self._stream, self._sock):
            if stream:
                stream.close()
        self._stream = self._sock = None
        self._lo = self._hi = self._left = 0

    def ask(self, url, first=None, end=None, etag=None):
        # Bytes from first up to end, or all.
        self._extra = "" if first is None else "Range: bytes=%d-%d\r\n" % (first, end - 1)
        if etag:
            self._extra += "If-Range: %s\r\n" % etag
        self._hops, self.url = 0, url
        self._begin()

    def _begin(self):
        secure, name, port, path = self._place = split(self.url)
        self._fresh = not (self._reusable and self._stream and self._server == (secure, name, port))
        if self._fresh:
            self.close()
            self._addresses = None
        if secure and not self._context:
            from ota import _tls

            self._context = _tls.context_for(name, self._ca)
        self._server = secure, name, port
        self._reusable = False
        host = "[%s]" % name if ":" in name else name
        if port != (443 if secure else 80):
            host += ":%d" % port
        from ota import VERSION

        self._out = memoryview((
            "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: molt/%s\r\nAccept-Encoding: identity\r\n%s\r\n"
            % (path, host, VERSION, self._extra)).encode())
        self.status, self.headers, self.length = None, {}, None
        self._chunked, self._lines = False, 0
        self._dry, self._waited, self._came = None, 0, 0
        self._step = self._connect if self._fresh else self._send

    # ---- Waiting ----

    def _pending(self, event):
        # Nothing can be done just now. True: try again; False: nothing came within wait_ms.
        now = time.ticks_ms()
        if self._dry is not None:
            self._waited += time.ticks_diff(now, self._dry)
        self._dry = now
        left = self._timeout_s * 1000 - self._waited
        if left <= 0:
            raise Failed(E_CONNECT if self._step == self._connect else E_STALLED,
                         "%s: %s for %d s" % (self.url, "no connection" if self._step == self._connect else
                                              "no answer" if self._step else "stalled: hardly a byte", self._timeout_s))
        poll = select.poll()
        poll.register(self._sock, event)
        return bool(poll.poll(left if self.wait_ms is None else min(left, self.wait_ms))) or self.wait_ms is None

    def _moved(self, n):
        if self._dry is not None:
            self._waited += time.ticks_diff(time.ticks_ms(), self._dry)
            self._dry = None
        self._came += n
        if self._came >= SLOWEST * self._timeout_s:
            self._came = self._waited = 0

    # ---- Connecting and asking ----

    def begin(self):
        # Sends over a connection that was kept, as far as that needs no waiting; what fails then, open() meets again.
        if not self._fresh and self._step == self._send:
            try:
                self._step()
            except (OSError, Failed):
                pass

    def open(self):
        # True: the head of the answer is there. None: nothing came yet.
        while self._step:
            try:
                if not self._step():
                    return None
            except Failed:
                self.close()
                raise
            except OSError as error:
                if not self._fresh and not self.headers:
                    self.close()  # the server closed the connection that was kept: not a failure yet
                    self._begin()
                    continue
                self.close()
                raise Failed(E_STALLED, "%s: no answer: %s" % (self.url, error))
        return True

    def _connect(self):
        _, name, port, _ = self._place
        error = "no address"
        while True:
            try:
                if self._addresses is None:
                    self._addresses = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)
                if not self._sock:
                    if not self._addresses:
                        raise Failed(E_CONNECT, "%s: cannot connect: %s" % (self.url, error))
                    address = self._addresses.pop(0)
                    self._sock = socket.socket(address[0], socket.SOCK_STREAM)
                    self._sock.setblocking(False)
                    try:
                        self._sock.connect(address[-1])
                    except OSError as failure:
                        if failure.errno not in (115, 119, 36, 11):  # EINPROGRESS as Linux, ESP32 and macOS number it
                            raise
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                ready = poll.poll(0)
                if not ready:
                    if not self._pending(select.POLLOUT):
                        return None
                    continue
                if ready[0][1] & (select.POLLERR | select.POLLHUP):
                    raise OSError("refused, or no such host")
                break
            except OSError as failure:
                error = failure
                self.close()
                if self._addresses is None:
                    self._addresses = []  # the name was not found
        self._stream = self._sock
        if self._place[0]:
            # The handshake comes with the first write, so that waiting for it is ours.
            self._stream = self._context.wrap_socket(self._sock, server_hostname=name, do_handshake_on_connect=False)
        self._step = self._send
        return True

    def _send(self):
        try:
            n = self._stream.write(self._out)
        except (OSError, ValueError) as error:
            if self._place[0] and self._fresh:
                from ota import _tls

                self.close()
                _tls.explain(self._place, self._context, self._timeout_s, error)
            raise
        if n is None:
            return True if self._pending(select.POLLIN if self._place[0] else select.POLLOUT) else None
        self._moved(n)
        self._out = self._out[n:]
        if not len(self._out):
            self._step = self._head
        return True

    # ---- The answer ----

    def _receive(self, view):
        while True:
            n = self._stream.readinto(view)
            if n is not None:
                self._moved(n)
                return n
            if not self._pending(select.POLLIN):
                return None

    def _line(self):
        # One line without its end; None: not whole yet.
        while True:
            held = bytes(memoryview(self._buffer)[self._lo : self._hi])
            at = held.find(b"\n")
            if at >= 0:
                self._lo += at + 1
                return held[:at].rstrip(b"\r")
            if len(held) == len(self._buffer):
                raise Failed(E_STATUS, "%s: the server's answer has a line of over 1 KB" % self.url)
            self._buffer[: len(held)] = held
            self._lo, self._hi = 0, len(held)
            n = self._receive(memoryview(self._buffer)[self._hi :])
            if n is None:
                return None
            if n == 0:
                if not self._fresh and not held and self.status is None:
                    raise OSError("closed")
                raise Failed(E_STALLED, "%s: the connection ended within the server's answer" % self.url)
            self._hi += n

    def _counted(self):
        # Answers before the answer and lines behind the body count too: none may go on for ever.
        self._lines += 1
        if self._lines > 66:
            raise Failed(E_STATUS, "%s: the server's answer has too many headers" % self.url)

    def _head(self):
        line = self._line()
        if line is None:
            return None
        self._counted()
        if self.status is None:
            words = line.split(None, 2)
            if len(words) < 2 or words[0][:7] != b"HTTP/1." or len(words[1]) != 3 or not words[1].isdigit():
                raise Failed(E_STATUS, "%s: the server's answer is not HTTP" % self.url)
            self.status, self._reusable = int(words[1]), words[0] == b"HTTP/1.1"
        elif line:
            name, _, value = line.partition(b":")
            try:
                name, value = name.decode().lower(), value.decode().strip()
                # Control characters (a bare CR) make a value none: an entity tag is sent back (RFC 9110, 5.5).
                if name in _KEPT and min(value or " ") >= " ":
                    self.headers[name] = value
            except UnicodeError:
                raise Failed(E_STATUS, "%s: the server's answer has a header that is no text" % self.url)
        elif 100 <= self.status < 200:
            self.status = None  # the answer itself follows
        else:
            self._answered()
        return True

    def _answered(self):
        if self.status in (301, 302, 303, 307, 308):
            self._hops += 1
            target = self.headers.get("location")
            if not target:
                raise Failed(E_STATUS, "%s: status %d without a place to go to" % (self.url, self.status))
            if self._hops > REDIRECTS:
                raise Failed(E_STATUS, "%s: more than %d redirects" % (self.url, REDIRECTS))
            self.url = joined(self.url, target)
            self.close()
            return self._begin()
        coding = self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length", "")
        if coding not in ("", "identity", "chunked") or (length and not length.isdigit()):
            raise Failed(E_STATUS, "%s: cannot read a body of coding '%s', length '%s'" % (self.url, coding, length))
        self._chunked, self._between = coding == "chunked", False
        if length and not self._chunked:
            self.length = int(length)
        if self.status in (204, 304):
            self.length = 0
        self._left = 0 if self._chunked else self.length
        self._keep = self._reusable and self.headers.get("connection", "").lower() != "close"
        self._reusable = False
        self._step = None
        if self._left == 0 and not self._chunked:
            self._end()

    def _end(self):
        # The whole body was read.
        self._chunked, self._left = False, 0
        self._reusable = self._keep and self._lo == self._hi

    def _chunk(self):
        # The head of the next chunk: True, False when that was the last, None: not there yet.
        while True:
            line = self._line()
            if line is None:
                return None
            if self._between == 2:  # behind the last chunk: lines up to an empty one
                if not line:
                    self._end()
                    return False
                self._counted()
                continue
            if self._between and line:
                raise Failed(E_STATUS, "%s: a chunk of the body is longer than it says" % self.url)
            if self._between:
                self._between = False
                continue
            size = line.partition(b";")[0].strip().lower()
            if not 0 < len(size) < 9 or any(c not in b"0123456789abcdef" for c in size):
                raise Failed(E_STATUS, "%s: the body's chunks have no readable size" % self.url)
            self._left = int(size, 16)
            self._between = True if self._left else 2
            if self._left:
                return True

    def readinto(self, buffer):
        # The count; 0: the body's end; None: nothing came yet. Failed: it ended early, stalled, or is malformed.
        try:
            if self._left == 0:
                more = self._chunk() if self._chunked else False
                if not more:
                    return None if more is None else 0
            n = len(buffer) if self._left is None else min(len(buffer), self._left)
            view = memoryview(buffer)[:n]
            held = min(n, self._hi - self._lo)
            if held:
                view[:held] = memoryview(self._buffer)[self._lo : self._lo + held]
                self._lo += held
                n = held
            elif n:
                n = self._receive(view)
        except Failed:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise Failed(E_STALLED, "%s: %s" % (self.url, error))
        if n == 0 and len(buffer):
            if self._left is None:
                self._left = 0
                return 0
            self.close()
            raise Failed(E_STALLED, "%s: the connection ended early" % self.url)
        if n and self._left is not None:
            self._left -= n
            if self._left == 0 and not self._chunked:
                self._end()
        return n

    def read(self, n):
        data = bytearray(n)
        n = self.readinto(data)
        return None if n is None else bytes(memoryview(data)[:n])


def request(url, first=None, n=0, **options):
    # The answer to a GET, redirects followed: .status, .length (None: unknown), .url, .headers, .readinto, .read, .close.
    http = Http(**options)
    http.ask(url, first, None if first is None else first + n)
    while not http.open():
        pass
    return http


def refused(http):
    # Failed for a status that brings no file.
    words = {404: " (not there)", 401: " (not allowed)", 403: " (not allowed)"}.get(http.status, "")
    code = E_STATUS, "%s: the server answers with status %d%s" % (http.url, http.status, words)
    return Failed(*code, True) if http.status in (408, 429) or http.status >= 500 else Failed(*code)


def getting(http, url, limit, tries=1):
    # A small file, whole: a generator that ends with it, and yields while nothing comes.
    for attempt in range(tries):
        try:
            http.ask(url)
            while not http.open():
                yield
            if http.status != 200:
                raise refused(http)
            if http.headers.get("content-encoding", "identity") != "identity":
                raise Failed(E_RANGE, "%s: sends compressed bytes, which were not asked for" % url)
            data = b""
            while len(data) <= limit:
                piece = http.read(limit + 1 - len(data))
                if piece is None:
                    yield
                elif piece:
                    data += piece
                else:
                    return data
            raise Failed(E_STATUS, "%s: longer than %d bytes" % (url, limit))
        except Failed as failure:
            http.close()
            if not failure.again or attempt + 1 == tries:
                raise
        for _ in pausing(attempt, http.wait_ms):
            yield


def pausing(attempt, wait_ms):
    # Before another try: 0, 1, 2, 4, 8 s; yields while that time passes, or sleeps.
    n = min(1000 << attempt >> 1, 8000)
    if wait_ms is None:
        return time.sleep_ms(n) or ()
    return _passing(time.ticks_add(time.ticks_ms(), n))


def _passing(until):
    while time.ticks_diff(until, time.ticks_ms()) > 0:
        yield


def finished(steps):
    # What a generator ends with.
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def get(url, limit, tries=1, **options):
    http = Http(**options)
    try:
        return finished(getting(http, url, limit, tries))
    finally:
        http.close()
