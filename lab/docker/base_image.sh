#!/usr/bin/env bash
# Creates debian:SUITE-slim: from an existing FOLDER/base.tar, from an image registry, or else from Debian's packages by
# debootstrap as root, writing FOLDER/base.tar. Uses the mirror and download settings of the machine's apt.
set -euo pipefail

suite=${1:?usage: base_image.sh bookworm|trixie FOLDER}
base=${2:?usage: base_image.sh bookworm|trixie FOLDER}/base.tar
image=debian:$suite-slim

fail() { echo "base_image.sh: $*" >&2; exit 1; }

has_image() { docker image inspect "$image" >/dev/null 2>&1; }

# The machine's Debian mirror, if any.
machine_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 -E '/debian/?$' || true
}

# apt's proxies, retries and similar download settings.
machine_settings() {
    apt-config dump 2>/dev/null | grep -E '^Acquire::(https?::.*|Retries|Check-Date|Check-Valid-Until|Allow[A-Za-z]*) "[^"]+"' || true
}

write_sources() {
    cat > "$1/etc/apt/sources.list" <<END
deb $mirror $suite main
deb $mirror $suite-updates main
deb $mirror-security $suite-security main
END
}

# The settings of Debian's slim images: no service starts by packages, no documentation, no fsync by dpkg.
slim() {
    machine_settings > "$1/etc/apt/apt.conf.d/90machine"
    printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n' > "$1/etc/apt/apt.conf.d/90slim"
    printf 'force-unsafe-io\npath-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n' \
        > "$1/etc/dpkg/dpkg.cfg.d/90slim"
    printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"
    rm -rf "$1"/usr/share/{doc,man,locale}/* "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*.log
}

import_base() { docker import --change 'CMD ["bash"]' "$base" "$image" >/dev/null; }

has_image && exit 0
[ -e "$base" ] && import_base && exit 0
timeout 60 docker pull --quiet "$image" >/dev/null 2>&1 && exit 0

[ "$(id -u)" = 0 ] || fail "$image cannot be pulled, and making it with debootstrap needs root: run this with sudo"
command -v debootstrap >/dev/null || fail "$image cannot be pulled: apt-get install debootstrap"

mirror=$(machine_mirror)
mirror=${mirror:-http://deb.debian.org/debian}
mirror=${mirror%/}
root=$(mktemp -d)
# debootstrap mounts both; an interrupted debootstrap leaves them mounted.
trap 'umount --lazy "$root/proc" "$root/sys" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" ||
    fail "debootstrap $suite failed for the mirror $mirror: check the network"
write_sources "$root"
slim "$root"
tar --directory "$root" --create --file "$base" .
import_base
