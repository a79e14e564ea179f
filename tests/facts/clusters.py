"""Servers of every version at hand, each with a database for facts to be asked of, as the monitoring role."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from lab import postgres as lab_postgres
from lab.layout import Layout
from lab.postgres import SUPERUSER, Server
from opsproof.database import Result, Target, ask
from opsproof.fact import SqlFact
from opsproof.nouns import Database
from tests.conftest import REPOSITORY, _free_port

MONITOR = (REPOSITORY / "docs" / "privileges" / "monitor.sql").read_text(encoding="utf-8")
OURS = "of the package"
SYSTEM = {path.parent.name: path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()}
MORE = "max_prepared_transactions = 5\nwal_level = logical\nautovacuum_naptime = 1d\nfsync = off\n"
INITDB = (
    "--username=metachat",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)


class SystemServer(Server):
    """A server of the operating system's packages."""

    programs: Path

    def _programs(self) -> Path:
        return self.programs


@dataclass
class Cluster:
    """A server, reached as its superuser, and asked as the role that monitor.sql makes."""

    server: Server
    password: str

    def connect(self, database: str = "facts", **options: Any) -> psycopg.Connection[Any]:
        return self.server.connect(SUPERUSER, self.password, database, **options)

    def run(self, *statements: str, database: str = "facts") -> None:
        """Each in a transaction of its own, and counted before the next."""
        with self.connect(database) as connection:
            for each in statements:
                connection.execute(each.encode())
                if connection.info.server_version >= 150000:
                    connection.execute("SELECT pg_stat_force_next_flush()")

    def target(self) -> Target:
        dsn = f"host=127.0.0.1 port={self.server.port} dbname=facts user=opsproof_monitor"
        return Target(dsn, "TEST_MONITOR", 10.0)

    def results(self, *facts: type[SqlFact[Any]]) -> list[Result]:
        return ask(self.target(), [each.sql for each in facts])

    def value(self, fact: type[SqlFact[Any]], **declared: Any) -> Any:
        """What a fact says of the database, declared with these fields."""
        database = Database.model_validate({"dsn": "dbname=facts", **declared})
        return fact().parse(self.results(fact)[0], database)


@pytest.fixture(scope="session", params=[OURS, *sorted(SYSTEM)])
def any_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server of each version at hand."""
    layout = Layout(tmp_path_factory.mktemp("cluster"))
    kind = Server if request.param == OURS else SystemServer
    server = kind(layout, _free_port())
    if isinstance(server, SystemServer):
        server.programs = SYSTEM[request.param]
    cluster = Cluster(server, secrets.token_hex(8))
    with mock.patch.object(lab_postgres, "INITDB", INITDB):
        server.initialise(cluster.password)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(MORE)
    server.start()
    cluster.run("CREATE DATABASE facts", database="postgres")
    cluster.run("CREATE EXTENSION pgstattuple", *[each for each in MONITOR.split(";\n") if each.strip()])
    cluster.run("ALTER ROLE opsproof_monitor PASSWORD 'monitor'")
    yield cluster
    server.remove()


@pytest.fixture
def cluster(any_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("TEST_MONITOR", "monitor")
    return any_cluster


@pytest.fixture
def table(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Runs statements about a table called t, which is gone afterwards."""
    yield cluster.run
    cluster.run("DROP TABLE IF EXISTS t CASCADE")
