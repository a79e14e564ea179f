"""What a fact is: one typed, read-only measurement of one host.

A fact says beforehand how it is measured, and reads the answer with a pure function. It never
answers with something empty in place of what could not be measured.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, Generic, TypeVar

from opsproof.core.errors import Absent, MeasurementError, OpsproofError
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database, InDatabase, Resource
from opsproof.postgres.connection import Query, Result
from opsproof.transport.shell import Answer, Command

T = TypeVar("T")
N = TypeVar("N", bound=Resource)
D = TypeVar("D", bound=InDatabase)

REGISTRY: dict[str, type["Fact"]] = {}
"""Every fact by the name of its fixture."""


class Fact(ABC):
    """Base of all facts; the fixture's name is the class's, in snake case."""

    name: ClassVar[str]
    resource: ClassVar[str] = ""

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
        """The value that `answer` tells.

        Raises:
            MeasurementError: it tells none.
        """


class ResourceFact(Fact, Generic[N, T], abstract=True):
    """A fact of each declared resource, measured by one command for each."""

    @abstractmethod
    def command(self, host: Host, name: str, resource: N) -> Command:
        """The command to run on `host` for the resource called `name`."""

    @abstractmethod
    def parse(self, answer: Answer, name: str, resource: N) -> T:
        """The value that `answer` tells of the resource called `name`.

        Raises:
            MeasurementError: it tells none.
        """


class SqlFact(Fact, Generic[T], abstract=True):
    """A fact of each declared database, measured by one read-only query of JSON types."""

    resource = "database"
    sql: ClassVar[str]

    @abstractmethod
    def parse(self, result: Result, database: Database) -> T:
        """The value that the rows of `result` tell.

        Raises:
            MeasurementError: they tell none.
        """


class SqlResourceFact(Fact, Generic[D, T], abstract=True):
    """A fact of each declared thing in a database, measured by one read-only query of JSON types for each."""

    sql: ClassVar[str]

    @abstractmethod
    def values(self, name: str, resource: D) -> list[str]:
        """The texts that stand for $1, $2 and so on in the query for the resource called `name`."""

    @abstractmethod
    def parse(self, result: Result, resource: D) -> T:
        """The value that the rows of `result` tell.

        Raises:
            MeasurementError: they tell none.
        """

    def query(self, name: str, resource: D) -> Query:
        """The query for the resource called `name`."""
        return [self.sql, *self.values(name, resource)]


class Measured(Mapping[str, T]):
    """Values by the name of a declared resource: what is not there raises instead of being left out."""

    def __init__(self, values: Mapping[str, T | OpsproofError], missing: str = "is declared, but not there") -> None:
        self._values = values
        self._missing = missing

    def __getitem__(self, name: str) -> T:
        """The value for `name`.

        Raises:
            Absent: it was looked for and is not there.
            MeasurementError: it could not be measured.
        """
        if name not in self._values:
            raise Absent(f"{name} {self._missing}")
        value = self._values[name]
        if isinstance(value, OpsproofError):
            raise value
        return value

    def require(self, name: str) -> None:
        """Raises the MeasurementError of `name`, if it has one."""
        if isinstance(error := self._values.get(name), MeasurementError):
            raise error

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
