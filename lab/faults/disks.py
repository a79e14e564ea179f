"""Faults of a small file system, mountable only by root."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab import Lab
from lab.fault import shows
from lab.faults.fault import fault


def disk(lab: Lab) -> Path:
    """Where the small file system is mounted."""
    return lab.home / "disk"


def mount(lab: Lab) -> None:
    """Mounts 2 MiB with 64 inodes."""
    disk(lab).mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=64", "opsproof", disk(lab)], check=True)


def unmount(lab: Lab) -> None:
    """Unmounts the file system."""
    subprocess.run(["umount", disk(lab)], check=True)


@fault(failed=("test_disk_has_free_space[DISK]",), root=True, touches=("disk",))
@shows(r"^1.9M\s.*ballast$")
def disk_full(lab: Lab) -> Iterator[None]:
    """Nine tenths of the bytes are in use."""
    ballast = disk(lab) / "ballast"
    ballast.write_bytes(b"x" * (1887 * 1024))
    yield
    ballast.unlink()


@fault(warned=("test_disk_has_free_space[DISK]",), root=True, touches=("disk",))
@shows(r"^1.5M\s.*ballast$")
def disk_filling(lab: Lab) -> Iterator[None]:
    """Three quarters of the bytes are in use."""
    ballast = disk(lab) / "ballast"
    ballast.write_bytes(b"x" * (1536 * 1024))
    yield
    ballast.unlink()


@fault(failed=("test_inodes_are_available[DISK]",), root=True, touches=("disk",))
@shows(r"^6\d\s.*disk$")
def inodes_used_up(lab: Lab) -> Iterator[None]:
    """Empty files use up the inodes."""
    files = [disk(lab) / f"session-{number}" for number in range(60)]
    for each in files:
        each.touch()
    yield
    for each in files:
        each.unlink()


@fault(
    failed=("test_mount_is_mounted[DISK]",),
    root=True,
    may_change=("test_disk_has_free_space[DISK]", "test_inodes_are_available[DISK]"),
    touches=("disk",),
)
def disk_not_mounted(lab: Lab) -> Iterator[None]:
    """The mount point exists, the disk is not mounted."""
    unmount(lab)
    yield
    mount(lab)
