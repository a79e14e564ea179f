"""Databases of one server, backed up, drilled and restored by the actions."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.postgres import SUPERUSER
from opsproof.postgres.psql import LATER_FROM
from tests.conftest import REPOSITORY, Postgres

UNHURRIED = " ".join(
    f"-c {name}=0" for name in ("idle_session_timeout", "statement_timeout", "default_transaction_read_only")
)
"""Options for sessions of a database or a role with such settings."""


@dataclass(frozen=True)
class Dumped:
    """A database and the folder of its backups.

    Sessions are the superuser's, but for those of the role `dumper`, and for loads by `load_user`. `programs` is a
    folder before those of the server in the path; `more` are further keys of the backup.
    """

    postgres: Postgres
    folder: Path
    name: str = "shop"
    superuser: str = SUPERUSER
    client: Path | None = None
    """The folder of the client programs, if not the server's."""
    load_user: str = ""
    dumper: str = ""
    programs: str = ""
    more: str = ""

    @property
    def inventory(self) -> Path:
        backups, passfile = self.folder / "backups", self.folder / "pgpass"
        backups.mkdir(mode=0o700, exist_ok=True)
        passfile.write_text(f"*:*:*:*:{self.postgres.password}\n")
        passfile.chmod(0o600)
        server = self.postgres.server
        dsn = f"host=127.0.0.1 port={server.port} dbname={self.name} user={self.superuser} passfile={passfile}"
        path = self.folder / "inventory.toml"
        others = f'restore_user = "{self.superuser}"\nrestore_passfile = "{passfile}"\n' if self.dumper else ""
        programs = json.dumps([each for each in (self.programs, str(self.client or server._programs())) if each])
        path.write_text(
            f'[hosts.vps]\ntransport = "local://"\npath = {programs}\n'
            f'[hosts.vps.databases.shop]\ndsn = "{dsn}"\n'
            f'[hosts.vps.backups.shop]\ndatabase = "shop"\nfolder = "{backups}"\n'
            f'user = "{self.dumper or self.superuser}"\npassfile = "{passfile}"\n{others}'
            f'load_user = "{self.load_user}"\nload_passfile = "{passfile}"\n{self.more}'
        )
        return path

    def run(self, action: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Runs an action with --apply."""
        return self.plan(action, "--apply", *more)

    def plan(self, action: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Runs an action without --apply."""
        where = [f"--inventory={self.inventory}", f"--reports={self.folder / 'reports'}"]
        words = [sys.executable, str(REPOSITORY / "actions" / f"{action}.py"), *where, *more]
        return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)

    def require(self, action: str, *more: str) -> str:
        """The output of an action that succeeds without any message of an error."""
        done = self.run(action, *more)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    @property
    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "reports" / "journal.jsonl").read_text().splitlines()]

    @property
    def differences(self) -> list[str]:
        """The differences in the journal."""
        return [each["measured"]["differences"] for each in self.journal if "differences" in each["measured"]]

    def sql(self, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
        """Runs statements, each in its own transaction; returns the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        where = (SUPERUSER, self.postgres.password, database or self.name)
        with self.postgres.server.connect(*where, options=UNHURRIED) as connection:
            if connection.info.server_version >= LATER_FROM:
                connection.execute("SET transaction_timeout = 0")
            for each in statements:
                cursor = connection.execute(each.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def create(self, *statements: str) -> "Dumped":
        """Creates the database with these statements."""
        self.sql(f"CREATE DATABASE {self.name}", database="postgres")
        self.sql(*statements)
        return self

    @property
    def databases(self) -> list[str]:
        """The databases beside this, without the name of this."""
        rows = self.sql("SELECT datname FROM pg_database ORDER BY 1", database="postgres")
        return [name.removeprefix(f"{self.name}_") for (name,) in rows if name.startswith(f"{self.name}_")]

    def restored(self) -> None:
        """Backs up, drills and restores the database, and drops the old: the journal has no difference."""
        for action in ("backup", "restore_drill", "restore"):
            self.require(action)
        assert self.differences == []
        for each in self.databases:
            self.unsubscribe(f"{self.name}_{each}")
        self.require("restore", "--drop-old")
        assert self.databases == []

    def drop(self) -> None:
        for name in [self.name, *(f"{self.name}_{each}" for each in self.databases)]:
            self.unsubscribe(name)
            self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', database="postgres")

    def unsubscribe(self, name: str) -> None:
        """Drops the subscriptions of a database: with any, it cannot be dropped."""
        found = "SELECT quote_ident(subname), datname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"
        mine = [each for each, database in self.sql(found, database="postgres") if database == name]
        for each in mine:
            off = (f"ALTER SUBSCRIPTION {each} {what}" for what in ("DISABLE", "SET (slot_name = NONE)"))
            self.sql(*off, f"DROP SUBSCRIPTION {each}", database=name)
