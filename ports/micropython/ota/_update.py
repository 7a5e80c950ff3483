# ota.update: the channel, the bundle, the engine step by step.
import gc
import time

import machine
import ota
from ota import _host, _http

AGAIN, INSTALLED, CHANNEL_MAX = -1, -92, 512


class _Host(_host.Host):
    def __init__(self, source=None):
        super().__init__()
        self._source = source

    def source_info(self):
        return self._source.info()

    def source_expect(self, offset, n):
        return self._source.expect(offset, n)

    def source_read(self, offset, buffer):
        return self._source.read(offset, buffer)

    def source_report(self, state, text):
        return 0


def _hex(data):
    return "".join("%02x" % byte for byte in data)


def _fail(code, text=None):
    if text is None:
        from ota import _words

        text = _words.of(code)
    raise ota.Error(code, text)


def _bundle_of(engine, url, channel, options):
    # (URL of the bundle, its digest) as the signed channel says.
    try:
        file = _http.get("%s/channels/%s" % (url, channel), CHANNEL_MAX, **options)
    except _http.Failed as failure:
        _fail(*failure.args)
    host = _Host()
    found = engine.channel(host, file, channel, host.device_id)
    if isinstance(found, int):
        if found == INSTALLED:
            return None, None
        _fail(found)
    return "%s/bundles/%s.molt" % (url, _hex(found)), found


def _configured(url, channel):
    if url is not None:
        return url, channel or "stable"
    import json

    try:
        with open("/ota.json") as file:
            found = json.load(file)
        return found["url"], channel or found.get("channel", "stable")
    except (OSError, ValueError, KeyError):
        _fail(_http.E_URL, "no URL given, and /ota.json names none ('molt provision --url' writes it)")


def update(url, channel, restart=True, retry_failed=False, ca=None, quiet=False, timeout_s=30, tries=5):
    # True: installed (with restart=False: restart to try it). False: it runs here already.
    url, channel = _configured(url, channel)
    engine = _host.engine()
    options = {"ca": ca, "timeout_s": timeout_s}
    url = url[:-1] if url.endswith("/") else url
    expect = None
    if not url.endswith(".molt"):
        url, expect = _bundle_of(engine, url, channel, options)
    source = _http.Source(url, tries=tries, **options)
    host = _Host(source)
    host.expect, host.retry_failed = expect, retry_failed
    gc.collect()  # the state is one block of 14 KB
    state = engine.open(host)
    try:
        code = _steps(engine, state, host, quiet)
    finally:
        source.close()
    done = engine.status(state)
    if code == INSTALLED:
        print("ota: this bundle runs here already")
        return False
    if code < 0:
        failure = source.failure
        _fail(code, failure.args[1] if failure and failure.args[0] == code else None)
    if not quiet:
        print("ota: installed: %d chunks written, %d kept, %d bytes fetched in %d requests" % (
            done[7], done[6], done[4], source.requests))
    if restart:
        machine.reset()
    return True


def _steps(engine, state, host, quiet):
    shown = 0
    while True:
        code = engine.step(state, host)
        if code == AGAIN:
            time.sleep_ms(20)
        elif code != 0:
            return code
        _, done, total, _, _, _, _, written = engine.status(state)
        # Only a chunk that is written moves the line: what is there already is found in no time.
        percent = done * 10 // total * 10 if total and written else 0
        if not quiet and 100 > percent > shown:
            shown = percent
            print("ota: %d %%" % percent)
