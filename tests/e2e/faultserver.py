#!/usr/bin/env python3
"""A local HTTP(S) server that serves a folder, well or with one fault.

The first part of a path names the fault, so that a base URL carries it:  http://127.0.0.1:PORT/short=1000,times=2/channels/stable
  ok                     as it should be: ranges, entity tags, dates
  norange                200 and the whole file, whatever was asked for
  status=N               that status
  redirect=N             N redirects to the file; loop: redirects for ever; elsewhere=URL: redirects to that URL (escaped)
  short=N                N bytes of the body, then the connection ends
  stall=N                N bytes of the body, then nothing more
  drip                   a byte every 50 ms
  slow=N                 N bytes a second
  reset                  the connection ends without an answer
  cuthead=N              N bytes of an answer's head, then the connection ends
  changed                the file is another one: other bytes, other entity tag; quiet: without tags and dates, other length
  badrange=KIND          shifted, missing, garbage, beyond (more than asked for), part200 (the range, as status 200), total (another length)
  chunked                Transfer-Encoding: chunked, no Content-Length; chunkedplain: so, and without ranges
  damage=N               bit 0 of the file's byte N is another one
  encoded                says Content-Encoding: gzip
  http10                 HTTP/1.0, without ranges; unsized: a body that ends with the connection; close: ends it after each answer
  oddtag                 the entity tag has a bare CR in it
  hello                  "100 Continue" goes before the answer
  nowhere                a redirect without Location; mute: no answer ever
  nohttp, longhead, manyheads, binhead, badlength    an answer that is not HTTP, or whose head breaks a limit
  badchunk=KIND          size (unreadable), long (more than it says), cut (ends without the last chunk)
  oversize               the file, and 4 KB more; page: a page for people, status 200
Further words, after commas: times=N (only the first N requests have it), after=N (the first N have not), only=TEXT (paths that
hold TEXT), tag=TEXT (counts apart from others).

faultserver.py FOLDER [--tls good|wrongname|expired|future|untrusted|selfsigned --keys FOLDER]   prints its port, serves until standard input ends.
"""
import hashlib
import http.server
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse


