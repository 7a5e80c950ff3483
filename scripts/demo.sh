#!/bin/bash
# demo.sh: `make demo` after the build. One device, from a downloaded firmware to an update over the air that fails, and one
# that succeeds, with power cuts on the way. Everything happens in build/demo; nothing outside of this machine is asked.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
molt=${MOLT:-$top/build/molt}
firmware=$top/build/deps/firmware/ESP32_GENERIC-20240602-v1.23.0.bin
demo=$top/build/demo
server=
began=$(date +%s)

bold= plain= dim=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m') dim=$(printf '\033[2m'); fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s   %s%s\n' "$dim" "$*" "$plain"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# run EXPECTED-CODE VERB...: shows the command as one would type it, runs it, and insists on its exit code.
run() {
	local expected=$1 code=0
	shift
	printf '\n%s$ molt %s%s\n' "$bold" "$*" "$plain"
	"$molt" "$@" || code=$?
	[ "$code" = "$expected" ] || die "'molt $*' ended with $code, expected $expected"
}
# must TEXT FILE: the story has to be true.
must() { grep -q -- "$1" "$2" || { cat "$2"; die "expected '$1' in $2"; }; }
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null || :; }
trap finish EXIT

rm -rf "$demo"
mkdir -p "$demo/app-1" "$demo/app-2" "$demo/site"
cd "$demo"
cp "$firmware" firmware.bin

say '1. What is this firmware?'
run 0 info firmware.bin

say '2. Make it updatable: 8 MB of flash, two app slots'
run 0 edit firmware.bin --flash-size 8M --layout ota -o image.bin

say '3. A board on a roof (simulated; its application is a genuine MicroPython)'
run 0 sim new sim:roof --flash-size 8M
run 0 flash image.bin sim:roof
run 0 sim boot sim:roof
cat >hello.py <<'PY'
import sys
print("hello from", sys.implementation.name, ".".join(str(n) for n in sys.implementation.version[:3]))
PY
run 0 sim run sim:roof hello.py

say '4. Keys, a bundle of firmware and files, a tree for any web server'
run 0 key new key.pem
cat >app-1/main.py <<'PY'
import greeting
raise RuntimeError(greeting.text + ": this version has a bug")
PY
echo 'text = "version 1"' >app-1/greeting.py
cat >app-2/main.py <<'PY'
import greeting, ota
print(greeting.text, "works; firmware and files:", ota.pair())
ota.confirm()
PY
echo 'text = "version 2"' >app-2/greeting.py
run 0 bundle create -o v1.molt --app firmware.bin --app-version 1.0.0 --release app-1 --key key.pem --sequence 1
run 0 bundle create -o v2.molt --app firmware.bin --app-version 2.0.0 --release app-2 --key key.pem --sequence 2
run 0 bundle show v1.molt --key key.pem.pub
run 0 publish site --bundle v1.molt --channel stable --key key.pem
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 -m http.server --bind 127.0.0.1 --directory site "$port" >server.log 2>&1 &
server=$!
url=http://127.0.0.1:$port
for _ in $(seq 50); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break; sleep 0.1; done
run 0 provision sim:roof --key key.pem.pub --channel stable --url "$url"

say '5. The first update, by the engine on this machine. Power is cut in the middle of a flash page.'
run 3 update sim:roof --from "$url" --cut 150 --cut-kind torn
run 0 sim boot sim:roof
note 'the old firmware boots as if nothing had happened; the same command goes on where it was:'
run 0 update sim:roof --from "$url"

say '6. The trial of version 1 fails: its main.py raises. Firmware and files go back together.'
run 0 sim run sim:roof | tee run-1.txt
must 'this version has a bug' run-1.txt
run 0 ota status sim:roof | tee status-1.txt

say '7. Version 2, this time from inside: the same engine as a native module under genuine MicroPython'
run 0 publish site --bundle v2.molt --channel stable --key key.pem
printf 'import ota\nota.update()\n' >update.py
run 3 sim run sim:roof update.py --cut 40 --cut-kind torn
note 'killed in the middle of a page. Power comes back:'
run 0 sim run sim:roof update.py | tee run-2.txt

say '8. The trial succeeds, the application confirms it'
run 0 sim run sim:roof | tee run-3.txt
must 'version 2 works' run-3.txt
run 0 ota status sim:roof | tee status-2.txt
say "done in $(($(date +%s) - began)) s; everything is in build/demo"
