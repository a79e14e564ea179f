#!/bin/bash
# Boots the Debian system in ROOT with systemd as process 1 of private namespaces: boot.sh ROOT GROUP
# GROUP names the cgroup of all its processes. Nothing of the machine is visible inside but its kernel.
set -euo pipefail

root=$1
group=$2

# The machine's cgroup hierarchies: systemd's own, and of cgroup v1 those for memory and the number of processes.
hierarchies() {
    awk '{ for (i = 7; $i != "-"; i++); type = $(i + 1); options = $NF }
         type == "cgroup2" || (type == "cgroup" && options ~ /name=systemd|(^|,)(memory|pids)(,|$)/) { print $5 }' \
        /proc/self/mountinfo
}

if [ "${3:-}" != inside ]; then
    # Held as long as the system runs.
    exec 9> "$root.lock"
    flock --nonblock 9 || { echo "boot.sh: another process has booted $root" >&2; exit 1; }
    for hierarchy in $(hierarchies); do
        mkdir -p "$hierarchy/$group" && echo $$ > "$hierarchy/$group/cgroup.procs"
    done
    exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child -- "$0" "$root" "$group" inside
fi

exec 9>&-
legacy=$(awk '{ for (i = 7; $i != "-"; i++) } $(i + 1) == "cgroup" { print "yes"; exit }' /proc/self/mountinfo)
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
if [ -n "$legacy" ]; then
    # systemd mounts every controller that the kernel lists, also those of the machine's own groups.
    awk '/^#|^(memory|pids)\t/' /proc/cgroups > "$root/tmp/.cgroups"
    mount --bind "$root/tmp/.cgroups" "$root/proc/cgroups"
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
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
