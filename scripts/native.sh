#!/bin/sh
# native.sh [--no-budget] [ARCH|alone...]: the engine as dynamic native modules for stock MicroPython: build/native/molt_ARCH.mpy, whose module
# is called molt_ARCH inside (mpy_ld takes it from the file's name). One amalgamated C file each, build/native/molt_ARCH.c.
# And the same as a user C module for firmware that people build themselves: the folder build/native/usermod.
# Text and RAM are then held against the budget: over it, the script fails (after the modules were built); --no-budget only prints.
# The whole state is a bytearray on MicroPython's heap while an update is under way: with sector buffer and window.
# The budget of 24 KB is for engine and core with SHA-256, P-256, inflate and the compiler's helpers (rv32imc, linked with the bare calls
# of ports/common/engine_roots.c: the word "alone"); what the Python glue adds is held against a limit of its own.
# For its own tests: MOLT_NATIVE_OUT, another folder; MOLT_NATIVE_TEXT_MAX, another budget; MOLT_NATIVE_EXTRA, one more C file for the
# amalgamation (the padded sample).
set -eu
TEXT_MAX=${MOLT_NATIVE_TEXT_MAX:-24576} # bytes of engine and core, helpers and constants included
MODULE_MAX=${MOLT_NATIVE_MODULE_MAX:-30720} # bytes of the module with its glue; 45 KB load on a stock ESP32
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
[ $# -gt 0 ] || set -- x64 armv6m armv7m armv7emsp rv32imc alone xtensawin

mkdir -p "$out" "$top/build"
exec 7>"$top/build/native.lock"
flock 7
[ -e "$tools/ready" ] || "$top/scripts/native/setup.sh" "$tools"
"$top/scripts/p256.sh"
exec 7>"$out/lock"
flock 7

cd "$top"
failed=
glue="ports/micropython/native/host.c ports/micropython/native/molt_native.c"
core=$(ls src/core/*.c | grep -v -e /diag.c -e /chip_more.c)" ports/common/no_diag.c ports/common/no_chips.c"

# amalgamate OUT MORE...: engine and core, and what is added.
amalgamate() {
	to=$1
	shift
	# shellcheck disable=SC2086
	python3 scripts/amalgamate.py "$to" -I include -I src -I ports -I build/deps/p256-m \
		$core src/engine/*.c ports/common/p256_verify.c "$@"
}

# What engine and core need by themselves, against the budget.
alone() {
	# shellcheck disable=SC2086
	amalgamate "$out/engine_rv32imc.c" ports/common/engine_roots.c ${MOLT_NATIVE_EXTRA:-}
	size=$(NATIVE_SIZE_ONLY=1 scripts/native/build-native.sh "$tools" rv32imc "$out/engine_rv32imc.c" "$out/engine_rv32imc.o" |
		sed -n 's/^ *text size: *//p')
	echo "rv32imc, engine and core alone: text $size (budget $TEXT_MAX)"
	[ "$size" -le "$TEXT_MAX" ]
}

mkdir -p "$out/usermod/molt"
# shellcheck disable=SC2086
amalgamate "$out/usermod/molt/molt.c" --own $glue ports/micropython/usermod/molt_user.c
cp ports/micropython/usermod/micropython.mk ports/micropython/usermod/micropython.cmake "$out/usermod/molt/"

# build ARCH: one module, its sizes told. Status 1: over its budget, 2: not built.
build() {
	arch=$1
	[ "$arch" != alone ] || { alone; return; }
	source=$out/molt_$arch.c
	# shellcheck disable=SC2086
	amalgamate "$source" $glue ${MOLT_NATIVE_EXTRA:-}
	scripts/native/build-native.sh "$tools" "$arch" "$source" "$out/molt_$arch.mpy" \
		>"$out/$arch.log" 2>&1 || { cat "$out/$arch.log"; echo "native.sh: $arch: not built"; return 2; }
	text=$(sed -n 's/^ *text size: *//p' "$out/$arch.log")
	rodata=$(sed -n 's/^ *rodata size: *//p' "$out/$arch.log")
	text=$((text + ${rodata:-0}))
	state=$(sed -n 's/^ *state size: *//p' "$out/$arch.log")
	engine=$(sed -n 's/^ *engine size: *//p' "$out/$arch.log")
	if [ "$arch" = x64 ]; then # no board's: for tests
		echo "x64: text $text, engine's state $engine, the module's whole state $state bytes"
		return 0
	fi
	echo "$arch: text $text of $MODULE_MAX, engine's state $engine of $STATE_MAX, the module's whole state $state bytes"
	[ "$text" -le "$MODULE_MAX" ] && [ "$engine" -le $STATE_MAX ]
}

# As many at a time as there are processors.
jobs=$(nproc)
running=0
for arch in "$@"; do
	{
		code=0
		build "$arch" >"$out/$arch.said" 2>&1 || code=$?
		echo $code >"$out/$arch.status"
	} &
	running=$((running + 1))
	[ $running -lt "$jobs" ] || { wait; running=0; }
done
wait
for arch in "$@"; do
	case $(cat "$out/$arch.status") in
	0) cat "$out/$arch.said" ;;
	1) cat "$out/$arch.said"; failed="$failed $arch" ;;
	*) cat "$out/$arch.said" >&2; exit 1 ;;
	esac
done
[ -z "$failed" ] && exit 0
echo "native.sh:$failed is over its budget: engine and core at most $TEXT_MAX, the module $MODULE_MAX, state $STATE_MAX bytes" >&2
exit $budget
