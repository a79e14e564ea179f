"""What a database that is maintained is asked, and what is done to it: watched, with bounded waits, ended with us."""

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
from opsproof.core.units import show
from opsproof.facts.base import SqlFact, SqlResourceFact
from opsproof.inventory.resources import InDatabase
from opsproof.maintenance import progress
from opsproof.maintenance.client import (
    APPLICATION,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    MaintenanceClient,
    failure,
    remarks,
    require,
    result,
    told,
)
from opsproof.transport.shell import Answer, Command

_ROWS = "SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM (\n{}\n) AS found"
T = TypeVar("T")
D = TypeVar("D", bound=InDatabase)
LONGEST_S = 24 * 3600.0
LOCK_S = 1
"""How long anything of ours stands in the queue for a lock that others would have to queue behind."""
PAUSE_S = 1.0
SHOWN = 3
NAMES = 400
"""So many names go into one question: all of a question must fit into one argument of a program."""


@dataclass(frozen=True)
class MaintenanceServer:
    """The server, and what the maintenance role may: see server.sql.

    `silent` sessions do not tell what they do; those `at_work` are our own that run already.
    """

    version_num: int
    superuser: bool
    sees_all: bool
    standby: bool
    folder: str | None
    memory_bytes: int
    workers: int
    silent: int
    at_work: list[dict[str, Any]]

    def require_pg_monitor(self, user: str) -> None:
        """Says that nothing can be said where the role does not see what others do.

        Raises:
            MeasurementError: it does not.
        """
        if not self.sees_all:
            raise MeasurementError(
                f"{user} sees no sessions but its own: GRANT pg_monitor TO {user}, as docs/privileges.md has it"
            )

    def require_ready(self) -> None:
        """Says no where nothing can be changed now.

        Raises:
            Refused: why.
        """
        if self.standby:
            raise Refused("the server is a standby: maintain its primary")
        if self.at_work:
            first = self.at_work[0]
            age = show(first["age_s"], "seconds")
            raise Refused(f"process {first['pid']} of an earlier run is still at work since {age} ({first['command']})")


@dataclass(frozen=True)
class MaintenanceSession:
    """The way to one database for an action; `wait_s` is how long it waits for locks and for others' transactions."""

    work: Work
    client: MaintenanceClient
    wait_s: float
    quiet: bool

    def server(self) -> MaintenanceServer:
        """The server as it is now.

        Raises:
            MeasurementError: it does not tell.
        """
        return MaintenanceServer(**self.ask("server"))

    def ask(self, script: str, **values: str) -> Any:
        """What one of our scripts, which changes nothing, tells as JSON.

        Raises:
            MeasurementError: it tells nothing.
        """
        (answer,) = self.work.ask(
            self.client.sql(scripts.sql(f"maintenance/{script}"), application=APPLICATION, **values)
        )
        return told(answer)

    def ask_by_name(self, script: str, names: Iterable[str]) -> list[Any]:
        """What one of our scripts tells of `names`, which it is given as a list in JSON, some of them at a time.

        Raises:
            InventoryError: several may be meant by one.
            MeasurementError: it tells nothing.
        """
        wanted = list(names)
        batches = [wanted[first : first + NAMES] for first in range(0, len(wanted), NAMES)] or [[]]
        parts = [self.ask(script, names=json.dumps(each)) for each in batches]
        if several := [name for part in parts for name in part["several"]]:
            raise InventoryError(f"several of {self.client.name} are called {', '.join(several)}: rename one of them")
        return parts

    def measure(self, fact: SqlFact[T]) -> T:
        """A fact of the checks, asked by the same query, as the maintenance role.

        Raises:
            MeasurementError: it was not measured.
        """
        (answer,) = self.work.ask(self.client.sql(f"SET jit = off;\n{_ROWS.format(fact.sql)};"))
        return fact.parse(result(answer), self.client.database)

    def measure_of(self, fact: SqlResourceFact[D, T], name: str, resource: D) -> T:
        """A fact of a declared thing in the database, in the same way.

        Raises:
            Absent: it is not there.
            MeasurementError: it was not measured.
        """
        values = {f"value_{number}": value for number, value in enumerate(fact.values(name, resource))}
        places = ", ".join(f":'{each}'" for each in values)
        script = f"SET jit = off;\nPREPARE fact AS {_ROWS.format(fact.sql)};\nEXECUTE fact({places});"
        (answer,) = self.work.ask(self.client.sql(script, **values))
        return fact.parse(result(answer), resource)

    def do(
        self, what: str, script: str, settings: dict[str, str] | None = None, too_long: str = "", **values: str
    ) -> None:
        """Runs a script that changes the database, and tells how far it is; tries again while a lock is not to be had.

        What is `too_long` is said where the server cuts it off at its statement_timeout.

        Raises:
            StepFailed: it did not come to its end; what of it the server still did is ended.
        """
        lines = "".join(f"SET {name} = '{value}';\n" for name, value in (settings or {}).items())
        command = self.client.sql(lines + script, LONGEST_S, **values)
        deadline, told_of = time.monotonic() + self.wait_s, ""
        while True:
            answer, waited_for = self._watched(what, command)
            code, message = failure(answer)
            if answer.status == 0 and answer.flag == "-":
                for each in remarks(answer)[:SHOWN]:
                    self.work.say(f"     {each}")
                return
            if code != LOCK_NOT_AVAILABLE:
                late = too_long if code == QUERY_CANCELED else ""
                raise StepFailed(f"{what}: {late or message or _reason(answer)}")
            holders = self._holders(values) or waited_for or message
            if time.monotonic() > deadline:
                raise StepFailed(f"{what}: no lock within {show(self.wait_s, 'seconds')}: {holders}")
            if holders != told_of:
                self.work.say(f"     {what}: waits for {holders}")
            told_of = holders
            time.sleep(PAUSE_S)

    def _holders(self, values: dict[str, str]) -> str:
        with suppress(MeasurementError):
            return ", ".join(self.ask("holders", schema=values["schema"], relation=values["name"]))
        return ""

    def _watched(self, what: str, command: Command) -> tuple[Answer, str]:
        """The answer to a command, and whom it was last seen to wait for."""
        answers: list[Answer] = []
        waits = [""]

        def reached() -> progress.Reached:
            (answer,) = self.work.ask(self.client.sql(scripts.sql("maintenance/progress"), application=APPLICATION))
            now = progress.reached(require(answer))
            waits[0] = now.waits_for or waits[0]
            return now

        try:
            with progress.reporting_phases(what, self.work.say, quiet=self.quiet) as report:
                watch(lambda: answers.append(self.work.attempt(command)), reached, report)
        except MeasurementError as error:
            self.end_own()
            raise StepFailed(f"{what}: {error}") from error
        except BaseException:
            self.end_own()
            raise
        if not failure(answers[0])[0] and answers[0].status != 0:
            self.end_own()
        return answers[0], waits[0]

    def end_own(self) -> None:
        """Ends what the server still does for us, as far as that can be reached."""
        with suppress(OpsproofError):
            (answer,) = self.work.ask(self.client.sql(scripts.sql("maintenance/end_own"), application=APPLICATION))
            require(answer)


def _reason(answer: Answer) -> str:
    try:
        require(answer)
    except MeasurementError as error:
        return str(error)
    return "it did not come to its end"


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold within so many seconds."""
    return patiently(holds, bool, seconds, PAUSE_S / 4)
