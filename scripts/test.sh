#!/bin/bash
# test.sh: what `make test` runs. Each section prints its title, the runner's own summary and its time;
# the first failure prints its log and ends the run.  test.sh SECTION... runs only those.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
jobs=$(nproc)
logs=$top/build/test-logs
mkdir -p "$logs"
begun=$SECONDS
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:exitcode=99}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}

# build PRESET DIRECTORY: configure and build every target.
build() {
	cmake --preset "$1" && cmake --build "$2" -j "$jobs"
}

section_venv() { scripts/venv.sh && scripts/deps.sh && scripts/p256.sh && scripts/dfu-files.sh; }
section_gcc() { build default build; }
section_clang() { build clang build/clang; }
section_sanitize() { build sanitize build/sanitize; }
# Slow under sanitizers: there a part of the cuts and of the faults, all of them in the optimized build.
section_ctest() { MOLT_POWER_EVERY=31 MOLT_FAULT_EVERY=7 ctest --test-dir build/sanitize -j "$jobs" --output-on-failure --no-tests=error; }
section_power() {
	local k test failed=0
	local -a children=()
	for ((k = 0; k < jobs; k++)); do
		MOLT_POWER_PART=$k/$jobs build/test_power >"$logs/power-$k.log" 2>&1 &
		children+=($!)
	done
	for test in dfu_write_faults dfu_faults dfu_read dfu_erase dfu_leave dfu_plain; do
		"build/test_$test" >"$logs/faults-$test.log" 2>&1 || { cat "$logs/faults-$test.log"; failed=1; }
		grep -h "PASSED" "$logs/faults-$test.log"
	done
	for k in "${!children[@]}"; do
		wait "${children[$k]}" || failed=1
		cat "$logs/power-$k.log"
	done
	return $failed
}
section_native() { scripts/native.sh && scripts/package.sh; }
section_micropython() { scripts/micropython.sh; }
section_usermod() { scripts/usermod.sh; }
section_qemu() { scripts/qemu.sh; }
section_check() { scripts/check.sh; }
section_e2e() {
	# The command under test is the sanitized one; a test marked `fast` takes the optimized one (tests/e2e/conftest.py).
	# Two workers more than processors: many tests wait for a server that stalls. Boards are written and synchronized all the
	# time, so they lie in memory where there is enough of it; those of tests that failed stay.
	local base=
	if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null &&
		[ "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)" -gt 6000000 ]; then
		base=$(mktemp -d /dev/shm/molt-e2e.XXXXXX)
	fi
	MOLT=$top/build/sanitize/molt MOLT_FAST=$top/build/molt \
		build/venv/bin/python -m pytest tests/e2e -n "$((jobs + 2))" -q -rfE --durations=20 -p no:cacheprovider \
		-o tmp_path_retention_policy=failed ${base:+--basetemp="$base/tests"} || return 1
	[ -z "$base" ] || rm -rf "$base"
}
section_mutate() { MOLT_MUTATE_EVERY=8 build/venv/bin/python scripts/mutate.py; }

# What a person wants to see of a section that passed.
summary() {
	case $1 in
	ctest) grep -E 'tests passed|Total Test time' "$2" ;;
	e2e) grep -E '(passed|failed|error|skipped).* in ' "$2" | tail -1 ;;
	check) grep -E '^(check|self-test)' "$2" ;;
	gcc | clang | sanitize) grep -c 'warning:' "$2" | sed 's/$/ warnings/' ;;
	mutate) tail -1 "$2" ;;
	native) grep -E ': text|; with ' "$2" ;;
	power) awk '/power cuts, 3 boots/ { n += $1 } END { print n " power cuts, 3 boots and a rerun after each" }' "$2" ;;
	*) tail -1 "$2" ;;
	esac
}

# run TITLE SECTION
run() {
	local started=$SECONDS log=$logs/$2.log
	printf '== %s\n' "$1"
	if "section_$2" </dev/null >"$log" 2>&1; then
		summary "$2" "$log" | sed 's/^/   /'
		printf '   ok, %d s\n' $((SECONDS - started))
	else
		local code=$?
		tail -n 400 "$log"
		printf '== FAILED: %s (status %d, %d s; whole log: %s)\n' "$1" "$code" $((SECONDS - started)) "${log#"$top"/}"
		exit 1
	fi
}

if [ $# -eq 0 ]; then
	set -- venv check gcc clang sanitize ctest power native micropython usermod qemu e2e mutate
fi
for section in "$@"; do
	case $section in
	venv) run 'Python environment, fetched dependencies' venv ;;
	gcc) run 'build with gcc' gcc ;;
	clang) run 'build with clang' clang ;;
	sanitize) run 'build with AddressSanitizer and UndefinedBehaviorSanitizer' sanitize ;;
	ctest) run 'unit tests, power cuts, corpus replay (sanitized)' ctest ;;
	power) run 'power cuts at every operation, USB faults at every transfer' power ;;
	native) run 'native modules, package' native ;;
	micropython) run 'genuine MicroPython' micropython ;;
	usermod) run 'MicroPython with the user C module' usermod ;;
	qemu) run 'genuine MicroPython for QEMU boards' qemu ;;
	check) run 'static checks, each seen to fail' check ;;
	e2e) run 'the command against genuine peers (sanitized)' e2e ;;
	mutate) run 'mutations of the boot rules are noticed' mutate ;;
	*) echo "test.sh: no section '$section'" >&2; exit 2 ;;
	esac
done
printf '== everything passed, %d s\n' $((SECONDS - begun))
