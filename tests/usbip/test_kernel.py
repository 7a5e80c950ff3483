"""molt dfu on the USB stack of a Linux kernel, in the guest that scripts/usbip.sh starts (everything here needs its bus: root, vhci-hcd).
The machine is emulated and slow: waits are generous, nothing is measured."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
import dfu  # noqa: E402  (shared with the tests on the mocked bus)

MOLT = os.environ["MOLT"]
BASE, FIRMWARE = 0x08000000, 0x08020000
CLAIM = 0x8004550F  # USBDEVFS_CLAIMINTERFACE
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def on(tmp_path):
    """on(DEVICE..., WORDS...): runs molt dfu with the devices plugged in."""
    def run(*words, prefix=(), **options):
        devices = [word for word in words if isinstance(word, dfu.Device)]
        command = [*prefix, MOLT, "dfu", *(word for word in words if not isinstance(word, dfu.Device))]
        return dfu.run(command, *devices, folder=tmp_path, **{"timeout": 120, **options})
    return run


def ok(found):
    assert found.code == 0, found.out + found.err
    return json.loads(found.out) if found.out.startswith("{") else found.out


def for_all():
    """As the folder of a user who is not root: those of pytest are closed."""
    place = pathlib.Path(tempfile.mkdtemp(dir="/run"))
    place.chmod(0o777)
    return place


def fails(found, *texts):
    assert found.code == 1, found.out + found.err
    assert "%" not in found.err and all(text in found.err for text in texts), found.err


class Waiting:
    """A molt dfu that is started before there is a device."""

    def __init__(self, folder, *words, prefix=()):
        self.child = subprocess.Popen([*prefix, MOLT, "dfu", *map(str, words), "--wait", "60"], cwd=folder, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        self.ends = threading.Thread(target=self._end)  # reaped at once, so that others see that it ended
        self.ends.start()
        time.sleep(2)
        assert self.child.poll() is None, self.err

    def _end(self):
        self.out, self.err = self.child.communicate()

    def plug_in(self, *devices, folder, first=""):
        """The devices appear and stay until it ends; first: shell that runs when they are there."""
        script = folder / "stay.sh"
        script.write_text("%s\nexec tail --pid=%d -f /dev/null\n" % (first, self.child.pid))
        dfu.run(["sh", script], *devices, folder=folder, timeout=120)
        self.ends.join(10)
        assert self.child.returncode == 0, self.err


@pytest.fixture(scope="session", autouse=True)
def clean_log():
    """The kernel complains of programs that use an interface without a claim, and others."""
    yield
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    assert "USB disconnect" in log
    assert not [line for line in log.split("\n") if "did not claim" in line or "Oops" in line or "WARNING" in line], log


# ---- on the bus ----

def test_lists(on):
    two = [dfu.Device("stm32f405", port=1), dfu.Device("mboot", port=3, serial="A B")]
    found = on(*two, "list", "--json")
    stm32, mboot = ok(found)["devices"]
    assert (stm32["path"], stm32["known"], stm32["error"]) == ("1-1", "STM32 ROM loader", None)
    assert [a["alternate"] for a in stm32["alternates"]] == [0, 1, 2, 3]
    assert [a["map"]["bytes"] for a in stm32["alternates"]] == [1 << 20, 16, 528, 4]
    assert stm32["address"] == int(pathlib.Path("/dev/bus/usb/001/%03d" % stm32["address"]).name)
    assert (mboot["path"], mboot["serial"]) == ("1-3", "A B") and mboot["address"] != stm32["address"]
    assert found.trace and found.requests(1) == found.requests(3) == []  # strings only


def test_an_empty_bus(tmp_path):
    """Sixteen hubs and no device: told from one that cannot be seen."""
    done = subprocess.run([MOLT, "dfu", "list"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "") and "no DFU device on the bus" in done.stderr
    done = subprocess.run([MOLT, "dfu", "leave", "--wait", "1"], capture_output=True, text=True)
    assert done.returncode == 1 and "no DFU device on the bus" in done.stderr


# ---- a board ----

def test_writes_reads_erases(on, tmp_path):
    """Two elements, verified, left; nothing to do the second time; the whole flash; an erase: what the mocked bus does, too."""
    vectors, firmware = dfu.vectors(BASE, 2000), dfu.pattern(21000, 9)
    (tmp_path / "two.dfu").write_bytes(dfu.dfu_file((BASE, vectors), (FIRMWARE, firmware)))
    board = dfu.Device(flash=bytes(300 * 1024))
    done = ok(on(board, "write", "two.dfu", "--overwrite-files", "--json"))
    after = bytearray(bytes(300 * 1024).ljust(1 << 20, b"\xff"))
    after[:2000], after[0x20000:0x20000 + 21000] = vectors, firmware
    # What the erased sectors held besides is put back: of the written ones nothing but the file's bytes changes.
    assert board.flash == bytes(after)
    assert (done["verified"], done["gone"], done["entry"], done["sectors_erased"]) == (True, True, BASE, 2)
    assert board.report["jumped_to"] == BASE and board.report["over_programmed"] == 0 and board.report["erases"][:6] == [1, 0, 0, 0, 0, 1]

    again = dfu.Device(flash=board.flash)
    done = ok(on(again, "write", "two.dfu", "--overwrite-files", "--json", "--stay"))
    assert done["sectors_erased"] == 0 and again.report["bytes_programmed"] == 0 and not again.report["jumped"]

    ok(on(dfu.Device(flash=board.flash), "read", "-o", "whole.bin"))
    assert (tmp_path / "whole.bin").read_bytes() == board.flash

    erased = dfu.Device(flash=board.flash)
    ok(on(erased, "erase", "0x08020000", "--yes", "--json"))
    assert set(erased.flash[0x20000:0x40000]) == {0xFF} and erased.flash[0x40000:] == board.flash[0x40000:]
    assert erased.flash[:0x20000] == board.flash[:0x20000]


def test_as_dfu_util(on, tmp_path):
    """The genuine one finds what Molt wrote, and Molt what that wrote."""
    data = dfu.vectors(BASE, 5000)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device()
    ok(on(board, "write", "firmware.bin", "--address", "0x08000000", "--stay"))
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:5000", "-U", "up.bin"], dfu.Device(flash=board.flash), folder=tmp_path)
    assert found.code == 0 and (tmp_path / "up.bin").read_bytes() == data, found.err
    other = dfu.Device()
    found = dfu.run(["dfu-util", "-a", "0", "-s", "0x08000000:leave", "-D", "firmware.bin"], other, folder=tmp_path)
    assert found.code == 0 and other.flash == board.flash, found.err
    ok(on(dfu.Device(flash=other.flash), "verify", "firmware.bin", "--address", "0x08000000"))


def test_as_pydfu(on, tmp_path):
    """MicroPython's own tool, through its own binding."""
    data = dfu.vectors(n=5000)
    (tmp_path / "firmware.dfu").write_bytes(dfu.dfu_file((FIRMWARE, data)))
    other, board = dfu.Device(), dfu.Device()
    found = dfu.run(dfu.pydfu() + ["-u", "firmware.dfu"], other, folder=tmp_path, timeout=200)
    assert found.code == 0 and other.flash[0x20000:0x20000 + 5000] == data, found.err
    ok(on(board, "write", "firmware.dfu"))
    assert board.flash == other.flash


