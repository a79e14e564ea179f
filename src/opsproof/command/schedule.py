"""`opsproof schedule`: the jobs of hosts as entries of cron or systemd."""

import argparse
import datetime
import os
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from zoneinfo import ZoneInfo

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.hosts import add_hosts, chosen, ended
from opsproof.command.scheduled import run_job
from opsproof.command.usage import UsageError
from opsproof.core.errors import InventoryError, NotRepaired
from opsproof.core.timings import Timing
from opsproof.inventory.hosts import Host
from opsproof.schedule import changes, claim, entries
from opsproof.schedule.invocation import Invocation, declared, of_host

_SUMMARY = """\
Shows, installs or removes the entries of cron or systemd for the jobs of hosts, or runs a job as these entries do.
All other entries stay as they are; a second installation changes nothing.
Exit status: 0 done, 2 usage, 3 refused, 4 a step failed, 6 the machine of the schedule could not be asked; of `run`,
that of the job."""
_EXAMPLES = """\
opsproof schedule show --inventory=inventory/metachat.toml
opsproof schedule install --host=vps-00 --dry-run
opsproof schedule run backup --host=vps-00"""
FIRINGS = 24
"""Firings that --dry-run shows of each job: two years of a monthly job."""


def parser() -> ActionParser:
    """The options of `opsproof schedule`."""
    made = options.parser("schedule", _SUMMARY, _EXAMPLES)
    made.add_argument("verb", choices=[*_VERBS, "run"], metavar="VERB", help="show, install, remove or run")
    made.add_argument("job", nargs="?", metavar="JOB", help="the job to run")
    add_hosts(made)
    options.add_reports(made)
    made.add_argument("--with", dest="scheduler", choices=["cron", "systemd"], help="default: as declared")
    made.add_argument("--on", choices=["controller", "host"], help="default: as declared")
    made.add_argument("--dry-run", action="store_true", help=f"change nothing; show the next {FIRINGS} firings of jobs")
    made.add_argument("--take-over", action="store_true", help="install over the schedule of another machine or folder")
    made.add_argument("--again", action="store_true", help="run a job that has run since it was due")
    return made


def run(words: list[str]) -> int:
    """Runs the verb for each chosen host, and returns the worst exit status.

    Raises:
        UsageError: a job for another verb than `run`, or none.
    """
    given = parser().parse_intermixed_args(words)
    if (given.verb == "run") != (given.job is not None):
        raise UsageError(
            f"{given.verb} takes {'a JOB' if given.verb == 'run' else 'no JOB'}: see opsproof schedule --help"
        )
    return ended(lambda: max(ended(partial(_one, host, given)) for host in _scheduled(given)))


def _one(declared_host: Host, given: argparse.Namespace) -> int:
    host = _narrowed(declared_host, given)
    made = _invocation(host, given)
    if given.verb == "run":
        here = replace(made, inventory=_inventory(given), reports=str(given.reports))
        return run_job(host, given.job, here, given.again)
    _VERBS[given.verb](host, made, given)
    if given.dry_run:
        zone = entries.zone(host)
        sys.stdout.writelines(
            line for name, job in host.jobs.items() for line in _firings(host.name, name, job.at, zone)
        )
    return 0


def _scheduled(given: argparse.Namespace) -> list[Host]:
    """The chosen hosts with a schedule.

    Raises:
        InventoryError: no chosen host has a schedule.
    """
    hosts = chosen(given)
    found = [host for host in hosts if host.schedule]
    declared((found or hosts)[0])
    return found


def _narrowed(host: Host, given: argparse.Namespace) -> Host:
    """The host, with --with and --on in place of what is declared."""
    schedule = declared(host)
    on, scheduler = given.on or schedule.on, given.scheduler or schedule.scheduler
    if on == "host" and not schedule.folder:
        raise InventoryError(f"{host.name}: --on=host needs `folder` in its schedule")
    return host.model_copy(update={"schedule": schedule.model_copy(update={"on": on, "scheduler": scheduler})})


def _inventory(given: argparse.Namespace) -> str:
    return str(given.inventory or os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY))


def _invocation(host: Host, given: argparse.Namespace) -> Invocation:
    reports = str(given.reports)
    return of_host(host, _inventory(given), "" if reports == DEFAULT_REPORTS else reports)


def _show(host: Host, made: Invocation, given: argparse.Namespace) -> None:
    if not given.dry_run:
        _print(host, entries.expected(host, made))


def _install(host: Host, made: Invocation, given: argparse.Namespace) -> None:
    wanted, found = entries.expected(host, made), changes.installed(host)
    holder = changes.holder(host)
    if not given.take_over:
        changes.guard(host, made, found, holder)
    new = changes.undeclared(host, found)
    if found.files == wanted and holder == claim.claimant(host) and not new:
        _say(host, "the schedule is installed: nothing to do")
    elif given.dry_run:
        _print(host, wanted)
    else:
        changes.install(host, made, found, new, given.take_over)
        if changes.installed(host).files != wanted:
            raise NotRepaired(f"{host.name}: the schedule was written, but reads otherwise")
        _say(host, f"{len(host.jobs)} jobs installed for {declared(host).scheduler}")


def _remove(host: Host, _made: Invocation, given: argparse.Namespace) -> None:
    found = changes.installed(host)
    if not found.files:
        _say(host, "no schedule is installed: nothing to do")
    elif given.dry_run:
        _print(host, found.files)
    else:
        changes.remove(host, found)
        _say(host, "the schedule is removed")


_VERBS = {"show": _show, "install": _install, "remove": _remove}


def _say(host: Host, text: str) -> None:
    sys.stdout.write(options.plain(f"{host.name}: {text}") + "\n")


def _print(host: Host, files: dict[str, str]) -> None:
    for name, text in files.items():
        _say(host, f"{name}:")
        sys.stdout.writelines(f"{options.plain(line)}\n" for line in text.splitlines())


def _firings(host: str, job: str, timing: Timing, zone: ZoneInfo) -> list[str]:
    moments = islice(timing.after(time.time(), zone), FIRINGS)
    shown = (f"  {entries.shown(each, zone)}  {entries.shown(each, datetime.UTC)}\n" for each in moments)
    return [f"{host}: {job}: {timing}\n", *shown]
