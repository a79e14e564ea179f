"""WAL consumers: replication slots, standbys, the archiver."""

from dataclasses import dataclass
from math import inf

from opsproof.core import scripts
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class Slot:
    """A replication slot, with the WAL bytes retained for it; None without retained WAL."""

    name: str
    kind: str
    active: bool
    status: str
    kept_bytes: float | None

    def __str__(self) -> str:
        kept = f"{show(self.kept_bytes, 'bytes')} of WAL retained" if self.kept_bytes is not None else "unused"
        return f"{self.name}: {self.kind}, {self.status}: {kept}"


class ReplicationSlots(SqlFact[tuple[Slot, ...]]):
    """Permanent replication slots; slots synchronised from a primary are checked there."""

    sql = scripts.sql("facts/replication_slots")

    def parse(self, result: Result, database: Database) -> tuple[Slot, ...]:
        """Inactive slots first."""
        return tuple(
            Slot(
                str(name),
                str(kind),
                bool(active),
                str(status or "nothing reserved"),
                None if kept is None else float(kept),
            )
            for name, kind, active, status, kept in result.require()
        )


@dataclass(frozen=True)
class Standby:
    """A connected WAL receiver, with its lag in bytes and seconds."""

    name: str
    state: str
    behind_bytes: float
    lag_s: float

    def __str__(self) -> str:
        return f"{self.name}: {self.state}, {show(self.behind_bytes, 'bytes')} and {show(self.lag_s, 'seconds')} behind"


@dataclass(frozen=True)
class Receivers:
    """Connected WAL receivers."""

    standbys: tuple[Standby, ...]

    @property
    def lag_s(self) -> float | Estimate:
        """Largest lag in seconds; without an upper bound while a receiver catches up."""
        longest = max((each.lag_s for each in self.standbys), default=0.0)
        late = [each.name for each in self.standbys if each.state != "streaming" and each.behind_bytes > 0]
        return Estimate(longest, inf, f"still catching up: {', '.join(late)}") if late else longest


class Standbys(SqlFact[Receivers]):
    """Connected WAL receivers, except base backups.

    A hung receiver reports nothing, and its last reported lag stays small. Receivers report at least every ten seconds:
    after fifteen seconds of silence the lag is the age of the last report, if the receiver is behind. A receiver that
    does not replay, such as pg_receivewal, reports only every ten seconds.
    """

    sql = scripts.sql("facts/standbys")

    def parse(self, result: Result, database: Database) -> Receivers:
        """Raises `Absent` if a declared standby is not connected."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(NEEDS_PG_MONITOR)
        found = tuple(
            Standby(str(name), str(state), float(behind), float(lag))
            for _, name, state, behind, lag in rows
            if name is not None
        )
        if missing := sorted(set(database.standbys) - {each.name for each in found}):
            raise Absent(f"declared standby not connected: {', '.join(missing)}")
        return Receivers(found)


@dataclass(frozen=True)
class Archiver:
    """Archiver state: seconds since the last success and the last failure, None for never.

    `ready_s` is how long the oldest finished segment has waited to be archived, None with an empty queue.
    """

    on: bool
    archived_s: float | None
    failed_s: float | None
    failures: int
    file: str
    ready_s: float | None = None

    @property
    def delay_s(self) -> float:
        """How long the oldest finished segment has waited; 0 with an empty queue or archiving off."""
        return max(0.0, self.ready_s or 0.0) if self.on else 0.0

    @property
    def evidence(self) -> list[str]:
        """Last success, last failure with its file, and the waiting time."""
        last = "never" if self.archived_s is None else f"{show(self.archived_s, 'seconds')} ago"
        failed = "never" if self.failed_s is None else f"{show(self.failed_s, 'seconds')} ago, on {self.file}"
        waits = (
            [] if self.ready_s is None else [f"the oldest finished segment has waited {show(self.delay_s, 'seconds')}"]
        )
        return [f"last archived: {last}", f"last failed: {failed}, {self.failures} failures in all", *waits]


class WalArchiver(SqlFact[Archiver]):
    """Archiver of the whole server."""

    sql = scripts.sql("facts/archiver")

    def parse(self, result: Result, database: Database) -> Archiver:
        """State by pg_stat_archiver."""
        ((mode, _, failures, archived_s, failed_s, file, ready_s),) = result.require()
        return Archiver(mode != "off", archived_s, failed_s, int(failures), str(file or ""), ready_s)
