#!/bin/sh
# micropython.sh: a genuine MicroPython 1.25.0 (Debian trixie's, x64 native modules) as build/micropython/micropython.
# It runs with trixie's own loader and libraries, so an older Debian will do; nothing is installed.
set -eu
VERSION=1.25.0+ds-1
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build/micropython
die() { echo "micropython.sh: $*" >&2; exit 1; }

mkdir -p "$dir"
exec 8>"$dir/lock"
flock 8
version() { "$dir/micropython" -c 'import sys; print(sys.implementation)'; }
if [ "$(cat "$dir/ready" 2>/dev/null)" != "$VERSION" ]; then
	rm -rf "$dir/root"
	"$top/scripts/trixie.sh" debs "$dir/root" micropython=$VERSION libc6 libffi8 libmbedtls21 libmbedcrypto16 libmbedx509-7
	set -- "$dir"/root/usr/lib/*/ld-linux-*.so.*
	[ -e "$1" ] || die "no loader in trixie's libc6"
	loader=${1#"$dir"/}
	cat >"$dir/micropython" <<END
#!/bin/sh
top=\$(dirname "\$(readlink -f "\$0")")
exec "\$top/$loader" --library-path "\$top/$(dirname "$loader")" "\$top/root/usr/bin/micropython" "\$@"
END
	chmod +x "$dir/micropython"
	version >/dev/null || die "MicroPython does not start"
	echo "$VERSION" >"$dir/ready"
fi
version
