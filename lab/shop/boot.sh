#!/bin/bash
# Boots the Debian system in ROOT with systemd as process 1 of private namespaces: boot.sh ROOT GROUP
# GROUP names the cgroup of all its processes. Nothing of the machine is visible inside but its kernel.
set -euo pipefail

root=$1
group=$2

if [ "${3:-}" != inside ]; then
    # Held as long as the system runs.
    exec 9> "$root.lock"
    flock --nonblock 9 || { echo "boot.sh: another process has booted $root" >&2; exit 1; }
    # The machine's hierarchy of cgroup v2, alone or beside those of v1: systemd takes it for the only one, as Debian does.
    hierarchy=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
    mkdir -p "$hierarchy/$group"
    echo $$ > "$hierarchy/$group/cgroup.procs"
    exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child -- "$0" "$root" "$group" inside
fi

exec 9>&-
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for path in "$root/proc/sys" "$root/proc/sysrq-trigger"; do
    if [ -e "$path" ]; then
        mount --bind "$path" "$path"
        mount -o remount,bind,ro "$path"
    fi
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
hostname shop
ip link set lo up
cd "$root"
pivot_root . mnt
cd /
umount --lazy /mnt
exec env -i container=opsproof PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
