#!/bin/sh
# native.sh [--no-budget] [ARCH...]: the engine as dynamic native modules for stock MicroPython: build/native/molt_ARCH.mpy, whose module
# is called molt_ARCH inside (mpy_ld takes it from the file's name). One amalgamated C file each, build/native/molt_ARCH.c.
# Text and RAM are then held against the budget: over it, the script fails (after the modules were built); --no-budget only prints.
# For its own tests: MOLT_NATIVE_OUT, another folder; MOLT_NATIVE_TEXT_MAX, another budget; MOLT_NATIVE_EXTRA, one more C file for the
# amalgamation (the padded sample).
set -eu
TEXT_MAX=${MOLT_NATIVE_TEXT_MAX:-24576} # bytes of the linked rv32imc module, helpers and constants included
STATE_MAX=6144  # bytes of struct molt_engine: sector buffer and window lie outside
top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/native-tools
out=${MOLT_NATIVE_OUT:-$top/build/native}
die() { echo "native.sh: $*" >&2; exit 1; }

budget=1
if [ "${1:-}" = --no-budget ]; then
	budget=0
	shift
fi
[ $# -gt 0 ] || set -- x64 armv6m armv7m armv7emsp rv32imc xtensawin

mkdir -p "$out" "$top/build"
exec 7>"$top/build/native.lock"
flock 7
[ -e "$tools/ready" ] || "$top/scripts/native/setup.sh" "$tools"
"$top/scripts/p256.sh"

cd "$top"
failed=0
for arch in "$@"; do
	source=$out/molt_$arch.c
	# shellcheck disable=SC2086
	python3 scripts/amalgamate.py "$source" -I include -I src -I ports -I build/deps/p256-m \
		src/core/*.c src/engine/*.c ports/common/p256_verify.c ports/micropython/native/molt_native.c ${MOLT_NATIVE_EXTRA:-}
	scripts/native/build-native.sh "$tools" "$arch" "$source" "$out/molt_$arch.mpy" -Wno-unused-function \
		-Wno-unused-variable >"$out/$arch.log" 2>&1 || { cat "$out/$arch.log" >&2; die "$arch: not built"; }
	text=$(sed -n 's/^ *text size: *//p' "$out/$arch.log")
	rodata=$(sed -n 's/^ *rodata size: *//p' "$out/$arch.log")
	text=$((text + ${rodata:-0}))
	state=$(sed -n 's/^ *state size: *//p' "$out/$arch.log")
	engine=$(sed -n 's/^ *engine size: *//p' "$out/$arch.log")
	line="$arch: text $text, engine's state $engine bytes, the module's whole state $state (with sector buffer and window)"
	if [ "$arch" = rv32imc ]; then
		line="$line (budget $TEXT_MAX, $STATE_MAX)"
		[ "$text" -le $TEXT_MAX ] && [ "$engine" -le $STATE_MAX ] || failed=1
	fi
	echo "$line"
done
[ $failed = 0 ] && exit 0
echo "native.sh: rv32imc is over its budget: text at most $TEXT_MAX, state at most $STATE_MAX bytes" >&2
exit $budget
