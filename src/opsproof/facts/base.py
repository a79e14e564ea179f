"""Base classes of facts: a fact is a typed, read-only measurement of one host.

A fact declares how to measure, and parses the answer with a pure function. A failed measurement
raises an error; a fact never returns an empty value instead.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, Generic, TypeVar

from opsproof.core import extensions
from opsproof.core.errors import Absent, MeasurementError, OpsproofError
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database, InDatabase, Resource
from opsproof.postgres.connection import Query, Result
from opsproof.transport.shell import Answer, Command
from opsproof.transport.web import Visit

T = TypeVar("T")
N = TypeVar("N", bound=Resource)
D = TypeVar("D", bound=InDatabase)

REGISTRY: dict[str, type["Fact"]] = {}
"""All facts by fixture name."""


class Fact(ABC):
    """Base of all facts; the fixture name is the class name in snake case."""

    name: ClassVar[str]
    resource: ClassVar[str] = ""

    def is_of_controller(self, host: Host) -> bool:
        """Whether the command runs on the machine that runs opsproof, in place of the host."""
        del host
        return False

    def __init_subclass__(cls, abstract: bool = False) -> None:
        super().__init_subclass__()
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        if not abstract:
            REGISTRY[cls.name] = cls


class ShellFact(Fact, Generic[T], abstract=True):
    """A fact of the whole host, measured by one command."""

    @abstractmethod
    def command(self, host: Host) -> Command:
        """The command to run on `host`."""

    @abstractmethod
    def parse(self, answer: Answer, host: Host) -> T:
        """Value parsed from `answer`.

        Raises:
            MeasurementError: the answer cannot be parsed.
        """


class ResourceFact(Fact, Generic[N, T], abstract=True):
    """A fact of each declared resource, measured by one command each, or by a request from outside."""

    def visit(self, name: str, resource: N) -> Visit | None:
        """The request from the machine that runs opsproof, in place of the command; None for the command."""
        del name, resource
        return None

    @abstractmethod
    def command(self, host: Host, name: str, resource: N) -> Command:
        """The command to run on `host` for the resource called `name`."""

    @abstractmethod
    def parse(self, answer: Answer, name: str, resource: N) -> T:
        """Value parsed from `answer` for the resource called `name`.

        Raises:
            MeasurementError: the answer cannot be parsed.
        """


class SqlFact(Fact, Generic[T], abstract=True):
    """A fact of each declared database, measured by one read-only query with JSON types."""

    resource = "database"
    sql: ClassVar[str]

    @abstractmethod
    def parse(self, result: Result, database: Database) -> T:
        """Value parsed from the rows of `result`.

        Raises:
            MeasurementError: the rows cannot be parsed.
        """


class SqlResourceFact(Fact, Generic[D, T], abstract=True):
    """A fact of each declared database object, measured by one read-only query each with JSON types."""

    sql: ClassVar[str]

    @abstractmethod
    def values(self, name: str, resource: D) -> list[str]:
        """Query parameters ($1, $2 ...) as text, for the resource called `name`."""

    @abstractmethod
    def parse(self, result: Result, resource: D) -> T:
        """Value parsed from the rows of `result`.

        Raises:
            MeasurementError: the rows cannot be parsed.
        """

    def query(self, name: str, resource: D) -> Query:
        """The query for the resource called `name`."""
        return [self.sql, *self.values(name, resource)]


class Measured(Mapping[str, T]):
    """Values by resource name; looking up a missing name raises an error."""

    def __init__(self, values: Mapping[str, T | OpsproofError], missing: str = "does not exist") -> None:
        self._values = values
        self._missing = missing

    def __getitem__(self, name: str) -> T:
        """The value for `name`.

        Raises:
            Absent: `name` is not on the host.
            MeasurementError: `name` could not be measured.
        """
        if name not in self._values:
            raise Absent(f"{name} {self._missing}")
        value = self._values[name]
        if isinstance(value, OpsproofError):
            raise value
        return value

    def require(self, name: str) -> None:
        """Checks that `name` could be measured.

        Raises:
            MeasurementError: the measurement of `name` failed.
        """
        if isinstance(error := self._values.get(name), MeasurementError):
            raise error

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def load_extensions() -> None:
    """Loads the facts of extensions. A fact with the name of an existing one is a failure."""
    known = dict(REGISTRY)
    for package, module in extensions.load("facts").items():
        for name in [name for name, fact in REGISTRY.items() if fact is not known.get(name, fact)]:
            extensions.fail(package, f"{module.__name__}: fact {name} exists already: rename its class")
            REGISTRY[name] = known[name]
        known |= REGISTRY
