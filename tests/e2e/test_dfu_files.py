"""molt dfu show, pack, unpack: byte for byte what genuine tools make and read (MicroPython's dfu.py and pydfu.py, dfu-suffix, dfu-prefix,
dfu-util, objcopy), genuine .dfu files, and everything that is refused, with its words and its exit code, and nothing left behind."""
import contextlib
import gzip
import importlib.util
import io
import os
import struct
import subprocess
import zlib

import dfu
import formats
import pytest
from conftest import TOP

GENUINE = TOP / "build/deps/dfu"


def load_tool(name):
    path = dfu.TOOLS / (name + ".py")
    assert path.exists(), "%s: run scripts/native.sh" % path
    spec = importlib.util.spec_from_file_location("micropython_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def micropython():
    """MicroPython's dfu.py."""
    return load_tool("dfu")


@pytest.fixture(scope="module")
def pydfu():
    return load_tool("pydfu")


def genuine(name):
    path = GENUINE / name
    assert path.exists(), "%s: run scripts/dfu-files.sh" % path
    return path


def tool(*words, code=0, cwd=None):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd, timeout=60)
    assert done.returncode == code, "%s\n%s%s" % (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def said_by(function, *arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = function(*arguments)
    return result, out.getvalue()


def put(folder, **files):
    """put(folder, fw_bin=b"..."): writes fw.bin."""
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)


# ---- MicroPython's tools ----

@pytest.mark.parametrize("elements", [
    [(0x08000000, 16)], [(0x08000000, 13)], [(0x08000000, 392), (0x08020000, 4095)],
    [(0x08020000, 1), (0x08000000, 8), (0x90000000, 1000)]], ids=str)
def test_pack_is_what_dfu_py_builds(molt, micropython, tmp_path, elements):
    words, targets = [], []
    for i, (address, size) in enumerate(elements):
        data = dfu.pattern(size, i + 1)
        (tmp_path / ("%d.bin" % i)).write_bytes(data)
        words.append("%d.bin@0x%08x" % (i, address))
        targets.append({"address": address, "data": data})
    micropython.build(tmp_path / "theirs.dfu", [targets], "0x0483:0xdf11")
    molt.ok("dfu", "pack", *words, "-o", "ours.dfu")
    assert (tmp_path / "ours.dfu").read_bytes() == (tmp_path / "theirs.dfu").read_bytes()
    micropython.build(tmp_path / "theirs.dfu", [targets], "0x1209:0xabcd")
    molt.ok("dfu", "pack", *("%s:%s" % tuple(reversed(word.split("@"))) for word in words), "--vid", "1209", "--pid", "0xabcd",
            "-o", "ours.dfu")
    assert (tmp_path / "ours.dfu").read_bytes() == (tmp_path / "theirs.dfu").read_bytes()


def test_micropython_reads_several_targets(molt, micropython, pydfu, tmp_path):
    parts = [(0, 0x08000000, dfu.pattern(100, 1)), (0, 0x08020000, dfu.pattern(64, 2)), (1, 0x90000000, dfu.pattern(5000, 3))]
    put(tmp_path, a_bin=parts[0][2], b_bin=parts[1][2], c_bin=parts[2][2])
    molt.ok("dfu", "pack", "a.bin@0x08000000,name=Inside", "b.bin@0x08020000,name=Inside", "c.bin@0x90000000,alt=1,name=Outside, far",
            "-o", "out.dfu", "--pad", "1")
    _, said = said_by(micropython.parse, str(tmp_path / "out.dfu"))
    assert "ERROR" not in said and "targets: 2" in said
    assert "alt setting: 1, name: \"b'Outside, far'\", size: 5008, elements: 1" in said
    read, said = said_by(pydfu.read_dfu_file, str(tmp_path / "out.dfu"))
    assert "ERROR" not in said
    assert [(e["addr"], e["data"]) for e in read] == [(address, data) for _, address, data in parts]
    shown = molt.json("dfu", "show", "out.dfu")
    assert [(e["alternate"], e["target"], e["address"], e["size"]) for e in shown["elements"]] == [
        (0, "Inside", 0x08000000, 100), (0, "Inside", 0x08020000, 64), (1, "Outside, far", 0x90000000, 5000)]
    molt.ok("dfu", "unpack", "out.dfu")
    for alternate, address, data in parts:
        assert (tmp_path / ("out-alt%d-0x%08x.bin" % (alternate, address))).read_bytes() == data


def test_the_size_counts_the_suffix_on_request(molt, pydfu, tmp_path):
    put(tmp_path, a_bin=bytes(8))
    for words, more in ([], 0), (["--counted"], 16):
        molt.ok("dfu", "pack", "a.bin@0x08000000", *words, "-o", "out.dfu")
        data = (tmp_path / "out.dfu").read_bytes()
        assert struct.unpack_from("<I", data, 6)[0] == len(data) - 16 + more
        assert molt.json("dfu", "show", "out.dfu")["suffix_counted"] is bool(more)
        assert len(said_by(pydfu.read_dfu_file, str(tmp_path / "out.dfu"))[0]) == 1


# ---- dfu-util's tools ----

def test_plain_is_what_dfu_suffix_adds(molt, tmp_path):
    for words, theirs, size in [([], [], 100), (["--vid", "1d50", "--pid", "6017"], ["-v", "1d50", "-p", "6017"], 1),
                                (["-v", "0x1209", "-p", "1", "-d", "0x0102", "-S", "0100"],
                                 ["-v", "1209", "-p", "1", "-d", "0102", "-S", "0100"], 4096)]:
        put(tmp_path, fw_bin=dfu.pattern(size), theirs_dfu=dfu.pattern(size))
        tool("dfu-suffix", "-a", tmp_path / "theirs.dfu", *theirs)
        molt.ok("dfu", "pack", "--plain", "fw.bin", *words, "-o", "ours.dfu")
        assert (tmp_path / "ours.dfu").read_bytes() == (tmp_path / "theirs.dfu").read_bytes()
        molt.ok("dfu", "unpack", "ours.dfu", "-o", "back.bin", "--force")
        tool("dfu-suffix", "-D", tmp_path / "theirs.dfu")
        assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "theirs.dfu").read_bytes() == dfu.pattern(size)


