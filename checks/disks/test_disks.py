"""Disks have free space.

On a full disk PostgreSQL stops and PM2 loses log lines.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy]


@pytest.mark.remedy("du", "-ahx", "-d", "2", "{mount}")
def test_disk_has_free_space(disks, mount, allowed):
    """Find out which folder grew; remove rotated logs and expired backups first."""
    assert disks[mount].used in allowed.disk_used


@pytest.mark.remedy("du", "-x", "-d", "2", "--inodes", "{mount}")
def test_inodes_are_available(disks, mount, allowed):
    """Many small files use up inodes: look at session and cache folders first."""
    assert disks[mount].inodes_used in allowed.inodes_used


@pytest.mark.remedy("mount", "{mountpoint}")
def test_mount_is_mounted(disks, mountpoint):
    """Writes to an unmounted disk's folder land on the disk below."""
    disk = disks[mountpoint]
    assert disk.is_mounted, f"{mountpoint} is not mounted: files are written to {disk.target}"
