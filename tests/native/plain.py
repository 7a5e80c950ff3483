# A board without slots: the genuine MicroPython of this machine, its file system on a block device in memory, no esp32
# module. Run by tests/e2e/plainboard.py with one argument, a file with JSON:
#   image     file with the device's bytes: read at the start, written at the end of each boot
#   fs        "lfs" or "fat", made where the image is empty
#   path      folders of this machine for sys.path (they come as /host/...)
#   script    Python text that runs at the first boot; else /boot.py and main.py do, as in the firmware
#   cut       number of the write before which the power fails
#   record    folder: a copy of the image before each write, BOOT-NNNN, and with half of it, BOOT-NNNN.torn
#   then      Python text for the boots behind the first
#   replay    folder of such copies: for each, script runs on it until nothing resets any more
#   ends      the code that each of these must end with (0)
#   root      where the file system is mounted (/)
#   size      (block size, blocks)
#   load      modules that are imported once, before the boots
# Each boot is a process of its own (fork), which ends as a reset or a power cut does: at once.
import ffi
import json
import os
import sys
import vfs

PWRON_RESET, WDT_RESET = 1, 3
SIZES = {"lfs": (4096, 64), "fat": (512, 400)}  # block size, blocks
CUT, RESET, FAILED = 3, 10, 1

with open(sys.argv[1]) as file:
    options = json.load(file)
libc = ffi.open("libc.so.6")
fork, leave = libc.func("i", "fork", ""), libc.func("v", "_exit", "i")
wait = libc.func("i", "waitpid", "ipi")


class Disk:
    def __init__(self, path):
        self.path = path
        self.size, blocks = options.get("size") or SIZES[options["fs"]]
        with open(path, "rb") as file:
            self.data = bytearray(file.read())
        self.blank = not self.data
        if self.blank:
            self.data = bytearray(b"\xff" * (self.size * blocks))
        self.writes, self.cut, self.record = 0, None, None

    def save(self, path=None):
        with open(path or "/host" + self.path, "wb") as file:
            file.write(self.data)

    def _write(self, at, data):
        self.writes += 1
        if self.record:
            name = "/host%s-%04d" % (self.record, self.writes)
            self.save(name)
            if options["fs"] == "lfs":  # FAT asks for sectors that are written wholly or not at all
                half = memoryview(self.data)[at : at + len(data) // 2]
                old = bytes(half)
                half[:] = memoryview(data)[: len(data) // 2]
                self.save(name + ".torn")
                half[:] = old
        if self.writes == self.cut:
            self.end(CUT)
        self.data[at : at + len(data)] = data

    def end(self, code):
        self.save()
        leave(code)

    def readblocks(self, n, buffer, offset=0):
        at = n * self.size + offset
        buffer[:] = memoryview(self.data)[at : at + len(buffer)]

    def writeblocks(self, n, buffer, offset=0):
        self._write(n * self.size + offset, buffer)

    def ioctl(self, command, argument):
        if command == 4:
            return len(self.data) // self.size
        if command == 5:
            return self.size
        if command == 6 and options["fs"] == "lfs":
            self._write(argument * self.size, b"\xff" * self.size)
        return 0


class Machine:
    # As on an RP2: no NVS, no HARD_RESET, a watchdog of at most 8388 ms, and a reset that reads as the watchdog's.
    PWRON_RESET, WDT_RESET = PWRON_RESET, WDT_RESET
    cause = PWRON_RESET

    def reset(self):
        self.disk.end(RESET)

    def reset_cause(self):
        return self.cause

    def unique_id(self):
        return b"\x01\x02\x03\x04\x05\x06\x07\x08"

    class WDT:
        def __init__(self, id=0, timeout=5000):
            if timeout > 8388:
                raise ValueError("timeout too long")

        def feed(self):
            pass

    class Timer:
        ONE_SHOT, PERIODIC = 0, 1

        def __init__(self, id=-1, **words):
            pass

        def init(self, **words):
            pass

        def deinit(self):
            pass


class Pyb:
    # The flash as stm32 has it.
    @classmethod
    def Flash(cls, start):
        return cls.disk


machine = sys.modules["machine"] = Machine()
sys.modules["pyb"] = Pyb


def mount(disk):
    kind = vfs.VfsLfs2 if options["fs"] == "lfs" else vfs.VfsFat
    if disk.blank:
        kind.mkfs(disk)
    vfs.umount("/")
    root = options.get("root", "/")
    vfs.mount(kind(disk), root)
    os.chdir(root)
    Pyb.disk = disk


def run(text, name):
    try:
        exec(compile(text, name, "exec"), {"__name__": "__main__", "options": options})
        return 0
    except SystemExit as error:
        return error.args[0] if error.args else 0
    except BaseException as error:
        sys.print_exception(error)
        return FAILED


def text_of(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def boot(image, script, cause, cut=None, record=None):
    # In a process of its own; its code.
    pid = fork()
    if pid:
        status = bytearray(4)
        wait(pid, status, 0)
        if status[0] & 0x7F:
            raise OSError("killed by signal %d" % (status[0] & 0x7F))
        return status[1]
    disk = Disk(image)
    machine.disk, machine.cause = disk, cause
    mount(disk)
    disk.cut, disk.record = cut, record
    if script is not None:
        code = run(script, "script")
    else:
        code = 0
        for name in ("boot.py", "main.py"):
            text = text_of(name)
            code = run(text, name) if text is not None else code
    disk.record = None
    if options.get("count"):
        print("WRITES", disk.writes)
    disk.end(code)


def power_on(image, script, cut=None, record=None, boots=8):
    cause = PWRON_RESET
    for n in range(boots):
        code = boot(image, script, cause, cut, record and "%s/%d" % (record, n))
        if code != RESET:
            break
        cause, script, cut = WDT_RESET, options.get("then"), None
    return code


def replay(folder):
    # Every copy, in order; what each printed after "END" is counted.
    for name in sorted(os.listdir(folder)):
        with open(folder + "/" + name, "rb") as file:
            data = file.read()
        with open(options["image"], "wb") as file:
            file.write(data)
        code = power_on(options["image"], options["script"])
        if code != options.get("ends", 0):
            print("at write %s: ended with %d" % (name, code))
            return FAILED
    return 0


def main():
    sys.path[:] = ["", "/lib"] + ["/host" + folder for folder in options.get("path", ())]
    vfs.mount(vfs.VfsPosix("/"), "/host")
    for name in options.get("load", ()):  # once for all boots
        __import__(name)
    if options.get("replay"):
        return replay(options["replay"])
    return power_on(options["image"], options.get("script"), options.get("cut"), options.get("record"))


leave(main())
