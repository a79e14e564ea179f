"""The schedule of the lab: a crontab for the stub, a claim, and a record of recent runs."""

import time
from pathlib import Path

from lab.layout import Layout
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import load
from opsproof.schedule import claim, crontab, record
from opsproof.schedule.invocation import of_host


def plant(layout: Layout, inventory: Path) -> None:
    """Installs the schedule of an inventory."""
    host = load(inventory).hosts["lab"]
    layout.schedule.mkdir(exist_ok=True)
    table(layout).write_text(crontab.block(host, of_host(host, "", "")))
    claim_file(layout).write_text(f"{claim.HOST}\n")
    record_runs(layout, host)


def table(layout: Layout) -> Path:
    """The crontab."""
    return layout.bin / "crontab.table"


def claim_file(layout: Layout) -> Path:
    """The claim of the host."""
    return layout.schedule / "controller"


def record_file(layout: Layout) -> Path:
    """The record of runs."""
    return layout.schedule / "lab.jsonl"


def record_runs(layout: Layout, host: Host, status: int = 0) -> None:
    """Replaces the record: each job has just run."""
    record_file(layout).write_text("".join(run(job, status=status) for job in host.jobs))


def run(job: str, age_s: float = 0.0, status: int = 0) -> str:
    """The lines of a run that began some time ago."""
    began = time.time() - age_s
    end = record.line(job, record.ENDED, began + 1, began, status)
    return record.line(job, record.BEGUN, began) + end
