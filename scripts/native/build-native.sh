#!/bin/sh
# build-native.sh DIR ARCH SOURCE.c OUT.mpy [COMPILER OPTIONS]
# Builds one C file into a MicroPython dynamic native module. DIR was prepared by setup.sh.
# ARCH: x64, armv6m, armv7m, armv7emsp, rv32imc, xtensawin. KEEP=1 keeps the intermediate files (prints the folder).
set -eu

die() { echo "build-native.sh: $*" >&2; exit 1; }
[ $# -ge 4 ] || die "usage: build-native.sh DIR ARCH SOURCE.c OUT.mpy [COMPILER OPTIONS]"
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$1" && pwd)
arch=$2
source=$(readlink -f "$3")
out=$4
shift 4
[ -e "$top/ready" ] || die "$top: run setup.sh first"
mp=$top/micropython

float=none
case $arch in
x64) cross= ; float=double; flags='-m64 -fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE' ;;
armv6m) cross=arm-none-eabi-; flags='-mthumb -mcpu=cortex-m0' ;;
armv7m) cross=arm-none-eabi-; flags='-mthumb -mcpu=cortex-m3' ;;
armv7emsp) cross=arm-none-eabi-; float=float; flags='-mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard' ;;
rv32imc) cross=riscv64-unknown-elf-; flags='-march=rv32imc -mabi=ilp32 -mno-relax -msmall-data-limit=0 -msave-restore'
	# What -Os leaves on the table for this code, found by trying each option of gcc 12.2: 0.6 KB.
	flags="$flags -mtune=size -fno-expensive-optimizations -fno-if-conversion -fno-move-loop-invariants -fno-tree-coalesce-vars"
	flags="$flags -fno-gcse -fno-tree-forwprop -fno-ipa-sra -fno-partial-inlining -fno-tree-scev-cprop" ;;
# Stock ESP32 firmware holds floats in single precision; the module itself may not compute with them.
xtensawin) cross=$top/bin/xtensa-esp32-elf-; float=float; flags= ;;
*) die "unknown ARCH: $arch" ;;
esac
command -v "${cross}gcc" >/dev/null || die "missing compiler: ${cross}gcc"

work=$(mktemp -d)
if [ -n "${KEEP:-}" ]; then echo "work: $work"; else trap 'rm -rf "$work"' EXIT; fi
name=$(basename "$out" .mpy)
python() { # with the unpacked pyelftools
	PYTHONPATH=$top/root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 python3 "$@"
}
mpy_ld() { python "$mp/tools/mpy_ld.py" --arch "$arch" "$@"; }

