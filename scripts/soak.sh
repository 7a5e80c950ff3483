#!/bin/bash
# soak.sh: `make soak`. The long sweeps: every power cut with a second one during the recovery, every cut inside a board, USB DFU on
# a real kernel, and every parser fuzzed.
#   MOLT_SOAK_STEP   a second cut at every n-th operation of the recovery (7)
#   FUZZ_SECONDS     for each fuzz target (60)
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
cmake --preset default >/dev/null
cmake --build build
echo '== power cuts, with a second cut during the recovery'
MOLT_SOAK=1 build/test_power
scripts/test.sh venv native micropython
echo "== USB DFU on a real kernel's USB, in an emulated machine"
scripts/usbip.sh
echo '== mutations of the rules'
build/venv/bin/python scripts/mutate.py
echo '== power cuts inside a simulated board, every operation in three ways, each to its end'
MOLT_INSIDE_SOAK=1 MOLT_FAT_CUTS=1000 MOLT=$top/build/molt build/venv/bin/python -m pytest -q -n "$(nproc)" -p no:cacheprovider \
	tests/e2e/test_power_inside.py tests/e2e/test_fat_board.py
cmake --preset fuzz >/dev/null
cmake --build build/fuzz
for target in build/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	name=$(basename "$target")
	echo "== $name, ${FUZZ_SECONDS:-60} s"
	mkdir -p "build/fuzz-found/$name"
	"$target" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 -artifact_prefix="build/fuzz-found/$name/" \
		"build/fuzz-found/$name" "tests/fuzz/corpus/${name#fuzz_}" 2>"build/fuzz/$name.log" ||
		{ tail -n 40 "build/fuzz/$name.log"; exit 1; }
	grep -E 'stat::number_of_executed_units|Done' "build/fuzz/$name.log"
done
