"""The moment in which a restored database takes the place of the one that serves: processes, names, health.

Stopping, swapping and starting are one command on the host. Once it has begun, it comes to its end whatever
happens to the connection or to this process, and the time in which nobody is served is the time that it takes.
"""

import secrets
from dataclasses import dataclass, field

from opsproof.action import Work
from opsproof.action.patience import patiently
from opsproof.core import scripts
from opsproof.core.errors import Absent, OpsproofError
from opsproof.facts.endpoints import Responses
from opsproof.facts.processes import Processes
from opsproof.inventory.resources import Endpoint
from opsproof.restore.server import REPLACED, SWAPPED, SWAPPING, RestoreClient, Way, in_turn
from opsproof.transport.shell import Answer, Command, argv

TIMEOUT_S = 240.0
EVERY_S = 0.1
DATABASES = {"database", "db", "postgres", "postgresql"}
"""What health answers call the database: it must be up afterwards, also where it was down before."""

Turn = tuple[Way, Command]


@dataclass(frozen=True)
class Switch:
    """The declared processes and health endpoints of a host, and the server whose databases swap their names.

    `down` are the services that were down before, by endpoint; None where it gave no answer.
    """

    work: Work
    client: RestoreClient
    processes: tuple[str, ...]
    down: dict[str, frozenset[str] | None] = field(default_factory=dict)

    @property
    def stops(self) -> str:
        """What is stopped and started, for a reader."""
        return " and ".join(self.processes) or "no process"

    def over(self, incoming: str, aside: str, made_of: str, *, serving: bool) -> None:
        """Puts the database `incoming` in the place of the one that serves, which is called `aside` from then on.

        Raises:
            StepFailed: that did not work; the one that served still does, as far as can be told.
        """
        mark = f"{SWAPPED} {made_of}"
        after: list[Turn] = [("try", self._sql("mark", name=aside, mark=f"{REPLACED} {made_of}"))]
        turns: list[Turn] = [
            ("try", self._sql("mark", name=incoming, mark=f"{SWAPPING} {made_of}")),
            *self._around(self._swap(incoming, aside, mark)),
            *(after if serving else []),
        ]
        self._do(turns, "the swap")

    def back(self, aside: str, restored: str, mark: str) -> None:
        """Undoes it: what was put aside serves again, and the restored database has its former name and `mark`.

        Raises:
            StepFailed: that did not work either.
        """
        self._do([*self._around(self._swap(aside, restored, mark))], "the way back")

    def finish(self, names: list[str], made_of: dict[str, str]) -> None:
        """Comes to the end of a swap that was interrupted: everything that stands open and runs then does.

        Raises:
            StepFailed: that did not work.
        """
        marks = [self._sql("mark", name=each, mark=f"{REPLACED} {made_of[each]}") for each in names]
        turns: list[Turn] = [("insist", self._sql("allow", name=self.client.live)), *self.turns("start")]
        self._do([*turns, *(("try", each) for each in marks)], "the end of the swap")

    def _around(self, swap: Command) -> list[Turn]:
        stop: list[Turn] = [("try", command) for _, command in self.turns("stop")]
        allow = self._sql("allow", name=self.client.live)
        return [*stop, ("try", swap), ("insist", allow), *self.turns("start")]

    def turns(self, verb: str) -> list[Turn]:
        """What stops or starts the processes, as `verb` says; nothing where there are none."""
        host = self.work.host
        if not self.processes or host.pm2 is None:
            return []
        words = ("perl", "-e", _setter(), "--", host.pm2.home, verb, *self.processes)
        return [("always", argv(*words, user=host.run_as))]

    def _swap(self, incoming: str, aside: str, mark: str) -> Command:
        return self._sql("swap", live=self.client.live, incoming=incoming, aside=aside, mark=mark)

    def _sql(self, script: str, **values: str) -> Command:
        return self.client.sql(scripts.sql(f"restore/{script}"), timeout_s=TIMEOUT_S, **values)

    def _do(self, turns: list[Turn], what: str) -> None:
        self.work.do(in_turn(turns, secrets.token_hex(8), TIMEOUT_S), what)

    def illness(self, patience_s: float) -> str:
        """Why the platform is not healthy after so many seconds; empty as soon as it is as it was, or better."""
        return patiently(self._worse, lambda worse: not worse, patience_s, EVERY_S)

    def _worse(self) -> str:
        try:
            found = health(self.work)
        except OpsproofError as error:
            return str(error)
        for name, down in found.items():
            if down is None:
                return f"{name} gives no health answer"
            bearable = (self.down.get(name) or frozenset()) - DATABASES
            if more := down - bearable:
                return f"{name} says that {', '.join(sorted(more))} is down"
        return ""


def switch(work: Work, client: RestoreClient) -> Switch:
    """The switch as the host is now; without processes where no PM2 daemon runs.

    Raises:
        MeasurementError: it cannot be told what runs.
    """
    return Switch(work, client, _running(work), health(work))


def _running(work: Work) -> tuple[str, ...]:
    host = work.host
    if host.pm2 is None or not host.processes:
        return ()
    fact = Processes()
    (answer,) = work.ask(fact.command(host))
    found = fact.parse(answer, host)
    known = {each.name for each in found.processes if not each.module}
    return tuple(name for name in host.processes if name in known)


def health(work: Work) -> dict[str, frozenset[str] | None]:
    """The services that each declared health endpoint calls down; None where it answers nothing of the kind.

    Raises:
        HostUnreachable: the host gave no answer.
    """
    declared = work.host.resources("health_endpoint")
    endpoints = {name: each for name, each in declared.items() if isinstance(each, Endpoint)}
    if not endpoints:
        return {}
    fact = Responses()
    answers = work.ask(*(fact.command(work.host, name, each) for name, each in endpoints.items()))
    said = zip(endpoints.items(), answers, strict=True)
    return {name: _down(fact, answer, name, each) for (name, each), answer in said}


def _down(fact: Responses, answer: Answer, name: str, endpoint: Endpoint) -> frozenset[str] | None:
    try:
        said = fact.parse(answer, name, endpoint).health
    except (Absent, OpsproofError, ValueError):
        return None
    return frozenset(said.down) if said.down or said.status == "healthy" else frozenset({said.status})


def _setter() -> str:
    """The Perl program that stops and starts; its files are one program in this order only."""
    return scripts.perl("facts/json_text", "facts/pm2_daemon", "restore/pm2_set")
