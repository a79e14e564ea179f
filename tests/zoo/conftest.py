"""Servers of the requested releases with client programs, and databases on them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.postgres import SUPERUSER
from tests.conftest import Postgres
from tests.facts.clusters import Cluster, asked, name, running
from tests.harness.extent import FULL, sample
from tests.restore.databases import Dumped
from tests.zoo.clients import programs

DRAWN = asked() if FULL else sample("zoo", asked(), 1)
"""Each release, or a drawn one."""


@dataclass(frozen=True)
class Zoo:
    """A server with the client programs of its release."""

    cluster: Cluster
    client: Path

    def dumped(self, folder: Path, database: str) -> Dumped:
        """The database of this name, with backups under `folder`."""
        return Dumped(Postgres(self.cluster.server, self.cluster.password), folder, database, client=self.client)

    def psql(
        self, database: str, *words: str, script: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs psql as superuser; goes on after a refused statement."""
        where = f"host=127.0.0.1 port={self.cluster.server.port} user={SUPERUSER} dbname={database}"
        return subprocess.run(
            [str(self.client / "psql"), "-Xq", "-o", os.devnull, "-d", where, *words],
            env={**os.environ, "PGPASSWORD": self.cluster.password, **environment},
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="session", params=DRAWN, ids=name)
def zoo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    with running(request.param, tmp_path_factory.mktemp("zoo")) as cluster:
        yield Zoo(cluster, programs(cluster))


@pytest.fixture
def dumped(zoo: Zoo, tmp_path: Path) -> Iterator[Callable[[str], Dumped]]:
    """Databases by name, dropped at the end."""
    made: list[Dumped] = []

    def of(database: str) -> Dumped:
        made.append(zoo.dumped(tmp_path, database))
        return made[-1]

    yield of
    for each in made:
        each.drop()
