#!/bin/sh
# venv.sh: build/venv with what tests/requirements.txt pins. Quick when that file has not changed since.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
venv=$top/build/venv
wanted=$(sha256sum <"$top/tests/requirements.txt")
[ "$(cat "$venv/requirements.sha256" 2>/dev/null)" = "$wanted" ] && exit 0
mkdir -p "$top/build"
exec 9>"$top/build/venv.lock"
flock 9
[ "$(cat "$venv/requirements.sha256" 2>/dev/null)" = "$wanted" ] && exit 0
# Not the caller's own virtual environment: `python3` may be one.
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$top/tests/requirements.txt"
echo "$wanted" >"$venv/requirements.sha256"
