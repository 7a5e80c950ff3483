"""sim new, sim boot: simulated boards."""
import fcntl
import hashlib
import json


def test_new_and_boot(molt, firmware, tmp_path):
    assert "esp32, revision 3.0, bootloader with rollback" in molt.ok("sim", "new", "sim:roof", "--flash", firmware)
    assert (tmp_path / "roof/flash.bin").stat().st_size == 4 << 20
    assert (tmp_path / "roof/flash.bin").read_bytes()[0x1000:0x1000 + 1734240] == firmware.read_bytes()
    out = molt.ok("sim", "boot", "sim:roof")
    assert "running: factory at 0x10000" in out and "no otadata" in out
    found = json.loads(molt.ok("sim", "boot", "sim:roof", "--json", "--reset"))
    assert (found["result"], found["running"], found["offset"]) == ("runs", "factory", 0x10000)
    assert (found["reset_cause"], found["boots"], found["image_length"]) == ("reset", 2, 1672800)


def test_erased_board_does_not_boot(molt):
    molt.ok("sim", "new", "sim:b", "--chip", "esp32c3", "--revision", "0.3", "--no-rollback", "--board", "MINE", "--flash-size", "8M")
    assert "nothing" in molt("sim", "boot", "sim:b", check=1).stdout
    assert json.loads(molt("sim", "boot", "sim:b", "--json", check=1).stdout)["result"] == "no boot"


def test_facts(molt, tmp_path):
    molt.ok("sim", "new", "sim:b", "--chip", "esp32c3", "--revision", "0.3", "--no-rollback", "--board", "MINE", "--flash-size", "8M")
    facts = json.loads((tmp_path / "b/board.json").read_text())
    assert (facts["chip"], facts["revision"], facts["rollback"], facts["name"]) == ("esp32c3", "0.3", False, "MINE")
    assert (facts["flash_size"], facts["legacy_revision"]) == (8 << 20, False)
    molt.ok("sim", "new", "sim:old", "--legacy-revision")
    facts = json.loads((tmp_path / "old/board.json").read_text())
    assert (facts["rollback"], facts["legacy_revision"], facts["chip"], facts["revision"]) == (True, True, "esp32", "3.0")


def test_legacy_revision_judges_the_old_byte(molt, firmware):
    """An image that needs revision 3.1 by the new field and 1 by the old byte: each bootloader sees its own."""
    image = bytearray(firmware.read_bytes())
    app = image[0xF000:0xF000 + 1672800]
    app[14:17] = bytes((1, 301 & 0xFF, 301 >> 8))
    app[-32:] = hashlib.sha256(app[:-32]).digest()
    image[0xF000:0xF000 + len(app)] = app
    with open(molt.cwd / "new.bin", "wb") as file:
        file.write(image)
    molt.ok("sim", "new", "sim:new", "--flash", "new.bin")
    assert "factory does not load: image needs chip revision 3.01" in molt("sim", "boot", "sim:new", check=1).stdout
    molt.ok("sim", "new", "sim:old", "--flash", "new.bin", "--legacy-revision")
    assert "running: factory" in molt.ok("sim", "boot", "sim:old")
    molt.ok("sim", "new", "sim:oldest", "--flash", "new.bin", "--legacy-revision", "--revision", "0.0")
    assert "factory does not load: image needs chip revision 1;" in molt("sim", "boot", "sim:oldest", check=1).stdout


def test_first_boot_writes_otadata_and_status_agrees(molt, firmware):
    molt.ok("edit", firmware, "--flash-size", "8M", "--layout", "ota", "-o", "ota.bin")
    molt.ok("sim", "new", "sim:o", "--flash", "ota.bin")
    assert "It wrote record 0" in molt.ok("sim", "boot", "sim:o")
    assert "It wrote" not in molt.ok("sim", "boot", "sim:o")
    assert "ota_0" in molt.ok("ota", "status", "sim:o")


def test_errors(molt, firmware, tmp_path):
    molt.ok("sim", "new", "sim:b")
    assert "is there already" in molt.fails("sim", "new", "sim:b")
    assert "cannot open" in molt.fails("sim", "boot", "sim:none")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert "photo.jpg" in molt.fails("sim", "new", "sim:c", "--flash", "photo.jpg")
    assert "larger --flash-size" in molt.fails("sim", "new", "sim:c", "--flash", firmware, "--flash-size", "1M")
    assert "give --chip esp32" in molt.fails("sim", "new", "sim:c", "--flash", firmware, "--chip", "esp32c3")
    assert not (tmp_path / "c").exists()
    (tmp_path / "b/board.json").write_text("{")
    assert "board.json: not JSON" in molt.fails("sim", "boot", "sim:b")


def test_busy(molt, tmp_path):
    molt.ok("sim", "new", "sim:b")
    with open(tmp_path / "b/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "b: the board is in use by another process" in molt.fails("sim", "boot", "sim:b")


def test_usage(molt):
    for words in (["new", "roof"], ["boot", "sim:"], ["new", "sim:x", "--chip", "esp8266"], ["new", "sim:x", "--revision", "three"],
                  ["new", "sim:x", "--flash-size", "lots"], ["new", "sim:x", "--board", ""], ["new"]):
        assert "molt sim" in molt.fails("sim", *words, code=2)


def test_help(molt):
    assert "--no-rollback" in molt.ok("help", "sim", "new") and "--reset" in molt.ok("help", "sim", "boot")
