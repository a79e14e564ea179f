"""The machine has free memory and CPU, a correct clock, and updates in effect."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy]


@pytest.mark.remedy("ps", "axo", "pid,user,rss,comm", "--sort=-rss")
def test_memory_is_available(memory, allowed):
    """When memory runs out, the kernel kills the largest process: usually the database."""
    assert memory.available in allowed.memory_available


@pytest.mark.remedy("ps", "axo", "pid,user,rss,comm", "--sort=-rss")
def test_swap_use_is_within_limit(memory, allowed):
    """Swapping makes a host slow."""
    assert memory.swap_used in allowed.swap_used


@pytest.mark.remedy("ps", "axo", "pid,user,pcpu,stat,comm", "--sort=-pcpu")
def test_load_is_within_limit(load, allowed):
    """Average number of processes per CPU, over five minutes, that run or wait for a disk."""
    assert load in allowed.load_per_core


@pytest.mark.remedy("systemctl", "restart", "systemd-timesyncd")
def test_clock_is_synchronised(clock_synchronised, clock):
    """Certificates, tokens and log times depend on the clock."""
    assert clock_synchronised[clock], "the clock is not synchronised"


@pytest.mark.remedy("timedatectl")
def test_clock_offset_is_within_limit(clock_offset, allowed):
    """Compare both clocks with a third before setting either."""
    assert clock_offset in allowed.clock_offset


@pytest.mark.remedy("systemctl", "reboot", effect="restarts the host")
def test_no_reboot_is_pending(reboot):
    """Security updates of kernel and libraries take effect after a reboot."""
    assert not reboot, "a reboot is pending for installed updates"
