#!/usr/bin/env bash
# Writes a minimal Debian system as a tar archive: bootstrap.sh SUITE FILE, as root. Uses the mirror and the download
# settings of the machine's apt.
set -euo pipefail

suite=${1:?usage: bootstrap.sh bookworm|trixie FILE}
file=${2:?usage: bootstrap.sh bookworm|trixie FILE}

fail() { echo "bootstrap.sh: $*" >&2; exit 1; }

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

[ "$(id -u)" = 0 ] || fail "making a Debian system with debootstrap needs root: run this with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

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
tar --directory "$root" --create --file "$file" .
