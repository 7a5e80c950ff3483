"""molt doctor on the folder of a MicroPython board: a made-up port with boards as MicroPython has them."""
import re

import pytest

BASE = """# base
CONFIG_COMPILER_OPTIMIZATION_PERF=y
CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y
CONFIG_PARTITION_TABLE_CUSTOM=y
CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="partitions-4MiB.csv"
"""
CSV = """# Name,   Type, SubType, Offset,  Size
nvs,      data, nvs,     0x9000,  0x6000,
phy_init, data, phy,     0xf000,  0x1000,
factory,  app,  factory, 0x10000, 0x1F0000,
vfs,      data, fat,     0x200000, 0x200000,
"""
OWN = 'CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME="boards/MINE/mine.csv"\n'
DEFAULTS = "set(IDF_TARGET esp32s3)\nset(SDKCONFIG_DEFAULTS\n    boards/sdkconfig.base\n    # the board's own\n" \
           "    ${MICROPY_BOARD_DIR}/sdkconfig.board\n)\n"


class Port:
    def __init__(self, folder):
        self.folder = folder
        self.write("boards/sdkconfig.base", BASE)
        self.write("partitions-4MiB.csv", CSV)
        self.write("boards/MINE/mine.csv", CSV)
        self.write("boards/MINE/sdkconfig.board", OWN)
        self.write("boards/MINE/mpconfigboard.cmake", DEFAULTS)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))

    def board(self, text):
        self.write("boards/MINE/sdkconfig.board", text)

    def cmake(self, text):
        self.write("boards/MINE/mpconfigboard.cmake", text)


@pytest.fixture
def port(tmp_path):
    return Port(tmp_path / "ports/esp32")


def look(molt, code=0, *words):
    return molt.json("doctor", "ports/esp32/boards/MINE", *words, code=code)


def test_a_board_that_is_right(molt, port):
    said = look(molt)
    assert said["findings"] == [] and said["chip"] == "esp32s3" and said["flash_size"] == 4 << 20
    assert said["fragments"] == ["boards/sdkconfig.base", "boards/MINE/sdkconfig.board"]
    assert (said["table"], said["table_set_by"]) == ("boards/MINE/mine.csv", "boards/MINE/sdkconfig.board:2")
    assert said["twice"] == [
        {"key": "CONFIG_PARTITION_TABLE_CUSTOM", "times": 2, "first": {"file": "boards/sdkconfig.base", "line": 4, "value": "y"},
         "last": {"file": "boards/MINE/sdkconfig.board", "line": 1, "value": "y"}},
        {"key": "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME", "times": 2,
         "first": {"file": "boards/sdkconfig.base", "line": 5, "value": "partitions-4MiB.csv"},
         "last": {"file": "boards/MINE/sdkconfig.board", "line": 2, "value": "boards/MINE/mine.csv"}}]
    text = molt.ok("doctor", "ports/esp32/boards/MINE")
    assert "   1  boards/sdkconfig.base\n   2  boards/MINE/sdkconfig.board\n" in text
    assert "boards/MINE/sdkconfig.board:2: boards/MINE/mine.csv (counts)\ntable  boards/MINE/mine.csv, set by" in text


def only(said, name):
    assert [f["id"] for f in said["findings"]] == [name], said["findings"]
    return said["findings"][0]["text"]


def test_the_custom_table_that_does_not_take_effect(molt, port):
    """Two files set CONFIG_PARTITION_TABLE_CUSTOM; the board's own comes first, so the other one wins without a word."""
    port.cmake("set(SDKCONFIG_DEFAULTS ${MICROPY_BOARD_DIR}/sdkconfig.board boards/sdkconfig.base)\n")
    said = look(molt, 1)
    assert only(said, "board-custom-lost") == (
        "boards/MINE/sdkconfig.board:2 asks for boards/MINE/mine.csv, but boards/sdkconfig.base:5 is merged after it and sets "
        "CONFIG_PARTITION_TABLE_CUSTOM and its _FILENAME again: partitions-4MiB.csv is built, without a word; list "
        "boards/MINE/sdkconfig.board behind boards/sdkconfig.base in SDKCONFIG_DEFAULTS")
    assert (said["table"], said["table_set_by"]) == ("partitions-4MiB.csv", "boards/sdkconfig.base:5")
    port.cmake("set(SDKCONFIG_DEFAULTS boards/sdkconfig.base ${MICROPY_BOARD_DIR}/sdkconfig.board)\n")
    assert look(molt)["table"] == "boards/MINE/mine.csv"


