"""Sessions that keep something from others: open transactions, locks, prepared transactions."""

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
"""A transaction that paused for less than this is taken to be at work."""
TELLABLE = (
    r"^(\W*((select|insert|update|delete|merge|with|values|copy|vacuum|analyze|reindex|cluster|refresh|lock)\M"
    r"|((create\s+(unique\s+)?|drop\s+|alter\s+)index|alter\s+table|listen|begin)\M)[^\x3b]*(\x3b|$))+\s*$"
)
"""Statements that are told by their words, as PostgreSQL matches them: in SET and ALTER ROLE a word can be secret."""
BLIND = "the role sees no sessions but its own: grant it pg_monitor"


def _with_words(name: str) -> str:
    words = scripts.sql("facts/session_words").strip().replace("{tellable}", TELLABLE)
    return scripts.sql(f"facts/{name}").replace("{words}", words)


@dataclass(frozen=True)
class OpenTransaction:
    """A session with an open transaction; times in seconds.

    `state_s` is how long its state has lasted, `words` its statement without any value. One is `exempt` that dumps or
    maintains, one `waits` that wants a lock.
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
        """Whether the client does nothing in its transaction."""
        return self.state in IDLE

    def __str__(self) -> str:
        who = f"pid {self.pid}, {self.role}, {self.application or 'no application name'}"
        opened, lasted = show(self.transaction_s, "seconds"), show(self.state_s, "seconds")
        return f"{who}: transaction open for {opened}, {self.state} for {lasted}: {self.words}"


@dataclass(frozen=True)
class Transactions:
    """Every session with an open transaction, the oldest first."""

    sessions: tuple[OpenTransaction, ...]

    @property
    def idle(self) -> list[OpenTransaction]:
        """Those whose client does nothing, the longest first."""
        idle = [each for each in self.sessions if each.is_idle and not each.exempt]
        return sorted(idle, key=lambda each: -each.state_s)

    @property
    def running(self) -> list[OpenTransaction]:
        """Those at work, and not for a lock; the oldest first."""
        return [each for each in self.sessions if not (each.exempt or each.waits) and not _rests(each)]


def _rests(session: OpenTransaction) -> bool:
    return session.is_idle and session.state_s >= WORKING_S


class OpenTransactions(SqlFact[Transactions]):
    """Client sessions with an open transaction in the database, without opsproof's own."""

    sql = _with_words("open_transactions")

    def parse(self, result: Result, database: Database) -> Transactions:
        """The sessions; a role that sees nobody else's sees none."""
        rows = result.require()
        if not rows[0][9]:
            raise MeasurementError(BLIND)
        if not rows[0][10]:
            raise MeasurementError("track_activities is off, so that no session tells what it does")
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
    """A session that waits for a lock, or keeps another from one; seconds that it has waited, None if it does not."""

    pid: int
    blockers: tuple[int, ...]
    waited_s: float | None
    about: str


@dataclass(frozen=True)
class LockQueue:
    """Who waits for whom."""

    sessions: dict[int, Waiter]

    @property
    def longest_s(self) -> float:
        """The longest wait, in seconds; 0 where nobody waits."""
        return max((each.waited_s for each in self.sessions.values() if each.waited_s is not None), default=0.0)

    @property
    def tree(self) -> list[str]:
        """A line for each session, once, below the first that it waits for and further in."""
        roots = [pid for pid, each in self.sessions.items() if not each.blockers]
        known = {blocker for each in self.sessions.values() for blocker in each.blockers} - self.sessions.keys()
        seen: set[int] = set()
        return [
            line
            for root in [*sorted(known), *(roots or list(self.sessions)[:1])]
            for line in self._below(root, 0, seen)
        ]

    def _below(self, pid: int, depth: int, seen: set[int]) -> Iterator[str]:
        # Who queues for a lock waits for all before it as well: told on each way to it, they would never end.
        seen.add(pid)
        about = self.sessions[pid].about if pid in self.sessions else "a prepared transaction" if not pid else "gone"
        yield f"{'  ' * depth}{'waits: ' if depth else ''}pid {pid}, {about}"
        for each in self.sessions.values():
            if pid in each.blockers and each.pid not in seen:
                yield from self._below(each.pid, depth + 1, seen)


class BlockedSessions(SqlFact[LockQueue]):
    """Sessions of the database that wait for a lock, and those that they wait for."""

    sql = _with_words("blocked_sessions")

    def parse(self, result: Result, database: Database) -> LockQueue:
        """The queue; empty where nobody waits."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(BLIND)
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
    """Transactions that were prepared and neither committed nor rolled back since, a line for each.

    They hold their locks, and keep vacuum from its work, over restarts too:
    https://www.postgresql.org/docs/current/sql-prepare-transaction.html
    """

    sql = scripts.sql("facts/prepared_transactions")

    def parse(self, result: Result, database: Database) -> tuple[str, ...]:
        """The oldest first."""
        return tuple(f"{gid} of {owner}, for {show(float(age_s), 'seconds')}" for gid, owner, age_s in result.require())
