"""Sessions that block others: open transactions, locks, prepared transactions."""

from collections.abc import Iterator
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

IDLE = ("idle in transaction", "idle in transaction (aborted)")
WORKING_S = 60.0
"""A transaction idle for less than a minute counts as running."""
TELLABLE = (
    r"^(\W*((select|insert|update|delete|merge|with|values|copy|vacuum|analyze|reindex|cluster|refresh|lock)\M"
    r"|((create\s+(unique\s+)?|drop\s+|alter\s+)index|alter\s+table|listen|begin)\M)[^\x3b]*(\x3b|$))+\s*$"
)
"""Regular expression (PostgreSQL's) of statements shown in full: SET and ALTER ROLE may contain a secret word."""
NEEDS_PG_MONITOR = "the role sees only its own sessions: grant pg_monitor to the role"


def _with_words(name: str) -> str:
    words = scripts.sql("facts/session_words").strip().replace("{tellable}", TELLABLE)
    return scripts.sql(f"facts/{name}").replace(":words", words)


@dataclass(frozen=True)
class OpenTransaction:
    """A session with an open transaction; times in seconds.

    `state_s` is the time in the current state, `words` the statement without literals. Dumps and maintenance are
    `exempt`; a session `waits` for a lock.
    """

    pid: int
    role: str
    application: str
    state: str
    transaction_s: float
    state_s: float
    waits: bool
    exempt: bool
    words: str

    @property
    def is_idle(self) -> bool:
        """Whether the session is idle in transaction, aborted or not."""
        return self.state in IDLE

    def __str__(self) -> str:
        who = f"pid {self.pid}, {self.role}, {self.application or 'no application name'}"
        opened, lasted = show(self.transaction_s, "seconds"), show(self.state_s, "seconds")
        return f"{who}: transaction open for {opened}, {self.state} for {lasted}: {self.words}"


@dataclass(frozen=True)
class Transactions:
    """Sessions with an open transaction, the oldest first."""

    sessions: tuple[OpenTransaction, ...]

    @property
    def idle(self) -> list[OpenTransaction]:
        """Sessions idle in transaction, the longest idle first."""
        idle = [each for each in self.sessions if each.is_idle and not each.exempt]
        return sorted(idle, key=lambda each: -each.state_s)

    @property
    def running(self) -> list[OpenTransaction]:
        """Running transactions that do not wait for a lock, the oldest first."""
        return [each for each in self.sessions if not (each.exempt or each.waits) and not _is_paused(each)]


def _is_paused(session: OpenTransaction) -> bool:
    return session.is_idle and session.state_s >= WORKING_S


class OpenTransactions(SqlFact[Transactions]):
    """Client sessions of the database with an open transaction, except opsproof's own."""

    sql = _with_words("open_transactions")

    def parse(self, result: Result, database: Database) -> Transactions:
        """The sessions; the role needs pg_monitor to see other users' sessions."""
        rows = result.require()
        if not rows[0][9]:
            raise MeasurementError(NEEDS_PG_MONITOR)
        if not rows[0][10]:
            raise MeasurementError("track_activities is off, so session activity is unknown")
        return Transactions(tuple(_session(row) for row in rows if row[0] is not None))


def _session(row: list[object]) -> OpenTransaction:
    pid, role, application, state, transaction_s, state_s, waits, exempt, words, *_ = row
    return OpenTransaction(
        int(str(pid)),
        str(role),
        str(application or ""),
        str(state),
        float(str(transaction_s)),
        float(str(state_s)),
        bool(waits),
        bool(exempt),
        str(words),
    )


@dataclass(frozen=True)
class Waiter:
    """A session that waits for a lock or blocks another session; `waited_s` is None if not waiting."""

    pid: int
    blockers: tuple[int, ...]
    waited_s: float | None
    about: str


@dataclass(frozen=True)
class LockQueue:
    """Sessions waiting for locks, and their blockers."""

    sessions: dict[int, Waiter]

    @property
    def longest_s(self) -> float:
        """Longest wait, in seconds; 0 without waiters."""
        return max((each.waited_s for each in self.sessions.values() if each.waited_s is not None), default=0.0)

    @property
    def tree(self) -> list[str]:
        """One line per session, indented below its first blocker."""
        roots = [pid for pid, each in self.sessions.items() if not each.blockers]
        known = {blocker for each in self.sessions.values() for blocker in each.blockers} - self.sessions.keys()
        seen: set[int] = set()
        return [
            line
            for root in [*sorted(known), *(roots or list(self.sessions)[:1])]
            for line in self._below(root, 0, seen)
        ]

    def _below(self, pid: int, depth: int, seen: set[int]) -> Iterator[str]:
        # A waiter also waits for all waiters ahead: listing every path would never end.
        seen.add(pid)
        about = self.sessions[pid].about if pid in self.sessions else "prepared transaction" if not pid else "ended"
        yield f"{'  ' * depth}{'waits: ' if depth else ''}pid {pid}, {about}"
        for each in self.sessions.values():
            if pid in each.blockers and each.pid not in seen:
                yield from self._below(each.pid, depth + 1, seen)


class BlockedSessions(SqlFact[LockQueue]):
    """Sessions of the database that wait for a lock, and their blockers."""

    sql = _with_words("blocked_sessions")

    def parse(self, result: Result, database: Database) -> LockQueue:
        """The lock queue; empty if no session waits for a lock."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(NEEDS_PG_MONITOR)
        return LockQueue({row[1]: _waiter(row) for row in rows if row[1] is not None})


def _waiter(row: list[object]) -> Waiter:
    _, pid, blockers, role, application, state, waited_s, transaction_s, words = row
    waits = isinstance(blockers, list) and bool(blockers)
    about = f"{role}, {application or 'no application name'}, {state}"
    waited = f", for {show(float(str(waited_s)), 'seconds')}" if waits else ""
    opened = f", transaction open for {show(float(str(transaction_s)), 'seconds')}" if transaction_s is not None else ""
    return Waiter(
        int(str(pid)),
        tuple(blockers) if isinstance(blockers, list) else (),
        float(str(waited_s)) if waits else None,
        f"{about}{waited}{opened}: {words}",
    )


class PreparedTransactions(SqlFact[tuple[str, ...]]):
    """Prepared transactions neither committed nor rolled back, a line each.

    They hold locks and block vacuum, even across restarts:
    https://www.postgresql.org/docs/current/sql-prepare-transaction.html
    """

    sql = scripts.sql("facts/prepared_transactions")

    def parse(self, result: Result, database: Database) -> tuple[str, ...]:
        """The oldest first."""
        return tuple(f"{gid} of {owner}, for {show(float(age_s), 'seconds')}" for gid, owner, age_s in result.require())
