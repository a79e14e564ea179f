"""The schedule of a host: installed entries, recorded runs, claim."""

from dataclasses import dataclass

from opsproof.core.errors import MeasurementError, OpsproofError, OutputError, Refused
from opsproof.core.rounds import ROUNDS
from opsproof.facts.base import Measured, ShellFact
from opsproof.inventory.hosts import Host
from opsproof.schedule import claim, entries, record
from opsproof.schedule.entries import InstalledEntries
from opsproof.schedule.invocation import declared
from opsproof.transport.shell import Answer, Command

FINDINGS = (1, 6)
"""Exit statuses of complete rounds with findings: the rounds report them."""


class InstalledSchedule(ShellFact[InstalledEntries]):
    """The installed entries of the declared scheduler."""

    def is_of_controller(self, host: Host) -> bool:
        """Whether the entries are on the machine that runs opsproof."""
        return entries.is_on_controller(host)

    def command(self, host: Host) -> Command:
        """Lists the crontab or the units."""
        return entries.reading(host, declared(host).scheduler)

    def parse(self, answer: Answer, host: Host) -> InstalledEntries:
        """The entries of this host only."""
        try:
            return entries.parse(host, declared(host).scheduler, answer)
        except Refused as error:
            raise OutputError(str(error)) from error


@dataclass(frozen=True)
class JobResult:
    """The delay of a job in seconds, and the problem of the last complete run; empty without a problem."""

    delay_s: float
    problem: str


class JobResults(ShellFact[Measured[JobResult]]):
    """The result of each job, by name, from the record of the schedule."""

    def is_of_controller(self, host: Host) -> bool:
        """Whether the record is on the machine that runs opsproof."""
        return entries.is_on_controller(host)

    def command(self, host: Host) -> Command:
        """The time zone, then the record; without a record, nothing."""
        return record.reading(host)

    def parse(self, answer: Answer, host: Host) -> Measured[JobResult]:
        """Judged by the clock and the time zone of the scheduler."""
        zone, found = record.answered(answer)
        limit_s = declared(host).timeout + 60
        results: dict[str, JobResult | OpsproofError] = {}
        for name, job in host.jobs.items():
            of = found.of(name)
            try:
                delay_s = of.delay_s(job.at, zone, answer.now, limit_s)
                results[name] = JobResult(delay_s, _problem(of, job.runs(name), answer.now - limit_s))
            except OpsproofError as error:
                results[name] = type(error)(f"{name}: {error}")
        return Measured(results)


def _problem(of: record.JobRecord, runs: str, since: float) -> str:
    """Why the last complete run failed; empty while a newer run lasts, begun after `since`."""
    last = of.last
    is_running = last is not None and of.begun is not None and of.begun > max(last.began, since)
    if last is None or is_running or last.status == 0 or (runs in ROUNDS and last.status in FINDINGS):
        return ""
    return f"{runs} ended with status {last.status}"


@dataclass(frozen=True)
class ScheduleHolder:
    """The machine with the claim, empty without a claim, and the name of this machine in a claim."""

    holder: str
    claimant: str

    @property
    def is_other(self) -> bool:
        """Whether another machine has claimed the host."""
        return self.holder not in ("", self.claimant)

    def require_here(self, installed: InstalledEntries) -> None:
        """Checks that this machine can judge the schedule.

        Raises:
            MeasurementError: another machine has the claim, and this machine has no entries.
        """
        if self.is_other and not installed.files:
            raise MeasurementError(f"{self.holder} runs the schedule: run this check there")


class ScheduleClaim(ShellFact[ScheduleHolder]):
    """The claim on the host."""

    def command(self, host: Host) -> Command:
        """Reads the claim."""
        return claim.command(host, "show")

    def parse(self, answer: Answer, host: Host) -> ScheduleHolder:
        """Compares with the name of this machine."""
        return ScheduleHolder(claim.parse(answer), claim.claimant(host))
