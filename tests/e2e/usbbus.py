"""A bus of USB devices out of descriptors alone, by umockdev-run: they can be listed and opened, but answer no transfer."""
import os
import subprocess

HUB = bytes.fromhex("12010002090000406b1d020012050302010109021900010100e0000904000001090000000705810304000c00")


def functional(attributes=0x0B, transfer_size=2048, version=0x011A):
    return bytes([9, 0x21, attributes, 0xFF, 0, transfer_size & 0xFF, transfer_size >> 8, version & 0xFF, version >> 8])


def interface(number=0, alternate=0, protocol=2, kind=(0xFE, 1)):
    return bytes([9, 4, number, alternate, 0, *kind, protocol, 0])


def configuration(*parts, value=1):
    body = b"".join(parts)
    total = 9 + len(body)
    numbers = {part[2] for part in parts if part[1] == 4}
    return bytes([9, 2, total & 0xFF, total >> 8, len(numbers), value, 0, 0x80, 50]) + body


def device(vendor, product, *configurations, release=0x0100):
    head = [18, 1, 0, 2, 0, 0, 0, 64]
    for word in (vendor, product, release):
        head += [word & 0xFF, word >> 8]
    return bytes(head + [1, 2, 3, len(configurations)]) + b"".join(configurations)


STM32 = device(0x0483, 0xDF11, configuration(*(interface(alternate=i) for i in range(4)), functional()), release=0x2200)


class Bus:
    """Devices at ports 1, 2, ... of bus 1, at addresses 2, 3, ...; run(COMMAND) with them plugged in."""

    def __init__(self, folder, *devices):
        self.file = folder / "bus.umockdev"
        text = [self._entry("usb1", 1, HUB)]
        for i, descriptors in enumerate(devices, 1):
            text.append(self._entry("usb1/1-%d" % i, i + 1, descriptors))
        self.file.write_text("\n".join(text))

    @staticmethod
    def _entry(path, number, descriptors):
        return ("P: /devices/pci0000:00/%s\nN: bus/usb/001/%03d\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
                "E: DEVNAME=/dev/bus/usb/001/%03d\nE: BUSNUM=001\nE: DEVNUM=%03d\nA: busnum=1\\n\nA: devnum=%d\\n\n"
                "A: speed=480\\n\nA: bConfigurationValue=1\\n\nH: descriptors=%s\n"
                % (path, number, number, number, number, descriptors.hex()))

    def run(self, *command, env=None, before=None, prefix=""):
        """before: shell that runs first; $NODES is the folder of the devices' files. prefix: in front of the command."""
        words = ["umockdev-run", "-d", str(self.file), "--"]
        if before:
            words += ["sh", "-c", 'NODES=$UMOCKDEV_DIR/dev/bus/usb/001; %s\nexec %s "$@"' % (before, prefix), "sh"]
        # umockdev comes before the sanitizer in the list of libraries, which that does not mind here.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        done = subprocess.run(words + [str(word) for word in command], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "ASAN_OPTIONS": options, **(env or {})})
        assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
        return done
