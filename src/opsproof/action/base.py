"""What an action is: a plan of steps for one host, guards, and a proof."""

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from opsproof.action.lock import stepwise
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Answer, Command

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One change: what it does, in one line, and how.

    `part` is what it is about, from the whole to its parts. Where a step fails, those about the same, about a part
    of it or about the whole of it are left out; others do not depend on it.
    """

    title: str
    do: Callable[[], None]
    part: tuple[str, ...] = ()

    def depends_on(self, other: "Step") -> bool:
        """Whether it must not be done once `other` has failed."""
        length = min(len(self.part), len(other.part))
        return self.part[:length] == other.part[:length]


@dataclass(frozen=True)
class Work:
    """The host that an action works on, and a way to tell of its progress, a line at a time."""

    host: Host
    say: Say

    def ask(self, *commands: Command) -> list[Answer]:
        """The answers to `commands`, which change nothing, in one round trip.

        Raises:
            HostUnreachable: the host gave no answer.
        """
        return shell.run(self.host, commands)

    def do(self, command: Command, tool: str) -> Answer:
        """The answer to a command that changes the host; other actions are kept out for as long as it runs.

        Raises:
            StepFailed: it did not end well, or nobody knows whether it did.
        """
        try:
            return self.attempt(command).require(tool)
        except MeasurementError as error:
            raise StepFailed(str(error)) from error

    def attempt(self, command: Command) -> Answer:
        """As `do`, for who judges the answer himself.

        Raises:
            HostUnreachable: nobody knows whether it ended.
        """
        (answer,) = shell.run(self.host, (stepwise(command),))
        return answer


class Action(ABC):
    """A change to one host; each script of actions/ declares one. Its `name` is the script's."""

    name: ClassVar[str]
    applies: ClassVar[bool] = True
    """Whether it can be applied; else it only shows what a person may do."""

    def __init__(self, work: Work, options: Namespace) -> None:
        self.work = work
        self.host = work.host
        self.options = options
        self.measured: dict[str, float | str] = {}
        """What the journal keeps of what it learns, under names with units."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds to `parser` what this action takes besides what all actions take."""
        del parser

    @abstractmethod
    def plan(self) -> list[Step]:
        """The steps that are needed, read off the host as it is; none where nothing is to be done.

        Raises:
            MeasurementError: the host does not tell what is needed.
        """

    def show(self, plan: list[str]) -> None:
        """Shows the titles of the steps."""
        if plan:
            self.work.say(f"plan of {self.name} on {self.host.name}:")
        for number, title in enumerate(plan, 1):
            self.work.say(f"  {number}. {title}")

    def guard(self, steps: list[Step]) -> None:
        """Says no to `steps` before anything is changed.

        Raises:
            Refused: why, and what to do.
        """
        del steps

    def prove(self, steps: list[Step]) -> None:
        """Shows that `steps` did what they were for: where nothing else is said, that a new plan is empty.

        Raises:
            NotRepaired: what is still there.
            MeasurementError: that cannot be told.
        """
        del steps
        if left := self.plan():
            raise NotRepaired(f"still to be done: {'; '.join(step.title for step in left)}")
