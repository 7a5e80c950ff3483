# HTTP/1.1 over plain sockets: one request for each range that the engine is about to read.
import socket
import time

E_CONNECT, E_TLS, E_STALLED, E_STATUS, E_RANGE, E_URL, E_CHANGED = -102, -103, -104, -100, -101, -105, -91
REDIRECTS = 5


class Failed(Exception):
    pass  # args[0]: Molt's number, args[1]: text


def _split(url):
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    name, _, port = host.partition(":")
    if scheme not in ("http", "https") or not name or (port and not port.isdigit()):
        raise Failed(E_URL, "%s: expected http://HOST/PATH or https://..." % url)
    return scheme == "https", name, int(port or (443 if scheme == "https" else 80)), "/" + path


def _connect(url, ca, timeout_s):
    secure, name, port, path = _split(url)
    stream = None
    try:
        stream = socket.socket()
        try:
            stream.settimeout(timeout_s)
        except AttributeError:
            pass  # not every port's sockets have it
        stream.connect(socket.getaddrinfo(name, port)[0][-1])
    except OSError as error:
        if stream:
            stream.close()  # devices have few
        raise Failed(E_CONNECT, "%s:%d: cannot connect: %s" % (name, port, error))
    if secure:
        import tls

        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
        try:
            if ca:
                context.load_verify_locations(ca)
            stream = context.wrap_socket(stream, server_hostname=name)
        except (OSError, ValueError) as error:
            stream.close()
            raise Failed(E_TLS, "%s: %s (is the clock set? is ca the right certificate?)" % (name, error))
    return stream, name if port == (443 if secure else 80) else "%s:%d" % (name, port), path


def request(url, first=None, n=0, ca=None, timeout_s=30):
    # (stream, status, headers in lower case) behind redirects; the stream stands at the body.
    for _ in range(REDIRECTS + 1):
        stream, host, path = _connect(url, ca, timeout_s)
        try:
            text = "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: molt\r\nConnection: close\r\n" % (path, host)
            if first is not None:
                text += "Range: bytes=%d-%d\r\n" % (first, first + n - 1)
            stream.write((text + "\r\n").encode())
            status, headers = _head(stream)
        except OSError as error:
            stream.close()
            raise Failed(E_STALLED, "%s: no answer: %s" % (host, error))
        except Failed:
            stream.close()
            raise
        if status not in (301, 302, 303, 307, 308):
            return stream, status, headers
        stream.close()
        target = headers.get("location", "")
        if url.startswith("https:") and target.startswith("http:"):
            raise Failed(E_URL, "%s: redirects from https to %s: refused" % (host, target))
        if "://" not in target:
            target = url.split("/", 3)[0] + "//" + host + (target if target[:1] == "/" else "/" + target)
        url = target
    raise Failed(E_STATUS, "%s: more than %d redirects" % (host, REDIRECTS))


def _line(stream):
    line = stream.readline(1024)
    if line[-1:] != b"\n":
        if len(line) == 1024:
            raise Failed(E_STATUS, "the server's answer has a line of over 1 KB")
        raise Failed(E_STALLED, "the connection ended within the server's answer")
    return line.strip()


def _head(stream):
    words = _line(stream).split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Failed(E_STATUS, "the server's answer is not HTTP")
    headers = {}
    for _ in range(64):
        line = _line(stream)
        if not line:
            return int(words[1]), headers
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name in (b"content-range", b"location"):
            try:
                headers[name.decode()] = value.strip().decode()
            except UnicodeError:
                raise Failed(E_STATUS, "the server's answer has a header that is no text")
    raise Failed(E_STATUS, "the server's answer has too many headers")


def get(url, limit, tries=1, **options):
    # A small file, whole.
    stream, status, headers = request(url, **options)
    try:
        if status != 200:
            raise Failed(E_STATUS, "%s: the server answers %d" % (url, status))
        data = b""
        while len(data) <= limit:
            piece = stream.read(limit + 1 - len(data))
            if not piece:
                return data
            data += piece
        raise Failed(E_STATUS, "%s: longer than %d bytes" % (url, limit))
    except OSError as error:
        raise Failed(E_STALLED, "%s: %s" % (url, error))
    finally:
        stream.close()


class Source:
    # The engine's source. Asks for the range that expect() names and reads it in order; goes on after a lost
    # connection. A server that ignores ranges is read from the start, over one connection, what is not wanted dropped.
    def __init__(self, url, tries=5, pause_s=1, **options):
        self._url, self._tries, self._pause_s, self._options = url, tries, pause_s, options
        self._stream, self._at, self._whole, self._total = None, 0, False, None
        self._wanted = (0, 0)
        self.requests, self.failure = 0, None

    def close(self):
        if self._stream:
            self._stream.close()
            self._stream = None

    def _open(self, offset, n):
        self.close()
        self.requests += 1
        stream, status, headers = request(self._url, offset, n, **self._options)
        try:
            if status == 416:
                raise Failed(E_CHANGED, "%s: ends before byte %d" % (self._url, offset))
            if status not in (200, 206):
                raise Failed(E_STATUS, "%s: the server answers %d" % (self._url, status))
            if status == 206:
                self._range(headers.get("content-range", ""), offset)
        except Failed:
            stream.close()
            raise
        self._stream, self._whole = stream, status == 200
        self._at = 0 if self._whole else offset

    def _range(self, text, offset):
        try:
            place, _, total = text.split(None, 1)[1].partition("/")
            first = int(place.split("-")[0])
        except (IndexError, ValueError):
            raise Failed(E_RANGE, "%s: cannot read 'Content-Range: %s'" % (self._url, text))
        if first != offset:
            raise Failed(E_RANGE, "%s: asked for byte %d, got byte %d" % (self._url, offset, first))
        if total != "*" and self._total not in (None, total):
            raise Failed(E_CHANGED, "%s: changed during the download" % self._url)
        self._total = total

    def info(self):
        return 0

    def expect(self, offset, n):
        if not self._whole:
            self.close()
        self._wanted = (offset, offset + n)
        return 0

    def _stand_at(self, offset, n):
        # The stream stands at offset.
        if not self._stream or (offset < self._at if self._whole else offset != self._at):
            first, end = self._wanted
            self._open(offset, end - offset if first <= offset < end else n)
        while self._at < offset:
            dropped = len(self._stream.read(min(1024, offset - self._at)) or b"")
            if not dropped:
                raise Failed(E_STALLED, "%s: the connection ended early" % self._url)
            self._at += dropped

    def read(self, offset, buffer):
        # The count, or a negative number; the text is kept in .failure.
        for attempt in range(self._tries):
            try:
                self._stand_at(offset, len(buffer))
                n = self._stream.readinto(buffer)
                if n:
                    self._at += n
                    return n
                self.failure = Failed(E_STALLED, "%s: the connection ended early" % self._url)
            except Failed as failure:
                self.failure = failure
                if failure.args[0] not in (E_CONNECT, E_STALLED):
                    break
            except OSError as error:
                self.failure = Failed(E_STALLED, "%s: %s" % (self._url, error))
            self.close()
            time.sleep(self._pause_s * attempt)
        return self.failure.args[0]
