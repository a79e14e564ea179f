"""What PM2 keeps running."""

import json
from dataclasses import dataclass, replace
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command, argv

BROKEN = ("errored", "stopped", "waiting restart")
"""PM2's words for what was meant to run and does not."""


@dataclass(frozen=True)
class ProcessState:
    """One process or module in PM2's list; sizes in bytes, times in seconds.

    `uptime_s` is the time since the last start, or None unless it is online: a stopped process
    keeps the start time of its last life. `restarts` counts manual restarts too and starts again
    from 0 with the daemon.
    """

    name: str
    status: str
    pid: int
    memory_bytes: int
    uptime_s: float | None
    restarts: Counter
    module: bool
    shape: tuple[str, ...]

    @property
    def uptime(self) -> float:
        """Time since the last start, in seconds.

        Raises:
            Absent: it is not online.
        """
        if self.uptime_s is None:
            raise Absent(f"{self.name} is {self.status}, so it has no uptime")
        return self.uptime_s


@dataclass(frozen=True)
class ProcessList:
    """A PM2 daemon's processes and its saved list; `version` is None where no daemon runs."""

    version: str | None
    tool_version: str
    processes: tuple[ProcessState, ...]
    saved: tuple[tuple[str, ...], ...] | None

    def __getitem__(self, name: str) -> ProcessState:
        """The process called `name`; of a cluster, the worst of its instances in each respect.

        Raises:
            Absent: no daemon runs, or it does not know the name.
        """
        found = [process for process in self.processes if process.name == name]
        if self.version is None:
            raise Absent(f"{name} is declared, but no PM2 daemon runs")
        if not found:
            raise Absent(f"{name} is declared, but PM2 does not know it")
        return found[0] if len(found) == 1 else _worst(found)

    @property
    def running_version(self) -> str:
        """The daemon's version.

        Raises:
            Absent: no daemon runs.
        """
        if self.version is None:
            raise Absent("no PM2 daemon runs")
        return self.version

    @property
    def broken(self) -> list[str]:
        """What stands broken in the daemon's list, declared or not, a line for each.

        Raises:
            Absent: no daemon runs, so there is no list.
        """
        _ = self.running_version
        return [f"{each.name} is {each.status}" for each in self.processes if each.status in BROKEN]

    @property
    def unsaved(self) -> list[str]:
        """What a resurrection would bring differently from what runs, a line for each difference.

        Raises:
            Absent: no list was ever saved.
        """
        if self.saved is None:
            raise Absent("no process list was saved: a reboot brings nothing back")
        live = [process.shape for process in self.processes if not process.module]
        lost = [f"{_called(shape)} runs, but is not saved" for shape in sorted(set(live) - set(self.saved))]
        extra = [f"{_called(shape)} is saved, but does not run" for shape in sorted(set(self.saved) - set(live))]
        counts = [f"{live.count(s)} of {_called(s)} run" for s in sorted(set(live)) if _differs(s, live, self.saved)]
        return lost + extra + counts


def _worst(instances: list[ProcessState]) -> ProcessState:
    """All instances of a cluster as one: the largest, the youngest, and the restarts of all together."""
    stopped = next((each for each in instances if each.status != "online"), instances[0])
    uptimes = [each.uptime_s for each in instances]
    quiet = [each.restarts.quiet_since for each in instances]
    return replace(
        stopped,
        memory_bytes=max(each.memory_bytes for each in instances),
        uptime_s=None if None in uptimes else min(each for each in uptimes if each is not None),
        restarts=replace(
            stopped.restarts,
            value=sum(each.restarts.value for each in instances),
            quiet_since=None if None in quiet else max(each for each in quiet if each is not None),
        ),
    )


def _differs(shape: tuple[str, ...], live: list[tuple[str, ...]], saved: tuple[tuple[str, ...], ...]) -> bool:
    return shape in saved and live.count(shape) != saved.count(shape)


def _called(shape: tuple[str, ...]) -> str:
    name, script, *_ = shape
    return f"{name} ({script})"


class Processes(ShellFact[ProcessList]):
    """Everything in the PM2 daemon's list, read from the daemon's socket: asking pm2 would start one."""

    def command(self, host: Host) -> Command:
        """Selects the fields on the host: PM2's own list holds every secret of every process."""
        assert host.pm2 is not None, "only hosts with a PM2 are asked for it"
        return argv(
            "perl",
            "-e",
            scripts.perl("facts/json_text", "facts/pm2_daemon", "facts/pm2_list"),
            host.pm2.home,
            user=host.run_as,
        )

    def parse(self, answer: Answer, host: Host) -> ProcessList:
        """The list, with ages by the host's own clock."""
        found = json.loads(answer.require("the PM2 process list").stdout)
        daemon = found["daemon"] or {"version": None, "processes": [], "started_ms": 0}
        return ProcessList(
            version=daemon["version"],
            tool_version=found["tool_version"],
            processes=tuple(_process(entry, daemon["started_ms"], answer.now) for entry in daemon["processes"]),
            saved=None if found["saved"] is None else tuple(_shape(entry) for entry in found["saved"]),
        )


def _process(entry: dict[str, Any], daemon_ms: float, now: float) -> ProcessState:
    online = entry["status"] == "online"
    return ProcessState(
        name=entry["name"],
        status=entry["status"],
        pid=entry["pid"],
        memory_bytes=entry["memory_bytes"],
        uptime_s=max(0.0, now - entry["started_ms"] / 1000) if online else None,
        restarts=Counter(
            entry["restarts"],
            daemon_ms / 1000,
            now,
            quiet_since=entry["started_ms"] / 1000 if online else None,
            reborn="the PM2 daemon started again",
        ),
        module=entry["module"],
        shape=_shape(entry),
    )


def _shape(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry[key]) for key in ("name", "script", "folder", "arguments", "mode"))
