"""The swap of a restored database with the live database: processes, names, health.

Stop, swap and start are one command on the host. Once started, the command completes even if the connection or this
process ends. The outage lasts as long as the command.
"""

import secrets
from dataclasses import dataclass, field

from opsproof.action import Work
from opsproof.action.patience import patiently
from opsproof.core import scripts
from opsproof.core.errors import Absent, OpsproofError
from opsproof.facts.endpoints import Responses
from opsproof.facts.processes import Processes
from opsproof.inventory.endpoints import Endpoint
from opsproof.restore.server import REPLACED, SWAPPED, SWAPPING, RestoreClient, Way, in_turn
from opsproof.transport.shell import Answer, Command, argv

TIMEOUT_S = 240.0
EVERY_S = 0.1
DATABASES = {"database", "db", "postgres", "postgresql"}
"""Names of the database in health answers: must be up after the swap, even if down before."""

Turn = tuple[Way, Command]


@dataclass(frozen=True)
class Switch:
    """Swaps databases on a server, with the declared processes and health endpoints of the host.

    `down` has the services down before the swap, by endpoint; None for an endpoint without a health answer.
    """

    work: Work
    client: RestoreClient
    processes: tuple[str, ...]
    down: dict[str, frozenset[str] | None] = field(default_factory=dict)

    @property
    def stops(self) -> str:
        """The processes to stop and start, for the plan."""
        return " and ".join(self.processes) or "no process"

    def swap(self, incoming: str, aside: str, archive: str, *, serving: bool) -> None:
        """Renames the live database (if `serving`) to `aside`, and the database `incoming` to the live name.

        Raises:
            StepFailed: a command failed; if the swap itself failed, no database was renamed.
        """
        mark = f"{SWAPPED} {archive}"
        after: list[Turn] = [("try", self._sql("mark", name=aside, mark=f"{REPLACED} {archive}"))]
        turns: list[Turn] = [
            ("try", self._sql("mark", name=incoming, mark=f"{SWAPPING} {archive}")),
            *self._around(self._swap(incoming, aside, mark)),
            *(after if serving else []),
        ]
        self._do(turns, "the swap")

    def swap_back(self, aside: str, restored: str, mark: str) -> None:
        """Rolls back: renames the live database to `restored`, with `mark`, and the database `aside` to live.

        Raises:
            StepFailed: a command failed.
        """
        self._do([*self._around(self._swap(aside, restored, mark))], "the rollback")

    def finish(self, names: list[str], archives: dict[str, str]) -> None:
        """Completes an interrupted swap: allows connections to the live database, and starts the processes.

        Raises:
            StepFailed: a command failed.
        """
        marks = [self._sql("mark", name=each, mark=f"{REPLACED} {archives[each]}") for each in names]
        turns: list[Turn] = [("insist", self._sql("allow", name=self.client.live)), *self.turns("start")]
        self._do([*turns, *(("try", each) for each in marks)], "completing the swap")

    def _around(self, swap: Command) -> list[Turn]:
        stop: list[Turn] = [("try", command) for _, command in self.turns("stop")]
        allow = self._sql("allow", name=self.client.live)
        return [*stop, ("try", swap), ("insist", allow), *self.turns("start")]

    def turns(self, verb: str) -> list[Turn]:
        """The command that stops or starts the processes, by `verb`; empty without processes."""
        host = self.work.host
        if not self.processes or host.pm2 is None:
            return []
        words = ("perl", "-e", _setter(), "--", host.pm2.home, verb, *self.processes)
        return [("always", argv(*words, user=host.run_as))]

    def _swap(self, incoming: str, aside: str, mark: str) -> Command:
        return self._sql("swap", live=self.client.live, incoming=incoming, aside=aside, mark=mark)

    def _sql(self, script: str, **values: str) -> Command:
        return self.client.sql(scripts.sql(f"restore/{script}"), timeout_s=TIMEOUT_S, **values)

    def _do(self, turns: list[Turn], name: str) -> None:
        self.work.do(in_turn(turns, secrets.token_hex(8), TIMEOUT_S), name)

    def health_failure(self, patience_s: float) -> str:
        """Why health is still worse than before the swap after `patience_s`; empty as soon as health has recovered."""
        return patiently(self._degradation, lambda found: not found, patience_s, EVERY_S)

    def _degradation(self) -> str:
        try:
            found = health(self.work)
        except OpsproofError as error:
            return str(error)
        for name, down in found.items():
            if down is None:
                return f"{name} gives no health answer"
            tolerated = (self.down.get(name) or frozenset()) - DATABASES
            if more := down - tolerated:
                return f"{name} reports {', '.join(sorted(more))} down"
        return ""


def switch(work: Work, client: RestoreClient) -> Switch:
    """A switch for the current state of the host; without processes if no PM2 daemon runs.

    Raises:
        MeasurementError: PM2 cannot be read.
    """
    return Switch(work, client, _running(work), health(work))


def _running(work: Work) -> tuple[str, ...]:
    host = work.host
    if host.pm2 is None or not (declared := host.resources("process")):
        return ()
    fact = Processes()
    (answer,) = work.ask(fact.command(host))
    found = fact.parse(answer, host)
    known = {each.name for each in found.processes if not each.module}
    return tuple(name for name in declared if name in known)


def health(work: Work) -> dict[str, frozenset[str] | None]:
    """The services reported down, by health endpoint asked from the host; None for an endpoint without a health answer.

    Raises:
        HostUnreachable: the host gave no answer.
    """
    declared = work.host.resources("health_endpoint")
    endpoints = {name: each for name, each in declared.items() if isinstance(each, Endpoint) and not each.is_outside}
    if not endpoints:
        return {}
    fact = Responses()
    answers = work.ask(*(fact.command(work.host, name, each) for name, each in endpoints.items()))
    answered = zip(endpoints.items(), answers, strict=True)
    return {name: _down(fact, answer, name, each) for (name, each), answer in answered}


def _down(fact: Responses, answer: Answer, name: str, endpoint: Endpoint) -> frozenset[str] | None:
    try:
        found = fact.parse(answer, name, endpoint).health
    except (Absent, OpsproofError, ValueError):
        return None
    return frozenset(found.down) if found.down or found.status == "healthy" else frozenset({found.status})


def _setter() -> str:
    """The Perl program that stops and starts processes; the order of the files matters."""
    return scripts.perl("facts/json_text", "facts/pm2_daemon", "restore/pm2_set")
