#!/bin/sh
# qemu.sh: MicroPython's own port to QEMU's bare boards, on which the native modules for Arm and RISC-V run: build/qemu/BOARD.elf,
# compiled from the source that setup.sh unpacks. MPS2_AN385 is a Cortex-M3 (takes armv6m and armv7m files), VIRT_RV32 an rv32imac.
# The heap is that of the port, 140 KB: less than a stock ESP32 has. What was built once is taken from the cache, $MOLT_CACHE (else
# ~/.cache/molt), under a key of the version, this recipe and the compilers.
set -eu
VERSION=1.25.0+ds-1
BOARDS='MPS2_AN385 VIRT_RV32'
top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/native-tools
dir=$top/build/qemu
die() { echo "qemu.sh: $*" >&2; exit 1; }
for tool in arm-none-eabi-gcc riscv64-unknown-elf-gcc qemu-system-arm qemu-system-riscv32; do
	command -v $tool >/dev/null || die "missing command: $tool (scripts/packages.sh)"
done
grep -q "^MICROPYTHON=$VERSION\$" "$top/scripts/native/setup.sh" || die "setup.sh unpacks another version than $VERSION"

mkdir -p "$dir"
exec 6>"$dir/lock"
flock 6
key=$({ cat "$0"; arm-none-eabi-gcc --version; riscv64-unknown-elf-gcc --version; } | sha256sum | cut -c1-12)
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/qemu/$VERSION-$key

# build BOARD: the port's own Makefile; git is not asked for a version, and nothing is frozen (needs no mpy-cross).
build() {
	(
		exec 7>"$top/build/native.lock"
		flock 7
		[ -e "$tools/ready" ] || "$top/scripts/native/setup.sh" "$tools"
	) >"$dir/$1.log" 2>&1 || { tail -n 40 "$dir/$1.log" >&2; die "no MicroPython source"; }
	rm -rf "$dir/$1.work"
	MICROPY_GIT_TAG=v${VERSION%%+*} MICROPY_GIT_HASH=debian make -C "$tools/micropython/ports/qemu" -j"$(nproc)" \
		BOARD="$1" BUILD="$dir/$1.work" FROZEN_MANIFEST= RV32_ARCH='rv32imac -misa-spec=2.2' >>"$dir/$1.log" 2>&1 ||
		{ tail -n 40 "$dir/$1.log" >&2; die "$1: not built (whole log: $dir/$1.log)"; }
	mkdir -p "$cache"
	cp "$dir/$1.work/firmware.elf" "$cache/$1.elf.new$$"
	mv "$cache/$1.elf.new$$" "$cache/$1.elf"
	rm -rf "$dir/$1.work"
}

how=cached
for board in $BOARDS; do
	[ -e "$cache/$board.elf" ] || { how=built; build "$board"; }
	cmp -s "$cache/$board.elf" "$dir/$board.elf" || cp "$cache/$board.elf" "$dir/$board.elf"
done
echo "build/qemu: MicroPython $VERSION for $BOARDS ($how)"