@pytest.mark.parametrize("words, theirs, kind", [
    (["--prefix", "lpc"], ["-L"], ["-L"]), (["--prefix", "stellaris@0x4000"], ["-s", "0x4000"], ["-T"]),
    (["--prefix", "stellaris@0x3fffc00"], ["-s", "0x3fffc00"], ["-T"])], ids=lambda words: words[-1])
def test_prefixes_are_what_dfu_prefix_adds(molt, tmp_path, words, theirs, kind):
    for size in 1, 495, 496, 497, 70000:
        data = dfu.pattern(size)
        put(tmp_path, fw_bin=data, theirs_dfu=data)
        tool("dfu-prefix", *theirs, "-a", tmp_path / "theirs.dfu")
        tool("dfu-suffix", "-a", tmp_path / "theirs.dfu")
        molt.ok("dfu", "pack", "--plain", "fw.bin", *words, "-o", "ours.dfu")
        assert (tmp_path / "ours.dfu").read_bytes() == (tmp_path / "theirs.dfu").read_bytes()
        shown = molt.json("dfu", "show", "ours.dfu")
        assert shown["prefix"]["kind"] == words[1].split("@")[0]
        assert shown["prefix"]["address"] == (int(words[1].split("@")[1], 16) if "@" in words[1] else None)
        molt.ok("dfu", "unpack", "--without-prefix", "ours.dfu", "-o", "back.bin", "--force")
        tool("dfu-prefix", *kind, "-D", tmp_path / "theirs.dfu")
        tool("dfu-suffix", "-D", tmp_path / "theirs.dfu")
        assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "theirs.dfu").read_bytes() == data


def test_dfu_util_writes_ours(molt, tmp_path):
    table, program = dfu.vectors(0x08000000, 400), dfu.pattern(3000)
    put(tmp_path, isr_bin=table, text_bin=program)
    molt.ok("dfu", "pack", "isr.bin@0x08000000", "text.bin@0x08004000", "-o", "fw.dfu")
    found = dfu.run(["dfu-util", "-a", "0", "-D", "fw.dfu"], dfu.Device("stm32f405"), folder=tmp_path)
    assert found.code == 0, found.err
    assert found.device[0].flash[:400] == table and found.device[0].flash[0x4000:0x4000 + 3000] == program


