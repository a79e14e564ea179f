"""Who takes the write-ahead log away: replication slots, standbys, the archiver."""

from dataclasses import dataclass
from math import inf

from opsproof.core import scripts
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class Slot:
    """A replication slot, and the bytes of the log that are kept for it; None where nothing is."""

    name: str
    kind: str
    active: bool
    status: str
    kept_bytes: float | None

    def __str__(self) -> str:
        kept = (
            f"{show(self.kept_bytes, 'bytes')} of the log are kept for it" if self.kept_bytes is not None else "unused"
        )
        return f"{self.name}: {self.kind}, {self.status}: {kept}"


class ReplicationSlots(SqlFact[tuple[Slot, ...]]):
    """Replication slots that outlive their session; those that a primary keeps in step are its own matter."""

    sql = scripts.sql("facts/replication_slots")

    def parse(self, result: Result, database: Database) -> tuple[Slot, ...]:
        """Those that nobody uses first."""
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
    """A receiver of the log: how many bytes it is behind, and for how many seconds it has been so."""

    name: str
    state: str
    behind_bytes: float
    lag_s: float

    def __str__(self) -> str:
        return f"{self.name}: {self.state}, {show(self.behind_bytes, 'bytes')} and {show(self.lag_s, 'seconds')} behind"


@dataclass(frozen=True)
class Receivers:
    """The receivers of the log that are connected."""

    standbys: tuple[Standby, ...]

    @property
    def lag_s(self) -> float | Estimate:
        """How long the worst has been behind, in seconds; of one that catches up the server cannot tell."""
        longest = max((each.lag_s for each in self.standbys), default=0.0)
        late = [each.name for each in self.standbys if each.state != "streaming" and each.behind_bytes > 0]
        return Estimate(longest, inf, f"{' and '.join(late)} still catches up") if late else longest


class Standbys(SqlFact[Receivers]):
    """Every receiver of the log that is connected, but for base backups.

    A receiver that hangs reports nothing, so that its last lag stays small. It reports every ten seconds at least: from
    fifteen on, the age of its last word counts, as long as it is behind. What applies nothing says nothing in between.
    """

    sql = scripts.sql("facts/standbys")

    def parse(self, result: Result, database: Database) -> Receivers:
        """Absent where a declared one is not connected."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(BLIND)
        found = tuple(
            Standby(str(name), str(state), float(behind), float(lag))
            for _, name, state, behind, lag in rows
            if name is not None
        )
        if missing := sorted(set(database.standbys) - {each.name for each in found}):
            raise Absent(f"{' and '.join(missing)}: declared as a standby, but not connected")
        return Receivers(found)


@dataclass(frozen=True)
class Archiver:
    """Whether the write-ahead log is archived, and how long ago it last was, and last failed; None for never.

    `ready_s` is how long the oldest finished segment has waited for it, None where none does.
    """

    on: bool
    archived_s: float | None
    failed_s: float | None
    failures: int
    file: str
    ready_s: float | None = None

    @property
    def delay_s(self) -> float:
        """How long the oldest finished segment has waited; 0 where none does, or nothing is archived."""
        return max(0.0, self.ready_s or 0.0) if self.on else 0.0

    @property
    def evidence(self) -> list[str]:
        """When it last failed, on which file, and when it last did not."""
        last = "never" if self.archived_s is None else f"{show(self.archived_s, 'seconds')} ago"
        failed = "never" if self.failed_s is None else f"{show(self.failed_s, 'seconds')} ago, on {self.file}"
        waits = (
            [] if self.ready_s is None else [f"the oldest finished segment waits for {show(self.delay_s, 'seconds')}"]
        )
        return [f"last archived: {last}", f"last failed: {failed}, {self.failures} times in all", *waits]


class WalArchiver(SqlFact[Archiver]):
    """The archiver of the whole server."""

    sql = scripts.sql("facts/archiver")

    def parse(self, result: Result, database: Database) -> Archiver:
        """Its state, by its own counters."""
        ((mode, _, failures, archived_s, failed_s, file, ready_s),) = result.require()
        return Archiver(mode != "off", archived_s, failed_s, int(failures), str(file or ""), ready_s)
