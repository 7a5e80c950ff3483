# TLS: the server's certificate is always checked, and why it was refused is told.
import usocket as socket
import time

E_NOT_FOUND, E_TLS, E_CONNECT = -5, -103, -102


def _authority(ca):
    # The bytes of a certificate: given, or read from a file.
    if isinstance(ca, str) and ca[:5] != "-----":
        try:
            with open(ca, "rb") as file:
                return file.read()
        except OSError as error:
            raise _failed("ca: %s cannot be read: %s" % (ca, error), E_NOT_FOUND)
    return ca.encode() if isinstance(ca, str) else bytes(ca)


def _failed(text, code=E_TLS, *more):
    from ota import _http

    return _http.Failed(code, text, *more)


def context_for(name, ca):
    if not ca:
        raise _failed("%s: https needs ca=, the path of the authority's certificate (PEM or DER) on this device, or "
                      "\"ca\" in /ota.json: this firmware knows no authorities" % name)
    try:
        import tls
    except ImportError:
        raise _failed("%s: this firmware has no TLS" % name)
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    try:
        context.load_verify_locations(_authority(ca))
    except (OSError, ValueError) as error:
        raise _failed("ca: not a certificate in PEM or DER: %s" % error)
    return context


def clock_set():
    return time.gmtime()[0] >= 2025


def explain(place, context, timeout_s, error):
    # Raises Failed with the cause. Only a handshake that blocks tells it: once more, then, with a server that answered.
    _, name, port, _ = place
    text, sock = str(error), None
    try:
        address = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        if hasattr(sock, "settimeout"):
            sock.settimeout(timeout_s)
        sock.connect(address[-1])
        context.wrap_socket(sock, server_hostname=name).close()
    except (OSError, ValueError) as why:
        text = str(why)
    finally:
        if sock:
            sock.close()
    low = text.lower()
    words = None
    if ("future" in low or "expired" in low) and not clock_set():
        words = ("this device's clock is not set (it says %d), so no certificate is valid yet: import ntptime; "
                 "ntptime.settime()" % time.gmtime()[0])
    elif "future" in low:
        words = "the server's certificate is not valid yet (is this device's clock right?)"
    elif "expired" in low:
        words = "the server's certificate has expired"
    elif "match" in low:
        words = "the server's certificate is for another name"
    elif "not correctly signed" in low or "trusted" in low:
        words = "the server's certificate is not by the authority in ca"
    if words:
        raise _failed("%s: %s (%s)" % (name, words, text.strip().replace("\n", "; ")))
    raise _failed("%s: no TLS connection: %s" % (name, text), E_TLS, True)