# ---- genuine files ----

def test_a_genuine_dfuse_file(molt, micropython, tmp_path):
    path = genuine("epsilon.dfu")
    shown = molt.json("dfu", "show", path)
    assert (shown["format"], shown["device"], shown["wrong"], shown["entry"]) == ("DfuSe", "NumWorks calculator", False, 0x08000000)
    assert [(e["address"], e["size"]) for e in shown["elements"]] == [(0x90000000, 861800), (0x08000000, 12752)]
    (tmp_path / "theirs.dfu").write_bytes(path.read_bytes())
    said_by(micropython.parse, str(tmp_path / "theirs.dfu"), True)
    molt.ok("dfu", "unpack", path)
    for i, name in enumerate(["epsilon-0x90000000.bin", "epsilon-0x08000000.bin"]):
        assert (tmp_path / name).read_bytes() == (tmp_path / ("theirs.dfu.target0.image%d.bin" % i)).read_bytes()
    molt.ok("dfu", "pack", "epsilon-0x90000000.bin@0x90000000", "epsilon-0x08000000.bin@0x08000000", "--pid", "a291", "-o", "again.dfu")
    assert (tmp_path / "again.dfu").read_bytes() == path.read_bytes()
    molt.ok("dfu", "pack", path, "--pid", "a291", "-o", "again.dfu")
    assert (tmp_path / "again.dfu").read_bytes() == path.read_bytes()


def test_a_genuine_file_whose_crc_is_wrong(molt, tmp_path):
    path = genuine("hackrf_one_usb.dfu")
    data = path.read_bytes()
    assert "CRC does not match" in tool("dfu-suffix", "-c", path, code=65)
    shown = molt.json("dfu", "show", path, code=1)
    assert shown["wrong"] is True and shown["prefix"]["kind"] == "lpc" and shown["device"] == "NXP LPC in its ROM loader"
    expected = zlib.crc32(data[:-4]) ^ 0xFFFFFFFF
    assert (shown["suffix"]["crc_expected"], shown["suffix"]["crc"]) == (expected, struct.unpack("<I", data[-4:])[0])
    for verb, words in ("unpack", ["-o", "x.bin"]), ("pack", ["-o", "x.dfu"]):
        said = molt.fails("dfu", verb, path, *words)
        assert "expected 0x%08x, found 0x%08x" % (expected, shown["suffix"]["crc"]) in said and "--accept-bad-crc" in said
    assert os.listdir(tmp_path) == []
    assert "taken as it is" in molt("dfu", "unpack", path, "--accept-bad-crc", "-o", "x.bin", check=0).stderr
    assert (tmp_path / "x.bin").read_bytes() == data[:-16]
    molt.ok("dfu", "pack", "--plain", "x.bin", "--vid", "1fc9", "--pid", "000c", "-d", "0000", "-o", "x.dfu")
    assert "Length:" in tool("dfu-suffix", "-c", tmp_path / "x.dfu")
    assert (tmp_path / "x.dfu").read_bytes()[:-4] == data[:-4]


# ---- ELF and Intel HEX, by genuine tools ----

