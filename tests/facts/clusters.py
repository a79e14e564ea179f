"""Servers of several releases, each with a database for facts to be asked of, as the monitoring role."""

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
"""Releases that npm has built, for this platform alone."""
MONITOR = (REPOSITORY / "docs" / "privileges" / "monitor.sql").read_text(encoding="utf-8")
OURS = RELEASES[-1]
"""The release of the lab's own package."""
SYSTEM = {
    path.parent.name: path
    for path in Path("/usr/lib/postgresql").glob("*/bin")
    if (path / "initdb").exists() and path.parent.name not in (*OLDER, OURS)
}
MORE = "max_prepared_transactions = 5\nwal_level = logical\nautovacuum_naptime = 1d\nfsync = off\n"
COLLECTED_S = 0.7
"""How long the collector of PostgreSQL 14 may take to tell of what a session counted that has ended."""
INITDB = (
    "--username=metachat",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)


class OtherServer(Server):
    """A server of the operating system's packages, or of npm's."""

    programs: Path

    def _programs(self) -> Path:
        return self.programs


def has(server: Server, program: str) -> bool:
    """Whether a server came with one of PostgreSQL's programs."""
    return (server._programs() / program).exists()


@dataclass
class Cluster:
    """A server, reached as its superuser, and asked as the role that monitor.sql makes."""

    server: Server
    password: str

    @property
    def release(self) -> str:
        """The major version that the server says it is."""
        with self.connect("postgres") as connection:
            return str(connection.info.server_version // 10000)

    def connect(self, database: str = "facts", **options: Any) -> psycopg.Connection[Any]:
        return self.server.connect(SUPERUSER, self.password, database, **options)

    def run(self, *statements: str, database: str = "facts") -> None:
        """Each in a transaction of its own, and counted before the next."""
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
        """What a fact says of the database, declared with these fields."""
        database = Database.model_validate({"dsn": "dbname=facts", **declared})
        return fact().parse(self.results(fact)[0], database)


@cache
def _older() -> Path:
    """Where npm has put the older releases: somewhere that an unprivileged user reaches, once for each list of them."""
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
    """Installs the releases from npm, where any is asked."""
    if any(release in OLDER for release in _asked()):
        _older()


def _programs(release: str) -> Path:
    return SYSTEM.get(release) or _older() / f"postgres-{release}" / "native" / "bin"


def _asked() -> list[str]:
    """The releases of this run that are at hand; the oldest that npm has built where only the package's is.

    The whole proof leaves out none: what is not at hand fails.
    """
    if FULL:
        return list(RELEASES)
    found = [each for each in RELEASES if each == OURS or each in SYSTEM or each in OLDER]
    return found if len(found) > 1 else [*OLDER[:1], OURS]


def _id(release: str) -> str:
    """The release and where its programs come from, as a test's name shows it."""
    return f"{release} of {'the package' if release == OURS else 'the system' if release in SYSTEM else 'npm'}"


@pytest.fixture(scope="session", params=_asked(), ids=_id)
def any_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server of each release that this run asks."""
    layout = Layout(tmp_path_factory.mktemp("cluster"))
    kind = Server if request.param == OURS else OtherServer
    server = kind(layout, _free_port())
    if isinstance(server, OtherServer):
        server.programs = _programs(request.param)
    cluster = Cluster(server, secrets.token_hex(8))
    with mock.patch.object(lab_postgres, "INITDB", INITDB):
        server.initialise(cluster.password)
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(MORE)
    server.start()
    assert cluster.release == request.param
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
