"""The kernel had no need to kill anything."""

import pytest

pytestmark = pytest.mark.daily


@pytest.mark.remedy("journalctl", "--dmesg", "--grep", "Out of memory|oom-kill")
def test_no_process_was_killed_for_memory(oom_kills, increase, allowed):
    """The kernel's log names what was killed: usually the largest, and restarted since as if nothing had been."""
    assert increase(oom_kills, allowed.oom_kills) in allowed.oom_kills
