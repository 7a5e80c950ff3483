"""sim new, sim boot: simulated boards."""
import fcntl
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
    assert (facts["flash_size"], facts["legacy_revision"]) == (8 << 20, True)


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
