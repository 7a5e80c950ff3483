#!/bin/sh
# mpy-cross.sh: MicroPython's compiler to bytecode, from the source that native/setup.sh unpacks: build/mpy-cross/mpy-cross. Its bytecode
# files are of version 6: byte for byte what mpy-cross 1.23.0 and 1.24.1 make of the same files. What was built once is taken from the
# cache, $MOLT_CACHE (else ~/.cache/molt), under a key of the version, this recipe and the compiler.
set -eu
VERSION=1.25.0+ds-1
top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/native-tools
dir=$top/build/mpy-cross
die() { echo "mpy-cross.sh: $*" >&2; exit 1; }
grep -q "^MICROPYTHON=$VERSION\$" "$top/scripts/native/setup.sh" || die "setup.sh unpacks another version than $VERSION"

mkdir -p "$dir"
exec 6>"$dir/lock"
flock 6
key=$({ cat "$0"; gcc --version; } | sha256sum | cut -c1-12)
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/mpy-cross/$VERSION-$key
if [ ! -e "$cache/mpy-cross" ]; then
	(
		exec 7>"$top/build/native.lock"
		flock 7
		[ -e "$tools/ready" ] || "$top/scripts/native/setup.sh" "$tools"
	) >"$dir/log" 2>&1 || { tail -n 40 "$dir/log" >&2; die "no MicroPython source"; }
	MICROPY_GIT_TAG=v${VERSION%%+*} MICROPY_GIT_HASH=debian make -C "$tools/micropython/mpy-cross" -j"$(nproc)" \
		BUILD="$dir/work" >>"$dir/log" 2>&1 || { tail -n 40 "$dir/log" >&2; die "not built (whole log: $dir/log)"; }
	mkdir -p "$cache"
	cp "$dir/work/mpy-cross" "$cache/mpy-cross.new$$"
	mv "$cache/mpy-cross.new$$" "$cache/mpy-cross"
	rm -rf "$dir/work"
fi
cmp -s "$cache/mpy-cross" "$dir/mpy-cross" || cp "$cache/mpy-cross" "$dir/mpy-cross"
