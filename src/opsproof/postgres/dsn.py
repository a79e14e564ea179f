"""The dsn of a database: PostgreSQL's connection string, read and rewritten."""

import re
from typing import Any

from opsproof.core.errors import DatabaseError

SOCKET_FOLDER = "/var/run/postgresql"
"""Where Debian's PostgreSQL listens, for a dsn without a host."""
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|::1)$|[/@]")


def as_role(dsn: str, user: str, *, inside: bool, **more: str) -> str:
    """The `dsn` for a client program on its host, as another role; `inside` the server's container, over its socket.

    Raises:
        DatabaseError: it cannot be read.
    """
    from psycopg import conninfo

    parameters = parsed(dsn)
    kept = {"dbname"} if inside else parameters.keys() - {"passfile"}
    return conninfo.make_conninfo(
        **{**{each: parameters[each] for each in kept & parameters.keys()}, "user": user, **more}
    )


def is_local(dsn: str) -> bool:
    """Whether a `dsn`, as its host sees it, leads to a server on that host.

    Raises:
        DatabaseError: it cannot be read.
    """
    parameters = parsed(dsn)
    servers = str(parameters.get("hostaddr") or parameters.get("host") or SOCKET_FOLDER).split(",")
    return all(_LOCAL.match(each) for each in servers)


def name_of(dsn: str) -> str:
    """The name of the database that a `dsn` leads to.

    Raises:
        DatabaseError: it cannot be read.
    """
    parameters = parsed(dsn)
    return str(parameters.get("dbname") or parameters.get("user", ""))


def parsed(dsn: str) -> dict[str, Any]:
    """The parameters of a dsn.

    Raises:
        DatabaseError: libpq cannot read it.
    """
    from psycopg import ProgrammingError, conninfo

    try:
        return conninfo.conninfo_to_dict(dsn)
    except ProgrammingError as error:
        raise DatabaseError(one_line(str(error))) from error


def one_line(message: str) -> str:
    """The first lines of a message of libpq, joined."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "; ".join(lines[:3])[:300] or "the server gave no reason"
