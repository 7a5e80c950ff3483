#!/usr/bin/env python3
"""check-layers.py ROOT: who may include whom.
check-layers.py --symbols SIM.a CORE.a: the simulator takes no symbol from core.

The house is described in docs (ARCHITECTURE.md); this table is what holds. A new arrow changes the design: both change in one commit.
"""
import os
import re
import subprocess
import sys

import tree

# "interface" is no folder: the headers of roles that one layer implements and another uses.
INTERFACES = {"crypto", "error", "files", "flash", "progress", "source", "store", "usb"}

# Headers without a source of their name, or of a name that begins sources of another layer too.
NAMED = {"dfu": "wire", "stores": "engine"}

MAY_INCLUDE = {
    "interface": {"interface"},
    "core": {"core", "interface"},
    "engine": {"engine", "core", "interface"},
    "wire": {"wire", "core", "interface"},
    "pack": {"pack", "core", "interface"},
    # The boot model judges core, so it shares nothing with it.
    "sim": {"sim", "interface"},
    # Host joins interfaces to libraries and the operating system, and holds simulated hardware.
    "host": {"host", "sim", "pack", "engine", "core", "interface"},
    # ops does what a user asks for, over host's files, boards and transports.
    "ops": {"ops", "host", "sim", "pack", "wire", "engine", "core", "interface"},
    "cli": {"cli", "ops", "host", "sim", "pack", "wire", "engine", "core", "interface"},
}

# Headers of the system and of libraries. Freestanding layers: what a compiler without a libc has, and <string.h> for four mem*.
FREESTANDING = {"stdbool.h", "stddef.h", "stdint.h", "limits.h", "string.h"}
HOSTED = FREESTANDING | {"assert.h", "ctype.h", "errno.h", "inttypes.h", "stdarg.h", "stdio.h", "stdlib.h", "time.h"}
# ops walks the folders and files that a user names; devices, sockets and libraries stay in host. JSON is a way to print.
FOLDERS = {"dirent.h", "fcntl.h", "fnmatch.h", "sys/stat.h", "sys/types.h", "unistd.h"}
TERMINAL = FOLDERS | {"getopt.h", "signal.h", "strings.h", "sys/ioctl.h", "sys/wait.h", "termios.h", "jansson.h"}
SYSTEM = {"interface": FREESTANDING, "core": FREESTANDING, "engine": FREESTANDING, "wire": FREESTANDING,
          "pack": HOSTED | {"zlib.h"}, "sim": HOSTED | {"math.h"}, "ops": HOSTED | FOLDERS | {"jansson.h"},
          "cli": HOSTED | TERMINAL, "host": None}  # None: any

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def layer_of_header(root, name):
    """The layer of include/molt/NAME, where NAME may begin with a layer's folder; None: unknown."""
    first, slash, _ = name.partition("/")
    if slash:
        return first if first in MAY_INCLUDE else None
    stem = name[:-2]
    if stem in INTERFACES:
        return "interface"
    if stem in NAMED:
        return NAMED[stem]
    for layer in ("core", "engine", "wire"):
        folder = os.path.join(root, "src", layer)
        if stem == layer or (os.path.isdir(folder) and any(
                f == stem + ".c" or f.startswith(stem + "_") for f in os.listdir(folder))):
            return layer
    return None


def layer_of_include(root, quoted):
    if quoted.startswith("molt/"):
        return layer_of_header(root, quoted[5:])
    first = quoted.split("/")[0]
    return first if "/" in quoted and first in MAY_INCLUDE else None


def check_file(root, name, layer):
    bad = []
    for kind, target in INCLUDE.findall(tree.read(root, name)):
        if kind == '"':
            other = layer_of_include(root, target)
            if other is None:
                bad.append('%s: "%s" belongs to no layer (write layer/name.h, or molt/name.h with a source of that name)'
                           % (name, target))
            elif other not in MAY_INCLUDE[layer]:
                bad.append('%s: %s may not include %s ("%s")' % (name, layer, other, target))
        elif SYSTEM[layer] is not None and target not in SYSTEM[layer]:
            bad.append("%s: %s may not include <%s>" % (name, layer, target))
    return bad


def check_tree(root):
    bad, count = [], 0
    for name in tree.files(root, (".c", ".h")):
        if name.startswith("src/"):
            layer = name.split("/")[1]
        elif name.startswith("include/molt/"):
            layer = layer_of_header(root, name[len("include/molt/"):])
        else:
            continue
        if layer not in MAY_INCLUDE:
            bad.append("%s: belongs to no layer" % name)
            continue
        count += 1
        bad += check_file(root, name, layer)
    return bad, "%d files" % count


def symbols(archive, option):
    out = subprocess.run(["nm", "-P", option, archive], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in out.splitlines() if len(line.split()) >= 2 and not line.endswith(":")}


def check_symbols(sim, core):
    wanted, given = symbols(sim, "--undefined-only"), symbols(core, "--defined-only")
    if not wanted or not given:
        return ["%s or %s has no symbols" % (sim, core)], ""
    shared = sorted(wanted & given)
    return ["%s takes %s from %s: the boot model may share no code with what it judges" % (sim, s, core)
            for s in shared], "%d symbols" % len(wanted)


def main():
    bad, counted = check_symbols(*sys.argv[2:]) if sys.argv[1] == "--symbols" else check_tree(sys.argv[1])
    for line in bad:
        print(line)
    if not bad:
        print(counted)
    sys.exit(1 if bad else 0)


main()
