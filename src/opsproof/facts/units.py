"""Units of systemd: their states, processes and jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, CommandError, MeasurementError, OutputError
from opsproof.facts.base import ResourceFact
from opsproof.facts.footprints import Footprint, footprint
from opsproof.inventory.hosts import Host
from opsproof.inventory.processes import Unit
from opsproof.transport.shell import Answer, Command, argv, labelled

AT_BOOT = ("enabled", "enabled-runtime", "generated", "alias")
"""The unit file states of units that a reboot starts; a generator makes the links of enabled-runtime at each boot."""
NEVER_AT_BOOT = ("masked", "masked-runtime", "transient")
OFF = ("disabled", "masked", "masked-runtime")
PULLS = ("WantedBy", "RequiredBy", "BoundBy", "UpheldBy", "TriggeredBy")
"""The properties with the names of units that start a unit."""
STARTED_AT_BOOT = ("service", "timer", "socket", "path")
UNLIMITED = ("", "infinity", str(2**64 - 1))


@dataclass(frozen=True)
class UnitState:
    """A unit, by its properties of `systemctl show`; times in seconds.

    `uptime_s` is the time since the unit became active, None unless active. `started_s` is the time since the last
    start of a timer's job or a oneshot service; without any since the boot, the time since the boot or the timer's own
    start. `restarts` are those by systemd itself; `systemctl reset-failed` resets the count.
    """

    name: str
    properties: Mapping[str, str]
    job: Mapping[str, str]
    footprint: Footprint
    restarts: Counter
    uptime_s: float | None
    started_s: float

    @property
    def kind(self) -> str:
        """The type in the name, such as service."""
        return self.name.rpartition(".")[2]

    @property
    def is_oneshot(self) -> bool:
        """Whether the service does a job and ends."""
        return self.properties.get("Type") == "oneshot"

    @property
    def status(self) -> str:
        """The active state, or a closer word.

        masked, bad-setting, error: the unit cannot start. frozen: `systemctl freeze` halted the processes. halted: a
        signal halted them.
        restarting: ended, before the next start by systemd. running, finished: the job of a oneshot service.
        waiting: a static or oneshot service, to be started by another unit. elapsed: a timer without a next start.
        job failed: the last job of a timer failed.
        """
        of = self.properties
        if of["LoadState"] != "loaded":
            return of["LoadState"]
        if of["ActiveState"] == "active":
            return self._active()
        if of["ActiveState"] == "activating" and of["SubState"].startswith("auto-restart"):
            return "restarting"
        if of["ActiveState"] == "activating" and self.is_oneshot:
            return "running"
        return self._inactive() if of["ActiveState"] == "inactive" else of["ActiveState"]

    def _active(self) -> str:
        if self.properties.get("FreezerState", "running") != "running":
            return "frozen"
        if self.footprint.processes and self.footprint.halted == self.footprint.processes:
            return "halted"
        if self.job.get("ActiveState") == "failed":
            return "job failed"
        return "elapsed" if self.kind == "timer" and self.properties["SubState"] == "elapsed" else "active"

    def _inactive(self) -> str:
        of = self.properties
        if self.kind != "service" or of["Result"] != "success":
            return "inactive"
        if self.is_oneshot and of["ExecMainStartTimestamp"]:
            return "finished"
        is_started_by_others = bool(of.get("TriggeredBy")) and (self.is_oneshot or of["UnitFileState"] == "static")
        return "waiting" if is_started_by_others else "inactive"

    @property
    def repair(self) -> tuple[str, ...]:
        """The words of systemctl that let a frozen or halted unit go on; none for other states."""
        return {"frozen": ("thaw",), "halted": ("kill", "--signal=CONT")}.get(self.status, ())

    @property
    def is_daemon(self) -> bool:
        """Whether the unit is a service that should run all the time."""
        is_waiting = self.properties["ActiveState"] == "inactive" and self._inactive() == "waiting"
        return self.kind == "service" and not self.is_oneshot and not is_waiting

    @property
    def idle(self) -> str:
        """Why the unit has no uptime; empty if active."""
        return f"{self.name} is {self.status}, so it has no uptime" if self.uptime_s is None else ""

    @property
    def not_at_boot(self) -> str:
        """Why a reboot does not start the unit; empty if started, or a job without an [Install] section."""
        state = self.properties["UnitFileState"] or "without a unit file"
        pulled = state not in NEVER_AT_BOOT and any(self.properties.get(each) for each in PULLS)
        by_hand = self.is_oneshot and state == "static"
        if self.kind not in STARTED_AT_BOOT or state in AT_BOOT or pulled or by_hand:
            return ""
        return f"{self.name} is {state}, and no other unit starts it: a reboot does not start it"

    @property
    def not_off(self) -> str:
        """Why the unit runs, or would run after a reboot; empty if the unit stays off."""
        states = (self.properties["UnitFileState"], self.properties["ActiveState"])
        return "" if states[0] in OFF and states[1] == "inactive" else f"{self.name} is {states[0]} and {states[1]}"

    @property
    def needs_reload(self) -> bool:
        """Whether the unit file on disk differs from the one in use."""
        return self.properties["NeedDaemonReload"] == "yes"

    @property
    def memory_used(self) -> float:
        """Memory of the processes as a percentage of MemoryMax, else of the memory of the host."""
        limit = self.properties.get("MemoryMax", "")
        return self.footprint.memory_of(inf if limit in UNLIMITED else float(limit))

    def delay_s(self, every_s: float) -> float:
        """Seconds by which the next start of the job is late, by the declared interval."""
        return max(0.0, self.started_s - every_s)


class Units(ResourceFact[Unit, UnitState]):
    """The state of each declared unit, by systemctl show: needs no rights, but for units of other users."""

    resource = "unit"

    def command(self, host: Host, name: str, resource: Unit) -> Command:
        """Clients are watched for up to six seconds while they wait."""
        program = scripts.perl("facts/process_tree", "facts/unit")
        ports = map(str, resource.listens)
        return argv("perl", "-e", program, "--", resource.manager, name, *ports, timeout_s=15, user=resource.run_as)

    def parse(self, answer: Answer, name: str, resource: Unit) -> UnitState:
        """The state, with ages by the host's clock.

        Raises:
            Absent: systemd has no such unit.
        """
        found = labelled(answer.require("systemctl").stdout, "the state of the unit")
        manager, unit, job = (_properties(found.get(key, [])) for key in ("manager", "unit", "job"))
        if unit["LoadState"] == "not-found":
            raise Absent(f"{name} is declared, but systemd has no such unit")
        taken, born = footprint(found), _moment(manager["UserspaceTimestamp"])
        if not unit["LoadState"] or not unit["ActiveState"] or born is None:
            raise OutputError(f"systemctl gave no state of {name}")
        is_active = unit["ActiveState"] == "active"
        if is_active and unit.get("MainPID", "0") != "0" and not taken.processes:
            raise CommandError(f"the processes of {name} are not visible in /proc")
        since = _moment(unit["ActiveEnterTimestamp"]) if is_active else None
        started = _moment(unit.get("LastTriggerUSec") or unit.get("ExecMainStartTimestamp", "")) or since or born
        restarts = Counter(int(unit.get("NRestarts") or 0), born, answer.now, since, reborn="systemd was started again")
        uptime_s = None if since is None else max(0.0, answer.now - since)
        return UnitState(name, unit, job, taken, restarts, uptime_s, max(0.0, answer.now - started))


def _properties(lines: list[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines)


def _moment(text: str) -> float | None:
    """Seconds since 1970 of a time in the form "Mon 2026-11-30 22:00:49 UTC"; None if empty.

    Raises:
        MeasurementError: the time is not in UTC.
    """
    if text in ("", "n/a", "0"):
        return None
    _, day, time, zone = text.split()
    if zone != "UTC":
        raise MeasurementError(f"unexpected time of systemctl: {text}")
    return datetime.fromisoformat(f"{day} {time}").replace(tzinfo=UTC).timestamp()