def test_in_real_time(on, tmp_path):
    """With the poll times and the busy times of the chip, by the kernel's clock; a status that comes late."""
    (tmp_path / "firmware.bin").write_bytes(dfu.vectors(FIRMWARE, 4096))
    board = dfu.Device(flash=bytes(1 << 20))
    begun = time.monotonic()
    ok(on(board, "write", "firmware.bin", "--address", "0x08020000", timing="real"))
    assert time.monotonic() - begun > 1  # an erase of 128 KB
    assert board.flash[0x20000:0x21000] == (tmp_path / "firmware.bin").read_bytes() and board.report["jumped_to"] == FIRMWARE


def test_read_protected(on, tmp_path):
    board = dfu.Device(flash=dfu.pattern(4096), read_protected=True)
    fails(on(board, "read", "-o", "secret.bin"), "protected", "molt dfu unprotect")
    assert not (tmp_path / "secret.bin").exists()
    board = dfu.Device(flash=dfu.pattern(4096), read_protected=True)
    done = ok(on(board, "unprotect", "--yes", "--back", "30", "--json"))
    assert done["back"] and set(board.flash) == {0xFF} and not board.report["read_protected"]


def test_two_of_a_kind(on, tmp_path):
    """With one serial number; only the one that was named is touched."""
    boards = [dfu.Device(serial="SAME", flash=b"1"), dfu.Device(serial="SAME", flash=b"2")]
    fails(on(*boards, "leave"), "2 DFU devices fit", "usb:0483:df11,path=1-1", "usb:0483:df11,path=1-2")
    fails(on(*boards, "leave", "usb:serial=SAME"), "2 DFU devices fit")
    ok(on(*boards, "read", "usb:path=1-2", "0x08000000+16", "-o", "two.bin"))
    assert (tmp_path / "two.bin").read_bytes()[:1] == b"2"
    assert [board.report["bytes_uploaded"] for board in boards] == [0, 16]


