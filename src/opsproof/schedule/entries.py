"""The entries of a schedule, declared and installed, and the machine of the scheduler."""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from opsproof.core import scripts
from opsproof.core.errors import CommandError, OutputError, Refused
from opsproof.core.timings import zone_at
from opsproof.inventory.hosts import Host
from opsproof.schedule import crontab, units
from opsproof.schedule.invocation import Invocation, declared, from_json
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command, argv, labelled

CRONTAB = "crontab"
LOCAL_TIME = argv("readlink", "-f", "/etc/localtime")


@dataclass(frozen=True)
class InstalledEntries:
    """The entries of a host's schedule by name, the invocation in them, if any, and for cron the whole crontab."""

    files: dict[str, str]
    invocation: Invocation | None
    crontab: str = ""

    def differences(self, host: Host) -> list[str]:
        """The differences to what is declared, a line each; empty if the schedule is as declared."""
        if self.invocation is None:
            return [f"no entry of {host.name}"]
        wanted = _lines(expected(host, self.invocation))
        found = _lines(self.files)
        return [
            *(f"missing: {line}" for line in wanted if line not in found),
            *(f"not declared: {line}" for line in found if line not in wanted),
            *(["the order of the lines differs"] if set(wanted) == set(found) and wanted != found else []),
        ]


def _lines(files: dict[str, str]) -> list[str]:
    return [f"{name}: {line}" for name, text in sorted(files.items()) for line in text.splitlines()]


def expected(host: Host, invocation: Invocation) -> dict[str, str]:
    """The declared entries: the block of the crontab, or each unit file by name."""
    if declared(host).scheduler == "cron":
        return {CRONTAB: crontab.block(host, invocation)}
    return units.unit_files(host, invocation)


def timed(host: Host, job: str, invocation: Invocation) -> str:
    """The declared entry with the timing of a job."""
    if declared(host).scheduler == "cron":
        return crontab.line(host, job, invocation)
    return units.timer(host, job, invocation)


def is_on_controller(host: Host) -> bool:
    """Whether another machine than the host starts the jobs."""
    return declared(host).on == "controller" and host.transport != "local://"


def place(host: Host) -> Host:
    """The machine that starts the jobs, to run commands on."""
    return shell.CONTROLLER if is_on_controller(host) else host


def reading(host: Host, scheduler: str) -> Command:
    """The command that reads the entries of a scheduler."""
    if scheduler == "cron":
        return argv("crontab", "-l")
    return units_command(host, "list")


def units_command(host: Host, mode: str, *files: str) -> Command:
    """The command that lists or writes the units of a host."""
    folders = (units.SYSTEM_FOLDER, units.USER_FOLDER)
    return argv("perl", "-e", scripts.perl("schedule/units"), *folders, host.name, mode, *files, timeout_s=60)


def parse(host: Host, scheduler: str, answer: Answer) -> InstalledEntries:
    """The installed entries in the answer to `reading`.

    Raises:
        CommandError: the scheduler could not be asked.
        Refused: the marks in the crontab are damaged.
    """
    if scheduler == "cron":
        text = _crontab(answer)
        _, block, _ = crontab.split(text, host.name)
        return InstalledEntries({CRONTAB: block} if block else {}, _invocation(block), text)
    lines = labelled(answer.require("perl").stdout, "the list of units")
    files = {name: "\n".join(texts) for name, texts in lines.items()}
    return InstalledEntries(files, _invocation(next(iter(files.values()), "")))


def _crontab(answer: Answer) -> str:
    if answer.status == 1 and "no crontab for" in answer.stderr:
        return ""
    text = answer.require("crontab").stdout
    if "\ufffd" in text:
        raise CommandError("the crontab is not UTF-8: convert it, or use systemd")
    return text


def _invocation(text: str) -> Invocation | None:
    """The invocation in the second line of an entry; an impossible invocation if somebody has changed the line."""
    if not text:
        return None
    try:
        return from_json(text.splitlines()[1].removeprefix("# "))
    except (ValueError, IndexError):
        return Invocation("", ("?",))


def zone(host: Host) -> ZoneInfo:
    """The time zone in which the jobs are started.

    Raises:
        MeasurementError: the machine did not answer, or has no time zone.
    """
    (answer,) = shell.run(place(host), (LOCAL_TIME,))
    try:
        return zone_at(answer.require("readlink").stdout)
    except ValueError as error:
        raise OutputError(str(error)) from error


def shown(moment: float, zone: datetime.tzinfo) -> str:
    """A time in seconds since 1970, as weekday, date and time of a zone."""
    return datetime.datetime.fromtimestamp(moment, zone).strftime("%a %Y-%m-%d %H:%M %Z")


def require_single(host: Host, other: InstalledEntries) -> None:
    """Refuses if the other scheduler has entries of the host too.

    Raises:
        Refused: each job would run twice.
    """
    if other.files:
        scheduler = "systemd" if declared(host).scheduler == "cron" else "cron"
        raise Refused(
            f"{scheduler} has a schedule of {host.name}: remove it with opsproof schedule remove --with={scheduler}"
        )
