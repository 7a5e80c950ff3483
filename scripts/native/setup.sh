#!/bin/sh
# setup.sh DIR: fetch and unpack, into DIR, what build-native.sh needs. Nothing is installed on the system.
# All comes from Debian trixie by way of ../trixie.sh, which keeps what it fetched in a cache.
set -eu

SUITE=trixie
MICROPYTHON=1.25.0+ds-1
PINNED='gcc-xtensa-lx106=13.3.0-16+14+b4
binutils-xtensa-lx106=2.44-3+6+b2
binutils-source=2.44-3
python3-pyelftools=0.32-1'
# Run-time libraries of the two tool packages, so that they run on an older Debian too. Not pinned:
# they do not influence the output, and point releases replace them (apt drops the old ones).
LIBS='libc6 libgcc-s1 libstdc++6 libgmp10 libmpfr6 libmpc3 libisl23 zlib1g libzstd1'

die() { echo "setup.sh: $*" >&2; exit 1; }
[ $# = 1 ] || die "usage: setup.sh DIR"
for tool in apt-get dpkg tar xz gcc python3; do
	command -v $tool >/dev/null || die "missing command: $tool"
done
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ ! -e "$dir/ready" ] || { echo "$dir is set up already"; exit 0; }

trixie=$here/../trixie.sh
# shellcheck disable=SC2086
"$trixie" debs "$dir/root" $PINNED $LIBS
"$trixie" source "$dir/micropython" micropython=$MICROPYTHON
mkdir -p "$dir/binutils" "$dir/bin" "$dir/libexec"

# The core's description: our values plus the instruction table of the binutils that the assembler was built from.
tar -xJf "$dir"/root/usr/src/binutils/binutils-*.tar.xz -C "$dir/binutils" --strip-components=1 --wildcards \
	'*/include/ansidecl.h' '*/include/xtensa-*.h' '*/bfd/xtensa-modules.c'
gcc -O1 -shared -fPIC -nostdlib -w -I "$dir/binutils/include" -o "$dir/core-esp32.so" \
	"$here/core-esp32.c" "$dir/binutils/bfd/xtensa-modules.c"

# Wrappers that run the unpacked tools with their own loader and libraries.
# The names are those that MicroPython's dynruntime.mk expects (CROSS = xtensa-esp32-elf-).
set -- "$dir"/root/usr/lib/*/ld-linux-*.so.*
loader=${1#"$dir"/}
wrap() { # wrap FILE TOOL [OPTIONS]: FILE is the wrapper's path below $dir, TOOL the tool's below $dir/root
	cat >"$dir/$1" <<EOF
#!/bin/sh
top=\$(dirname "\$(readlink -f "\$0")")/..
XTENSA_GNU_CONFIG=\$top/core-esp32.so
export XTENSA_GNU_CONFIG
exec "\$top/$loader" --library-path "\$top/$(dirname "$loader")" "\$top/root/$2" ${3:-} "\$@"
EOF
	chmod +x "$dir/$1"
}
cc1=$(cd "$dir/root" && ls usr/lib*/gcc/xtensa-lx106-elf/*/cc1)
wrap libexec/cc1 "$cc1"
wrap libexec/as usr/bin/xtensa-lx106-elf-as
wrap bin/xtensa-esp32-elf-gcc usr/bin/xtensa-lx106-elf-gcc '-B"$top/libexec/"'
for tool in as ld nm objdump readelf size; do
	wrap bin/xtensa-esp32-elf-$tool usr/bin/xtensa-lx106-elf-$tool
done

# Proof that both tools accepted the description: windowed code must come out.
printf 'int f(int (*g)(int), int x) { return g(x) + 1; }\n' >"$dir/probe.c"
"$dir/bin/xtensa-esp32-elf-gcc" -Os -c -o "$dir/probe.o" "$dir/probe.c"
"$dir/bin/xtensa-esp32-elf-objdump" -d "$dir/probe.o" >"$dir/probe.txt"
for insn in entry callx8 retw; do
	grep -q "$insn" "$dir/probe.txt" || die "the compiler gave no windowed code (see $dir/probe.txt)"
done
rm -rf "$dir/root/usr/src" "$dir"/probe.*
touch "$dir/ready"
echo "ready: $dir"