def test_write_protected(on, tmp_path):
    """An erase of a protected sector says nothing; it is found by reading."""
    (tmp_path / "firmware.bin").write_bytes(dfu.vectors(FIRMWARE, 3000))
    board = dfu.Device(flash=bytes(1 << 20), write_protected="0x08020000")
    fails(on(board, "write", "firmware.bin", "--address", "0x08020000"), "0x08020000")
    assert board.flash == bytes(1 << 20)


# ---- what goes wrong ----

@pytest.mark.parametrize("at", [12, 40, 125])
def test_unplugged_while_writing(on, tmp_path, at):
    """Transfers fail first, a moment later the kernel knows that it is gone. A second run repairs."""
    data = dfu.vectors(FIRMWARE, 30000)
    (tmp_path / "firmware.bin").write_bytes(data)
    words = ["write", "firmware.bin", "--address", "0x08020000"]
    board = dfu.Device(flash=bytes(1 << 18), fault="gone@%d" % at)
    fails(on(board, *words), "usb:0483:df11", "the USB device is gone", "plug it in again")
    again = dfu.Device(flash=board.flash)
    ok(on(again, *words))
    assert again.flash[0x20000:0x20000 + len(data)] == data and again.report["jumped_to"] == FIRMWARE


def test_a_transfer_is_never_answered(on, tmp_path):
    """It is taken back from the kernel (CMD_UNLINK), and the device goes on."""
    begun = time.monotonic()
    found = on(dfu.Device(fault="timeout@30"), "read", "-o", "whole.bin")
    assert time.monotonic() - begun < 100
    assert found.code in (0, 1), found.err
    if found.code:
        fails(found, "timed out")
        assert not (tmp_path / "whole.bin").exists()
    else:
        assert (tmp_path / "whole.bin").read_bytes() == b"\xff" * (1 << 20)


def test_a_stall(on, tmp_path):
    ok(on(dfu.Device(flash=dfu.pattern(9000), fault="stall@20"), "read", "0x08000000+9000", "-o", "some.bin"))
    assert (tmp_path / "some.bin").read_bytes() == dfu.pattern(9000)


def test_no_permission(on):
    """As a user whom no rule gives the device. Descriptors are read from sysfs all the same, and the kernel knows the strings."""
    (stm32,) = ok(on(dfu.Device(), "list", "--json", prefix=AS_NOBODY))["devices"]
    assert stm32["error"] == "no permission for the USB device" and len(stm32["alternates"]) == 4
    assert stm32["target"] == "usb:0483:df11,path=1-1" and stm32["known"] == "STM32 ROM loader"
    fails(on(dfu.Device(), "leave", prefix=AS_NOBODY), "no permission", "60-molt.rules")


