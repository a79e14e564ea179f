"""The kernel killed no process for lack of memory."""

import pytest

pytestmark = pytest.mark.daily


@pytest.mark.remedy("journalctl", "--no-pager", "--dmesg", "--grep", "Out of memory|oom-kill")
def test_no_process_was_killed_for_memory(oom_kills, increase, allowed):
    """The kernel killed a process, usually the largest, which may run again since: the kernel log names the process."""
    assert increase(oom_kills, allowed.oom_kills) in allowed.oom_kills
