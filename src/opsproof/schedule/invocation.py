"""How a scheduler starts the jobs of a host: folder, program, inventory, reports, locks and limits."""

import json
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from opsproof.core import installation
from opsproof.core.errors import InventoryError
from opsproof.core.rounds import ROUNDS
from opsproof.inventory.hosts import Host
from opsproof.inventory.schedule import Schedule

NICENESS = 10
ALONE = {*ROUNDS} - {"monthly"}
"""Rounds that wait for no action: the monthly round judges the result of the maintenance."""
KILL_AFTER_S = 60
"""Seconds between SIGTERM and SIGKILL: an action cleans up in between."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = re.compile(r"[A-Za-z0-9:_.-]+")


@dataclass(frozen=True)
class Invocation:
    """The folder to work in, the words of the command opsproof, and the paths of the inventory and of the reports.

    An empty path stands for the default.
    """

    folder: str
    program: tuple[str, ...]
    inventory: str = ""
    reports: str = ""

    def to_json(self) -> str:
        """One line, read by `from_json`."""
        return json.dumps(asdict(self))

    @property
    def search_path(self) -> str:
        """PATH of the jobs: the program's folder comes first."""
        own = str(PurePosixPath(self.program[0]).parent)
        return f"{own}:{SYSTEM_PATH}" if own.startswith("/") else SYSTEM_PATH

    def words(self, host: Host, job: str) -> list[str]:
        """The command of a job. Actions of a host and the monthly round wait for each other, else a job for itself."""
        schedule = declared(host)
        runs, limit = host.jobs[job].runs(job), str(int(schedule.timeout))
        lock = f"{schedule.state}/{host.name}{f'-{job}' if runs in ALONE else ''}.lock"
        paths = {"inventory": self.inventory, "reports": self.reports}
        return [
            *("nice", "-n", str(NICENESS), "flock", "-w", limit, lock),
            *("timeout", "-k", str(KILL_AFTER_S), limit),
            *(*self.program, "schedule", "run", job, f"--host={host.name}"),
            *(f"--{option}={path}" for option, path in paths.items() if path),
        ]


def from_json(text: str) -> Invocation:
    """The invocation in a line of `to_json`.

    Raises:
        ValueError: the text is none.
    """
    fields = json.loads(text)
    try:
        folder, inventory, reports = (str(fields[key]) for key in ("folder", "inventory", "reports"))
        return Invocation(folder, tuple(map(str, fields["program"])), inventory, reports)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no folder, program, inventory or reports in {text[:80]!r}") from error


def declared(host: Host) -> Schedule:
    """The declared schedule of a host.

    Raises:
        InventoryError: the host has none, or its name does not fit into a crontab or the name of a unit.
    """
    if host.schedule is None:
        raise InventoryError(f"{host.name} has no schedule: add [hosts.{shlex.quote(host.name)}.schedule] and jobs")
    if not _NAME.fullmatch(host.name):
        raise InventoryError(f"{host.name!r} cannot be scheduled: use letters, digits, colon, dot, dash and underscore")
    return host.schedule


def of_host(host: Host, inventory: str, reports: str) -> Invocation:
    """The invocation for the scheduler of the host's `schedule`."""
    schedule = declared(host)
    if schedule.on == "host":
        return Invocation(schedule.folder, (schedule.program,), schedule.inventory)
    paths = [str(Path(each).absolute()) if each else "" for each in (schedule.folder or ".", inventory, reports)]
    return Invocation(paths[0], tuple(installation.absolute_program()), *paths[1:])
