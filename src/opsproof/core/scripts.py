"""Scripts that run elsewhere: Perl on a host, SQL in a database."""

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def perl(*names: str) -> str:
    """Perl programs joined into one: `facts/json_text` stands in facts/host/json_text.pl."""
    return "".join(_read(name, "host", "pl") for name in names)


@cache
def sql(name: str) -> str:
    """The SQL of a file: `restore/swap` stands in restore/sql/swap.sql."""
    return _read(name, "sql", "sql")


def _read(name: str, folder: str, suffix: str) -> str:
    subject, _, stem = name.rpartition("/")
    return (PACKAGE / subject / folder / f"{stem}.{suffix}").read_text(encoding="utf-8")