@pytest.mark.parametrize("board, words", [
    ('CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="boards/MINE/mine.csv"\nCONFIG_PARTITION_TABLE_TWO_OTA=y\n',
     "boards/sdkconfig.base:4 sets CONFIG_PARTITION_TABLE_CUSTOM=y and boards/MINE/sdkconfig.board:2, which is merged later, "
     "CONFIG_PARTITION_TABLE_TWO_OTA=y: the last y of a choice counts"),
    (OWN + "CONFIG_PARTITION_TABLE_SINGLE_APP=y\n", "which is merged later, CONFIG_PARTITION_TABLE_SINGLE_APP=y"),
])
def test_another_member_of_the_choice_wins(molt, port, board, words):
    port.board(board)
    said = look(molt, 1)
    assert words in only(said, "board-custom-lost") and said["table"] is None


def test_custom_is_never_chosen(molt, port):
    port.write("boards/sdkconfig.base", "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y\n")
    port.board('CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="boards/MINE/mine.csv"\n')
    assert "nothing sets CONFIG_PARTITION_TABLE_CUSTOM=y, so ESP-IDF takes its default, CONFIG_PARTITION_TABLE_SINGLE_APP" in \
        only(look(molt, 1), "board-custom-lost")


def test_a_board_may_choose_one_of_esp_idfs_tables(molt, port):
    port.board("CONFIG_PARTITION_TABLE_TWO_OTA=y\n")
    said = look(molt)
    assert said["findings"] == [] and said["table"] is None and said["table_set_by"] == "boards/MINE/sdkconfig.board:1"


def test_n_after_y_does_not_unchoose(molt, port):
    """As kconfiglib has it: the member that was set to y last stays the selection."""
    port.board(OWN + "# CONFIG_PARTITION_TABLE_CUSTOM is not set\n")
    assert look(molt)["table"] == "boards/MINE/mine.csv"


def test_a_table_that_is_not_there(molt, port):
    port.board(OWN.replace("boards/MINE/mine.csv", "mine.csv"))
    text = only(look(molt, 1), "board-csv-missing")
    assert text.startswith("boards/MINE/sdkconfig.board:2 names the table mine.csv, which does not exist in ")
    assert "there is a boards/MINE/mine.csv: name it so" in text


def test_a_table_against_the_flash(molt, port):
    """The user's case: 0x310000 + 0x600000 on 8 MB."""
    port.write("boards/MINE/mine.csv", "nvs,data,nvs,0x9000,0x6000\nfactory,app,factory,0x10000,0x300000\nvfs,data,fat,0x310000,0x600000\n")
    port.board(OWN + "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=\nCONFIG_ESPTOOLPY_FLASHSIZE_8MB=y\n")
    assert ("partition 'vfs' is at 0x310000 with 0x600000 bytes and ends at 0x910000, the flash at 0x800000 (8 MB, "
            "CONFIG_ESPTOOLPY_FLASHSIZE): make it 0x4f0000 bytes, or set CONFIG_ESPTOOLPY_FLASHSIZE_16MB=y") in \
        only(look(molt, 1), "board-csv-flash")
    port.board(OWN + "CONFIG_ESPTOOLPY_FLASHSIZE_16MB=y\n")
    assert "7104 KB are not used" in only(look(molt), "board-csv-odd")


def test_a_table_that_is_wrong(molt, port):
    port.write("boards/MINE/mine.csv", CSV.replace("0x10000, 0x1F0000", "0x11000, 0x1E0000"))
    assert "line 4" in only(look(molt, 1), "board-csv-rule")


