#!/bin/bash
# check-freestanding.sh [--self-test]: the objects of core, engine and wire, for rv32imc, armv6m, xtensawin and x86-64, import nothing but
# memcpy, memmove, memset, memcmp and what scripts/native/include/helpers.h has; they have no variables (.data, .bss).
# Then the samples: each tests/freestanding/bad_*.c must be rejected, on at least one target, for the word after its EXPECT.
# --self-test: the samples only.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
tools=$top/build/native-tools
include=$top/scripts/native/include
work=$(mktemp -d "${TMPDIR:-/tmp}/molt-freestanding.XXXXXX")
trap 'rm -rf "$work"' EXIT
targets='x64 rv32imc armv6m xtensawin'
[ -e "$tools/ready" ] || "$top/scripts/native/setup.sh" "$tools" || exit 1

compiler() {
	case $1 in
	x64) echo gcc -m64 -fno-stack-protector -U_FORTIFY_SOURCE ;;
	rv32imc) echo riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 -msmall-data-limit=0 ;;
	armv6m) echo arm-none-eabi-gcc -mthumb -mcpu=cortex-m0 ;;
	xtensawin) echo "$tools/bin/xtensa-esp32-elf-gcc" ;;
	esac
}

allowed=" memcpy memmove memset memcmp $(grep -o 'NEED_[a-z0-9_]*' "$include/helpers.h" | sed 's/NEED_//' | sort -u | tr '\n' ' ')"

# judge TARGET FILE...: compiles and looks; complaints on standard output.
judge() {
	local target=$1 cc nm folder=$work/$1 symbol bad=0
	shift
	cc=$(compiler "$target")
	nm=$(echo "$cc" | sed 's/ .*//; s/gcc$/nm/')
	rm -rf "$folder"
	mkdir "$folder"
	# shellcheck disable=SC2086
	(cd "$folder" && $cc -std=c99 -Os -w -ffreestanding -fpic -fno-jump-tables -fno-tree-loop-distribute-patterns -DNDEBUG \
		-nostdinc -isystem "$include" -isystem "$($cc -print-file-name=include)" -I"$top/include" -I"$top/src" -c "$@") ||
		{ echo "$target: does not compile"; return 1; }
	"$nm" -P "$folder"/*.o >"$folder/symbols" || return 1
	for symbol in $(awk 'FNR == NR { if ($2 ~ /^[A-TV-Z]$/) have[$1] = 1; next } $2 == "U" && !($1 in have) { print $1 }' \
		"$folder/symbols" "$folder/symbols" | sort -u); do
		case $allowed in
		*" $symbol "*) ;;
		*) [ "$symbol" = _GLOBAL_OFFSET_TABLE_ ] || { echo "$target: imports $symbol"; bad=1; } ;;
		esac
	done
	for symbol in $(awk '$2 ~ /^[bBC]$/ { print $1 "(.bss)" }' "$folder/symbols"); do
		echo "$target: variable $symbol"
		bad=1
	done
	# Constants that hold addresses (.data.rel.ro) are d or D too: the section decides.
	for file in "$folder"/*.o; do
		"$(echo "$nm" | sed 's/nm$/size/')" -A "$file" | awk -v t="$target" -v f="$(basename "$file")" \
			'$2 > 0 && ($1 ~ /^\.(data|sdata)/ && $1 !~ /^\.data\.rel\.ro/) { print t ": " f " has " $2 " bytes of " $1; e = 1 } END { exit e }' ||
			bad=1
	done
	return $bad
}

self_test() {
	local sample expect target found failed=0 n=0
	for sample in "$top"/tests/freestanding/bad_*.c; do
		[ -e "$sample" ] || { echo "no samples in tests/freestanding"; return 1; }
		expect=$(sed -n '1s/.*EXPECT: *\([^ ]*\).*/\1/p' "$sample")
		found=
		for target in $targets; do
			judge "$target" "$sample" >"$work/log" 2>&1 || found=$found$(grep -F -m1 -- "$expect" "$work/log")
		done
		n=$((n + 1))
		if [ -z "$expect" ] || [ -z "$found" ]; then
			echo "self-test: $(basename "$sample") is ACCEPTED, or rejected for another reason than '$expect'"
			failed=1
		fi
	done
	[ $failed = 0 ] && echo "self-test: $n bad samples rejected"
}

failed=0
if [ "${1:-}" != --self-test ]; then
	for target in $targets; do
		judge "$target" "$top"/src/core/*.c "$top"/src/engine/*.c "$top"/src/wire/*.c || failed=1
	done
	[ $failed = 0 ] && echo "core, engine and wire: freestanding on $targets"
fi
self_test || failed=1
exit $failed
