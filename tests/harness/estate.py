"""Hosts whose tools are scripts, for runs of pytest from end to end."""

import pytest

LIMITS = """
[limits]
disk_used = { must = "< 80%", should = "< 70%", source = "runbook" }
inodes_used = { must = "< 80%" }
memory_available = { must = "> 0%" }
swap_used = { must = "< 101%" }
load_per_core = { must = "< 10000" }
clock_offset = { must = "< 1h" }
"""


@pytest.fixture
def estate(tmp_path, script):
    """Writes an inventory of hosts, each with a df that says how full its disk is, or breaks."""

    def estate(more="", **disks):
        tables = []
        for name, used in disks.items():
            answer = f"echo '/data {used} {1000 - used} 100 10'" if isinstance(used, int) else used
            said = f"echo $PPID >> {tmp_path}/asked-{name}; echo 'Mounted on Used Avail Inodes IUsed'; {answer}"
            script(tmp_path / name / "df", said)
            tables.append(
                f'[hosts.{name}]\ntransport = "local://"\npath = ["{tmp_path}/{name}"]\nmounts."/data" = {{}}\n'
            )
        path = tmp_path / "inventory.toml"
        path.write_text(LIMITS + "".join(tables) + more, encoding="utf-8")
        return path

    return estate
