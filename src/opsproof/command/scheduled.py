"""`opsproof schedule run JOB`: a job, as the scheduler starts a job; a file takes the output."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from opsproof.command import actions, rounds
from opsproof.core import files
from opsproof.core.errors import InventoryError
from opsproof.core.rounds import ROUNDS
from opsproof.inventory.hosts import Host
from opsproof.schedule import changes, entries, record
from opsproof.schedule.invocation import Invocation, declared


def run_job(host: Host, name: str, invocation: Invocation, again: bool) -> int:
    """Runs a job, unless a complete run is recorded since the last firing, and returns the job's exit status.

    Output is printed only if the status is not 0: cron mails all output. `again` ignores the record.

    Raises:
        InventoryError: the host has no job of the name, or runs the jobs itself.
        Refused: another machine has the schedule.
        MeasurementError: the record cannot be read, or the time zone is unknown.
    """
    if name not in host.jobs:
        raise InventoryError(f"unknown job {name!r} of {host.name}; choose {' or '.join(host.jobs)}")
    if declared(host).on == "host" and host.transport != "local://":
        raise InventoryError(f"the jobs of {host.name} run on the host: log in there, and run the job")
    changes.require_claim(host)
    zone, began = entries.zone(host), time.time()
    if not again and _known(host, began).of(name).has_run(host.jobs[name].at, zone, began):
        sys.stdout.write(_already(host, name, zone, began))
        return 0
    _note(host, record.line(name, record.BEGUN, began))
    log = Path(record.path(host)).with_name(f"{host.name}-{name}.log")
    status = _into(log, lambda: _run(host, name, invocation))
    _note(host, record.line(name, record.ENDED, time.time(), began, status))
    if status:
        sys.stdout.write(f"{host.name}: {name} ended with status {status} (output also in {log})\n")
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    return status


def _known(host: Host, now: float) -> record.ScheduleRecord:
    path = Path(record.path(host))
    return record.parse(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], now)


def _already(host: Host, name: str, zone: ZoneInfo, now: float) -> str:
    last = _known(host, now).of(name).last
    assert last is not None
    shown = entries.shown(last.began, zone)
    return f"{host.name}: {name} ran at {shown} with status {last.status}: nothing to do (--again runs it)\n"


def _note(host: Host, line: str) -> None:
    """A record that cannot be written stops no job."""
    try:
        files.append(Path(record.path(host)), line)
    except OSError as error:
        sys.stderr.write(f"opsproof: the record of the schedule cannot be written: {error}\n")


def _run(host: Host, name: str, invocation: Invocation) -> int:
    job = host.jobs[name]
    runs, paths = job.runs(name), {"inventory": invocation.inventory, "reports": invocation.reports}
    words = [f"--host={host.name}", *(f"--{option}={path}" for option, path in paths.items() if path), *job.options]
    return rounds.run(runs, ["-q", *words]) if runs in ROUNDS else actions.run([runs, *words, "--apply"])


def _into(log: Path, run: Callable[[], int]) -> int:
    """The status of `run`. A file takes the output; the output of the run before is kept in a second file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _redirect([target, target])
        return run()
    finally:
        _redirect(kept)
        for each in (target, *kept):
            os.close(each)


def _redirect(targets: list[int]) -> None:
    for stream, descriptor, target in zip((sys.stdout, sys.stderr), (1, 2), targets, strict=True):
        stream.flush()
        os.dup2(target, descriptor)