def test_permission_comes_later(on, tmp_path):
    """What udev does a moment after the device appeared."""
    tmp_path = for_all()
    Waiting(tmp_path, "read", "0x08000000+16", "-o", "late.bin", prefix=AS_NOBODY).plug_in(
        dfu.Device(flash=dfu.pattern(16)), folder=tmp_path, first="chmod 666 /dev/bus/usb/001/*")
    assert (tmp_path / "late.bin").read_bytes() == dfu.pattern(16)


BUSY = """
import fcntl, glob, struct, subprocess, sys
node = open(sorted(glob.glob("/dev/bus/usb/001/*"))[-1], "r+b", buffering=0)
fcntl.ioctl(node, %d, struct.pack("I", 0))
sys.exit(subprocess.call(sys.argv[1:]))
""" % CLAIM


def test_in_a_container(on):
    """Which sees the system's list of devices, but none of their files."""
    inside = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/bus && exec "$@"', "sh"]
    (stm32,) = ok(on(dfu.Device(), "list", "--json", prefix=inside))["devices"]
    assert stm32["target"] == "usb:0483:df11,path=1-1" and stm32["error"]
    fails(on(dfu.Device(), "leave", prefix=inside), "usb:0483:df11,path=1-1", "container", "/dev/bus/usb")


def sysfs(name, value):
    return ["sh", "-c", 'echo %s > /sys/bus/usb/devices/1-1/%s; exec "$@"' % (value, name), "sh"]


def test_not_configured(on, tmp_path):
    """Molt sets the configuration itself then."""
    ok(on(dfu.Device(flash=dfu.pattern(16)), "read", "0x08000000+16", "-o", "some.bin", prefix=sysfs("bConfigurationValue", 0)))
    assert (tmp_path / "some.bin").read_bytes() == dfu.pattern(16)


def test_not_authorized(on):
    """As USBGuard keeps devices out: the kernel answers for them, and lets nobody use them."""
    fails(on(dfu.Device(), "leave", prefix=sysfs("authorized", 0)), "usb:0483:df11", "is it blocked there", "USBGuard")


def test_interrupted(on, tmp_path):
    """Killed while it erases: the kernel takes the interface back, and the next run brings the device out of its state."""
    (tmp_path / "firmware.bin").write_bytes(dfu.vectors(FIRMWARE, 3000))
    script = tmp_path / "killed.sh"
    script.write_text("%s dfu erase --all --yes & sleep 2; kill -9 $!; wait $!; exec %s dfu write firmware.bin -A 0x08020000\n" % (MOLT, MOLT))
    board = dfu.Device(flash=bytes(1 << 18))
    found = dfu.run(["sh", script], board, folder=tmp_path, timing="real", timeout=200)
    assert found.code == 0 and board.flash[0x20000:0x20000 + 3000] == (tmp_path / "firmware.bin").read_bytes(), found.err


@pytest.mark.parametrize("profile", ["gd32", "mboot", "stm32h743", "stm32l476", "stm32c5"])
def test_other_loaders(on, tmp_path, profile):
    """Of them the GD32 is gone before its last status."""
    start = FIRMWARE if profile == "mboot" else BASE
    (tmp_path / "firmware.bin").write_bytes(dfu.vectors(start, 3080))
    board = dfu.Device(profile, flash=bytes(16384))
    ok(on(board, "write", "firmware.bin", "--address", hex(start)))
    assert board.flash[start - BASE:][:3080] == (tmp_path / "firmware.bin").read_bytes()
    assert board.report["jumped"] and (board.report["jumped_to"] == start or profile == "mboot")  # which has a place of its own


