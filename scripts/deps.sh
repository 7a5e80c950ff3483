#!/bin/sh
# deps.sh: what the build takes from the package registries besides Debian packages, pinned by version and SHA-256.
# Goes to build/deps (unpacked) and to a cache ($MOLT_CACHE, else ~/.cache/molt: downloads only). Nothing is installed.
#   build/deps/littlefs/            the littlefs C library, from littlefs-python's source distribution
#   build/deps/fatfs/               ChaN's FatFs, from fatfs-ng's; its configuration is cmake/fatfs/ffconf.h
#   build/deps/firmware/*.bin       the genuine ESP32_GENERIC MicroPython 1.23.0, from mp-image-tool-esp32's
#   build/deps/p256-m/           ECDSA for devices (scripts/p256.sh)
#   build/deps/src/NAME-VERSION/    those source distributions, whole
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}
deps=$top/build/deps
mkdir -p "$cache" "$deps/src"

die() { echo "deps.sh: $*" >&2; exit 1; }

# fetch NAME VERSION FILE SHA256: a source distribution of PyPI, checked, unpacked to $deps/src/FILE without suffix.
fetch() {
	file=$cache/$3
	if ! echo "$4  $file" | sha256sum -c --status 2>/dev/null; then
		echo "fetching $1 $2"
		python=$top/build/venv/bin/python
		[ -x "$python" ] || python=python3
		"$python" "$top/scripts/pypi-sdist.py" "$1" "$2" "$3" "$4" "$file" || die "cannot fetch $1 $2"
		echo "$4  $file" | sha256sum -c --status || die "$3: wrong SHA-256: expected $4"
	fi
	[ -d "$deps/src/${3%.tar.gz}" ] || tar -xzf "$file" -C "$deps/src"
}

fetch littlefs-python 0.19.0 littlefs_python-0.19.0.tar.gz \
	4ce8c6eeeb2703abaf8cb60f2dab624b17af42b13df3dbc6c42d4142bad79a59
fetch fatfs-ng 0.1.16 fatfs_ng-0.1.16.tar.gz \
	86dc7b951c24ae60d5e49bc0c3ca8c535772756e80082595529223a7b9f8fe0a
fetch mp-image-tool-esp32 0.1.1 mp_image_tool_esp32-0.1.1.tar.gz \
	15d7a18d5ef6e86911c48998fd961c4a0e8e49e1ae3efb1c2b5e1018193bd901

if [ ! -e "$deps/littlefs/lfs.c" ]; then
	rm -rf "$deps/littlefs.new"
	mkdir "$deps/littlefs.new"
	cp "$deps/src/littlefs_python-0.19.0/littlefs"/lfs*.[ch] "$deps/littlefs.new/"
	mv "$deps/littlefs.new" "$deps/littlefs"
fi
if [ ! -e "$deps/fatfs/ff.c" ]; then
	rm -rf "$deps/fatfs.new"
	mkdir "$deps/fatfs.new"
	for file in ff.c ff.h ffunicode.c diskio.h; do # its ffconf.h stays behind: ours is to be found
		cp "$deps/src/fatfs_ng-0.1.16/foreign/fatfs/source/$file" "$deps/fatfs.new/"
	done
	mv "$deps/fatfs.new" "$deps/fatfs"
fi
mkdir -p "$deps/firmware"
cp -u "$deps/src/mp_image_tool_esp32-0.1.1/tests/data/ESP32_GENERIC-20240602-v1.23.0.bin" "$deps/firmware/"

# Only the devices' engine and its test need it: a command for the host is built without.
"$top/scripts/p256.sh" || echo "deps.sh: no p256-m: test_p256 and the native modules cannot be built" >&2
