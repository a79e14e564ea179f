"""Errors in application logs over a time window, by the time of each line."""

import json
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import Absent, OutputError
from opsproof.core.units import show
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Log
from opsproof.transport.shell import Answer, Command, argv

DEFAULT_WINDOW_S = 86400.0
SCAN_TIMEOUT_S = 60.0
READABLE = 0.5
"""Least share of parsable lines for a meaningful error count."""


@dataclass(frozen=True)
class LogReport:
    """A log and its rotated files, over the time window; times in seconds.

    `errors` excludes `client_errors` (4xx responses). `commonest` holds the five commonest messages with
    counts. `silence_s` is the age of the last line, `covers_s` of the oldest line.
    """

    errors: int
    client_errors: int
    fatals: int
    silence_s: float
    covers_s: float
    commonest: tuple[tuple[str, int], ...]

    @property
    def evidence(self) -> list[str]:
        """How far back the lines reach, and the commonest messages with counts."""
        reach = f"lines reach back {show(self.covers_s, 'seconds')}"
        return [reach, *(f"{count} x {message}" for message, count in self.commonest)]


class LogReports(ResourceFact[Log, LogReport]):
    """Errors in each declared log, counted on the host."""

    resource = "log"

    def command(self, host: Host, name: str, resource: Log) -> Command:
        """The window is the time span of the limit on errors."""
        limit = host.limit("log_errors", resource)
        window_s = (limit and limit.over) or DEFAULT_WINDOW_S
        words = ("perl", "-e", scanner(), "--", resource.path, resource.format, f"{window_s:.0f}")
        return argv(*words, timeout_s=SCAN_TIMEOUT_S, user=host.run_as)

    def parse(self, answer: Answer, name: str, resource: Log) -> LogReport:
        """The report; a log with mostly unparsable lines is a measurement error, not a log without errors."""
        if answer.status == 2 and "No such file" in answer.stderr:
            raise Absent(f"{resource.path} is declared, but does not exist")
        found = json.loads(answer.require("the log scanner").stdout)
        if found["recognized"] < found["lines"] * READABLE:
            unread = found["lines"] - found["recognized"]
            raise OutputError(
                f"{unread} of {found['lines']} lines of {resource.path} are not {resource.format} log lines"
            )
        return LogReport(
            errors=found["errors"],
            client_errors=found["client_errors"],
            fatals=found["fatals"],
            silence_s=found["now"] - (found["newest"] or found["modified"]),
            covers_s=found["now"] - (found["oldest"] or found["now"]),
            commonest=tuple((each["message"], each["count"]) for each in found["commonest"]),
        )


def scanner() -> str:
    """Perl program that scans a log on the host, joined from two files in order."""
    return scripts.perl("facts/log_files", "facts/log_scan")
