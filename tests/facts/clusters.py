"""Servers of several PostgreSQL releases, each with a database queried by the monitoring role."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from lab import node
from lab import postgres as lab_postgres
from lab.layout import Layout
from lab.postgres import SUPERUSER, Server
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import DatabaseTarget, Result, ask
from tests.conftest import REPOSITORY, _free_port
from tests.harness.extent import FULL, RELEASES

SERVERS = Path(__file__).parent / "servers"
OLDER = ("14", "16", "17") if (platform.system(), platform.machine()) == ("Linux", "x86_64") else ()
"""Releases available from npm, for this platform only."""
MONITOR = (REPOSITORY / "docs" / "privileges" / "monitor.sql").read_text(encoding="utf-8")
PACKAGED = RELEASES[-1]
"""Release of the lab's own package."""
SYSTEM = {
    path.parent.name: path
    for path in Path("/usr/lib/postgresql").glob("*/bin")
    if (path / "initdb").exists() and path.parent.name not in (*OLDER, PACKAGED)
}
CONFIGURATION = "max_prepared_transactions = 5\nwal_level = logical\nautovacuum_naptime = 1d\nfsync = off\n"
COLLECTED_S = 0.7
"""Delay until PostgreSQL 14's statistics collector shows the counts of an ended session."""
INITDB = (
    "--username=metachat",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)


class OtherServer(Server):
    """A server from operating system packages, or from npm."""

    programs: Path

    def _programs(self) -> Path:
        return self.programs


def has(server: Server, program: str) -> bool:
    """Whether the server's package contains a program of PostgreSQL."""
    return (server._programs() / program).exists()


@dataclass
class Cluster:
    """A server, with superuser access, queried as the role of monitor.sql."""

    server: Server
    password: str

    @property
    def release(self) -> str:
        """Major version reported by the server."""
        with self.connect("postgres") as connection:
            return str(connection.info.server_version // 10000)

    def connect(self, database: str = "facts", **options: Any) -> psycopg.Connection[Any]:
        return self.server.connect(SUPERUSER, self.password, database, **options)

    def run(self, *statements: str, database: str = "facts") -> None:
        """Runs each statement in a transaction, and waits for its statistics before the next."""
        for each in statements:
            with self.connect(database) as connection:
                connection.execute(each.encode())
                counted = connection.info.server_version >= 150000
                if counted:
                    connection.execute("SELECT pg_stat_force_next_flush()")
        if statements and not counted:
            time.sleep(COLLECTED_S)

    def target(self) -> DatabaseTarget:
        dsn = f"host=127.0.0.1 port={self.server.port} dbname=facts user=opsproof_monitor"
        return DatabaseTarget(dsn, "TEST_MONITOR", 10.0)

    def results(self, *facts: type[SqlFact[Any]]) -> list[Result]:
        return ask(self.target(), [each.sql for each in facts])

    def value(self, fact: type[SqlFact[Any]], **declared: Any) -> Any:
        """Value of a fact for the database, declared with these fields."""
        database = Database.model_validate({"dsn": "dbname=facts", **declared})
        return fact().parse(self.results(fact)[0], database)


@cache
def _older() -> Path:
    """Folder of older releases from npm, readable by unprivileged users; installed once per lock file."""
    mark = hashlib.sha256((SERVERS / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = Path("/var/tmp") / f"opsproof-servers-{os.geteuid()}-{mark}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            tools, draft = Layout(Path(folder) / "tools"), Path(folder) / "servers"
            tools.create()
            node.link(tools, print)
            shutil.copytree(SERVERS, draft)
            run = partial(
                subprocess.run, check=True, timeout=300, stdout=subprocess.DEVNULL, env={"PATH": node.path(tools)}
            )
            run(
                [tools.bin / "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-update-notifier", "--no-fund"],
                cwd=draft,
            )
            for each in (draft / "node_modules").iterdir():
                if (each / "scripts").exists():
                    run([tools.bin / "node", "scripts/hydrate-symlinks.js"], cwd=each)
            draft.chmod(0o755)
            draft.rename(place)
    return place / "node_modules"


def fetch() -> None:
    """Installs older releases from npm, if requested."""
    if any(release in OLDER for release in asked()):
        _older()


def _programs(release: str) -> Path:
    return SYSTEM.get(release) or _older() / f"postgres-{release}" / "native" / "bin"


def asked() -> list[str]:
    """Available releases for the run; with the lab's package alone, npm's oldest release too.

    The whole proof runs every release: a missing release fails.
    """
    if FULL:
        return list(RELEASES)
    found = [each for each in RELEASES if each == PACKAGED or each in SYSTEM or each in OLDER]
    return found if len(found) > 1 else [*OLDER[:1], PACKAGED]


def name(release: str) -> str:
    """Release and source of its programs, as part of a test's name."""
    return f"{release} of {'the package' if release == PACKAGED else 'the system' if release in SYSTEM else 'npm'}"


@contextmanager
def running(release: str, folder: Path) -> Iterator[Cluster]:
    """A running server of a release, with its data under `folder`."""
    layout = Layout(folder)
    kind = Server if release == PACKAGED else OtherServer
    server = kind(layout, _free_port())
    if isinstance(server, OtherServer):
        server.programs = _programs(release)
    cluster = Cluster(server, secrets.token_hex(8))
    with mock.patch.object(lab_postgres, "INITDB", INITDB):
        server.initialise(cluster.password)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(CONFIGURATION)
    server.start()
    assert cluster.release == release
    yield cluster
    server.remove()


@pytest.fixture(scope="session", params=asked(), ids=name)
def any_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server of each requested release."""
    with running(request.param, tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.run("CREATE DATABASE facts", database="postgres")
        cluster.run("CREATE EXTENSION pgstattuple", MONITOR)
        cluster.run("ALTER ROLE opsproof_monitor PASSWORD 'monitor'")
        yield cluster


@pytest.fixture
def cluster(any_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("TEST_MONITOR", "monitor")
    return any_cluster


@pytest.fixture
def table(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Runs statements on a table t, dropped afterwards."""
    yield cluster.run
    cluster.run("DROP TABLE IF EXISTS t CASCADE")
