"""Parsing and rewriting of dsn strings (libpq connection strings)."""

import re
from typing import Any

from opsproof.core.errors import DatabaseError
from opsproof.core.reasons import is_addition
from opsproof.inventory.resources import SECRETS

SOCKET_FOLDER = "/var/run/postgresql"
"""The socket folder of PostgreSQL on Debian, for a dsn without a host."""
SEARCH_PATH = "-c search_path=pg_catalog,pg_temp"
"""The option of every session: no name or operator without a schema can mean an object of another role.

Without pg_temp at the end, PostgreSQL would look for relations and types among temporary ones first:
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH
"""
SETTINGS = {
    "role": "none",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO,MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "xmlbinary": "base64",
    "xmloption": "content",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "client_min_messages": "notice",
}
"""Settings of every session, whatever a database or role sets: identity, timeouts, transactions, text of values.

Each is known to PostgreSQL 14: a server refuses unknown parameters; see `psql.LATER`.
"""
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|::1)$|[/@]")


def as_role(dsn: str, user: str, *, inside: bool, **more: str) -> str:
    """The `dsn` for another role and a client program on the host, or `inside` the container, over the socket.

    The session has the options of the dsn, then `SETTINGS`, then the options of `more`, then the search path.

    Raises:
        DatabaseError: libpq cannot parse the dsn.
    """
    from psycopg import conninfo

    parameters = parsed(dsn)
    kept = {"dbname"} if inside else parameters.keys() - {"passfile"}
    chosen = {**{each: value for each, value in parameters.items() if each in kept}, "user": user, **more}
    own = str(parameters.get("options", "")) if "options" in kept else ""
    options = session_options(own, more.get("options", ""))
    return conninfo.make_conninfo(**{**chosen, "options": options})


def session_options(before: str = "", after: str = "") -> str:
    """The options of a session: `before`, `SETTINGS`, `after`, and the search path; later options take precedence."""
    fixed = [f"-c {name}={value}" for name, value in SETTINGS.items()]
    return " ".join([each for each in (before, *fixed, after) if each] + [SEARCH_PATH])


def of_person(dsn: str, user: str, database: str = "") -> str:
    """The `dsn` for `user` and `database`, if given, without the files and options of opsproof.

    psql asks a person for the password.

    Raises:
        DatabaseError: libpq cannot parse the dsn.
    """
    from psycopg import conninfo

    kept = {name: value for name, value in parsed(dsn).items() if name not in {"passfile", "options"}}
    given = {"user": user, "dbname": database}
    return conninfo.make_conninfo(**{**kept, **{name: value for name, value in given.items() if value}})


def is_local(dsn: str) -> bool:
    """Whether a `dsn` that is valid on the host leads to a server on the same host.

    Raises:
        DatabaseError: libpq cannot parse the dsn.
    """
    parameters = parsed(dsn)
    servers = str(parameters.get("hostaddr") or parameters.get("host") or SOCKET_FOLDER).split(",")
    return all(_LOCAL.match(each) for each in servers)


def name_of(dsn: str) -> str:
    """The name of the database in a `dsn`.

    Raises:
        DatabaseError: libpq cannot parse the dsn.
    """
    parameters = parsed(dsn)
    return str(parameters.get("dbname") or parameters.get("user", ""))


def server(dsn: str) -> tuple[str, str]:
    """The address, or the folder of the socket, and the port of the server in a `dsn`.

    Raises:
        DatabaseError: libpq cannot parse the dsn.
    """
    parameters = parsed(dsn)
    return str(parameters.get("hostaddr") or parameters.get("host") or SOCKET_FOLDER), str(parameters.get("port", 5432))


def parsed(dsn: str) -> dict[str, Any]:
    """The parameters of a dsn.

    Raises:
        DatabaseError: libpq cannot parse the dsn, or the dsn contains a secret.
    """
    from psycopg import ProgrammingError, conninfo

    try:
        found = conninfo.conninfo_to_dict(dsn)
    except ProgrammingError as error:
        raise DatabaseError(one_line(str(error))) from error
    if secret := [each for each in SECRETS if each in found]:
        raise DatabaseError(f"the dsn contains {secret[0]}")
    return found


def one_line(message: str) -> str:
    """The first three lines of a libpq message, joined; without the place of an error in its statement."""
    lines = [line.strip() for line in message.splitlines() if line.strip() and not is_addition(line)]
    return "; ".join(lines[:3])[:300] or "the server gave no reason"
