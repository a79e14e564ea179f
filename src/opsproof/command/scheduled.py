"""`opsproof schedule run JOB`: a job, as the scheduler starts a job. The output goes to a file."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from opsproof.command import actions, rounds
from opsproof.core import files
from opsproof.core.errors import InventoryError, MeasurementError
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
    """
    if name not in host.jobs:
        raise InventoryError(f"unknown job {name!r} of {host.name}; choose {' or '.join(host.jobs)}")
    if declared(host).on == "host" and host.transport != "local://":
        raise InventoryError(f"the jobs of {host.name} run on the host: log in there, and run the job")
    changes.require_claim(host)
    began = time.time()
    if not again and (run := _covering(host, name, began)):
        sys.stdout.write(f"{host.name}: {name} ran {run}: nothing to do (--again runs it)\n")
        return 0
    _note(host, record.line(name, record.BEGUN, began))
    status, output = _caught(lambda: _run(host, name, invocation))
    _note(host, record.line(name, record.ENDED, time.time(), began, status))
    log = _kept(Path(record.path(host)).with_name(f"{host.name}-{name}.log"), output)
    if status:
        sys.stdout.write(
            f"{host.name}: {name} ended with status {status}{log and f' (output also in {log})'}\n{output}"
        )
    return status


def _covering(host: Host, name: str, now: float) -> str:
    """The complete run since the last firing, in words; empty without one, or if the record cannot be read."""
    path = Path(record.path(host))
    try:
        zone = entries.zone(host)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        known = record.parse(lines, now).of(name)
    except (MeasurementError, OSError, ValueError) as error:
        sys.stderr.write(f"opsproof: the record of the schedule does not count: {error}\n")
        return ""
    run = known.last_since(host.jobs[name].at.last(now, zone))
    return f"at {entries.shown(run.began, zone)} with status {run.status}" if run else ""


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


def _caught(run: Callable[[], int]) -> tuple[int, str]:
    """The status and the output of `run`. Memory takes the output: a full disk ends no job."""
    with os.fdopen(os.memfd_create("output"), "w+b") as memory:
        kept = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            _redirect([memory.fileno()] * 2)
            status = run()
        finally:
            _redirect(kept)
            for each in kept:
                os.close(each)
        memory.seek(0)
        return status, memory.read().decode(errors="replace")


def _kept(log: Path, output: str) -> str:
    """The file with the output, beside the output of the run before; empty if the file cannot be written."""
    try:
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        log.write_text(output, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"opsproof: the output cannot be kept: {error}\n")
        return ""
    return str(log)


def _redirect(targets: list[int]) -> None:
    for stream, descriptor, target in zip((sys.stdout, sys.stderr), (1, 2), targets, strict=True):
        stream.flush()
        os.dup2(target, descriptor)
