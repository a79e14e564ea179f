"""Actions: a plan of steps for a host, guards, and a proof."""

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from opsproof.action.lock import stepwise
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.core.reasons import warnings
from opsproof.inventory.hosts import Host
from opsproof.inventory.schedule import HEAVY
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """A change, with a title in one line.

    `part` is the path of the changed object: ``("public.t", "public.t_idx")``. After a failed step, steps for the same
    object, for a part of the object and for its whole are skipped; the remaining steps run.
    """

    title: str
    do: Callable[[], None]
    part: tuple[str, ...] = ()

    def depends_on(self, other: "Step") -> bool:
        """Whether this step is skipped after `other` has failed."""
        length = min(len(self.part), len(other.part))
        return self.part[:length] == other.part[:length]


@dataclass(frozen=True)
class Work:
    """The host of an action, and the function `say`, which prints a line.

    `warnings` are those of the server and of PostgreSQL's programs in all answers, each once.
    """

    host: Host
    say: Say
    warnings: dict[str, None] = field(default_factory=dict)

    def ask(self, *commands: Command) -> list[Answer]:
        """The answers to `commands`, run in one round trip. The commands must not change the host.

        Raises:
            HostUnreachable: the host did not answer.
        """
        answers = shell.run(self.host, commands)
        for each in answers:
            self.warnings.update(dict.fromkeys(warnings(each.stderr)))
        return answers

    def do(self, command: Command, tool: str) -> Answer:
        """The answer to a command that changes the host. The command keeps the host locked while it runs.

        Raises:
            StepFailed: the command failed, or its result is unknown.
        """
        try:
            return self.attempt(command).require(tool)
        except MeasurementError as error:
            raise StepFailed(str(error)) from error

    def attempt(self, command: Command) -> Answer:
        """As `do`, but returns failed answers too.

        Raises:
            HostUnreachable: the result of the command is unknown.
        """
        (answer,) = self.ask(stepwise(command))
        return answer


class Action(ABC):
    """A change to a host. Each script in actions/ declares an action; `name` is the name of the script."""

    name: ClassVar[str]
    applies: ClassVar[bool] = True
    """Whether the action has --apply. Without, it only prints statements for a person to run."""

    def __init__(self, work: Work, options: Namespace) -> None:
        self.work = work
        self.host = work.host
        self.options = options
        self.measured: dict[str, float | str] = {}
        """Measured values for the journal, under names with units."""

    @classmethod
    def is_heavy(cls) -> bool:
        """Whether the action may run only in the declared window of low traffic."""
        return cls.name in HEAVY

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds the options of this action to `parser`."""
        del parser

    @abstractmethod
    def plan(self) -> list[Step]:
        """The steps for the present state of the host; empty if nothing is to be done.

        Raises:
            MeasurementError: the state of the host is unknown.
        """

    def show(self, plan: list[str]) -> None:
        """Prints the titles of the steps."""
        if plan:
            self.work.say(f"plan of {self.name} on {self.host.name}:")
        for number, title in enumerate(plan, 1):
            self.work.say(f"  {number}. {title}")

    def guard(self, steps: list[Step]) -> None:
        """Checks `steps` before the first change, and in a plan without --apply.

        Raises:
            Refused: the steps must not run; the message says why, and what to do.
        """
        del steps

    def prove(self, steps: list[Step]) -> None:
        """Proves that `steps` had the intended effect; by default, that a new plan is empty.

        Raises:
            NotRepaired: the finding remains.
            MeasurementError: the state of the host is unknown.
        """
        del steps
        if left := self.plan():
            raise NotRepaired(f"steps remain after the run: {'; '.join(step.title for step in left)}")
