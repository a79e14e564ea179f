"""Processes under PM2."""

import json
from dataclasses import dataclass, replace
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, Unusable
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command, argv

BROKEN = ("errored", "stopped", "waiting restart")
"""PM2 statuses of processes that should run but do not."""


@dataclass(frozen=True)
class ProcessState:
    """One process or module of PM2; sizes in bytes, times in seconds.

    `pid` is 0 for a stopped process, which PM2 lists without a process ID after `pm2 resurrect`. `uptime_s` is the time
    since the last start, None unless online: PM2 keeps the old start time of a stopped process. `restarts` includes
    manual restarts, and restarts from 0 with the daemon. A job is started by PM2's cron, and not restarted at its end:
    its status is "finished" after an end with exit code 0. PM2 counts each start of a job as a restart. `started_s` is
    the time since the last start.
    """

    name: str
    status: str
    pid: int
    memory_bytes: int
    uptime_s: float | None
    restarts: Counter
    module: bool
    shape: tuple[str, ...]
    is_job: bool = False
    started_s: float = 0.0

    def delay_s(self, every_s: float | None) -> float:
        """Seconds by which the next start of a job is late, by the declared interval.

        Raises:
            MeasurementError: no interval is declared.
        """
        if every_s is None:
            raise MeasurementError(f"{self.name} is a job of PM2's cron: declare `every`, the interval of its schedule")
        return max(0.0, self.started_s - every_s)

    @property
    def idle(self) -> str:
        """Why the process has no uptime; empty if online."""
        return f"{self.name} is {self.status}, so it has no uptime" if self.uptime_s is None else ""


@dataclass(frozen=True)
class ProcessList:
    """Processes of a PM2 daemon and its saved list; `version` is None without a running daemon."""

    version: str | None
    tool_version: str
    processes: tuple[ProcessState, ...]
    saved: tuple[tuple[str, ...], ...] | None

    def __getitem__(self, name: str) -> ProcessState:
        """The process called `name`; for a cluster, the worst value of all instances in each field.

        Raises:
            Unusable: no daemon runs.
            Absent: the daemon has no such process.
        """
        found = [process for process in self.processes if process.name == name]
        if self.version is None:
            raise Unusable(f"{name} is declared, but no PM2 daemon runs")
        if not found:
            raise Absent(f"{name} is declared, but not in PM2's process list")
        return found[0] if len(found) == 1 else _worst(found)

    @property
    def running_version(self) -> str:
        """Version of the daemon.

        Raises:
            Unusable: no daemon runs.
        """
        if self.version is None:
            raise Unusable("no PM2 daemon runs")
        return self.version

    @property
    def broken(self) -> list[str]:
        """Broken processes of the daemon, declared or not, a line each.

        Raises:
            Unusable: no daemon runs.
        """
        _ = self.running_version
        return [f"{each.name} is {each.status}" for each in self.processes if each.status in BROKEN]

    @property
    def unsaved(self) -> list[str]:
        """Differences between running processes and the saved list, a line each.

        Raises:
            Absent: no list was saved.
        """
        if self.saved is None:
            raise Absent("no process list was saved: after a reboot nothing starts")
        live = [process.shape for process in self.processes if not process.module]
        lost = [f"{_called(shape)} runs, but is not saved" for shape in sorted(set(live) - set(self.saved))]
        extra = [f"{_called(shape)} is saved, but does not run" for shape in sorted(set(self.saved) - set(live))]
        counts = [
            f"{_called(s)}: {live.count(s)} running, {self.saved.count(s)} saved"
            for s in sorted(set(live))
            if _differs(s, live, self.saved)
        ]
        return lost + extra + counts

    @property
    def repair(self) -> str:
        """The pm2 command for `unsaved`: `save` would lose saved processes that do not run."""
        saved = self.saved or ()
        live = [process.shape for process in self.processes if not process.module]
        if {shape[0] for shape in saved} - {shape[0] for shape in live}:
            return "resurrect"
        return "save" if all(live.count(shape) >= saved.count(shape) for shape in set(saved) & set(live)) else "list"


def _worst(instances: list[ProcessState]) -> ProcessState:
    """All instances of a cluster as one: largest memory, shortest uptime, sum of restarts."""
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
    """All processes of the PM2 daemon, read from its socket: the pm2 command would start a daemon."""

    def command(self, host: Host) -> Command:
        """Selects fields on the host: PM2's own list holds every secret of every process."""
        assert host.pm2 is not None, "the host has no PM2"
        return argv(
            "perl",
            "-e",
            scripts.perl("facts/json_text", "facts/pm2_daemon", "facts/pm2_list"),
            host.pm2.home,
            user=host.run_as,
        )

    def parse(self, answer: Answer, host: Host) -> ProcessList:
        """The list, with ages by the host's clock."""
        found = json.loads(answer.require("the PM2 process list").stdout)
        daemon = found["daemon"] or {"version": None, "processes": [], "started_ms": 0}
        return ProcessList(
            version=daemon["version"],
            tool_version=found["tool_version"],
            processes=tuple(_process(entry, daemon["started_ms"], answer.now) for entry in daemon["processes"]),
            saved=None if found["saved"] is None else tuple(_shape(entry) for entry in found["saved"]),
        )


def _process(entry: dict[str, Any], daemon_ms: float, now: float) -> ProcessState:
    online, is_job = entry["status"] == "online", bool(entry.get("job"))
    is_finished = is_job and entry["status"] == "stopped" and entry.get("exit_code") == 0
    return ProcessState(
        name=entry["name"],
        status="finished" if is_finished else entry["status"],
        pid=entry["pid"] if entry["status"] != "stopped" else entry.get("pid", 0),
        memory_bytes=entry["memory_bytes"],
        uptime_s=max(0.0, now - entry["started_ms"] / 1000) if online else None,
        restarts=Counter(
            entry["restarts"],
            daemon_ms / 1000,
            now,
            quiet_since=entry["started_ms"] / 1000 if online else None,
            reborn="the PM2 daemon was restarted",
        ),
        module=entry["module"],
        shape=_shape(entry),
        is_job=is_job,
        started_s=max(0.0, now - entry["started_ms"] / 1000),
    )


def _shape(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry[key]) for key in ("name", "script", "folder", "arguments", "mode"))
