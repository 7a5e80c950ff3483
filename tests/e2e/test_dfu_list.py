"""molt dfu list and how a device is chosen: over buses of descriptors that umockdev plays."""
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

import dfu
from usbbus import STM32, Bus, configuration, device, functional, interface

TOP = pathlib.Path(__file__).resolve().parents[2]
CAMERA = device(0x1234, 0x5678, configuration(
    interface(0, kind=(0x0E, 1), protocol=0), interface(3, protocol=1), functional(0x0D, 64, 0x0110)))
MOUSE = device(0x046D, 0xC077, configuration(interface(0, kind=(3, 1))))
TWO = device(0xAAAA, 0xBBBB, configuration(interface(0, protocol=1), functional(0x01, 64, 0x0100)),
             configuration(interface(5), interface(5, 1), functional(0x07, 8192, 0x0110), value=7))


@pytest.fixture
def bus(molt, tmp_path):
    """bus(DEVICE...): molt with that bus."""
    def plug(*devices):
        made = Bus(tmp_path, *devices)
        return lambda *words, **options: made.run(molt.path, *words, **options)
    return plug


def listed(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["devices"]


def test_no_device(bus):
    run = bus(MOUSE)
    done = run("dfu", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "BOOT0" in done.stderr and "machine.bootloader()" in done.stderr and "--wait" in done.stderr
    assert listed(run("dfu", "list", "--json")) == []
    for words in (["usb:"], ["usb:0483:df11"], ["--wait", "1"]):
        done = run("dfu", "list", *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert "BOOT0" in done.stderr


def test_board_that_runs(bus):
    """MicroPython's own application is no DFU device, but is told from nothing at all."""
    pyboard = device(0xF055, 0x9800, configuration(interface(0, kind=(2, 2)), interface(1, kind=(8, 6))))
    for words in (["dfu", "list"], ["dfu", "leave"]):
        done = bus(MOUSE, pyboard)(*words)
        assert "a board that runs MicroPython (f055:9800 at 1-2): run machine.bootloader() on it" in done.stderr
    assert "f055" not in bus(pyboard, CAMERA)("dfu", "leave").stderr


def test_all_are_shown(bus):
    devices = listed(bus(MOUSE, CAMERA, STM32)("dfu", "list", "--json"))
    assert [d["target"] for d in devices] == ["usb:1234:5678,path=1-2", "usb:0483:df11,path=1-3"]
    camera, stm32 = devices
    assert camera["known"] is None and stm32["known"] == "STM32 ROM loader"
    assert (stm32["vendor_id"], stm32["product_id"], stm32["release"]) == ("0483", "df11", "2200")
    assert (stm32["bus"], stm32["address"], stm32["path"]) == (1, 4, "1-3")
    assert [a["alternate"] for a in stm32["alternates"]] == [0, 1, 2, 3]
    for a in stm32["alternates"]:  # the one functional descriptor, behind the last, is that of all
        assert (a["mode"], a["dfuse"], a["version"], a["transfer_size"]) == ("dfu", True, "1.1a", 2048)
        assert a["download"] and a["upload"] and not a["manifestation_tolerant"] and a["will_detach"]
    (run_time,) = camera["alternates"]
    assert (run_time["mode"], run_time["interface"], run_time["version"]) == ("run-time", 3, "1.1")
    assert run_time["detach_timeout_ms"] == 255 and not run_time["upload"]


def test_words(bus):
    text = bus(CAMERA, STM32)("dfu", "list").stdout
    assert "usb:1234:5678,path=1-1\n  not known to Molt, used only when it is named so\n" in text
    assert "its application runs" in text
    assert "usb:0483:df11,path=1-2\n  STM32 ROM loader\n  id 0483:df11, release 22.00, plugged in at 1-2 (bus 001 device 003)\n" in text
    assert text.count("  interface 0: DfuSe 1.1a, 2048 bytes a transfer, writes, reads\n") == 1
    assert [line.split()[1] for line in text.split("\n") if line.startswith("    alt ")] == ["0", "0", "1", "2", "3"]


def test_of_several_only_what_fits(bus):
    run = bus(STM32, CAMERA, STM32)
    for text, count in (("usb:0483:df11", 2), ("usb:path=1-3", 1), ("usb:1234:*", 1), ("usb:", 3), ("usb:devnum=3", 1)):
        assert len(listed(run("dfu", "list", text, "--json"))) == count, text
    done = run("dfu", "list", "usb:9999:9999")
    assert done.returncode == 1 and "there are usb:0483:df11,path=1-1" in done.stderr


def test_several_configurations(bus):
    (found,) = listed(bus(TWO)("dfu", "list", "--json"))
    assert [(a["configuration"], a["interface"], a["alternate"], a["mode"], a["transfer_size"]) for a in found["alternates"]] == [
        (1, 0, 0, "run-time", 64), (7, 5, 0, "dfu", 8192), (7, 5, 1, "dfu", 8192)]


@pytest.mark.parametrize("words, message", [
    (["usb:"], "2 DFU devices fit; say which: usb:0483:df11,path=1-1 (STM32 ROM loader, at 1-1), usb:0483:df11,path=1-3"),
    (["usb:0483:df11"], "2 DFU devices fit; say which"),
    (["usb:path=1-9"], "no DFU device fits; there are"),
    (["usb:path=1-1,alt=9"], "its alternates: 0, 1, 2, 3"),
])
def test_not_to_be_chosen(bus, words, message):
    """Told by a verb that needs one device; nothing is sent to any."""
    done = bus(STM32, CAMERA, STM32)("dfu", "leave", *words)
    assert done.returncode == 1 and message in done.stderr, done.stderr


def test_foreign_is_never_chosen(bus):
    done = bus(CAMERA)("dfu", "leave")
    assert done.returncode == 1
    assert "no DFU device that Molt knows; there is usb:1234:5678,path=1-1 (not known to Molt, at 1-1): name it so" in done.stderr


@pytest.mark.parametrize("target", ["usb:0483", "usb:xyz:1", "usb:path=bench", "stm32", "usb:serial=", "usb:alt=1,alt=2"])
def test_malformed_target(bus, target):
    done = bus()("dfu", "list", target)
    assert done.returncode == 2 and target in done.stderr and done.stdout == ""


def test_wait_is_a_number(molt):
    assert "expected seconds" in molt.fails("dfu", "list", "--wait", "soon", code=2)
    assert "at most 86400" in molt.fails("dfu", "list", "--wait", "86401", code=2)


def test_no_permission(bus):
    """As a user whom no rule gives the device. What the system itself knows of it is shown all the same."""
    run = bus(STM32, CAMERA)
    # Root opens what it likes, unless that is taken from it.
    drop = "setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else ""

    def closed(*words):
        return run("dfu", *words, before="chmod 0 $NODES/002", prefix=drop)

    stm32, camera = listed(closed("list", "--json"))
    assert stm32["error"] == "no permission for the USB device" and camera["error"] is None
    assert stm32["target"] == "usb:0483:df11,path=1-1" and stm32["known"] == "STM32 ROM loader"
    assert len(stm32["alternates"]) == 4 and stm32["alternates"][0]["transfer_size"] == 2048
    text = closed("list").stdout
    assert "NOT USABLE: no permission" in text and "60-molt.rules" in text
    for words in ((), ("usb:0483:df11",), ("usb:serial=1234",)):
        done = closed("leave", *words)
        assert done.returncode == 1 and "usb:0483:df11,path=1-1 (bus 001 device 002): no permission" in done.stderr
        assert "60-molt.rules" in done.stderr and "udevadm" in done.stderr


def test_in_a_container(bus):
    """The system knows of the device, and its file is not there."""
    run = bus(STM32, CAMERA)
    done = run("dfu", "list", before="rm $NODES/002")
    assert "usb:0483:df11,path=1-1\n" in done.stdout and done.stdout.count("NOT USABLE") == 1
    assert "a container has to be given /dev/bus/usb" in done.stdout
    done = run("dfu", "leave", "--wait", "1", before="rm $NODES/002")
    assert done.returncode == 1 and "a container has to be given /dev/bus/usb" in done.stderr


HIDE = "mv $UMOCKDEV_DIR/sys/bus/usb/devices/1-1 $UMOCKDEV_DIR"
SHOW = "mv $UMOCKDEV_DIR/1-1 $UMOCKDEV_DIR/sys/bus/usb/devices"


def test_waits_until_it_is_plugged_in(bus):
    """And until udev has given the permission, which comes a moment later."""
    run = bus(STM32)
    drop = "setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else ""
    begun = time.monotonic()
    done = run("dfu", "list", "--wait", "20", "--json", prefix=drop, before=(
        HIDE + "; chmod 0 $NODES/002; (sleep 0.4; %s; sleep 0.5; chmod 600 $NODES/002) </dev/null >/dev/null 2>&1 &" % SHOW
    ))
    (stm32,) = listed(done)
    assert stm32["target"] == "usb:0483:df11,path=1-1" and stm32["error"] is None
    assert 0.9 < time.monotonic() - begun < 20


def test_waits_no_longer_than_asked(bus):
    run = bus(CAMERA, STM32)
    begun = time.monotonic()
    done = run("dfu", "leave", "usb:path=1-7", "--wait", "1", "--progress", "json")
    assert done.returncode == 1 and "no DFU device fits" in done.stderr
    assert 1 <= time.monotonic() - begun < 20  # a busy machine starts slowly; it does not wait for ever
    waits = [json.loads(line) for line in done.stderr.split("\n") if line.startswith("{")]
    assert waits and all(w["progress"] == "wait" and w["total"] == 1000 for w in waits)


@pytest.mark.parametrize("library, message", [
    (b"not a library", "libusb-1.0.so.0 cannot be loaded"),
    (None, "has no libusb_"),
])
def test_no_libusb(molt, tmp_path, library, message):
    """Missing, or far too old; told with what to install, and only by what needs it."""
    place = tmp_path / "libusb-1.0.so.0"
    if library is None:
        subprocess.run(["gcc", "-shared", "-o", place, "-x", "c", "/dev/null"], check=True)
    else:
        place.write_bytes(library)
    env = {"LD_LIBRARY_PATH": str(tmp_path)}
    error = molt.fails("dfu", "list", env=env)
    assert message in error and ("expected a newer one" if library is None else "install libusb-1.0") in error
    assert molt.ok("--version", env=env)
    assert "expected sim:FOLDER" in molt.fails("dfu", "list", "sim:", code=2, env=env)


def test_start_without_libusb(molt):
    """The command does not bring it along: it is loaded by those who need it."""
    out = subprocess.run(["readelf", "-d", molt.path], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", out)
    assert needed and not [name for name in needed if "usb" in name]


def test_udev_rule():
    """Each line is one that udev understands, and each device that the list knows is there."""
    lines = [line for line in (TOP / "udev/60-molt.rules").read_text().split("\n") if line and line[0] != "#"]
    for line in lines:
        for term in line.split(", "):
            assert re.fullmatch(r'[A-Z]+(\{\w+\})?(==|!=|=|\+=)"[^"]*"', term), term
    pairs = re.findall(r'ATTR\{idVendor\}=="(\w{4})", ATTR\{idProduct\}=="(\w{4})", TAG\+="uaccess"', "\n".join(lines))
    known = re.findall(r'\{(VENDOR_\w+|0x\w{4}), 0x(\w{4}), NULL, "\w+ ROM loader"\}',
                       (TOP / "src/host/usb_describe.c").read_text())
    vendors = {"VENDOR_ST": "0483", "VENDOR_GIGADEVICE": "28e9"}
    assert sorted(pairs) == sorted((vendors.get(v, v[2:].lower()), p.lower()) for v, p in known) and len(pairs) == 4


# ---- Devices that answer ----

def list_of(molt, folder, *devices, words=()):
    found = dfu.run([molt.path, "dfu", "list", "--json", *words], *devices, folder=folder)
    assert found.code == 0, found.err
    assert not found.requests(), "a list sends nothing to the loader"
    return json.loads(found.out)["devices"]


def test_strings_and_maps(molt, tmp_path):
    names = ("stm32f405", "stm32f427", "stm32h743", "mboot")
    f405, f427, h743, mboot = list_of(molt, tmp_path, *map(dfu.Device, names))
    assert f405["target"] == "usb:0483:df11,serial=306A37613036" and f405["serial"] == "306A37613036"
    assert (f405["manufacturer"], f405["product"]) == ("STMicroelectronics", "STM32  BOOTLOADER")
    flash, options, otp, _ = (a["map"] for a in f405["alternates"])
    assert f405["alternates"][0]["name"] == "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg"
    assert (flash["name"], flash["bytes"], flash["truncated"]) == ("Internal Flash", 1 << 20, False)
    assert [(s["start"], s["end"], s["sector_size"], s["count"]) for s in flash["segments"]] == [
        (0x08000000, 0x08010000, 0x4000, 4), (0x08010000, 0x08020000, 0x10000, 1), (0x08020000, 0x08100000, 0x20000, 7)]
    assert all(s["readable"] and s["erasable"] and s["writable"] for s in flash["segments"])
    assert options["name"] == "Option Bytes" and not options["segments"][0]["erasable"]
    assert otp["bytes"] == 528
    assert "stm32f405" in f405["fits"] and "stm32h743" in h743["fits"]
    assert f427["alternates"][0]["map"]["truncated"] and h743["alternates"][0]["map"]["bytes"] == 2 << 20
    assert (mboot["known"], mboot["product"]) == ("MicroPython mboot", "Pyboard DFU")


def test_the_example_of_the_documentation(molt, tmp_path):
    text = (TOP / "docs/dfu.md").read_text()
    example = text.split("$ molt dfu list\n", 1)[1].split("```", 1)[0].rstrip().removesuffix("    ...")
    found = dfu.run([molt.path, "dfu", "list"], dfu.Device("stm32f405"), folder=tmp_path)
    assert found.out.startswith(example.rstrip("\n") + "\n") and len(example.splitlines()) > 5


def of_dfu_util(text):
    """What dfu-util -l tells, in molt's terms."""
    row = re.compile(r'Found (DFU|Runtime): \[(\w+):(\w+)\] ver=(\w+), devnum=(\d+), cfg=(\d+), intf=(\d+), path="([^"]*)", '
                     r'alt=(\d+), name="([^"]*)", serial="([^"]*)"')
    return sorted((mode == "DFU", *ids, *map(int, numbers), path, int(alt), name, serial)
                  for mode, *ids, devnum, cfg, intf, path, alt, name, serial in row.findall(text) for numbers in [(devnum, cfg, intf)])


def ascii_of(text):
    """As libusb gives strings to dfu-util: "?" for what is not ASCII, as in the name of stm32f427."""
    return "".join(c if ord(c) < 128 else "?" for c in text)


def of_molt(devices):
    return sorted((a["mode"] == "dfu", d["vendor_id"], d["product_id"], d["release"], d["address"], a["configuration"],
                   a["interface"], d["path"], a["alternate"], ascii_of(a["name"] or "UNKNOWN"), d["serial"] or "UNKNOWN")
                  for d in devices for a in d["alternates"])


def test_as_dfu_util_lists(molt, tmp_path):
    names = ("stm32f405", "stm32f427", "stm32h743", "mboot", "plain", "runtime")
    peer = dfu.run(["dfu-util", "-l"], *map(dfu.Device, names), folder=tmp_path)
    found = of_molt(list_of(molt, tmp_path, *map(dfu.Device, names)))
    assert found == of_dfu_util(peer.out) and len(found) == 4 + 4 + 1 + 1 + 1 + 1
    plugged = Bus(tmp_path, CAMERA, TWO, MOUSE, STM32)
    found = of_molt(listed(plugged.run(molt.path, "dfu", "list", "--json")))
    assert found == of_dfu_util(plugged.run("dfu-util", "-l").stdout) and len(found) == 1 + 3 + 4


def test_every_key_is_documented(molt, tmp_path):
    (found,) = list_of(molt, tmp_path, dfu.Device("stm32f405"))
    alternate = found["alternates"][0]
    keys = {*found, *alternate, *alternate["map"], *alternate["map"]["segments"][0]}
    for words in ((TOP / "docs/json.md").read_text(), molt.ok("help", "dfu", "list")):
        assert not {key for key in keys if not re.search(r"\b%s\b" % key, words)}


def test_same_serial_number(molt, tmp_path):
    """Told apart by where they are plugged in."""
    twins = [dfu.Device("stm32f405", serial="TWIN"), dfu.Device("stm32f405", serial="TWIN"), dfu.Device("mboot", serial="ONE")]
    assert [d["target"][14:] for d in list_of(molt, tmp_path, *twins)] == ["path=1-1", "path=1-2", "serial=ONE"]
    found = dfu.run([molt.path, "dfu", "leave", "usb:serial=TWIN"], *twins, folder=tmp_path)
    assert found.code == 1 and "2 DFU devices fit" in found.err and "usb:0483:df11,path=1-2" in found.err
    assert not found.requests(1) and not found.requests(2)


def test_comma_in_serial_number(molt, tmp_path):
    (odd,) = list_of(molt, tmp_path, dfu.Device("stm32f405", serial="a,alt=1"))
    assert odd["target"] == "usb:0483:df11,path=1-1" and odd["serial"] == "a,alt=1"


def test_text_of_a_hostile_device(molt, tmp_path):
    found = dfu.run([molt.path, "dfu", "list"], dfu.Device("stm32f405", serial="\x1b[2Jx"), folder=tmp_path)
    assert found.code == 0 and "\x1b" not in found.out and "?[2Jx" in found.out


@pytest.mark.parametrize("kind", ["stall", "timeout", "io", "short", "gone"])
def test_faults_while_listing(molt, tmp_path, kind):
    """A device that answers badly is shown with what is known of it, and hides no other one."""
    for at in (4,) if kind == "timeout" else (1, 3, 5):  # the languages, the product, the first layout
        devices = list_of(molt, tmp_path, dfu.Device("stm32f405", fault="%s@%d" % (kind, at)), dfu.Device("mboot"))
        assert devices[-1]["product"] == "Pyboard DFU" and len(devices) <= 2
        if kind != "gone":
            assert devices[0]["known"] == "STM32 ROM loader" and len(devices[0]["alternates"]) == 4


@pytest.mark.parametrize("alternate, name", [("1", 1), ("Option Bytes", 1), ("device feature", 3)])
def test_alternate_is_selected(molt, tmp_path, alternate, name):
    found = dfu.run([molt.path, "dfu", "leave", "usb:alt=" + alternate], dfu.Device("stm32f405"), folder=tmp_path)
    selected = [t["value"] for t in found.trace if (t["type"], t["request"]) == (1, 11)]
    assert selected[:1] == [name], found.err


# ---- Boards in folders ----

def test_simulated_board(molt):
    molt.ok("sim", "new", "sim:bench", "--chip", "stm32f405")
    (board,) = molt.json("dfu", "list", "sim:bench")["devices"]
    assert (board["target"], board["known"], board["address"], board["path"]) == ("sim:bench", "STM32 ROM loader", 0, None)
    assert board["alternates"][0]["map"]["bytes"] == 1 << 20
    assert "sim:bench\n  STM32 ROM loader" in molt.ok("dfu", "list", "sim:bench")
    assert "its alternates: 0 'Internal Flash'" in molt.fails("dfu", "leave", "sim:bench,alt=7")


def test_simulated_board_that_left(molt):
    molt.ok("sim", "new", "sim:bench", "--chip", "stm32f405")
    molt.ok("dfu", "leave", "sim:bench", "0x08000000")
    error = molt.fails("dfu", "list", "sim:bench")
    assert "sim:bench: is not on the bus" in error and "'molt sim boot sim:bench --boot0'" in error
    molt("sim", "boot", "sim:bench", "--boot0")
    assert "STM32 ROM loader" in molt.ok("dfu", "list", "sim:bench")


def test_no_such_folder(molt, tmp_path):
    assert "nowhere" in molt.fails("dfu", "list", "sim:nowhere")
    molt.ok("sim", "new", "sim:esp", "--chip", "esp32")
    assert "esp: is a simulated esp32, which has no USB boot loader" in molt.fails("dfu", "list", "sim:esp")
