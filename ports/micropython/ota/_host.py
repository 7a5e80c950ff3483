# What the native engine asks of the device: flash and slots (_esp) or none (_plain), store, files, facts.
import sys

_ARCH = (None, "x86", "x64", "armv6m", "armv6m", "armv7m", "armv7m", "armv7emsp", "armv7emsp", "xtensa",
         "xtensawin", "rv32imc")


def engine():
    # The engine that was built into the firmware, else the native module for its architecture: molt_ARCH.mpy, of the
    # release or of /lib.
    try:
        import molt

        molt.step  # not a folder of that name
        return molt
    except (ImportError, AttributeError):
        pass
    arch = _ARCH[getattr(sys.implementation, "_mpy", 0) >> 10 & 15]
    if arch is None:
        raise ImportError("this firmware loads no native modules")
    try:
        return __import__("molt_" + arch)
    except ImportError:
        raise ImportError("no molt_%s.mpy for this firmware in /lib: put it there, as 'molt provision' does" % arch)


def host(source=None):
    # For one call of the engine, or one update: it reads what runs and what the store says when it is made.
    # A source has info(), expect(offset, n) and read(offset, buffer), as _source.Web.
    try:
        import esp32
    except ImportError:
        from ota import _plain as port
    else:
        from ota import _esp as port
    return port.Host(source)
