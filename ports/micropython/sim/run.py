# The application of a simulated board, run by a genuine MicroPython:
#   micropython run.py FD-REPLIES FD-REQUESTS [SCRIPT]
# Does what the firmware's own start does: mounts the vfs partition at / (formatted at the first boot), boot.py,
# main.py. With SCRIPT that file of the host runs in the place of main.py.
import sys

import board
import esp
import esp32
import espio
import esptime
import flashbdev
import machine
import os
import vfs

BOOT_PY = """# This file is executed on every boot (including wake-boot from deepsleep)
#import esp
#esp.osdebug(None)
#import webrepl
#webrepl.start()
"""


def mount():
    parts = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")
    vfs.umount("/")
    if not parts:
        print("run.py: the partition table has no 'vfs'", file=sys.stderr)
        return
    device = parts[0]
    sys.modules["flashbdev"].bdev = device
    try:
        vfs.mount(device, "/")
        return
    except OSError:
        pass
    first = bytearray(4096)
    device.readblocks(0, first)
    if first != b"\xff" * 4096:
        print("run.py: the file system of 'vfs' cannot be mounted and is not blank", file=sys.stderr)
        return
    kind = vfs.VfsFat if board.facts["fs"] == "fat" else vfs.VfsLfs2
    kind.mkfs(device)
    vfs.mount(kind(device), "/")
    with open("/boot.py", "w") as file:
        file.write(BOOT_PY)


def run(text, name, names):
    # 0, or the code that the program ended with. Like the firmware, which prints an exception and goes on.
    try:
        exec(compile(text, name, "exec"), names)
    except SystemExit as error:
        code = error.args[0] if error.args else 0
        return code if isinstance(code, int) else 1
    except BaseException as error:
        sys.print_exception(error, sys.stderr)
        return 1
    return 0


def text_of(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def script_in_place_of_main(text, name, names):
    # A release's main.py is run by ota.launch; without the package there is nothing to take the place of.
    done = []

    def launch(path):
        done.append(1)
        names["__file__"] = name
        exec(compile(text, name, "exec"), names)

    try:
        import ota
    except ImportError:
        return done
    ota.launch = launch
    return done


def main():
    script = sys.argv[3] if len(sys.argv) > 3 else None
    script_text = text_of(script) if script else None
    if script and script_text is None:
        print("run.py: cannot read", script, file=sys.stderr)
        return 1
    for name, module in (("esp32", esp32), ("machine", machine), ("esp", esp), ("flashbdev", flashbdev), ("io", espio),
                         ("time", esptime)):
        sys.modules[name] = module
    del sys.modules["board"]
    board.watch_modules()
    mount()
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = []
    names = {"__name__": "__main__"}
    done = script_in_place_of_main(script_text, script, names) if script else []
    boot = text_of("/boot.py")
    code = run(boot, "boot.py", names) if boot is not None else 0
    if script:
        return code if done else run(script_text, script, names)
    text = text_of("main.py")  # relative, as the firmware asks: boot.py may have changed the directory
    return run(text, "main.py", names) if text is not None else code


board.end(main())
