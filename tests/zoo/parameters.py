"""Parameters that any session may change, each with values other than the default."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

CHANGEABLE = """
SELECT name, vartype, setting, min_val, max_val, enumvals FROM pg_settings
 WHERE context IN ('user', 'superuser')
   AND name NOT IN ('transaction_deferrable', 'transaction_isolation', 'transaction_read_only') ORDER BY name
"""
"""The excluded parameters are properties of a transaction, and have no effect on a session."""
OTHER = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kathmandu",
    "application_name": "other",
    "backtrace_functions": "typenameType",
    "client_encoding": "LATIN1",
    "createrole_self_grant": "set, inherit",
    "default_table_access_method": "heap2",
    "default_tablespace": "pg_global",
    "default_text_search_config": "pg_catalog.german",
    "dynamic_library_path": "/nowhere:$libdir",
    "extension_control_path": "/nowhere:$system",
    "extension_destdir": "/nowhere",
    "lc_messages": "POSIX",
    "lc_monetary": "POSIX",
    "lc_numeric": "POSIX",
    "lc_time": "POSIX",
    "local_preload_libraries": "nowhere",
    "output_plugin_libraries": "pgoutput",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "search_path": 'nowhere, "odd ""name"',
    "session_preload_libraries": "plpgsql",
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "7",
    "temp_tablespaces": "pg_default",
    "timezone_abbreviations": "Australia",
    "wal_consistency_checking": "all",
}
"""Another string for each parameter of text, and another number where the kernel's limits hold."""
LISTS = {"DateStyle", "local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"}
"""Parameters that take lists of names."""
UNSTARTABLE = {
    ("local_preload_libraries", "nowhere"): "every library must be in $libdir/plugins, which PostgreSQL ships empty",
    ("transaction_timeout", "1"): "the session may end within its start",
}
"""Values with which no session can start, and the reason."""
ALONE = {"log_statement_stats": "excludes the statistics of parser, planner and executor"}
"""Parameters with which no session can start among all others, and the reason."""
REFUSED = {
    "max_stack_depth": "the kernel's limit is lower",
}
"""Parameters with values that ALTER DATABASE refuses, and the reason."""


@dataclass(frozen=True)
class Parameter:
    """A parameter with its default and other values."""

    name: str
    default: str
    values: tuple[str, ...]


def parameters(connection: psycopg.Connection[Any]) -> list[Parameter]:
    """All parameters that any session, or a superuser's, may change."""
    rows = connection.execute(CHANGEABLE).fetchall()
    values = [tuple(dict.fromkeys(each for each in _values(row) if each != row[2])) for row in rows]
    return [Parameter(row[0], row[2], found) for row, found in zip(rows, values, strict=True)]


def _values(row: tuple[Any, ...]) -> Iterator[str]:
    name, kind, setting, least, most, labels = row
    if kind == "bool":
        yield "off" if setting == "on" else "on"
    elif kind == "enum":
        yield from labels
    elif name in OTHER or kind == "string":
        yield OTHER[name]
    else:
        yield from (least, most)
        if setting == least != most:
            yield str(int(least) + 1) if kind == "integer" else str(float(least) + 0.5)


def setting(parameter: str, value: str) -> str:
    """The text behind SET; a list of names is not quoted as a whole."""
    quoted = value if parameter in LISTS - {"DateStyle"} else "'" + value.replace("'", "''") + "'"
    return f"{parameter} TO {quoted}"


def pairs(found: list[Parameter]) -> list[tuple[str, str]]:
    """Each parameter with each value."""
    return [(each.name, value) for each in found for value in each.values]


def bundles(found: list[Parameter], count: int) -> list[dict[str, str]]:
    """Values of all parameters together, in `count` bundles; the first values where a parameter has more."""
    starting = {each.name: [value for value in each.values if (each.name, value) not in UNSTARTABLE] for each in found}
    usable = {name: values for name, values in starting.items() if values and name not in ALONE}
    return [{name: values[number % len(values)] for name, values in usable.items()} for number in range(count)]
