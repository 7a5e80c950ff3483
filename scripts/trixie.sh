#!/bin/sh
# trixie.sh: fetch from Debian trixie, over the mirror that this machine's apt uses (or $DEBIAN_MIRROR). Nothing is installed, and the
# system's own apt state is not touched: sources, indexes and cache are private, in $MOLT_CACHE (else ~/.cache/molt).
#   trixie.sh debs DIR PACKAGE[=VERSION]...   unpacks binary packages into DIR
#   trixie.sh source DIR PACKAGE[=VERSION]    unpacks the upstream tarball (orig) into DIR, without its top folder
# What was fetched once is taken from the cache: a second clone needs no network.
set -eu

SUITE=trixie
die() { echo "trixie.sh: $*" >&2; exit 1; }
[ $# -ge 3 ] || die "usage: trixie.sh debs|source DIR PACKAGE[=VERSION]..."
kind=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
case $kind in debs | source) ;; *) die "neither debs nor source: $kind" ;; esac
for tool in apt-get dpkg tar xz flock; do
	command -v $tool >/dev/null || die "missing command: $tool"
done

cache=${MOLT_CACHE:-${HOME:-/tmp}/.cache/molt}/trixie
mkdir -p "$cache/files"
cache=$(cd "$cache" && pwd)
exec 9>"$cache/lock"
flock 9

# A request is named by its words; its list holds the files that answered it.
list=$cache/$(printf '%s\n' "$kind" "$@" | sha256sum | cut -c1-16).list

have_all() {
	[ -s "$list" ] || return 1
	while read -r sum file; do
		echo "$sum  $cache/files/$file" | sha256sum -c --status 2>/dev/null || return 1
	done <"$list"
}

# The mirror's address stays in the private configuration: it differs from machine to machine.
configure_apt() {
	mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|Debian|main|//p' | head -n 1)}
	[ -n "$mirror" ] || mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\/\{0,1\}\) *$/\1/p' \
		/etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
	[ -n "$mirror" ] || die "no Debian mirror among apt's sources: set DEBIAN_MIRROR"
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
	printf 'deb %s %s main\ndeb-src %s %s main\n' "$mirror" $SUITE "$mirror" $SUITE >"$cache/apt/sources.list"
	cat >"$cache/apt/apt.conf" <<END
Dir::Etc::sourcelist "$cache/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$cache/apt/lists";
Dir::Cache "$cache/apt/cache";
APT::Sandbox::User "root";
APT::Get::List-Cleanup "0";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
	export APT_CONFIG="$cache/apt/apt.conf"
}

download() {
	configure_apt
	echo "fetching from Debian $SUITE: $*"
	# The indexes of the last day will do; a package that left the mirror since is found by the second try.
	if [ -z "$(find "$cache/apt/updated" -mmin -1440 2>/dev/null)" ]; then
		apt-get -qq update
		touch "$cache/apt/updated"
	fi
	rm -rf "$cache/new"
	mkdir "$cache/new"
	for try in 1 2; do
		if [ "$kind" = debs ]; then
			(cd "$cache/new" && apt-get -qq download "$@") && break
		else
			(cd "$cache/new" && apt-get -qq source --download-only "$@") && break
		fi
		[ $try = 1 ] || die "cannot fetch: $*"
		apt-get -qq update
	done
	(cd "$cache/new" && sha256sum -- *) | sed 's/ [ *]/ /' >"$cache/new.list"
	mv "$cache/new"/* "$cache/files/"
	rmdir "$cache/new"
	mv "$cache/new.list" "$list"
}

have_all || download "$@"
while read -r sum file; do
	case $kind:$file in
	debs:*.deb) dpkg -x "$cache/files/$file" "$out" ;;
	source:*.orig.tar.*) tar -xf "$cache/files/$file" -C "$out" --strip-components=1 ;;
	esac
done <"$list"
