"""Installs and removes the entries of a schedule."""

import time
from contextlib import suppress

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, Refused, StepFailed
from opsproof.inventory.hosts import Host
from opsproof.schedule import claim, crontab, entries, record
from opsproof.schedule.entries import CRONTAB, InstalledEntries
from opsproof.schedule.invocation import Invocation, declared
from opsproof.transport import shell
from opsproof.transport.shell import Command, argv

SCHEDULERS = ("cron", "systemd")
LONGEST = 120_000
"""Linux limits an argument of a command to 128 KiB."""
_OVER = "--take-over replaces it"
_APPEND = 'mkdir -p -- "${1%/*}" && printf %s "$2" >> "$1"'


def installed(host: Host) -> InstalledEntries:
    """The entries of the host's scheduler.

    Raises:
        Refused: the other scheduler has entries too, or the marks in the crontab are damaged.
        MeasurementError: the entries cannot be read.
    """
    answers = shell.run(entries.place(host), tuple(entries.reading(host, each) for each in SCHEDULERS))
    found = dict(zip(SCHEDULERS, answers, strict=True))
    own = declared(host).scheduler
    (other,) = {*SCHEDULERS} - {own}
    if found[other].status != 127:  # a scheduler that is not installed has no entries
        entries.require_single(host, entries.parse(host, other, found[other]))
    return entries.parse(host, own, found[own])


def guard(host: Host, invocation: Invocation, found: InstalledEntries, holder: str) -> None:
    """Refuses to install over the schedule of another machine, folder or inventory.

    Raises:
        Refused: another one has the schedule; the message says who.
    """
    _require(host, holder)
    other = found.invocation
    if other and (other.folder, other.inventory) != (invocation.folder, invocation.inventory):
        raise Refused(
            f"the schedule of {host.name} runs in {other.folder} with {other.inventory or 'its inventory'}: {_OVER}"
        )


def require_claim(host: Host) -> None:
    """Refuses to run a job of a host that another machine has claimed. A host that does not answer is no reason.

    Raises:
        Refused: another machine has the claim; the message says which.
    """
    with suppress(MeasurementError):
        _require(host, holder(host))


def _require(host: Host, holder: str) -> None:
    if holder not in ("", claim.claimant(host)):
        raise Refused(f"the schedule of {host.name} is run by {holder}: opsproof schedule install {_OVER}")


def holder(host: Host, mode: str = "show") -> str:
    """Who has the claim of a host, after the change of a `mode`; empty without a claim.

    Raises:
        MeasurementError: the claim cannot be read or written.
    """
    (answer,) = shell.run(host, (claim.command(host, mode),))
    return claim.parse(answer)


def undeclared(host: Host, found: InstalledEntries) -> list[str]:
    """The jobs without an entry of their timing, or without a record: a run is due from their declaration on.

    Raises:
        MeasurementError: the record cannot be read.
    """
    (answer,) = shell.run(entries.place(host), (record.reading(host),))
    _, known = record.answered(answer)
    shown, old = "\n".join(found.files.values()), found.invocation
    return [
        job for job in host.jobs if old is None or job not in known.jobs or entries.timed(host, job, old) not in shown
    ]


def install(host: Host, invocation: Invocation, found: InstalledEntries, new: list[str], over: bool = False) -> None:
    """Claims the host, records `new` jobs as declared, and writes the entries.

    Raises:
        Refused: another machine took the claim meanwhile.
        StepFailed: the entries could not be written.
    """
    _require(host, holder(host, "over" if over else "take"))
    moment = time.time()
    lines = "".join(record.line(job, record.DECLARED, moment) for job in new)
    _do(host, argv("sh", "-c", _APPEND, "sh", record.path(host), lines))
    _write(host, entries.expected(host, invocation), found)


def remove(host: Host, found: InstalledEntries) -> None:
    """Removes the entries, and drops the claim if it is ours.

    Raises:
        StepFailed: the entries could not be removed.
    """
    _write(host, {}, found)
    holder(host, "drop")


def _write(host: Host, wanted: dict[str, str], found: InstalledEntries) -> None:
    if declared(host).scheduler == "systemd":
        words = [word for pair in wanted.items() for word in pair]
        _do(host, entries.units_command(host, "write", *words))
        return
    new = crontab.replaced(found.crontab, host.name, wanted.get(CRONTAB, ""))
    if max(len(text.encode()) for text in (new, found.crontab)) > LONGEST:
        raise Refused(f"the crontab has over {LONGEST} bytes: use systemd")
    _do(host, argv("perl", "-e", scripts.perl("schedule/crontab"), found.crontab, new))


def _do(host: Host, command: Command) -> None:
    try:
        (answer,) = shell.run(entries.place(host), (command,))
        answer.require(command.argv[0])
    except MeasurementError as error:
        raise StepFailed(str(error)) from error
