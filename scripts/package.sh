#!/bin/sh
# package.sh [ARCH...]: the device package as bytecode, build/native/ota/*.mpy, and for each architecture a folder that mip installs from,
# build/native/mip/ARCH: package.json, the package, and the native module that native.sh made (all six without an argument).
# What the package takes in flash, all files as installed, is held against the budget of 60 KB: over it, the script fails. With each
# native module beside it the sum is printed only: the module has limits of its own (native.sh).
# MOLT_MIP_URL: where build/native/mip will be served; the URLs in package.json are whole then, as mip before 1.25 needs them.
# For its own tests: MOLT_NATIVE_OUT, another folder; MOLT_FLASH_MAX, another budget.
set -eu
FLASH_MAX=${MOLT_FLASH_MAX:-61440} # bytes of the package
top=$(cd "$(dirname "$0")/.." && pwd)
out=${MOLT_NATIVE_OUT:-$top/build/native}
die() { echo "package.sh: $*" >&2; exit 1; }
[ $# -gt 0 ] || set -- x64 armv6m armv7m armv7emsp rv32imc xtensawin

"$top/scripts/mpy-cross.sh"
mkdir -p "$out"
exec 5>"$out/package.lock"
flock 5
version=$(sed -n 's/^project(molt VERSION \([0-9.]*\).*/\1/p' "$top/CMakeLists.txt")
[ -n "$version" ] || die "no version in CMakeLists.txt"

# The name inside a file is the one it has on the device, whatever folder this is. Line numbers (5 %) stay behind.
rm -rf "$out/ota.new"
mkdir -p "$out/ota.new/py"
cd "$top/ports/micropython"
python3 "$top/scripts/inline-constants.py" "$out/ota.new/py" ota/*.py || die "the package cannot be read"
package=0
for source in ota/*.py; do
	name=$(basename "$source" .py)
	module=$out/ota.new/$name.mpy
	"$top/build/mpy-cross/mpy-cross" -O3 -s "$source" -o "$module" "$out/ota.new/py/$name.py" || die "$source: not compiled"
	# Version 6, and no architecture: bytecode alone.
	[ "$(od -An -tx1 -N3 "$module")" = " 4d 06 00" ] || die "$source: not bytecode of version 6"
	if [ "$source" = ota/_bare.py ]; then # for firmware that loads no bytecode of this version
		rm "$module"
		module=${module%.mpy}.py
		sed '/^ *#/d' "$source" >"$module"
	fi
	size=$(wc -c <"$module")
	package=$((package + size))
	printf '%8d  %s\n' "$size" "ota/$(basename "$module")"
done
rm -rf "$out/ota" "$out/ota.new/py"
mv "$out/ota.new" "$out/ota"
summary="package $package of $FLASH_MAX"
[ "$package" -le "$FLASH_MAX" ] || die "$summary bytes: over its budget"

# mip_json ARCH: what to install, and where it is.
mip_json() {
	base=${MOLT_MIP_URL:+${MOLT_MIP_URL%/}/$1/}
	printf '{\n  "urls": [\n    ["molt_%s.mpy", "%smolt_%s.mpy"]' "$1" "$base" "$1"
	for module in "$out"/ota/*; do
		name=ota/$(basename "$module")
		printf ',\n    ["%s", "%s%s"]' "$name" "$base" "$name"
	done
	printf '\n  ],\n  "version": "%s"\n}\n' "$version"
}

for arch in "$@"; do
	native=$out/molt_$arch.mpy
	[ -e "$native" ] || die "no $native: run scripts/native.sh"
	rm -rf "$out/mip/$arch"
	mkdir -p "$out/mip/$arch"
	cp -r "$out/ota" "$native" "$out/mip/$arch/"
	mip_json "$arch" >"$out/mip/$arch/package.json"
	all=$((package + $(wc -c <"$native")))
	echo "$summary; with molt_$arch.mpy $all"
done
