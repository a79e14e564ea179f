"""A host with a schedule, in an inventory."""

import shutil
from pathlib import Path

import pytest

from opsproof.inventory.load import load

STUB = Path(__file__).parents[2] / "lab" / "stubs" / "crontab"
JOBS = """
daily = { at = "07:00" }
weekly = { at = "Monday 07:10" }
monthly = { at = "first Sunday 06:00" }
quarterly = { at = "first Monday of January, April, July, October 08:00" }
backup = { at = "02:00" }
vacuum = { at = "first Sunday 03:00", options = ["--all"] }
"""


@pytest.fixture
def scheduled(tmp_path):
    """Writes an inventory with a scheduled host: further keys of the schedule, and the jobs."""
    load.cache_clear()

    def write(keys="", jobs=JOBS, transport="local://", name="vps-00"):
        path = tmp_path / "inventory.toml"
        head = f'[hosts.{name}]\ntransport = "{transport}"\npath = ["{tmp_path}/bin"]\n'
        path.write_text(f"{head}[hosts.{name}.schedule]\n{keys}\n[hosts.{name}.jobs]\n{jobs}", encoding="utf-8")
        load.cache_clear()
        return path

    return write


@pytest.fixture
def host(scheduled):
    """The host that an inventory of `scheduled` declares."""
    return lambda *args, **more: load(scheduled(*args, **more)).hosts[more.get("name", "vps-00")]


@pytest.fixture
def stub(tmp_path):
    """The crontab of the lab's stub, among the programs of the host."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    shutil.copy(STUB, tmp_path / "bin" / "crontab")
    return tmp_path / "bin" / "crontab.table"
