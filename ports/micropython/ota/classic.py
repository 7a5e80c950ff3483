# The calls of micropython-esp32-ota:  from ota.classic import update, rollback, status
import ota
from ota import _host, _http, _lobo, _source


class _Stream:
    # A source that only goes on, but for its first bytes. f.readinto(): None when nothing came yet.
    failure = None
    close = expect = lambda *_: None

    def __init__(self, f, n):
        self.f, self.n, self.head, self.at = f, n, b"", 0

    def info(self):
        return self.n

    def read(self, offset, buffer):
        n = len(buffer)
        if offset < self.at:
            part = self.head[offset : offset + n]
            buffer[: len(part)] = part
            return len(part) or -2
        n = self.f.readinto(buffer)
        if n:
            if not self.at:
                self.head = bytes(memoryview(buffer)[:n])
            self.at += n
        return n


class OTA:
    # Everything is written and checked before close(), which switches.
    work, data, left = None, b"", 0

    def __init__(self, verify=True, verbose=True, reboot=False, sha="", length=0):
        self.verbose, self.reboot, self.sha, self.length = verbose, reboot, sha, length
        if not status.ready():
            raise OSError(2)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.close()
        elif self.work:
            self.work.close()

    def _run(self, *until):
        # Until the engine stands in such a state, or at its end.
        work, self.work = self.work, None
        for now in work:
            if now[2] in until:
                self.work = work
                return now[1]
        return 0

    def _begin(self, name, source, sha="", length=0):
        self.work = _lobo.installing(name, source, None, sha or self.sha, length or self.length, quiet=not self.verbose)

    def from_firmware_file(self, url, sha="", length=0, **options):
        self._begin(url, _opened(url, **options), sha, length)
        return _peers(self._run, "switch")

    def from_json(self, url, **options):
        import ujson as json

        if not url.endswith(".json"):
            raise ValueError("Url does not end with '.json'")
        found = json.loads(_peers(_lobo.text_of, _opened(url, **options), 2048))
        firmware = found["firmware"]
        if firmware[0] != "/" and "://" not in firmware:
            firmware = url.rsplit("/", 1)[0] + "/" + firmware
        return self.from_firmware_file(firmware, found["sha"], found["length"], **options)

    def from_stream(self, f, sha="", length=0):
        n = length or self.length
        if not n:
            raise ValueError("length= is needed")
        self._begin("the image", _Stream(f, n), sha, n)
        return _peers(self._run, "switch")

    def write(self, data):
        if not self.work:
            self.left = self.length
            self._begin("the image", _Stream(self, self.length))
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("more than length=")
        self.data += data
        while self.work and (len(self.data) > 3 or self.data and not self.left):
            _peers(self._run, "waiting", "switch")
        return len(data)

    def readinto(self, buffer):
        n = min(len(buffer), len(self.data))
        buffer[:n] = self.data[:n]
        self.data = self.data[n:]
        return n or None

    def close(self):
        if self.left:
            raise ValueError("%d bytes are missing" % self.left)
        if self.work:
            _peers(self._run)
            if self.reboot:
                import machine
                import time

                print("Rebooting in 10 seconds (ctrl-C to cancel)")
                time.sleep(10)
                machine.reset()


def _opened(url, ca=None, timeout=None):
    return _lobo.web(url, ca, timeout) if "://" in url else _peers(_source.File, url)


def _peers(work, *words):
    # Raises what the peer's users catch: ValueError for a status, length or sum, else OSError.
    try:
        return work(*words)
    except (_http.Failed, ota.Error) as error:
        if error.args[0] in (-2, -35, -100):
            raise ValueError(error.args[1])
        raise ota.Error(*error.args[:2])


class update:
    OTA = OTA

    def from_file(url, sha="", length=0, verify=True, verbose=True, reboot=True, **options):
        with OTA(verify, verbose, reboot) as work:
            return work.from_firmware_file(url, sha, length, **options)

    def from_json(url, verify=True, verbose=True, reboot=True, **options):
        with OTA(verify, verbose, reboot) as work:
            return work.from_json(url, **options)


class rollback:
    def cancel():
        ota.confirm()

    def force():
        # The OTA slot before the one that runs.
        host = _host.host()
        _lobo.switch((host.running - 1) % max(1, sum(row[0] >= 0 for row in host.slots)))

    def cancel_force():
        _lobo.switch(_host.host().running)


class status:
    def status():
        ota.status()

    otadata_check = status

    def ready():
        host = _host.host()
        return bool(host.otadata) and any(row[0] not in (-1, host.running) for row in host.slots)

    def boot_ota():
        from esp32 import Partition

        return Partition(Partition.BOOT)