def test_what_the_board_sets_is_set_again(molt, port):
    port.cmake("set(SDKCONFIG_DEFAULTS boards/sdkconfig.base boards/MINE/sdkconfig.board boards/sdkconfig.late)\n")
    port.board("CONFIG_LWIP_MAX_SOCKETS=20\nCONFIG_ESPTOOLPY_FLASHSIZE_16MB=y\n")
    port.write("boards/sdkconfig.late", "CONFIG_LWIP_MAX_SOCKETS=8\nCONFIG_ESPTOOLPY_FLASHSIZE_4MB=y\n")
    texts = [f["text"] for f in look(molt)["findings"]]
    assert texts == ["CONFIG_LWIP_MAX_SOCKETS: boards/MINE/sdkconfig.board:1 says 20, boards/sdkconfig.late:1 is later and says 8, "
                     "which counts",
                     "boards/MINE/sdkconfig.board:2 chooses CONFIG_ESPTOOLPY_FLASHSIZE_16MB=y, but boards/sdkconfig.late:2 is merged "
                     "later and chooses CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y, which counts"]


def test_files_that_are_joined(molt, port):
    """CMake joins the files as they are; kconfig then takes the string and passes over the rest of the line."""
    port.write("boards/sdkconfig.base", BASE.rstrip("\n"))
    port.board(OWN)
    said = look(molt, 1)
    assert "the first setting of boards/MINE/sdkconfig.board become one line" in only(said, "board-glued")
    port.board("\n" + OWN)
    assert look(molt)["findings"] == []


def test_files_that_are_missing_or_twice(molt, port):
    port.cmake("set(SDKCONFIG_DEFAULTS boards/sdkconfig.base boards/sdkconfig.usb boards/sdkconfig.base)\n")
    said = {f["id"]: f["text"] for f in look(molt, 1)["findings"]}
    assert "boards/sdkconfig.usb, number 2 in SDKCONFIG_DEFAULTS, does not exist" in said["board-file-missing"]
    assert "boards/sdkconfig.base is merged as number 1 and again as number 3" in said["board-fragment-twice"]
    port.cmake("set(IDF_TARGET esp32)\n")
    assert "sets no SDKCONFIG_DEFAULTS" in {f["id"]: f["text"] for f in look(molt, 1)["findings"]}["board-file-missing"]


def test_variants(molt, port):
    """As files of their own (1.24), as an if() (1.22); a board's common file is included from the port."""
    port.write("boards/common.cmake", "set(SDKCONFIG_DEFAULTS boards/sdkconfig.base)\n")
    port.cmake('include(boards/common.cmake)\nif(MICROPY_BOARD_VARIANT STREQUAL "OLD")\n  list(APPEND SDKCONFIG_DEFAULTS '
               'boards/MINE/sdkconfig.board)\nelseif(NOT MICROPY_BOARD_VARIANT)\n  set(IDF_TARGET esp32)\nendif()\n'
               'list(APPEND MICROPY_DEF_BOARD MICROPY_HW_BOARD_NAME="A name with blanks (and more)" X=0)\n')
    port.write("boards/MINE/mpconfigvariant_OTA.cmake", "list(APPEND SDKCONFIG_DEFAULTS boards/MINE/sdkconfig.board)\n")
    said = look(molt)
    assert (said["variants"], said["variant"], said["chip"]) == ("OTA", None, "esp32")
    assert said["fragments"] == ["boards/sdkconfig.base"]
    assert "variants: OTA (--variant NAME looks at one)" in molt.ok("doctor", "ports/esp32/boards/MINE")
    for variant in "OTA", "OLD":
        said = look(molt, 0, "--variant", variant)
        assert said["fragments"] == ["boards/sdkconfig.base", "boards/MINE/sdkconfig.board"] and said["chip"] is None
    assert "no variant SPIRAM; expected one of: OTA" in molt.fails("doctor", "ports/esp32/boards/MINE", "--variant", "SPIRAM")


def test_a_board_elsewhere(molt, port, tmp_path):
    (port.folder / "boards/MINE").rename(tmp_path / "MINE")
    text = molt.fails("doctor", "MINE", "--port", "nowhere")
    assert "nowhere: no such folder" in text
    (tmp_path / "MINE/sdkconfig.board").write_text("CONFIG_X=y\n")
    said = molt.json("doctor", "MINE", "--port", "ports/esp32")
    assert said["fragments"] == ["boards/sdkconfig.base", str((tmp_path / "MINE").resolve() / "sdkconfig.board")]
    assert "--port says where that is" in molt("doctor", "MINE", check=1).stdout


