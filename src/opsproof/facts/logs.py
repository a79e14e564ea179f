"""Errors in application logs over a time window, by the time of each line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.limits import Estimate, Limit
from opsproof.core.units import show
from opsproof.facts import log_formats
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.transport.shell import Answer, Command, argv

DEFAULT_WINDOW_S = 86400.0
SCAN_TIMEOUT_S = 60.0
READING = "log lines"
Readings = Mapping[str, list[Counter]]
AHEAD_S = 3600.0
"""Times further in the future are wrong."""
LATE_S = 3600.0
"""A log may get its first line this long after its declared begin."""


@dataclass(frozen=True)
class LogReport:
    """A log and its rotated files, over the time window; times in seconds since 1970, durations in seconds.

    `errors` excludes `client_errors` (4xx responses). `commonest` holds the five commonest messages with counts,
    `unread` up to three unread lines; `misread` is the number of unread lines and the reason. Where `counts_all` holds,
    every record counts as an error. `unplaced` errors are in lines without a time, in or before the window. `newest` is
    the time of the last line, 0 without lines, `silence_s` its age. The lines are complete since `starts`; the log is
    declared to exist since `born`. `rotations` are the last writes to rotated files, `growth_bytes` the bytes a minute
    in the busiest ten minutes.
    """

    errors: int
    client_errors: int
    fatals: int
    silence_s: float
    newest: float
    starts: float
    now: float
    span_s: float
    lines: int
    misread: tuple[int, str]
    unread: tuple[str, ...]
    counts_all: bool
    ignored: int
    disordered: bool
    unplaced: int
    growth_bytes: float
    commonest: tuple[tuple[str, int], ...]
    rotations: tuple[float, ...] = ()
    born: float = -inf

    @property
    def evidence(self) -> list[str]:
        """How far back the lines reach, and the commonest messages with counts."""
        all_lines = ["every record of a text log counts as an error"] if self.counts_all else []
        ignored = [f"{self.ignored} ignored by the inventory"] if self.ignored else []
        unplaced = [f"{self.unplaced} in lines without a time, in or before the time span"] if self.unplaced else []
        disorder = ["lines are out of order: read from the first line on"] if self.disordered else []
        return [
            self._reach,
            *disorder,
            *unplaced,
            *all_lines,
            *ignored,
            *(f"{count} x {message}" for message, count in self.commonest),
        ]

    @property
    def unread_percent(self) -> float:
        """Share of lines that are not understood."""
        return 100 * self.misread[0] / self.lines if self.lines else 0.0

    def require_read(self, limit: Limit) -> None:
        """Checks that the share of unread lines is within `limit`.

        Raises:
            MeasurementError: there are too many.
        """
        measurement = limit.judge(self.unread_percent)
        if measurement.verdict == "failed":
            raise MeasurementError(f"{measurement.sentence}: {self.misread[1]}")
        limit.record(measurement)

    @property
    def _reach(self) -> str:
        return f"lines reach back {show(self.now - self.starts, 'seconds')}"

    @property
    def reading(self) -> dict[str, Counter]:
        """The last line and the start of the lines, for `bounded` of later rounds."""
        return {READING: Counter(self.newest, self.starts, self.now)}

    def bounded(self, count: int, earlier: Readings) -> int | Estimate:
        """`count`, or a range if lines have no time, without upper bound if lines of the window may have been removed.

        The lines must reach back to the begin of the window, or to the birth of the log: as declared, or the start of
        its lines at the first of the `earlier` readings.
        """
        first = next((each.born for each in earlier[READING]), -inf)
        least = max(0, count - self.unplaced)
        needed = max(self.now - self.span_s, self.born, first)
        if self.starts <= needed or any(self._continues(each, needed) for each in earlier[READING]):
            return Estimate(least, count, f"{self.unplaced} in lines without a time") if least < count else count
        return Estimate(least, inf, f"{self._reach} ({show(self.span_s, 'seconds')} needed)")

    def _continues(self, reading: Counter, needed: float) -> bool:
        """Whether the log was quiet at a recent `reading`, and rotated at most once since: no line was removed."""
        recent = reading.now >= self.now - 2 * self.span_s and reading.value <= reading.now - self.span_s
        return recent and reading.born <= needed and sum(each > reading.now for each in self.rotations) <= 1


class LogReports(ResourceFact[Log, LogReport]):
    """Errors in each declared log, counted on the host."""

    resource = "log"

    def command(self, host: Host, name: str, resource: Log) -> Command:
        """The window is the time span of the limit on errors."""
        limit = host.limit("log_errors", resource)
        window_s = (limit and limit.over) or DEFAULT_WINDOW_S
        arguments = (resource.path, f"{window_s:.0f}", *log_formats.words(resource))
        return argv("perl", "-e", scanner(), "--", *arguments, timeout_s=SCAN_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, name: str, resource: Log) -> LogReport:
        """The report."""
        if answer.status == 2 and "No such file" in answer.stderr:
            raise Absent(f"{resource.path} is declared, but does not exist")
        found = json.loads(answer.require("the log scanner").stdout)
        return LogReport(
            errors=found["errors"],
            client_errors=found["client_errors"],
            fatals=found["fatals"],
            silence_s=found["now"] - _last_write(found),
            newest=found["newest"] or 0.0,
            starts=_starts(found),
            now=found["now"],
            span_s=found["now"] - found["since"],
            lines=found["lines"],
            misread=_misread(found, resource),
            unread=tuple(found["unread"]),
            counts_all=any(each.name == "text" for each in resource.format),
            ignored=found["ignored"],
            disordered=found["disordered"] > 0,
            unplaced=found["unplaced"],
            growth_bytes=found["growth"],
            commonest=tuple((each["message"], each["count"]) for each in found["commonest"]),
            rotations=tuple(found["rotations"]),
            born=resource.since.timestamp() + LATE_S if resource.since else -inf,
        )


def _last_write(found: dict[str, Any]) -> float:
    """The last line; without lines, or with lines dated in the future, the last write to the file."""
    newest = found["newest"]
    return float(newest if newest and newest <= found["now"] + AHEAD_S else found["modified"])


def _misread(found: dict[str, Any], log: Log) -> tuple[int, str]:
    if found["lines"] and found["oldest"] is None:
        return found["lines"], "no line has a time, or the times have no zone: declare zone"
    names = " or ".join(each.name for each in log.format)
    unread, leveled = found["lines"] - found["recognized"], found["leveled"]
    if leveled > unread:
        return leveled, f"{leveled} lines of a text log have a level: declare {log_formats.suggest(found['unread'])}"
    return unread, f"{unread} of {found['lines']} lines are not {names}"


def _starts(found: dict[str, Any]) -> float:
    """The oldest line; in empty files, when the first of them was written."""
    if found["oldest"] is not None:
        return float(found["oldest"])
    undated = found["lines"] or found["size_bytes"]
    return float(found["now"] if undated else min((found["modified"], *found["rotations"])))


def scanner() -> str:
    """Perl program that scans a log on the host, joined from three files in order."""
    return scripts.perl("facts/rotated_names", "facts/log_files", "facts/log_formats", "facts/log_scan")