def test_claimed_by_another(on):
    fails(on(dfu.Device(), "leave", prefix=[sys.executable, "-S", "-E", "-c", BUSY]), "usb:0483:df11", "another program or a driver uses it")


# ---- coming and going ----

def test_waits_for_it(on, tmp_path):
    """Without udevd: nobody tells libusb of new devices."""
    Waiting(tmp_path, "read", "0x08000000+16", "-o", "late.bin").plug_in(dfu.Device(flash=dfu.pattern(16)), folder=tmp_path)
    assert (tmp_path / "late.bin").read_bytes() == dfu.pattern(16)


@pytest.mark.parametrize("profile", ["plain", "plain-intolerant"])
def test_plain(on, tmp_path, profile):
    """The intolerant one starts what was written by a reset of its port."""
    data = dfu.pattern(10000)
    (tmp_path / "firmware.bin").write_bytes(data)
    board = dfu.Device(profile)
    name = "usb:1209:*"
    ok(on(board, "write", "firmware.bin", name))
    assert board.flash[:10000] == data
    assert board.report["jumped"] or profile == "plain", board.report
    ok(on(dfu.Device(profile, flash=data), "read", "usb:1209:*", "-o", "up.bin"))
    assert (tmp_path / "up.bin").read_bytes() == data + b"\xff" * (65536 - 10000)


@pytest.mark.parametrize("profile", ["runtime", "runtime-reset"])
def test_detaches(on, tmp_path, profile):
    """The application becomes another device at the same place: by itself, or by a reset that the host gives."""
    board = dfu.Device(profile)
    done = ok(on(board, "detach", "usb:1209:*", "--back", "60", "--json"))
    assert done["detached"] and done["id"] == "1209:0003", done
    assert board.report["profile"] == "runtime-dfu"


def test_leaves_and_comes_back(on, tmp_path):
    """The application is on the bus again, with other ids."""
    board = dfu.Device("runtime", flash=dfu.pattern(3000))
    script = tmp_path / "both.sh"
    script.write_text("set -e; %s dfu detach 'usb:1209:*' --back 60; %s dfu leave 'usb:1209:*' --back 60 --json\n" % (MOLT, MOLT))
    found = dfu.run(["sh", script], board, folder=tmp_path, timeout=200)
    assert found.code == 0 and '"back": true' in found.out, found.out + found.err
    assert board.report["profile"] == "runtime"


# ---- udev ----

@pytest.fixture
def udevd(tmp_path):
    """Debian's, with the rules of this project."""
    root = pathlib.Path(os.environ["MOLT_UDEV"])
    for part in ("bin", "lib", "usr/lib"):
        subprocess.run(["cp", "-a", "%s/%s/." % (root, part), "/" + part], check=True)
    rules = pathlib.Path("/run/udev/rules.d")
    rules.mkdir(parents=True)
    shutil.copy(TOP / "udev/60-molt.rules", rules)
    log = open(tmp_path / "udev.log", "w")
    child = subprocess.Popen(["/lib/systemd/systemd-udevd", "--debug"], stdout=log, stderr=log)
    for _ in range(200):
        if pathlib.Path("/run/udev/control").exists():
            break
        time.sleep(0.1)
    assert child.poll() is None, (tmp_path / "udev.log").read_text()
    yield child
    child.terminate()
    child.wait()


def test_with_udevd(on, tmp_path, udevd):
    """It gives a user of the group the device a moment after the kernel shows it; libusb hears of it from udevd."""
    member = ["setpriv", "--reuid=65534", "--regid=46", "--clear-groups"]  # plugdev, in Debian
    tmp_path = for_all()
    Waiting(tmp_path, "read", "0x08000000+16", "-o", "late.bin", prefix=member).plug_in(
        dfu.Device(flash=dfu.pattern(16)), folder=tmp_path)
    assert (tmp_path / "late.bin").read_bytes() == dfu.pattern(16)
    fails(on(dfu.Device(), "leave", prefix=AS_NOBODY), "no permission")
