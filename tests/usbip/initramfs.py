"""initramfs.py OUT INIT MODULES MODULE...: an initramfs (cpio, "newc") of the program INIT, of the kernel modules named (found
below the folder MODULES) with those that they depend on, and of the list "modules", in the order in which they can be loaded."""
import pathlib
import re
import sys


def member(name, data, mode):
    """Documentation/driver-api/early-userspace/buffer-format.rst of Linux."""
    head = "070701" + "".join("%08X" % value for value in (
        0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0))
    head = head.encode() + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def in_order(names, known):
    done = {}

    def add(name):
        if name not in done:
            data = known[name].read_bytes()
            (depends,) = set(re.findall(rb"\0depends=([^\0]*)\0", data))
            for other in filter(None, depends.decode().split(",")):
                add(other.replace("-", "_"))
            done[name] = data

    for name in names:
        add(name.replace("-", "_"))
    return done


def main(out, init, folder, *names):
    known = {path.stem.replace("-", "_"): path for path in pathlib.Path(folder).rglob("*.ko")}
    modules = in_order(names, known)
    parts = [member("init", pathlib.Path(init).read_bytes(), 0o100755)]
    parts += [member(name + ".ko", data, 0o100644) for name, data in modules.items()]
    parts.append(member("modules", "".join(name + ".ko\n" for name in modules).encode(), 0o100644))
    pathlib.Path(out).write_bytes(b"".join(parts) + member("TRAILER!!!", b"", 0))


main(*sys.argv[1:])
