#!/bin/bash
# check.sh: what can be said of the tree without running it. Each check is seen to fail: tests/checks/bad/CHECK/SAMPLE is a small tree
# (files end in .bad, so that nothing else takes them for sources) that CHECK must reject, with the words that its file EXPECT holds.
#   check.sh [CHECK...]     all checks, then the samples
#   check.sh --self-test    the samples only
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
scripts=$top/scripts
cc=${CC:-gcc}
all='layers symbols headers lengths format texts'
work=$(mktemp -d "${TMPDIR:-/tmp}/molt-check.XXXXXX")
trap 'rm -rf "$work"' EXIT

check_layers() { python3 "$scripts/check-layers.py" "$1"; }
check_lengths() { python3 "$scripts/check-lengths.py" "$1"; }
check_texts() { python3 "$scripts/check-texts.py" "$1"; }

# The simulator's objects may not take a symbol from core's. Compiled here, so that no build has to exist.
check_symbols() {
	local root=$1 layer source n
	for layer in core sim; do
		rm -rf "$work/$layer" "$work/$layer.a"
		mkdir "$work/$layer"
		n=0
		for source in "$root/src/$layer"/*.c; do
			[ -e "$source" ] || continue
			n=$((n + 1))
			"$cc" -std=c11 -w -O0 -c -I"$root/include" -I"$root/src" "$source" -o "$work/$layer/$n.o" || return 1
		done
		[ $n -gt 0 ] || { echo "no source in src/$layer"; return 1; }
		ar rc "$work/$layer.a" "$work/$layer"/*.o
	done
	python3 "$scripts/check-layers.py" --symbols "$work/sim.a" "$work/core.a"
}

# Each header alone, as strict C11 and as C++.
check_headers() {
	local root=$1 header bad=0 n=0
	while read -r header; do
		n=$((n + 1))
		gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -x c \
			-I"$root/include" -I"$root/src" - <<<"#include \"$header\"" || { echo "$header: not C11 by itself"; bad=1; }
		case $header in molt/*)
			g++ -std=c++17 -pedantic-errors -Wall -Wextra -Werror -fsyntax-only -x c++ \
				-I"$root/include" - <<<"#include \"$header\"" || { echo "$header: not C++ by itself"; bad=1; } ;;
		esac
	done < <(cd "$root" && find include src -name '*.h' 2>/dev/null | sed 's,^include/,,; s,^src/,,' | sort)
	[ $n -gt 0 ] || { echo 'no header found'; return 1; }
	[ $bad = 0 ] && echo "$n headers"
}

check_format() {
	local root=$1 bad=0 n=0 file
	local -a files
	mapfile -t files < <(cd "$root" && if [ -e .git ]; then git ls-files -co --exclude-standard '*.c' '*.h'; else find . -name '*.[ch]'; fi)
	for file in "${files[@]}"; do
		[ -e "$root/$file" ] || continue
		n=$((n + 1))
	done
	[ $n -gt 0 ] || { echo 'no C file found'; return 1; }
	(cd "$root" && clang-format-14 --style="file:$top/.clang-format" --dry-run -Werror "${files[@]}") || bad=1
	[ $bad = 0 ] && echo "$n files" || { echo "run 'make format'"; return 1; }
}

self_test() {
	local sample check tree log expect failed=0 n=0
	for check in $all; do
		[ -n "$(ls -d "$top/tests/checks/bad/$check"/*/ 2>/dev/null)" ] ||
			{ echo "self-test: $check has no bad sample in tests/checks/bad/$check"; failed=1; }
	done
	for sample in "$top"/tests/checks/bad/*/*/; do
		check=$(basename "$(dirname "$sample")")
		tree=$work/sample
		log=$work/sample.log
		expect=$(cat "$sample/EXPECT")
		rm -rf "$tree"
		cp -r "$sample" "$tree"
		rm "$tree/EXPECT"
		find "$tree" -name '*.bad' -exec sh -c 'mv "$1" "${1%.bad}"' _ {} \;
		n=$((n + 1))
		if "check_$check" "$tree" >"$log" 2>&1; then
			echo "self-test: $check ACCEPTS its bad sample $(basename "$sample")"
			failed=1
		elif ! grep -qF -- "$expect" "$log"; then
			echo "self-test: $check rejects $(basename "$sample") for another reason than: $expect"
			cat "$log"
			failed=1
		else
			echo "self-test: $check rejects $(basename "$sample"): $(grep -F -m1 -- "$expect" "$log" | cut -c1-110)"
		fi
	done
	[ $failed = 0 ] && echo "self-test: $n bad samples rejected"
}

# All at once, told in their order. The freestanding objects have their own samples beside them, rejected in the same run.
failed=0
if [ "${1:-}" != --self-test ]; then
	for check in ${*:-$all}; do
		("check_$check" "$top" >"$work/$check.log" 2>&1; echo $? >"$work/$check.status") &
	done
	if [ $# -eq 0 ]; then
		("$scripts/check-freestanding.sh" >"$work/freestanding.log" 2>&1; echo $? >"$work/freestanding.status") &
	fi
	wait
	for check in ${*:-$all freestanding}; do
		if [ "$(cat "$work/$check.status")" = 0 ]; then
			grep '^note:' "$work/$check.log"
			echo "check $check: ok, $(tail -1 "$work/$check.log")"
		else
			cat "$work/$check.log"
			echo "check $check: FAILED"
			failed=1
		fi
	done
	[ $# -gt 0 ] && exit $failed
fi
self_test || failed=1
exit $failed
