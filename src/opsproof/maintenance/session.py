"""Queries and changes of a maintained database: changes show progress, and wait for locks for a limited time."""

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from opsproof.action import Work
from opsproof.action.patience import patiently
from opsproof.action.progress import watch
from opsproof.core import scripts
from opsproof.core.errors import InventoryError, MeasurementError, OpsproofError, Refused, StepFailed
from opsproof.core.installation import rights_command
from opsproof.core.units import show
from opsproof.facts.base import SqlFact, SqlResourceFact
from opsproof.inventory.resources import InDatabase
from opsproof.maintenance import progress
from opsproof.maintenance.client import (
    APPLICATION,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    SILENCING,
    MaintenanceClient,
    failure,
    notices,
    parse_json,
    require,
    result,
)
from opsproof.postgres import extensions
from opsproof.transport.shell import Answer, Command

_ROWS = "SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM (\n{}\n) AS found"
T = TypeVar("T")
D = TypeVar("D", bound=InDatabase)
LONGEST_S = 24 * 3600.0
LOCK_S = 1
"""Longest wait for a lock that other sessions would queue behind."""
PAUSE_S = 1.0
SHOWN = 3
NAMES = 400
"""Names per query: a whole query must fit into one argument of a program."""


@dataclass(frozen=True)
class MaintenanceServer:
    """Properties of the server and of the maintenance role: see server.sql.

    `silent` is the number of sessions with track_activities off; `at_work` are running maintenance sessions.
    `event_triggers` are the enabled ones, each with `evtenabled` of pg_event_trigger, and the owner of the function if
    no superuser.
    """

    version_num: int
    superuser: bool
    sees_all: bool
    standby: bool
    folder: str | None
    memory_bytes: int
    workers: int
    silent: int
    event_triggers: list[list[str]]
    at_work: list[dict[str, Any]]

    @property
    def firing(self) -> list[str]:
        """Event triggers that fire for definitions of the maintenance role, in spite of `SILENCING`."""
        return [name for name, enabled, _ in self.event_triggers if enabled in self._fires]

    @property
    def _fires(self) -> str:
        """Values of `evtenabled` of event triggers that fire."""
        return ("" if self.version_num >= 170000 else "AR") if self.superuser else "AO"

    def require_no_foreign_events(self, user: str) -> None:
        """Refuses definitions that would fire a function of a role other than a superuser.

        Raises:
            Refused: names the event trigger and the owner of its function.
        """
        for name, enabled, owner in self.event_triggers:
            if enabled in self._fires and owner:
                raise Refused(
                    f"event trigger {name} would run a function of {owner} with the rights of {user}: a superuser must"
                    " own the function"
                )

    def require_pg_monitor(self, user: str) -> None:
        """Checks whether the role sees the sessions of all users.

        Raises:
            MeasurementError: the role lacks pg_monitor.
        """
        if not self.sees_all:
            raise MeasurementError(
                f"{user} sees only its own sessions: run the SQL of {rights_command('maintain.sql')}"
            )

    def require_ready(self) -> None:
        """Refuses to run on a standby or beside an earlier run.

        Raises:
            Refused: the server is a standby, or an earlier run is still active.
        """
        if self.standby:
            raise Refused("the server is a standby: run this on the primary")
        if self.at_work:
            first = self.at_work[0]
            age = show(first["age_s"], "seconds")
            raise Refused(f"process {first['pid']} of an earlier run is still active after {age} ({first['command']})")


