"""The machine has memory and processor time to spare, the right time, and its updates in force."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy]


@pytest.mark.remedy("ps", "axo", "pid,user,rss,comm", "--sort=-rss")
def test_memory_is_available(memory, allowed):
    """When none is left, the kernel kills the largest process: usually the database."""
    assert memory.available in allowed.memory_available


@pytest.mark.remedy("ps", "axo", "pid,user,rss,comm", "--sort=-rss")
def test_swap_use_is_within_limit(memory, allowed):
    """A host that lives on swap answers slowly."""
    assert memory.swap_used in allowed.swap_used


@pytest.mark.remedy("ps", "axo", "pid,user,pcpu,stat,comm", "--sort=-pcpu")
def test_load_is_within_limit(load, allowed):
    """Five minutes' average of what ran or waited for a disk, by processor."""
    assert load in allowed.load_per_core


@pytest.mark.remedy("systemctl", "restart", "systemd-timesyncd")
def test_clock_is_synchronised(clock_synchronised, clock):
    """Certificates, tokens and log times are judged by the clock."""
    assert clock_synchronised[clock], "the clock follows no time source"


def test_clock_offset_is_within_limit(clock_offset, allowed):
    """Compare both with a third clock before setting either."""
    assert clock_offset in allowed.clock_offset


@pytest.mark.remedy("systemctl", "reboot")
def test_no_reboot_is_pending(reboot):
    """Installed security updates of kernel and libraries are not in force yet."""
    assert not reboot, "installed updates wait for a reboot"
