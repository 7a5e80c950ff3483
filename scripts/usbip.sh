#!/bin/sh
# usbip.sh [PYTEST-ARGUMENT...]: the tests of tests/usbip on a real Linux USB stack: molt, dfu-util and libusb on devices that the kernel
# itself enumerates. The kernel is Debian's, in an emulated machine (QEMU, without hardware help: some minutes), whose files are this
# machine's, read-only; its bus is that of the vhci-hcd module, its devices are simulated ones behind USB/IP (tests/usbip/vhci.c).
# Kernel, emulator and udev are unpacked from Debian packages over this machine's apt, nothing is installed. They are kept in
# $MOLT_CACHE (else ~/.cache/molt): a second clone needs no network. Needs build/molt and scripts/test.sh venv native.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build/usbip
cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/usbip
MODULES='virtio_pci 9pnet_virtio 9p overlay vhci-hcd'
die() { echo "usbip.sh: $*" >&2; exit 1; }
for tool in apt-get apt-cache dpkg-deb flock python3 ldd timeout setpriv; do
	command -v $tool >/dev/null || die "missing command: $tool"
done
[ "$(dpkg --print-architecture)" = amd64 ] || die "expected an amd64 system, found $(dpkg --print-architecture)"
[ -x "$top/build/venv/bin/python" ] || die "missing: build/venv (scripts/test.sh venv)"
mkdir -p "$dir" "$cache"
cache=$(cd "$cache" && pwd)

# unpack DIR PACKAGE...
unpack() {
	out=$1
	shift
	(cd "$work" && rm -f -- *.deb && apt-get -qq -o APT::Sandbox::User=root download "$@") || return 1
	for deb in "$work"/*.deb; do
		dpkg-deb -x "$deb" "$out" || return 1
	done
}

image() { apt-cache depends --important linux-image-amd64 | sed -n 's/^  *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1; }

# The emulator loads parts of itself, from a folder that fits: so it comes with all of its packages.
fetch_all() {
	kernel=$(image)
	[ -n "$kernel" ] && unpack "$work/linux" "$kernel" &&
		unpack "$work/root" qemu-system-x86 qemu-system-common qemu-system-data seabios udev libsystemd-shared
}

fetch() {
	echo "fetching from Debian: a kernel, QEMU, udev"
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	if ! fetch_all; then
		as_root=
		[ "$(id -u)" = 0 ] || as_root=sudo
		$as_root apt-get -qq update
		fetch_all || die "cannot fetch"
	fi
	# Of a kernel of 400 MB what is loaded, and what that may depend on.
	mkdir "$work/root/modules"
	mv "$work"/linux/boot/vmlinuz-* "$work/root/vmlinuz"
	for part in drivers/usb/core drivers/usb/common drivers/usb/usbip drivers/virtio net/9p fs/9p fs/netfs fs/fscache fs/overlayfs; do
		mkdir -p "$work/root/modules/$part"
		cp "$work"/linux/lib/modules/*/kernel/$part/*.ko "$work/root/modules/$part"
	done
	rm -rf "$cache/root"
	mv "$work/root" "$cache/root"
	rm -rf "$work"
}

exec 9>"$cache/lock"
flock 9
[ -e "$cache/root/vmlinuz" ] || fetch
flock -u 9
root=$cache/root
missing=$(ldd "$root/usr/bin/qemu-system-x86_64" | grep 'not found' || true)
[ -z "$missing" ] || die "QEMU's libraries are missing (scripts/packages.sh brings them):$missing"

cmake --build "$top/build" --target molt dfu_usbip usbip_init >/dev/null
# shellcheck disable=SC2086
python3 "$top/tests/usbip/initramfs.py" "$dir/initramfs" "$top/build/usbip_init" "$root/modules" $MODULES
rm -rf "$dir/exchange"
mkdir "$dir/exchange"
{
	echo '#!/bin/sh'
	echo "cp '${MOLT:-$top/build/molt}' /run/molt && chmod 755 /run/molt" # for every user
	echo "export HOME='${HOME:-/root}' PATH='$PATH' MOLT=/run/molt MOLT_DFU_BUS='$top/build/dfu_usbip' MOLT_UDEV='$root'"
	echo "cd '$top'"
	printf "build/venv/bin/python -m pytest -p no:cacheprovider --color=no -q --durations=5"
	[ $# -gt 0 ] || set -- tests/usbip
	printf " '%s'" "$@"
	echo '; code=$?; dmesg >/exchange/dmesg; exit $code'
} >"$dir/exchange/run"
chmod +x "$dir/exchange/run"

# No network, no devices but a serial line and the two folders; the guest's clock counts in the kernel's messages.
QEMU_MODULE_DIR=$(echo "$root"/usr/lib/*/qemu) timeout 1800 "$root/usr/bin/qemu-system-x86_64" \
	-L "$root/usr/share/seabios" -L "$root/usr/share/qemu" -machine pc -accel tcg -cpu max -m 1024 -nodefaults -display none -no-reboot \
	-kernel "$root/vmlinuz" -initrd "$dir/initramfs" -append 'console=ttyS0 panic=-1 loglevel=1 mitigations=off' \
	-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
	-virtfs "local,path=$dir/exchange,mount_tag=exchange,security_model=none,multidevs=remap" \
	-serial stdio </dev/null || die "the emulated machine ended with exit code $?"
[ -s "$dir/exchange/code" ] || die "the guest ended without a result (what it says is above)"
exit "$(cat "$dir/exchange/code")"