@dataclass(frozen=True)
class MaintenanceSession:
    """An action's connection to one database; waits at most `wait_s` seconds for locks and other transactions."""

    work: Work
    client: MaintenanceClient
    wait_s: float
    quiet: bool

    def server(self) -> MaintenanceServer:
        """The server's current state.

        Raises:
            MeasurementError: the server cannot be queried.
        """
        return MaintenanceServer(**self.ask("server"))

    def ask(self, script: str, **values: str) -> Any:
        """The JSON result of a read-only script in maintenance/sql.

        Raises:
            MeasurementError: the query failed.
        """
        (answer,) = self.work.ask(
            self.client.sql(scripts.sql(f"maintenance/{script}"), application=APPLICATION, **values)
        )
        return parse_json(answer)

    def ask_by_name(self, script: str, names: Iterable[str]) -> list[Any]:
        """The JSON results of a read-only script for `names`, in batches of `NAMES`.

        Raises:
            InventoryError: a name is ambiguous.
            MeasurementError: the query failed.
        """
        wanted = list(names)
        batches = [wanted[first : first + NAMES] for first in range(0, len(wanted), NAMES)] or [[]]
        parts = [self.ask(script, names=json.dumps(each)) for each in batches]
        if several := [name for part in parts for name in part["several"]]:
            raise InventoryError(
                f"{self.client.name} has several relations called {', '.join(several)}: rename all but one"
            )
        return parts

    def measure(self, fact: SqlFact[T]) -> T:
        """A fact of the checks, by the same query, measured as the maintenance role.

        Raises:
            MeasurementError: the fact could not be measured.
        """
        homes = f"{extensions.LOOKUP}\\gset\n" if extensions.needed([fact.sql]) else ""
        (answer,) = self.work.ask(self.client.sql(f"SET jit = off;\n{homes}{_ROWS.format(fact.sql)};"))
        return fact.parse(result(answer), self.client.database)

    def measure_of(self, fact: SqlResourceFact[D, T], name: str, resource: D) -> T:
        """A fact of a declared resource in the database, by the same query.

        Raises:
            Absent: the resource does not exist.
            MeasurementError: the fact could not be measured.
        """
        values = {f"value_{number}": value for number, value in enumerate(fact.values(name, resource))}
        places = ", ".join(f":'{each}'" for each in values)
        script = f"SET jit = off;\nPREPARE fact AS {_ROWS.format(fact.sql)};\nEXECUTE fact({places});"
        (answer,) = self.work.ask(self.client.sql(script, **values))
        return fact.parse(result(answer), resource)

    def do(
        self, task: str, script: str, settings: dict[str, str] | None = None, too_long: str = "", **values: str
    ) -> None:
        """Runs a script that changes the database, with progress; retries until `wait_s` while a lock is unavailable.

        `too_long` replaces the server's message if statement_timeout cancels the script.

        Raises:
            StepFailed: the script failed; its session on the server is ended.
        """
        lines = "".join(f"SET {name} = '{value}';\n" for name, value in (settings or {}).items())
        command = self.client.sql(SILENCING + lines + script, LONGEST_S, **values)
        deadline, reported = time.monotonic() + self.wait_s, ""
        while True:
            answer, waited_for = self._watched(task, command)
            code, message = failure(answer)
            if answer.status == 0 and answer.flag == "-":
                for each in notices(answer)[:SHOWN]:
                    self.work.say(f"     {each}")
                return
            if code != LOCK_NOT_AVAILABLE:
                late = too_long if code == QUERY_CANCELED else ""
                raise StepFailed(f"{task}: {late or message or _reason(answer)}")
            holders = self._holders(values) or waited_for or message
            if time.monotonic() > deadline:
                raise StepFailed(f"{task}: no lock within {show(self.wait_s, 'seconds')}: {holders}")
            if holders != reported:
                self.work.say(f"     {task}: waits for {holders}")
            reported = holders
            time.sleep(PAUSE_S)

    def _holders(self, values: dict[str, str]) -> str:
        with suppress(MeasurementError):
            return ", ".join(self.ask("holders", schema=values["schema"], relation=values["name"]))
        return ""

    def _watched(self, task: str, command: Command) -> tuple[Answer, str]:
        """The answer to a command, and the process that it last waited for."""
        answers: list[Answer] = []
        waits = [""]

        def reached() -> progress.Reached:
            (answer,) = self.work.ask(self.client.sql(scripts.sql("maintenance/progress"), application=APPLICATION))
            now = progress.reached(require(answer))
            waits[0] = now.waits_for or waits[0]
            return now

        try:
            with progress.reporting_phases(task, self.work.say, quiet=self.quiet) as report:
                watch(lambda: answers.append(self.work.attempt(command)), reached, report)
        except MeasurementError as error:
            self.end_own()
            raise StepFailed(f"{task}: {error}") from error
        except BaseException:
            self.end_own()
            raise
        if not failure(answers[0])[0] and answers[0].status != 0:
            self.end_own()
        return answers[0], waits[0]

    def end_own(self) -> None:
        """Ends all maintenance sessions on the server, if it can be reached."""
        with suppress(OpsproofError):
            (answer,) = self.work.ask(self.client.sql(scripts.sql("maintenance/end_own"), application=APPLICATION))
            require(answer)


def _reason(answer: Answer) -> str:
    try:
        require(answer)
    except MeasurementError as error:
        return str(error)
    return "psql did not finish"


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether `holds` returns true within `seconds`."""
    return patiently(holds, bool, seconds, PAUSE_S / 4)
