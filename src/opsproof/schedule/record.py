"""The record of a schedule: a line of JSON for each begin and end of a job, and for each newly declared job.

The record is a file beside the locks, on the machine of the scheduler, and grows by about 2 kB a day.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from opsproof.core import files
from opsproof.core.ages import is_ahead
from opsproof.core.errors import Absent, OutputError
from opsproof.core.timings import Timing, zone_at
from opsproof.inventory.hosts import Host
from opsproof.schedule.invocation import declared
from opsproof.transport.shell import Answer, Command, argv

LINES = 20_000
"""Lines to read of a record: over a year of ten jobs."""
_READ = 'readlink -f /etc/localtime; [ ! -e "$1" ] || exec tail -n "$2" -- "$1"'
DECLARED, BEGUN, ENDED = "declared", "begun", "ended"


@dataclass(frozen=True)
class ScheduledRun:
    """A complete run: begin in seconds since 1970, and exit status."""

    began: float
    status: int


@dataclass
class JobRecord:
    """The record of a job: last declaration, last begin, last complete run."""

    declared: float | None = None
    begun: float | None = None
    last: ScheduledRun | None = None

    def last_since(self, moment: float) -> ScheduledRun | None:
        """The last complete run, if it began at a moment or later."""
        return self.last if self.last and self.last.began >= moment else None

    def delay_s(self, timing: Timing, zone: ZoneInfo, now: float, limit_s: float) -> float:
        """Seconds since the first firing that no run followed; 0 without one, or while a run lasts, up to `limit_s`.

        Raises:
            Absent: the job was never installed nor run.
        """
        known = [] if self.declared is None else [self.declared]
        known += [self.last.began] if self.last else []
        if not known:
            raise Absent("no run is recorded, nor its installation: opsproof schedule install")
        due = next(timing.after(max(known), zone))
        is_running = self.begun is not None and self.begun >= due and now - self.begun <= limit_s
        return 0.0 if due > now or is_running else now - due


@dataclass(frozen=True)
class ScheduleRecord:
    """The record of each job, by name."""

    jobs: dict[str, JobRecord] = field(default_factory=dict)

    def of(self, job: str) -> JobRecord:
        """The record of a job; an empty one for an unknown job."""
        return self.jobs.get(job, JobRecord())


def path(host: Host) -> str:
    """The file with the record of a host's schedule."""
    schedule = declared(host)
    return str(PurePosixPath(schedule.folder, schedule.state, f"{host.name}.jsonl"))


def reading(host: Host) -> Command:
    """The command that prints the time zone's file, then the record, if any."""
    return argv("sh", "-c", _READ, "sh", path(host), str(LINES))


def line(job: str, event: str, at: float, began: float = 0.0, status: int = 0) -> str:
    """The line of an event, in seconds since 1970; an end has the begin and the exit status."""
    more = {"began": began, "status": status} if event == ENDED else {}
    return json.dumps({"job": job, "event": event, "at": at, **more}) + "\n"


def answered(answer: Answer) -> tuple[ZoneInfo, ScheduleRecord]:
    """The time zone and the record in the answer to `reading`.

    Raises:
        MeasurementError: either cannot be read.
        ValueError: the time zone is unknown.
    """
    first, *lines = answer.require("tail").stdout.splitlines()
    return zone_at(first), parse(lines, answer.now)


def parse(lines: Iterable[str], now: float) -> ScheduleRecord:
    """The record in `lines`, oldest first. Events dated in the future do not count, nor do torn lines.

    A run whose end is torn looks unfinished: the job counts as late, until its next run.

    Raises:
        OutputError: a line cannot be read.
    """
    jobs: dict[str, JobRecord] = {}
    try:
        for each in (json.loads(line) for line in lines if not files.is_torn(line)):
            if not is_ahead(float(each["at"]), now):
                _add(jobs.setdefault(str(each["job"]), JobRecord()), each["event"], each)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OutputError(f"the record of the schedule cannot be read: {error}") from error
    return ScheduleRecord(jobs)


def _add(record: JobRecord, event: str, fields: dict[str, float]) -> None:
    if event == DECLARED:
        record.declared = float(fields["at"])
    elif event == BEGUN:
        record.begun = float(fields["at"])
    else:
        record.last = ScheduledRun(float(fields["began"]), int(fields["status"]))
