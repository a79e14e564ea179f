#!/bin/sh
# Installs the shop's packages into the system in ROOT, and masks units for hardware, consoles and tasks of the machine.
# Usage: packages.sh ROOT PACKAGES
set -eu

root=$1
packages=$2
chmod 0755 "$root"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"; }

printf '%s\n' 'create_main_cluster = false' > "$root/createcluster"
mkdir -p "$root/etc/postgresql-common"
mv "$root/createcluster" "$root/etc/postgresql-common/createcluster.conf"
inside apt-get update -qq
# shellcheck disable=SC2086
inside apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $(cat "$packages") >/dev/null
inside apt-get clean
inside systemctl mask --quiet \
    console-getty.service getty.target systemd-udevd.service systemd-udev-trigger.service \
    systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service systemd-timesyncd.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
    proc-sys-fs-binfmt_misc.automount apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer logrotate.timer
rm -rf "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id"
umount "$root/proc"
