"""A schedule as a marked block of a crontab; all other lines stay as they are."""

import shlex

from opsproof.core.errors import InventoryError, Refused
from opsproof.core.timings import Timing
from opsproof.inventory.hosts import Host
from opsproof.schedule.invocation import Invocation

LONGEST = 990
"""Vixie cron cuts a command off at 998 characters."""
FIRST_WEEK = '[ "$(date +\\%d)" -le 7 ] && '
"""cron runs a job on days that fit the day of the month *or* the weekday; so the command asks for the first week."""


def block(host: Host, invocation: Invocation) -> str:
    """The lines for all jobs of a host, between two marks.

    Raises:
        InventoryError: a line would be too long for cron.
    """
    lines = [line(host, job, invocation) for job in host.jobs]
    note = "# written by opsproof schedule install: change the inventory, and install again"
    begin, end = _marks(host.name)
    return "\n".join([begin, f"# {invocation.to_json()}", note, *lines, end, ""])


def line(host: Host, job: str, invocation: Invocation) -> str:
    """The line of a job.

    Raises:
        InventoryError: the line would be too long for cron.
    """
    command = shlex.join(invocation.words(host, job))
    start = f"cd {shlex.quote(invocation.folder)} && PATH={shlex.quote(invocation.search_path)} "
    timing = host.jobs[job].at
    found = f"{fields(timing)} {FIRST_WEEK if timing.is_first else ''}" + f"{start}{command}".replace("%", "\\%")
    if len(found) > LONGEST:
        raise InventoryError(f"the line of job {job} has {len(found)} characters (limit {LONGEST}): use shorter paths")
    return found


def fields(timing: Timing) -> str:
    """The five fields of a timing, without the condition of the first week."""
    months = ",".join(map(str, timing.months)) or "*"
    weekday = "*" if timing.weekday is None else str((timing.weekday + 1) % 7)
    return f"{timing.minute} {timing.hour} * {months} {weekday}"


def _marks(name: str) -> tuple[str, str]:
    return f"# begin opsproof schedule of {name}", f"# end opsproof schedule of {name}"


def split(crontab: str, name: str) -> tuple[str, str, str]:
    """The text before, in and after the block of the host called `name`; without a block, all text is before.

    Raises:
        Refused: the marks do not enclose one block.
    """
    lines, (begin, end) = crontab.splitlines(keepends=True), _marks(name)
    found = [number for number, line in enumerate(lines) if line.rstrip("\n") in (begin, end)]
    if not found:
        return crontab, "", ""
    if [lines[number].rstrip("\n") for number in found] != [begin, end]:
        raise Refused(f"the marks of the schedule of {name} are damaged: remove its lines with crontab -e")
    first, last = found[0], found[1] + 1
    return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])


def replaced(crontab: str, name: str, new: str) -> str:
    """The crontab with `new` in place of the block of a host; a first block comes last."""
    before, _, after = split(crontab, name)
    return before + new + after