# Names (MP_QSTR_...) that the module uses, in the file and in what it includes, turned into a header.
"${cross}gcc" -MM -MG -I"$(dirname "$source")" "$@" "$source" >"$work/deps" 2>/dev/null || :
files=$source
for f in $(sed 's/^[^:]*://; s/\\$//' "$work/deps"); do
	case $f in *"/$(basename "$source")" | py/*) ;; *) [ ! -f "$f" ] || files="$files $f" ;; esac
done
# shellcheck disable=SC2086
mpy_ld --preprocess -o "$work/$name.config.h" $files

# No C library and no libgcc: only the compiler's own headers and those in include/, and no library calls
# invented from loops or (armv6m) switches. One .text section: no functions moved to .text.unlikely.
gcc_to() { # gcc_to OUTPUT-KIND OUTPUT OPTIONS...
	kind=$1
	output=$2
	shift 2
	# shellcheck disable=SC2086
	"${cross}gcc" -std=gnu11 -Os -Wall -Werror $flags -fpic -fno-common -ffreestanding \
		-fno-tree-loop-distribute-patterns -fno-jump-tables -fno-reorder-functions -fno-asynchronous-unwind-tables -fno-ident \
		-ffile-prefix-map="$(dirname "$source")"=. -ffile-prefix-map="$work"=. -ffile-prefix-map="$here"=. \
		-nostdinc -isystem "$here/include" -isystem "$("${cross}gcc" -print-file-name=include)" \
		-I"$(dirname "$source")" -I"$mp" -DNDEBUG -DNO_QSTR -DMICROPY_ENABLE_DYNRUNTIME -DMICROPY_USE_INTERNAL_ERRNO=1 \
		-DMICROPY_FLOAT_IMPL="MICROPY_FLOAT_IMPL_$(echo $float | tr '[:lower:]' '[:upper:]')" \
		-DMP_CONFIGFILE="<$work/$name.config.h>" "$@" "$kind" -o "$output" "$source"
}
compile() {
	if [ "$arch" = rv32imc ]; then
		gcc_to -S "$work/$name.s" "$@"
		# shellcheck disable=SC2086
		"${cross}gcc" $flags -c -o "$work/$name.o" "$work/$name.s"
	else
		gcc_to -c "$work/$name.o" "$@"
	fi
}
compile "$@"

# Helper functions that gcc called for are compiled in, into the same translation unit.
needed=
for symbol in $("${cross}nm" -u "$work/$name.o" | sed 's/.* //'); do
	if grep -q "NEED_$symbol\>" "$here/include/helpers.h"; then needed="$needed -DNEED_$symbol"; fi
done
if [ -n "$needed" ]; then
	echo "  helpers:     $(echo "$needed" | sed 's/ -DNEED_/ /g')"
	# shellcheck disable=SC2086
	compile $needed -include "$here/include/helpers.h" "$@"
fi

# mpy_ld does not relax, so the calls are shortened before it. Registers are saved by shared routines (-msave-restore).
if [ "$arch" = rv32imc ]; then
	cat "$here/save-restore-rv32.s" >>"$work/$name.s"
	# shellcheck disable=SC2086
	python "$here/shorten-rv32.py" "$work/$name.s" "$work/$name.short.s" "${cross}gcc" $flags
	# shellcheck disable=SC2086
	"${cross}gcc" $flags -c -o "$work/$name.o" "$work/$name.short.s"
fi

# The size alone, of code that is no module: text, helpers and constants.
if [ -n "${NATIVE_SIZE_ONLY:-}" ]; then
	"${cross}size" -A "$work/$name.o" | awk '/^\.(text|rodata|data\.rel\.ro)/ { n += $2 } END { print "  text size:    " n }'
	exit 0
fi

# Variables: none that is static (rv32imc would link it and crash), at most one in all (see README, collector).
"${cross}nm" "$work/$name.o" >"$work/symbols"
static=$(sed -n 's/.* b //p' "$work/symbols" | tr '\n' ' ')
[ -z "$static" ] || die "static variables: $static(make them members of one global struct)"
[ "$(grep -c ' [BC] ' "$work/symbols")" -le 1 ] || die "several global variables: make them members of one struct"

if [ "$arch" = xtensawin ]; then
	python "$here/xtensa-object.py" "$work/$name.o"
	"$here/check-xtensa.sh" "$top" "$work/$name.o" || die "xtensawin: not for all of ESP32, S2 and S3"
fi

# mpy_ld writes the name of its output into the module, so it gets a bare one.
(cd "$work" && mpy_ld --qstrs "$name.config.h" -o "$name.mpy" "$name.o" >"$work/ld.log") ||
	{ cat "$work/ld.log" >&2; exit 1; }
mv "$work/$name.mpy" "$out"
sed 's/^/  /' "$work/ld.log"
# The sizes of two structs, as those of objects in a file of its own; what nobody calls there is not compiled.
printf '#define mpy_init static no_init\n#pragma GCC diagnostic ignored "-Wunused-function"\n#include "%s"\nchar state_size[sizeof(struct native)], engine_size[sizeof(struct molt_engine)];\n' "$source" >"$work/sizes.c"
source=$work/sizes.c
gcc_to -c "$work/sizes.o" -O0 $needed ${needed:+-include "$here/include/helpers.h"} "$@"
for what in state engine; do
	printf '  %s size: %d\n' $what "0x$("${cross}nm" -S "$work/sizes.o" | sed -n "s/^[^ ]* \([^ ]*\) . ${what}_size\$/\1/p")"
done