class Fault:
    def __init__(self, spec):
        words = dict((word.split("=", 1) + [""])[:2] for word in spec.split(","))
        self.kind = spec.split(",")[0].split("=", 1)[0]
        self.value = words[self.kind]
        self.times = int(words.get("times", 1 << 30))
        self.after = int(words.get("after", 0))
        self.only = words.get("only", "")
        self.spec = spec


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0
    disable_nagle_algorithm = True  # head and body are two writes: else each answer waits 40 ms for the client's ACK

    def log_message(self, *_):
        pass

    def fault(self, spec, path):
        """The fault that holds for this request; None: none."""
        fault = Fault(spec)
        if fault.only not in path:
            return None
        with self.server.lock:
            count = self.server.counts[spec] = self.server.counts.get(spec, 0) + 1
        return fault if fault.after < count <= fault.after + fault.times else None

    def do_GET(self):
        spec, _, path = urllib.parse.unquote(self.path).lstrip("/").partition("/")
        fault = self.fault(spec, path)
        with self.server.lock:
            self.server.log.append((path, self.headers.get("Range"), self.headers.get("If-Range"), fault and fault.kind))
        file = self.server.folder / path
        if ".." in path or not file.is_file():
            return self.plain(404)
        data = file.read_bytes()
        kind = fault.kind if fault else "ok"
        special = getattr(self, "fault_" + kind, None)
        if special:
            return special(fault, data, path)
        self.answer(fault, kind, data)

    # ---- faults that need no file ----

    def plain(self, status, location=None):
        body = b"no\n"
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fault_status(self, fault, data, path):
        self.plain(int(fault.value))

    def fault_redirect(self, fault, data, path):
        left = int(fault.value) - 1
        self.plain(302, "/%s/%s" % ("redirect=%d" % left if left > 0 else "ok", path))

    def fault_loop(self, fault, data, path):
        self.plain(307, self.path)

    def fault_elsewhere(self, fault, data, path):
        self.plain(301, fault.value.replace("|", "/") + "/" + path)

    def fault_reset(self, fault, data, path):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def fault_cuthead(self, fault, data, path):
        self.wfile.write(b"HTTP/1.1 206 Partial Content\r\nContent-Type: application/oct"[:int(fault.value)])
        self.close_connection = True

    def fault_nowhere(self, fault, data, path):
        self.plain(302)

    def fault_mute(self, fault, data, path):
        self.server.stopping.wait()
        self.close_connection = True

    def head(self, text, body=b""):
        self.wfile.write(text + b"\r\n" + body)
        self.close_connection = True

    def fault_nohttp(self, fault, data, path):
        self.head(b"SSH-2.0-OpenSSH_9.2p1\r\n")

    def fault_longhead(self, fault, data, path):
        self.head(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000 + b"\r\n", data)

    def fault_manyheads(self, fault, data, path):
        self.head(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, data)

    def fault_binhead(self, fault, data, path):
        self.head(b"HTTP/1.1 200 OK\r\nETag: \xff\xfe\r\n", data)

    def fault_badlength(self, fault, data, path):
        self.head(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n", data)

    def fault_badchunk(self, fault, data, path):
        body = {"size": b"0x7\r\n", "long": b"5\r\n" + data[:9] + b"\r\n", "cut": b"5\r\n" + data[:5] + b"\r\n"}
        self.head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", body[fault.value])

    def fault_page(self, fault, data, path):
        page = b"<html>Sign in to this network</html>"
        self.head(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(page), page)

    def fault_http10(self, fault, data, path):
        self.head(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n" % len(data), data)

    def fault_unsized(self, fault, data, path):
        self.head(b"HTTP/1.1 200 OK\r\n", data)

    # ---- the file ----

    def range_of(self, total):
        """(first, last) asked for, or None. Unsatisfiable: (total, total)."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return None
        first = int(asked[1])
        last = min(int(asked[2]) if asked[2] else total - 1, total - 1)
        return (first, last) if first < total else (total, total)

    def answer(self, fault, kind, data):
        if kind == "changed":
            data = bytes(b ^ 0x55 for b in data)
        elif kind == "quiet":
            data = data + b"more"
        elif kind == "oversize":
            data = data + bytes(4096)
        elif kind == "damage":
            at = int(fault.value)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        tag = '"%s"' % ("odd\rtag" if kind == "oddtag" else hashlib.sha256(data).hexdigest()[:16])
        asked = self.range_of(len(data))
        if self.headers.get("If-Range") not in (None, tag) or kind in ("norange", "chunkedplain"):
            asked = None
        if asked and asked[0] == len(data):
            self.send_response(416)
            self.send_header("Content-Range", "bytes */%d" % len(data))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        first, last = asked or (0, len(data) - 1)
        status, total = 206 if asked else 200, len(data)
        if kind == "badrange" and asked:
            first, last, total, status = self.bad_range(fault, first, last, total)
        body = data[first:last + 1]
        if kind == "hello":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.send_response(status)
        if kind == "close":
            self.send_header("Connection", "close")
        if status == 206:
            self.content_range(fault, kind, first, last, total)
        if kind != "quiet":
            self.send_header("ETag", tag)
        if kind == "encoded":
            self.send_header("Content-Encoding", "gzip")
        if kind.startswith("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            return self.chunks(body)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.body(fault, kind, body)

    def bad_range(self, fault, first, last, total):
        if fault.value == "shifted":
            return first + 1, min(last + 1, total - 1), total, 206
        if fault.value == "beyond":
            return first, min(last + 16, total - 1), total, 206
        if fault.value == "part200":
            return first, last, total, 200
        return first, last, total + 1 if fault.value == "total" else total, 206

    def content_range(self, fault, kind, first, last, total):
        if kind == "badrange" and fault.value == "missing":
            return
        if kind == "badrange" and fault.value == "garbage":
            return self.send_header("Content-Range", "bytes 7-3/x")
        self.send_header("Content-Range", "bytes %d-%d/%d" % (first, last, total))

    def chunks(self, body):
        for at in range(0, len(body), 3000):
            piece = body[at:at + 3000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def body(self, fault, kind, body):
        if kind in ("short", "stall"):
            self.wfile.write(body[:int(fault.value)])
            if kind == "stall":
                self.server.stopping.wait()
            self.close_connection = True
        elif kind == "drip":
            for at in range(len(body)):
                self.wfile.write(body[at:at + 1])
                if self.server.stopping.wait(0.05):
                    break
        elif kind == "slow":
            step = max(1, int(fault.value) // 50)
            for at in range(0, len(body), step):
                self.wfile.write(body[at:at + step])
                time.sleep(0.02)
        else:
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = pathlib.Path(folder)
        self.lock, self.counts, self.log = threading.Lock(), {}, []
        self.stopping = threading.Event()
        self.context, self.connections = context, 0
        self.port = self.server_address[1]
        scheme = "https://localhost" if context else "http://127.0.0.1"
        self.base = "%s:%d/" % (scheme, self.port)

    def finish_request(self, request, address):
        with self.lock:
            self.connections += 1
        if self.context:  # in the connection's own thread: a client that never shakes hands holds up nobody
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        pass  # clients hang up in the middle: that is what the tests are about

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.shutdown()
        self.server_close()


# ---- Certificates, by the openssl command ----

def openssl(*words, folder):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key",
            "-out", name + ".pem", "-days", "30", "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE",
            folder=folder)


def make_certificate(folder, kind):
    """A server certificate of that kind, and ca.pem that a client may trust. Returns the TLS context."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    host = "elsewhere.example" if kind == "wrongname" else "localhost"
    dates = {"expired": ("20200101000000Z", "20200201000000Z"), "future": ("20980101000000Z", "20990101000000Z")}.get(
        kind, ("20200101000000Z", "20990101000000Z"))
    if not (folder / "ca.pem").exists():
        make_authority(folder, "ca")
        make_authority(folder, "other")
    signer = "other" if kind == "untrusted" else "ca"
    if kind == "selfsigned":
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", kind + ".key",
                "-out", kind + ".pem", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                folder=folder)
        return server_context(folder, kind)
    (folder / "index.txt").write_text("")
    (folder / (kind + ".cnf")).write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:%s\n" % host)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", kind + ".key",
            "-out", kind + ".csr", "-subj", "/CN=" + host, folder=folder)
    openssl("ca", "-batch", "-notext", "-config", kind + ".cnf", "-cert", signer + ".pem", "-keyfile", signer + ".key",
            "-startdate", dates[0], "-enddate", dates[1], "-in", kind + ".csr", "-out", kind + ".pem", folder=folder)
    return server_context(folder, kind)


def server_context(folder, kind):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / (kind + ".pem"), folder / (kind + ".key"))
    return context


def main():
    folder, context = sys.argv[1], None
    if len(sys.argv) > 2:
        context = make_certificate(sys.argv[5], sys.argv[3])
    with Server(folder, context) as server:
        print(server.port, flush=True)
        sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
