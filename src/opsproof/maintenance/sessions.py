"""Sessions that have been idle, in a transaction or at work for too long, and how one is ended."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import StepFailed
from opsproof.core.units import show
from opsproof.facts.sessions import TELLABLE
from opsproof.maintenance.client import told
from opsproof.maintenance.session import MaintenanceSession, until

TERMINATED_WITHIN_S = 10.0


@dataclass(frozen=True)
class Connection:
    """A session as it was when it was looked at; `spared` says why it must be left alone, if it must.

    `born` and `changed` are when it began and when its state last changed, in the server's words: with both, another
    session under the same process ID, or the same one at its next query, cannot be taken for it.
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
class Patience:
    """For how many seconds a session may be as it is, by its state; None where it may for ever."""

    idle_s: float | None
    in_transaction_s: float | None
    active_s: float | None


def look(session: MaintenanceSession, patience: Patience) -> list[Connection]:
    """The sessions of the database that have been as they are for longer than that, the oldest first.

    Raises:
        MeasurementError: they cannot be seen.
    """
    bounds = {"idle": patience.idle_s, "in_transaction": patience.in_transaction_s, "active": patience.active_s}
    values = {name: "NULL" if bound is None else f"{bound:f}" for name, bound in bounds.items()}
    return [Connection(**each) for each in session.ask("sessions", tellable=TELLABLE, **values)]


def denial(connection: Connection, user: str) -> str:
    """Why the role may not end it; empty where it may."""
    if connection.may:
        return ""
    return f"{user} may not end sessions of {connection.user}: GRANT pg_signal_backend, or be a superuser"


def is_there(session: MaintenanceSession, connection: Connection) -> bool:
    """Whether it still is what it was.

    Raises:
        MeasurementError: that cannot be seen.
    """
    return bool(session.ask("signal", **_identity(connection), signal="none"))


def end(session: MaintenanceSession, connection: Connection, grace_s: float) -> None:
    """Cancels what it does, and ends it where it goes on for `grace_s` seconds; leaves it alone if it moved on.

    Raises:
        StepFailed: it is still there.
    """
    if connection.state == "active":
        _signal(session, connection, "cancel")
        if until(lambda: not is_there(session, connection), grace_s):
            return
    _signal(session, connection, "terminate")
    if not until(lambda: not is_there(session, connection), TERMINATED_WITHIN_S):
        raise StepFailed(f"process {connection.pid} does not end")


def _signal(session: MaintenanceSession, connection: Connection, signal: str) -> None:
    script = session.client.sql(scripts.sql("maintenance/signal"), **_identity(connection), signal=signal)
    told(session.work.do(script, "psql"))


def _identity(connection: Connection) -> dict[str, str]:
    keys = ("pid", "born", "changed", "state")
    return {key: str(getattr(connection, key)) for key in keys}
