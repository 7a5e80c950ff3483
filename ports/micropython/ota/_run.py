# ota.run: looks for updates beside an asyncio application.
import asyncio

import ota


class _Spread:
    # Numbers from 0 up to 1 that differ from device to device, also when a whole fleet gets its power at once.
    def __init__(self):
        import machine
        from ubinascii import crc32

        self._n = crc32(machine.unique_id() if hasattr(machine, "unique_id") else b"")

    def next(self):
        self._n = (self._n * 1103515245 + 12345) & 0x7FFFFFFF
        return self._n / 0x80000000


async def _sleep(seconds):
    while seconds > 0:  # ticks end after days
        await asyncio.sleep(min(seconds, 3600))
        seconds -= 3600


async def _install(url, channel, ca, tell, options):
    from ota import _update

    work = _update.installing(url, channel, ca, wait_ms=0, **options)
    try:
        while True:
            try:
                now = next(work)
            except StopIteration as end:
                return end.value
            if now and tell and now[2] != "waiting":
                tell(*now)
            await asyncio.sleep_ms(20 if now is None or now[2] == "waiting" else 0)
    finally:
        work.close()


async def run(url=None, channel=None, *, every_s=3600, jitter=0.1, progress=None, restart=True, quiet=False, ca=None,
              **options):
    # Looks every_s seconds (give or take that part), installs and restarts; with restart=False it returns True then. No
    # error ends it: each is told, and after one of the network it looks again sooner: after 1, 2, 4... minutes.
    if jitter < 0 or jitter > 1 or every_s <= 0:
        raise ValueError("every_s: above 0; jitter: 0 to 1")
    for name in options:
        if name not in ("timeout_s", "tries", "retry_failed"):
            raise TypeError("run() has no argument " + name)
    options.setdefault("timeout_s", 30)
    spread, failures = _Spread(), 0
    soon = min(every_s, 60)
    wait = soon * spread.next()
    while True:
        await _sleep(wait)
        wait = every_s * (1 + jitter * (2 * spread.next() - 1))
        try:
            done = await _install(url, channel, ca, progress, options)
            failures = 0
            text = "ota: " + done if done else None
        except Exception as error:
            number = error.args[0] if isinstance(error, ota.Error) else None
            if number == -103 or number is None or -105 < number <= -100:  # the network's: it may be back soon
                wait = min(wait, soon * (1 << min(failures, 20)) * (1 + jitter * spread.next()))
                failures += 1
            done, text = None, "ota: %s: next try in %d s" % (error, wait)
        if text and progress:
            try:
                progress(0, 0, text)
            except Exception as error:
                print("ota: progress:", error)
        elif text and not quiet:
            print(text)
        if done:
            if not restart:
                return True
            from ota import _trial

            _trial.restart()
