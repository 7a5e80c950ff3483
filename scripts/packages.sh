#!/bin/sh
# packages.sh [build]: install the Debian packages that building and testing need (root, or sudo). Quick when all are there.
# With "build" only those that the command and the demo need.
set -eu
PACKAGES='build-essential cmake ninja-build pkg-config git python3 python3-venv xz-utils ca-certificates
zlib1g-dev libssl-dev libcurl4-openssl-dev libjansson-dev libusb-1.0-0-dev libcmocka-dev openssl'
[ "${1:-}" = build ] || PACKAGES="$PACKAGES groff-base mtools dosfstools clang-14 clang-format-14 libclang-rt-14-dev
gcc-arm-none-eabi gcc-riscv64-unknown-elf qemu-system-arm qemu-system-misc libnewlib-arm-none-eabi picolibc-riscv64-unknown-elf
dfu-util umockdev libumockdev-dev"
missing=
for package in $PACKAGES; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
