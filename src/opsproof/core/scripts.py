"""Perl scripts for hosts and SQL scripts for databases."""

import re
from functools import cache
from pathlib import Path

_COMMENTS = re.compile(r"(?m)(?<!\A)^(?:[ \t\n]+|#.*\n)+")
PACKAGE = Path(__file__).parents[1]


@cache
def perl(*names: str) -> str:
    """Perl scripts joined into one program: `facts/json_text` is the file facts/host/json_text.pl.

    Without indentation and comments, but for the first line of each: arguments of a command are limited to 128 KiB.
    """
    return "".join(_COMMENTS.sub("", _read(name, "host", "pl")) for name in names)


@cache
def sql(name: str) -> str:
    """The SQL in a file: `restore/swap` is the file restore/sql/swap.sql."""
    return _read(name, "sql", "sql")


def _read(name: str, folder: str, suffix: str) -> str:
    subject, _, stem = name.rpartition("/")
    return (PACKAGE / subject / folder / f"{stem}.{suffix}").read_text(encoding="utf-8")
