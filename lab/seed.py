"""Schema and data of a new database."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from psycopg import sql

from lab.credentials import Credentials
from lab.layout import REPOSITORY, SOURCE
from lab.postgres import DATABASE, SUPERUSER, Server
from lab.progress import Say, step

FRESH = timedelta(days=20)
SCRIPTS = (SOURCE / "schema.sql", SOURCE / "seed.sql", REPOSITORY / "docs" / "privileges" / "recall.sql")


def why_new(server: Server, credentials: Credentials) -> str | None:
    """Why the data folder must be created anew; None if the folder can be reused."""
    mark = server.data / "lab.json"
    if not mark.exists():
        return "no data folder" if not server.data.exists() else "an earlier start was interrupted"
    found = json.loads(mark.read_text())
    if found["scripts"] != _scripts():
        return "the schema or the seed changed"
    if found["passwords"] != credentials.fingerprint:
        return "the secrets changed"
    age = datetime.now(UTC) - datetime.fromisoformat(found["seeded"])
    return f"the data is {age.days} days old" if age > FRESH else None


def plant(server: Server, credentials: Credentials, say: Say) -> None:
    """Creates database, schema, roles and data on a running, empty server, and marks the data folder as usable."""
    password = credentials.passwords[SUPERUSER]
    with server.connect(SUPERUSER, password, "postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with step(say, "schema and data created"), server.connect(SUPERUSER, password) as connection:
        for script in SCRIPTS:
            connection.execute(script.read_bytes())
        for role in ("metachat_app", "opsproof_monitor", "opsproof_backup", "opsproof_load"):
            connection.execute(_password(role, credentials.passwords[role]))
        connection.execute("VACUUM ANALYZE")
        connection.execute("SELECT pg_stat_statements_reset()")
    mark = {"scripts": _scripts(), "passwords": credentials.fingerprint, "seeded": datetime.now(UTC).isoformat()}
    (server.data / "lab.json").write_text(json.dumps(mark))
    server.adopt(server.data / "lab.json")


def _password(role: str, password: str) -> sql.Composed:
    return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))


def _scripts() -> str:
    return hashlib.sha256(b"".join(script.read_bytes() for script in SCRIPTS)).hexdigest()
