# ota.update and ota.check: the channel, the bundle, the engine step by step.
import gc

import ota
from ota import _host

AGAIN, BUSY, NO_MEMORY, E_IO, NO_SPACE, INSTALLED, CHANNEL_MAX = -1, -7, -16, -3, -4, -92, 512
_BEFORE = ("head", "verify", "probe", "preview")  # states that write nothing

try:
    from _thread import allocate_lock

    _lock = allocate_lock()
except ImportError:

    class _Lock:
        held = False

        def acquire(self, _):
            was, self.held = self.held, True
            return not was

        def release(self):
            self.held = False

    _lock = _Lock()


def lock():
    # One installation at a time, whichever thread or task asks.
    if not _lock.acquire(0):
        fail(BUSY, "another update is under way here: wait for its end")


def unlock():
    _lock.release()


def fail(code, text=None):
    if text is None:
        from ota import _words

        text = _words.of(code)
    else:
        text = "%s (%d)" % (text, code)
    raise ota.Error(code, text)


def host_of(source=None):
    from ota import _store

    if _store.get(_store.KEYS) is None or _store.get(_store.DEVICE) is None:
        from ota import _enrol

        _enrol.take()
    return _host.host(source)


def room():
    # Where the engine's state will lie, taken before modules and connections cut the heap into pieces.
    gc.collect()
    try:
        return [bytearray(15000)]
    except MemoryError:
        return [None]


def opened(engine, host, place=()):
    # The engine's state: one block of 14 KB.
    if place:
        place[0] = None
    gc.collect()
    try:
        return engine.open(host)
    except MemoryError:
        fail(NO_MEMORY, "no block of 16 KB is free: update earlier, before the application fills the memory")


def steps(engine, state, host):
    # Runs the engine to its end: yields (bytes done, of, text) after each step, text "waiting" when nothing came.
    while True:
        try:
            code = engine.step(state, host)
        except ota.Error:
            raise
        except OSError as error:
            fail(E_IO, "the device's flash or store: %s" % error)
        if code < 0 and code != AGAIN:
            now = engine.status(state)
            if code == NO_SPACE and now[10] > now[11]:
                fail(code, "the bundle's files need %d KB in the file system, %d KB can be had: remove files of your own"
                     % (-(-now[10] // 1024), now[11] // 1024))
            failure = getattr(getattr(host, "source", None), "failure", None)
            fail(code, failure.args[1] if failure and failure.args[0] == code else None)
        now = engine.status(state)
        yield now[1], now[2], now[0] if code != AGAIN else "waiting"
        if code > 0:
            return


def settings():
    # What /ota.json says.
    try:
        import ujson as json

        with open("/ota.json") as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def configured(url, channel, ca):
    # What /ota.json says where nothing is given: (URL, channel, ca).
    found = settings()
    url = url or found.get("url")
    if not url:
        fail(-105, "no URL given, and /ota.json names none ('molt provision --url' writes it)")
    return url, channel or found.get("channel") or "stable", ca or found.get("ca")


def _under(url, tail):
    # A path below that URL, its query kept.
    path, mark, query = url.partition("?")
    return (path[:-1] if path.endswith("/") else path) + tail + mark + query


def host_for(engine, url, channel, retry_failed=False, tries=5, **options):
    # Generator that ends with the host whose source is the bundle to install, or with None: it runs here already.
    expect = host = http = None
    from ota import _http, _source

    try:
        if url[:5] == "file:":
            source = _source.File(url[5:])
        else:
            http = _http.Http(**options)
            if not url.partition("?")[0].endswith(".molt"):
                data = yield from _http.getting(http, _under(url, "/channels/" + channel), CHANNEL_MAX, tries)
                asking = host_of()
                expect = engine.channel(asking, data, channel, asking.device_id)
                if expect == INSTALLED:
                    return None
                if isinstance(expect, int):
                    fail(expect)
                url = _under(url, "/bundles/%s.molt" % "".join("%02x" % byte for byte in expect))
            source = _source.Web(url, tries, http)
        host = host_of(source)
    except _http.Failed as failure:
        fail(failure.args[0], failure.args[1])
    finally:
        if http and not host:
            http.close()
    host.expect, host.retry_failed = expect, retry_failed
    return host


def _told(progress, quiet):
    # What is called after each step.
    shown = -1

    def tell(done, total, text):
        nonlocal shown
        percent = done * 10 // total * 10 if total else 0
        # Only what is written moves the line: what is there already is found in no time.
        if not quiet and text in ("write", "check") and 100 > percent > shown:
            shown = percent
            print("ota: %d %%" % percent)

    return progress or tell


def update(url=None, channel=None, *, restart=True, retry_failed=False, ca=None, quiet=False, progress=None,
           timeout_s=30, tries=5):
    # True: installed (with restart=False: restart to try it). False: it runs here already.
    tell = _told(progress, quiet)
    work = installing(url, channel, ca, retry_failed=retry_failed, timeout_s=timeout_s, tries=tries)
    try:
        while True:
            now = next(work)
            if now:
                tell(*now)
    except StopIteration as end:
        done = end.value
    finally:
        work.close()
    if not quiet:
        print("ota: " + (done or "this bundle runs here already"))
    if done and restart:
        from ota import _trial

        _trial.restart()
    return bool(done)


def _work(url, channel, ca, look, **options):
    # Generator: gets the bundle and installs it, or with look goes on as far as nothing is written. Yields as steps()
    # does, or None; ends with (host, engine's status), or None: it runs here already. Closing it closes the connection,
    # and lets others install.
    lock()
    host = None
    try:
        place = room()
        url, channel, ca = configured(url, channel, ca)
        engine = _host.engine()
        host = yield from host_for(engine, url, channel, ca=ca, **options)
        if not host:
            return None
        state = opened(engine, host, place)
        for now in steps(engine, state, host):
            if look and engine.status(state)[0] not in _BEFORE:
                break
            yield now
        return host, engine.status(state)
    except ota.Error as error:
        if error.errno == INSTALLED:
            return None
        raise
    finally:
        unlock()  # first: closing may fail
        if host:
            host.source.close()


def installing(url, channel, ca, **options):
    # Generator: one installation, as above. Ends with what was done in words, or None.
    done = yield from _work(url, channel, ca, False, **options)
    if not done:
        return None
    host, now = done
    return "installed: %d chunks written, %d kept, %d bytes fetched in %d requests" % (
        now[7], now[6], now[4], host.source.requests)


def check(url=None, channel=None, *, retry_failed=False, ca=None, timeout_s=30, tries=5):
    # What update() would install, or None: nothing new. Everything that can be refused beforehand is. Nothing is
    # written but the newest signed time.
    from ota import _http

    found = _http.finished(_work(url, channel, ca, True, retry_failed=retry_failed, timeout_s=timeout_s, tries=tries))
    if not found:
        return None
    host, now = found
    sequence, kind = now[8:10] if len(now) > 9 else (None, None)
    return {"sequence": sequence, "digest": host.expect, "files_only": kind == 2, "bytes": now[2]}