@pytest.mark.parametrize("cmake, kept", [
    ("set(SDKCONFIG_DEFAULTS a;b)\nlist(REMOVE_ITEM SDKCONFIG_DEFAULTS b)\nlist(PREPEND SDKCONFIG_DEFAULTS c)", ["c", "a"]),
    ('set(A "x y")\nif(A STREQUAL "x y" AND (NOT B OR C))\nset(SDKCONFIG_DEFAULTS a)\nelse()\nset(SDKCONFIG_DEFAULTS b)\nendif()', ["a"]),
    ("if(IDF_VERSION_MAJOR EQUAL 4)\nset(SDKCONFIG_DEFAULTS a)\nelseif(DEFINED MICROPY_BOARD)\nset(SDKCONFIG_DEFAULTS b)\nendif()", ["b"]),
    ("if(FALSE)\nif(TRUE)\nset(SDKCONFIG_DEFAULTS a)\nelse()\nset(SDKCONFIG_DEFAULTS b)\nendif()\nelse()\nset(SDKCONFIG_DEFAULTS c)\nendif()",
     ["c"]),
    ("if(5.0.4 VERSION_LESS 5.1 AND 3 GREATER_EQUAL 3 AND abc MATCHES b AND NOT 4 LESS_EQUAL 3)\nset(SDKCONFIG_DEFAULTS a)\nendif()", ["a"]),
    ("if(NO AND YES)\nset(SDKCONFIG_DEFAULTS a)\nelseif(NO OR NOT (YES AND NO))\nset(SDKCONFIG_DEFAULTS b)\nendif()", ["b"]),
    ("#[[ set(SDKCONFIG_DEFAULTS z)\n ]]\nset(SDKCONFIG_DEFAULTS ${SDKCONFIG_IDF_VERSION_SPECIFIC} a $ENV{HOME} CACHE STRING x)", ["a"]),
    ("include(boards/none.cmake OPTIONAL)\nmessage(STATUS hello)\nSET(SDKCONFIG_DEFAULTS a)", ["a"]),
])
def test_cmake(molt, port, cmake, kept):
    port.cmake(cmake + "\n")
    assert look(molt, 1)["fragments"] == kept


def test_cmake_that_is_not_followed(molt, port):
    port.cmake(DEFAULTS + "foreach(X a b)\nlist(APPEND SDKCONFIG_DEFAULTS ${X})\nendforeach()\n")
    assert only(look(molt), "board-cmake").startswith("boards/MINE/mpconfigboard.cmake:7: foreach() is not followed here")


@pytest.mark.parametrize("cmake, words", [
    ("set(A", "mpconfigboard.cmake:1: '(' without ')'"),
    ("set(A \"b)", "a quote or ${ without its end"),
    ("set(A ${b", "a quote or ${ without its end"),
    ("set A", "expected '(' behind the command's name"),
    (")", "expected a command"),
    ("\0\1\2", "expected a command"),
    ("if(A)\n", "if() without endif()"),
    ("endif()", "else or endif without an if"),
    ("set()", "set() without a name"),
    ("list(APPEND)", "list() with fewer than two words"),
    ("include()", "include() without a file"),
    ("include(boards/none.cmake)", "boards/none.cmake, which does not exist"),
    ("include(boards/MINE/mpconfigboard.cmake)", "too many files that include each other"),
    ("if(1)\n" * 40 + "endif()\n" * 40, "too many if() inside of each other"),
    ("set(A " + "x " * 300 + ")", "more than 256 arguments"),
    ("set(A " + "x" * 70000 + ")", "a quote or ${ without its end"),
    ("set(A " + "x" * 60000 + ")\nset(A ${A}${A})", "a quote or ${ without its end"),
    ("set(SDKCONFIG_DEFAULTS " + " ".join("f%d" % i for i in range(40)) + ")", "more than 32 sdkconfig files"),
])
def test_cmake_that_is_wrong(molt, port, cmake, words):
    port.cmake(cmake)
    assert words in molt.fails("doctor", "ports/esp32/boards/MINE")


def test_help_names_every_key(molt, port):
    keys = set(look(molt)) | set(look(molt)["twice"][0]) | set(look(molt)["twice"][0]["last"]) | {"id", "severity", "text", "fix"}
    told = molt.ok("help", "doctor")
    assert keys - set(re.findall(r"\w+", told[told.index("Keys of --json"):])) == set()
