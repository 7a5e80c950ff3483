#!/bin/sh
# usermod.sh: MicroPython's unix port with the engine as user C module, for tests: build/usermod/micropython, compiled from the source
# that setup.sh unpacks and build/native/usermod (native.sh made it). What was built once is taken from the cache, $MOLT_CACHE (else
# ~/.cache/molt), under a key of the version, this recipe, the compiler and the module's source.
set -eu
VERSION=1.25.0+ds-1
top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/native-tools
dir=$top/build/usermod
module=$top/build/native/usermod
die() { echo "usermod.sh: $*" >&2; exit 1; }
[ -e "$module/molt/molt.c" ] || die "no $module/molt/molt.c: run scripts/native.sh"
grep -q "^MICROPYTHON=$VERSION\$" "$top/scripts/native/setup.sh" || die "setup.sh unpacks another version than $VERSION"

mkdir -p "$dir"
exec 6>"$dir/lock"
flock 6
key=$(cat "$0" "$module"/molt/* | { cat; gcc --version; } | sha256sum | cut -c1-12)
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/usermod/$VERSION-$key
how=cached
# Without what needs libraries of the machine. The objects stay: a changed engine costs one file and the link.
if [ ! -e "$cache/micropython" ]; then
	how=built
	MICROPY_GIT_TAG=v${VERSION%%+*} MICROPY_GIT_HASH=debian make -C "$tools/micropython/ports/unix" -j"$(nproc)" \
		BUILD="$dir/work" USER_C_MODULES="$module" FROZEN_MANIFEST= MICROPY_STANDALONE=0 MICROPY_PY_SSL=0 MICROPY_PY_BTREE=0 \
		MICROPY_PY_FFI=0 MICROPY_USE_READLINE=0 >"$dir/log" 2>&1 ||
		{ tail -n 40 "$dir/log" >&2; die "not built (whole log: $dir/log)"; }
	mkdir -p "$cache"
	cp "$dir/work/micropython" "$cache/micropython.new$$"
	mv "$cache/micropython.new$$" "$cache/micropython"
fi
cmp -s "$cache/micropython" "$dir/micropython" || cp "$cache/micropython" "$dir/micropython"
echo "build/usermod: MicroPython $VERSION for unix with the user C module ($how)"
