"""Finds sessions idle, idle in transaction or active for too long, and ends them."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import StepFailed
from opsproof.core.units import show
from opsproof.facts.sessions import TELLABLE
from opsproof.maintenance.client import parse_json
from opsproof.maintenance.session import MaintenanceSession, until

TERMINATED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Connection:
    """A session when queried; `spared`: reason to leave the session alone, or None; `may`: the role may end it.

    `born` and `changed` are backend_start and state_change as the server prints them; they tell the session from a
    later one with the same process ID, and from itself at its next query.
    """

    pid: int
    born: str
    user: str
    application: str
    state: str
    changed: str
    age_s: float
    query: str
    spared: str | None
    may: bool

    def __str__(self) -> str:
        said = f"process {self.pid} of {self.user}, {self.state} for {show(self.age_s, 'seconds')}: {self.query or '?'}"
        return "".join(each if each.isprintable() else "?" for each in said)


@dataclass(frozen=True)
class AgeLimits:
    """Maximum seconds in each state; None: no limit."""

    idle_s: float | None
    in_transaction_s: float | None
    active_s: float | None


def find(session: MaintenanceSession, limits: AgeLimits) -> list[Connection]:
    """Sessions of the database over their limit in `limits`, oldest first.

    Raises:
        MeasurementError: the query failed.
    """
    bounds = {"idle": limits.idle_s, "in_transaction": limits.in_transaction_s, "active": limits.active_s}
    values = {name: "NULL" if bound is None else f"{bound:f}" for name, bound in bounds.items()}
    return [Connection(**each) for each in session.ask("sessions", tellable=TELLABLE, **values)]


def missing_privilege(connection: Connection, user: str) -> str:
    """Which privilege the role lacks to end the session; empty if the role may end it."""
    if connection.may:
        return ""
    return f"{user} may not end sessions of {connection.user}: GRANT pg_signal_backend; superusers' sessions: SUPERUSER"


def is_unchanged(session: MaintenanceSession, connection: Connection) -> bool:
    """Whether the session still exists in the same state.

    Raises:
        MeasurementError: the query failed.
    """
    return bool(session.ask("signal", **_identity(connection), signal="none"))


def end(session: MaintenanceSession, connection: Connection, grace_s: float) -> None:
    """Cancels an active query, and terminates the session unless its state changes within `grace_s` seconds.

    Raises:
        StepFailed: the session did not terminate.
    """
    if connection.state == "active":
        _signal(session, connection, "cancel")
        if until(lambda: not is_unchanged(session, connection), grace_s):
            return
    _signal(session, connection, "terminate")
    if not until(lambda: not is_unchanged(session, connection), TERMINATED_WITHIN_S):
        raise StepFailed(f"process {connection.pid} did not terminate")


def _signal(session: MaintenanceSession, connection: Connection, signal: str) -> None:
    script = session.client.sql(scripts.sql("maintenance/signal"), **_identity(connection), signal=signal)
    parse_json(session.work.do(script, "psql"))


def _identity(connection: Connection) -> dict[str, str]:
    keys = ("pid", "born", "changed", "state")
    return {key: str(getattr(connection, key)) for key in keys}