SOURCE = """
int data[5] = {1, 2, 3, 4, 5}; int bss[100]; const char text[] = "%s";
void reset(void) { bss[0] = data[1]; for (;;) {} }
__attribute__((section(".vectors"), used)) const unsigned vectors[2] = {0x20020000, (unsigned)&reset};
"""
SCRIPT = """
ENTRY(reset)
MEMORY { first (rx) : ORIGIN = %s, LENGTH = 16K  rest (rx) : ORIGIN = %s, LENGTH = 256K  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 64K }
SECTIONS {
  .vectors : { KEEP(*(.vectors)) } > first
  .text : { *(.text*) *(.rodata*) } > rest
  .data : { *(.data*) } > ram AT > rest
  .bss : { *(.bss*) } > ram
  .stack (NOLOAD) : { . = . + 1024; } > ram
  /DISCARD/ : { *(.ARM.exidx*) *(.comment) }
}
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Programs as boards' makefiles build them: vectors apart (a pyboard), and behind a boot loader within a page of the ELF file, where
    the linker puts the ELF head into the first segment."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "main.c").write_text(SOURCE % "text")
    for name, first, rest in ("apart", "0x08000000", "0x08020000"), ("behind", "0x08004000", "0x08005000"):
        (folder / (name + ".ld")).write_text(SCRIPT % (first, rest))
        tool("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Os", "-ffreestanding", "-nostdlib", "-Wl,-z,max-page-size=0x10000",
             "-T", folder / (name + ".ld"),
             folder / "main.c", "-o", folder / (name + ".elf"))
        for kind, fill in ("ihex", []), ("binary", ["--gap-fill", "0xff"]):
            tool("arm-none-eabi-objcopy", "-O", kind, *fill, folder / (name + ".elf"), folder / ("%s.%s" % (name, kind)))
    tool("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-c", folder / "main.c", "-o", folder / "main.o")
    return folder


@pytest.mark.parametrize("name, address", [("apart", 0x08000000), ("behind", 0x08004000)])
def test_elf_and_hex_are_what_objcopy_makes_of_them(molt, programs, tmp_path, name, address):
    flat = (programs / (name + ".binary")).read_bytes()
    for source in "elf", "ihex":
        path = programs / ("%s.%s" % (name, source))
        shown = molt.json("dfu", "show", path)
        assert shown["elements"][0]["address"] == shown["entry"] == address and shown["start"] % 2 == 1
        molt.ok("dfu", "unpack", path, "-o", source + ".bin")
        assert (tmp_path / (source + ".bin")).read_bytes() == flat
        molt.ok("dfu", "unpack", path, "-o", source + ".hex")
        tool("arm-none-eabi-objcopy", "-I", "ihex", "-O", "binary", "--gap-fill", "0xff", tmp_path / (source + ".hex"),
             tmp_path / "again.bin")
        assert (tmp_path / "again.bin").read_bytes() == flat
        molt.ok("dfu", "pack", path, "--pad", "1", "-o", source + ".dfu")
    assert (tmp_path / "elf.dfu").read_bytes() == (tmp_path / "ihex.dfu").read_bytes()
    elements = molt.json("dfu", "show", "elf.dfu")["elements"]
    assert [e["address"] for e in elements] == [address, 0x08020000 if name == "apart" else 0x08005000]
    assert sum(e["size"] for e in elements) < len(flat)


def test_the_linker_did_put_the_elf_head_into_a_segment(programs):
    """Else the program behind a boot loader would not show that it is left out."""
    said = tool("arm-none-eabi-readelf", "-lW", programs / "behind.elf")
    offsets = [line.split()[1] for line in said.splitlines() if line.split()[:1] == ["LOAD"]]
    assert "0x000000" in offsets, said


# ---- by the bytes, compressed, from standard input ----

def test_told_by_the_bytes_and_not_by_the_name(molt, tmp_path):
    data = dfu.vectors(0x08000000, 64)
    contents = {"DfuSe": formats.dfuse((0x08000000, data)), "DFU": formats.dfu_suffix(data), "ELF": formats.elf(40, 0x08000000, data),
                "Intel HEX": formats.hex_file(0x08000000, data), "raw": data}
    for kind, content in contents.items():
        for name in "x.bin", "x.dfu", "x.hex", "x.elf", "x":
            (tmp_path / name).write_bytes(content)
            shown = molt.json("dfu", "show", name)
            assert (shown["format"], shown["compressed"], shown["bytes"]) == (kind, False, 64)
        (tmp_path / "x").write_bytes(gzip.compress(content))
        shown = molt.json("dfu", "show", "x")
        assert (shown["format"], shown["compressed"], shown["file_size"]) == (kind, True, len(content))
        with open(tmp_path / "x") as stdin:
            piped = subprocess.run([molt.path, "dfu", "unpack", "-", "-o", "piped.bin", "-f"], stdin=stdin, cwd=tmp_path)
        assert piped.returncode == 0 and (tmp_path / "piped.bin").read_bytes() == data
    with open(tmp_path / "x") as stdin:
        piped = subprocess.run([molt.path, "dfu", "pack", "0x08000000:-", "-o", "piped.dfu"], stdin=stdin, cwd=tmp_path)
    assert piped.returncode == 0 and molt.json("dfu", "show", "piped.dfu")["elements"][0]["size"] == 64
    molt.ok("dfu", "pack", "--plain", "x", "-o", "plain.dfu")  # still compressed
    assert (tmp_path / "plain.dfu").read_bytes()[:-16] == (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(contents["DfuSe"])
    molt.ok("dfu", "unpack", "--raw", "x", "-o", "same", "-f")
    assert (tmp_path / "same").read_bytes() == contents["DfuSe"]


def test_what_mboot_encrypts_is_recognised(molt, micropython, tmp_path):
    """Chunks as mboot_pack_dfu.py makes them: a head, more bytes than go to flash, a signature of 64."""
    chunks = []
    for i, kind in enumerate([2, 2, 1]):
        payload = dfu.pattern(512 + 36, i)
        chunks.append({"address": 0x08020000 + 512 * i, "data": struct.pack("<BBHII", 1, kind, 0, 0x08020000 + 512 * i, len(payload)) +
                       payload + dfu.pattern(64, 9)})
    said_by(micropython.build, str(tmp_path / "packed.dfu"), [chunks])
    shown = molt.json("dfu", "show", "packed.dfu")
    assert shown["packed"] is True and shown["entry"] is None and len(shown["elements"]) == 3
    assert "encrypted" in molt.fails("dfu", "pack", "packed.dfu", "-o", "x.dfu")
    assert "overlap" in molt.fails("dfu", "unpack", "packed.dfu", "-o", "x.bin")
    assert os.listdir(tmp_path) == ["packed.dfu"]


def test_the_micropython_in_it_is_told(molt, tmp_path):
    put(tmp_path, fw_dfu=formats.dfuse((0x08000000, bytes(16)), (0x08020000, b"x" * 99 + b"MicroPython v1.23.0 on 2024-06-02; PYBV11\0")))
    shown = molt.json("dfu", "show", "fw.dfu")
    assert (shown["micropython"], shown["micropython_date"]) == ("v1.23.0", "2024-06-02")
    assert "holds     MicroPython v1.23.0 of 2024-06-02\n" in molt.ok("dfu", "show", "fw.dfu")
    assert "molt dfu show fw.dfu" in molt.ok("info", "fw.dfu")
    assert "'molt dfu write' takes it" in molt.fails("flash", "fw.dfu", "sim:board")


# ---- what is refused ----

def broken(data, at, value):
    """A DfuSe file with a 32-bit field changed and its CRC right again."""
    data = bytearray(data[:-4])
    struct.pack_into("<I", data, at, value)
    return bytes(data) + struct.pack("<I", zlib.crc32(data) ^ 0xFFFFFFFF)


GOOD = formats.dfuse((0x08000000, b"12345678"), (0x08020000, b"abcdefgh"))
ELF = formats.elf(40, 0x08000000)
HEX = formats.hex_file(0x08000000, b"0123456789abcdef")
PLAIN = formats.dfu_suffix(b"plain bytes")
BAD_FILES = [
    ("suffix cut off", GOOD[:-16], "there is no DFU suffix"), ("cut short", GOOD[:-1], "is not whole"), ("prefix only", GOOD[:11], "not whole"),
    ("a bit flipped", GOOD[:300] + b"?" + GOOD[301:], "wrong CRC"),
    ("image size", broken(GOOD, 6, len(GOOD) - 17), "size in the DfuSe prefix"), ("targets", broken(GOOD, 10, 0x726154FF), "DfuSe target"),
    ("target size", broken(GOOD, 277, 0xFFFFFFFF), "size of a DfuSe target"), ("elements", broken(GOOD, 281, 1), "end of a DfuSe target"),
    ("element size", broken(GOOD, 289, 0xFFFFFFF0), "size of a DfuSe element"),
    ("element at the end of memory", broken(GOOD, 285, 0xFFFFFFFE), "behind 4 GB"),
    ("elements overlap", formats.dfuse((0x08000000, b"12345678"), (0x08000007, b"x")), "1 bytes at 0x08000007"),
    ("no element", formats.dfuse(), "nothing to write"), ("an empty element", formats.dfuse((0x08000000, b"")), "nothing to write"),
    ("DfuSe by its suffix only", formats.dfu_suffix(b"bytes", 0x011A), "says DfuSe"),
    ("nothing but a suffix", formats.dfu_suffix(b""), "nothing else"),
    ("length of the suffix", PLAIN[:-5] + b"\x0c" + PLAIN[-4:], "12 bytes long"),
    ("Xtensa", formats.elf(94, 0x40080000), "for Xtensa (machine 94), expected one for Arm"), ("RISC-V", formats.elf(243, 0x42000000), "for RISC-V"),
    ("an unknown machine", formats.elf(4242, 0), "an unknown machine"), ("64-bit", ELF[:4] + b"\2" + ELF[5:], "a 64-bit ELF"),
    ("big-endian", ELF[:5] + b"\2" + ELF[6:], "big-endian 32-bit ELF"), ("an object file", ELF[:16] + b"\1" + ELF[17:], "an object file"),
    ("ELF cut short", ELF[:-1], "ELF segment"), ("ELF head only", ELF[:40], "ELF header"),
    ("HEX checksum", HEX.replace(b"3132", b"3133"), "line 2 of the Intel HEX file"), ("HEX cut short", HEX[:-12], "no end record"),
    ("HEX overlaps", HEX[:-12] + HEX, "two different pieces are for 0x08000000"), ("HEX of nothing", b":00000001FF\n", "no bytes to write"),
    ("gzip cut short", gzip.compress(GOOD)[:-3], "ends too early"), ("gzip damaged", gzip.compress(GOOD)[:-8] + bytes(8), "is damaged"),
    ("gzip of nothing", gzip.compress(b""), "is empty"), ("empty", b"", "is empty"),
    ("a web page", b"<!DOCTYPE html><html>not found</html>", "a web page"), ("a ZIP archive", b"PK\3\4" + bytes(60), "unpack it first"),
    ("S-records", b"S0030000FC\nS9030000FC\n", "a text file"),
    ("a UF2 file", formats.uf2(0, b"x" * 300, "ESP32"), "a UF2 file"), ("text", b"just some text\n" * 9, "a text file"),
]


@pytest.mark.parametrize("content, words", [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES])
def test_bad_files_are_refused(molt, tmp_path, content, words):
    put(tmp_path, fw_bin=content)
    for verb, more in ("show", []), ("pack", ["-o", "out.dfu"]), ("unpack", ["-o", "out.bin"]):
        if verb == "show" and words in ("wrong CRC", "there is no DFU suffix"):
            assert "WRONG" in molt("dfu", "show", "fw.bin", check=1).stdout
            continue
        said = molt.fails("dfu", verb, "fw.bin", *more)
        assert "fw.bin: " in said and words in said, said
        assert os.listdir(tmp_path) == ["fw.bin"]


WRONG_LINES = [
    (1, ["pack", "fw.bin", "-o", "x.dfu"], "expected an address, as in fw.bin@0x08000000"),
    (1, ["pack", "plain.dfu", "-o", "x.dfu"], "a plain DFU file"),
    (1, ["pack", "good.dfu@0x08000000", "-o", "x.dfu"], "has its own addresses"),
    (1, ["pack", "good.hex@0x08000000", "-o", "x.dfu"], "an Intel HEX file and has its own addresses"),
    (1, ["pack", "fw.bin@0x08000000", "fw.bin@0x08000007", "-o", "x.dfu"], "overlap"),
    (1, ["pack", "fw.bin@0xFFFFFFF8", "-o", "x.dfu"], "behind 4 GB"),
    (1, ["pack", "cut.hex@0x08000000", "-o", "x.dfu"], "is a text file"),
    (1, ["pack", "nothing.bin@0", "-o", "x.dfu"], "nothing.bin: "),
    (1, ["pack", "fw.bin@0", "-o", "nowhere/x.dfu"], "nowhere/x.dfu"),
    (1, ["pack", "fw.bin@0", "-o", "fw.bin"], "the input itself"),
    (1, ["pack", "fw.bin@0,name=" + "x" * 255, "-o", "x.dfu"], "has 255 bytes"),
    (1, ["pack", "--plain", "plain.dfu", "-o", "x.dfu"], "has a DFU suffix already"),
    (1, ["pack", "--plain", "--prefix", "stellaris@0x4001", "fw.bin", "-o", "x.dfu"], "multiple of 1024"),
    (1, ["pack", "--plain", "--prefix", "stellaris@0x4000000", "fw.bin", "-o", "x.dfu"], "below 64 MB"),
    (1, ["pack", "--plain", "--prefix", "lpc", "lpc.bin", "-o", "x.dfu"], "already"),
    (1, ["unpack", "good.dfu", "-o", "fw.bin"], "fw.bin: is there already"),
    (1, ["unpack", "good.dfu", "-d", "nowhere"], "nowhere/good-0x08000000.bin"),
    (1, ["unpack", "far.dfu", "-o", "x.bin"], "would be 2147483656 bytes"),
    (1, ["unpack", "two.dfu", "-o", "x.hex"], "overlap"),
    (1, ["unpack", "plain.dfu", "--without-prefix", "-o", "x.bin"], "has no prefix"),
    (1, ["unpack", "good.dfu", "-A", "0", "-o", "x.bin"], "has its own addresses"),
    (1, ["show", "nothing.dfu"], "nothing.dfu: "),
    (1, ["show", "."], "is a directory"),
    (2, ["pack", "fw.bin@0"], "expected --output FILE"),
    (2, ["pack", "fw.bin@0", "-o", "-"], "the name of a file"),
    (2, ["unpack", "good.dfu", "-o", "-"], "the name of a file"),
    (2, ["pack", "fw.bin@zero", "-o", "x.dfu"], "expected FILE@ADDRESS"),
    (2, ["pack", "fw.bin@0x100000000", "-o", "x.dfu"], "expected FILE@ADDRESS"),
    (2, ["pack", "fw.bin@0,alt=256", "-o", "x.dfu"], "0 to 255"),
    (2, ["pack", "fw.bin@0", "--vid", "12345", "-o", "x.dfu"], "four hexadecimal digits"),
    (2, ["pack", "fw.bin@0", "--pid", "0x", "-o", "x.dfu"], "four hexadecimal digits"),
    (2, ["pack", "fw.bin@0", "--pad", "0", "-o", "x.dfu"], "1 to 4096"),
    (2, ["pack", "fw.bin@0", "--prefix", "lpc", "-o", "x.dfu"], "for --plain"),
    (2, ["pack", "fw.bin@0", "--spec", "0100", "-o", "x.dfu"], "for --plain"),
    (2, ["pack", "--plain", "fw.bin", "--counted", "-o", "x.dfu"], "not for --plain"),
    (2, ["pack", "--plain", "fw.bin@0", "-o", "x.dfu"], "no addresses"),
    (2, ["pack", "--plain", "fw.bin", "lpc.bin", "-o", "x.dfu"], "expected one file, found 2"),
    (2, ["pack", "--plain", "--prefix", "ti", "fw.bin", "-o", "x.dfu"], "expected lpc, or stellaris@ADDRESS"),
    (2, ["unpack", "good.dfu", "-o", "x.bin", "-d", "."], "expected either"),
    (2, ["unpack", "good.dfu", "--format", "hex"], "expected --output FILE"),
    (2, ["unpack", "good.dfu", "--format", "uf2", "-o", "x"], "expected bin or hex"),
    (2, ["unpack", "good.dfu", "--fill", "256", "-o", "x"], "0 to 0xFF"),
    (2, ["unpack", "good.dfu", "-A", "here", "-o", "x"], "expected an address"),
    (2, ["show"], "too few operands"),
]


@pytest.mark.parametrize("code, words, said", WRONG_LINES, ids=[" ".join(row[1])[:60] for row in WRONG_LINES])
def test_what_cannot_be_done_is_refused(molt, tmp_path, code, words, said):
    put(tmp_path, fw_bin=bytes(range(8)), good_dfu=GOOD, good_hex=HEX, plain_dfu=PLAIN,
        lpc_bin=b"\x1a\x3f\1" + bytes(40), cut_hex=HEX[1:],
        far_dfu=formats.dfuse((0, b"12345678"), (0x80000000, b"abcdefgh")), two_dfu=two_alternates(0, 1))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    message = molt.fails("dfu", *words, code=code)
    assert message.startswith("molt dfu %s: " % words[0]) and said in message, message
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_unpack_writes_all_files_or_none(molt, tmp_path):
    put(tmp_path, good_dfu=GOOD)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/good-0x08020000.bin").write_bytes(b"mine")
    assert "good-0x08020000.bin: is there already" in molt.fails("dfu", "unpack", "good.dfu", "-d", "out")
    assert os.listdir(tmp_path / "out") == ["good-0x08020000.bin"]
    assert (tmp_path / "out/good-0x08020000.bin").read_bytes() == b"mine"
    molt.ok("dfu", "unpack", "good.dfu", "-d", "out/", "--force", "--dry-run")
    assert os.listdir(tmp_path / "out") == ["good-0x08020000.bin"]
    molt.ok("dfu", "unpack", "good.dfu", "-d", "out/", "--force")
    assert (tmp_path / "out/good-0x08020000.bin").read_bytes() == b"abcdefgh"
    assert (tmp_path / "out/good-0x08000000.bin").read_bytes() == b"12345678"


def two_alternates(first, second):
    """A DfuSe file with a byte for each of two alternate settings."""
    body = b"".join(b"Target" + bytes([alternate]) + bytes(259) + struct.pack("<4I", 9, 1, 0, 1) + b"x" for alternate in (first, second))
    return formats.dfu_suffix(b"DfuSe\1" + struct.pack("<IB", 11 + len(body), 2) + body, 0x011A)


def test_what_was_unpacked_goes_again_when_the_next_fails(molt, tmp_path):
    name = "n" * 235  # NAME-alt1-0x00000000.bin has 255 characters, the most there can be; alt10 has one more
    (tmp_path / (name + ".dfu")).write_bytes(two_alternates(1, 10))
    (tmp_path / "out").mkdir()
    assert "File name too long" in molt.fails("dfu", "unpack", name + ".dfu", "-d", "out")
    assert os.listdir(tmp_path / "out") == []
    (tmp_path / (name + ".dfu")).write_bytes(two_alternates(1, 2))
    molt.ok("dfu", "unpack", name + ".dfu", "-d", "out")
    assert len(os.listdir(tmp_path / "out")) == 2


def test_standard_input_has_limits(molt, tmp_path):
    with subprocess.Popen(["head", "-c", "135000000", "/dev/zero"], stdout=subprocess.PIPE) as zeros:
        done = subprocess.run([molt.path, "dfu", "show", "-"], stdin=zeros.stdout, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "") and "standard input: is over 134217728 bytes" in done.stderr
    master, slave = os.openpty()
    done = subprocess.run([molt.path, "dfu", "show", "-"], stdin=slave, capture_output=True, text=True, cwd=tmp_path, timeout=20)
    os.close(master)
    os.close(slave)
    assert done.returncode == 1 and "is a terminal" in done.stderr
    done = subprocess.run([molt.path, "dfu", "unpack", "-"], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "standard input: is empty" in done.stderr
    assert os.listdir(tmp_path) == []


def test_dry_run_and_names_that_command_a_terminal(molt, tmp_path):
    put(tmp_path, fw_bin=bytes(range(8)))
    said = molt.ok("dfu", "pack", "fw.bin@0x08000000,name=\x1b[2Jhidden", "-o", "x.dfu", "--dry-run")
    assert "would write x.dfu" in said and "\x1b" not in said and "hidden" in said
    assert os.listdir(tmp_path) == ["fw.bin"]
    molt.ok("dfu", "pack", "fw.bin@0x08000000,name=\x1b[2Jhidden", "-o", "x.dfu")
    assert "\x1b" not in molt.ok("dfu", "show", "x.dfu")
    assert molt.json("dfu", "show", "x.dfu")["elements"][0]["target"] == "\x1b[2Jhidden"


def test_help_names_every_key(molt, tmp_path):
    put(tmp_path, x_bin=b"\x1a\x3f\1" + bytes(40))
    molt.ok("dfu", "pack", "--plain", "x.bin", "-o", "x.dfu")
    shown = molt.json("dfu", "show", "x.dfu")
    told = molt.ok("help", "dfu", "show")
    for key in [*shown, *shown["suffix"], *shown["prefix"], *shown["elements"][0]]:
        assert key in told[told.index("--json:"):], key
