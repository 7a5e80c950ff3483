"""What every verb shares: help from its option table, exit codes, streams."""


def test_version_and_overview(molt):
    assert molt.ok("--version").startswith("molt ")
    overview = molt.ok("help")
    assert "usage: molt VERB" in overview
    assert molt().returncode == 2  # and help on standard error
    assert molt().stdout == ""


def test_no_such_verb_or_option(molt):
    assert "no verb 'frobnicate'" in molt.fails("frobnicate", code=2)
    assert "no option '--frobnicate'" in molt.fails("info", "--frobnicate", code=2)
