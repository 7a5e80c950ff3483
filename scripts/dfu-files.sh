#!/bin/sh
# dfu-files.sh: genuine .dfu files for the tests, in build/deps/dfu. They come out of Debian packages, over this machine's apt; nothing is
# installed, and of the packages only these files are kept, in $MOLT_CACHE (else ~/.cache/molt): a second clone needs no network.
# The product does not need them.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/build/deps/dfu
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/dfu
die() { echo "dfu-files.sh: $*" >&2; exit 1; }
for tool in apt-get dpkg-deb sha256sum flock; do
	command -v $tool >/dev/null || die "missing command: $tool"
done
mkdir -p "$out" "$cache"
exec 9>"$cache/lock"
flock 9
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

is_right() { echo "$1  $2" | sha256sum -c --status 2>/dev/null; }

download() {
	apt-get -qq -o APT::Sandbox::User=root download "$1"
}

# fetch PACKAGE PATH SHA256
fetch() {
	name=$(basename "$2")
	is_right "$3" "$out/$name" && return
	if ! is_right "$3" "$cache/$name" && is_right "$3" "/$2"; then
		cp "/$2" "$cache/$name.new"
		mv "$cache/$name.new" "$cache/$name"
	elif ! is_right "$3" "$cache/$name"; then
		echo "fetching from Debian: $1"
		work=$(mktemp -d "$cache/new.XXXXXX")
		cd "$work"
		if ! download "$1"; then
			as_root=
			[ "$(id -u)" = 0 ] || as_root=sudo
			$as_root apt-get -qq update
			download "$1" || die "cannot fetch: $1"
		fi
		dpkg-deb --fsys-tarfile "$1"_*.deb | tar -xf - "./$2" || die "$1: has no $2"
		is_right "$3" "$2" || die "$1: $2: wrong SHA-256: expected $3"
		mv "$2" "$cache/$name"
		cd "$top"
		rm -rf "$work"
		work=
	fi
	cp "$cache/$name" "$out/$name.new"
	mv "$out/$name.new" "$out/$name"
}

# DfuSe, two elements, 0483:a291; a right CRC.
fetch giac-doc usr/share/giac/doc/epsilon.dfu 3cfff7fb50df8db73a2141d2fe1f0a1794d7b72c11e52e3d92f26e5882aa58c5
# Plain, NXP LPC's prefix, 1fc9:000c; a CRC that dfu-suffix rejects.
fetch hackrf-firmware usr/share/hackrf/hackrf_one_usb.dfu 185924b9655f4d975aed04dd02f29f33742d2f790514337052f07233e101fce7
