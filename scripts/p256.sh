#!/bin/sh
# p256.sh: p256-m (ECDSA over P-256 by M. Pégourié-Gonnard, Apache-2.0) out of Debian trixie's source package of Mbed TLS 3.6, into
# build/deps/p256-m, pinned by the SHA-256 of its two files, whichever point release brings them.
#   p256-m.c, p256-m.h    as upstream
#   p256_static.h         made of both: all functions static, so that a compiler drops what only signing needs; nothing of Mbed TLS;
#                         on RISC-V the long multiplication stays a loop (176 bytes of 24 KB)
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build/deps/p256-m
die() { echo "p256.sh: $*" >&2; exit 1; }
pinned() {
	(cd "$1" && sha256sum -c --status) <<END
f546b6e993e268dd2fa464c68b740f708498d480c1f74aa1bbda518d1f7bb770  p256-m.c
ae61836d9e8083177e25168df7e35f77a65c5e3443ca0980053863ca07e334d0  p256-m.h
END
}

mkdir -p "$dir"
if ! pinned "$dir" 2>/dev/null; then
	"$top/scripts/trixie.sh" source "$dir/mbedtls" mbedtls
	cp "$dir/mbedtls/3rdparty/p256-m/p256-m/p256-m.c" "$dir/mbedtls/3rdparty/p256-m/p256-m/p256-m.h" "$dir/"
	rm -rf "$dir/mbedtls"
	pinned "$dir" || die "p256-m.c or p256-m.h of trixie's mbedtls is not the pinned one: review the change, then pin it here"
fi
if [ ! -e "$dir/p256_static.h" ] || [ "$0" -nt "$dir/p256_static.h" ]; then
	{
		sed -n '1,/\*\//p' "$dir/p256-m.c"
		grep '^#define P256_' "$dir/p256-m.h" | grep -v P256_M_H
		sed -e '/^#include/d' -e 's/^int p256_/static int p256_/' -e 's/^#if defined(MULADD64_SMALL)$/& \&\& !defined(__riscv)/' "$dir/p256-m.c"
	} >"$dir/p256_static.h.new"
	mv "$dir/p256_static.h.new" "$dir/p256_static.h"
fi
