"""What a query found, in the form in which checks show it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from opsproof.database import Result
from opsproof.errors import DatabaseError

T = TypeVar("T")
SHOWN = 10


@dataclass(frozen=True)
class Findings(Generic[T]):
    """Rows, the worst first, and the query that shows them again to whoever looks closer."""

    rows: tuple[T, ...]
    again: str

    @property
    def lines(self) -> list[str]:
        """The worst ten as text, then the query; nothing where nothing was found."""
        return [*map(str, self.rows[:SHOWN]), f"again: {self.again}"] if self.rows else []

    def words(self, option: str, name: Callable[[T], str]) -> list[str]:
        """The `option` of a command for each row, once for each `name`."""
        return [word for each in dict.fromkeys(map(name, self.rows)) for word in (option, each)]


def statement(name: str) -> str:
    """The query in a file beside the facts."""
    return (Path(__file__).with_name("sql") / f"{name}.sql").read_text(encoding="utf-8")


def granted(result: Result) -> list[list[Any]]:
    """The rows of a query that needs more than pg_monitor.

    Raises:
        DatabaseError: there are none; says which file grants what is missing.
    """
    if "permission denied for" in result.error:
        raise DatabaseError(f"{result.error}: docs/privileges/monitor.sql grants it")
    return result.require()
