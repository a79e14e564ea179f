"""Drills in a throwaway cluster of each release of PostgreSQL: a good backup has no difference."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Postgres
from tests.facts.clusters import PACKAGED, Cluster, asked, name, running
from tests.restore.clustered import Clustered, needs_users, scratch
from tests.zoo.clients import programs

__all__ = ["scratch"]
pytestmark = [needs_users, pytest.mark.lab]

STATEMENTS = (
    "CREATE TABLE t (id int PRIMARY KEY, s varchar(9) CHECK (s IN ('a', 'b')))",
    "INSERT INTO t SELECT i, 'a' FROM generate_series(1, 500) i",
    "CREATE VIEW v AS SELECT * FROM t WHERE id BETWEEN 1 AND 5",
)


def installed(cluster: Cluster, folder: Path) -> Path:
    """The programs of server and client in one folder, which every user can read."""
    own, client = cluster.server._programs(), programs(cluster)
    if own == client:
        return own
    if client.parent.name == "pginstall":
        package = client.parents[1]
        for each in filter(Path.exists, (package, package.with_name(f"{package.name}.libs"))):
            shutil.copytree(each, folder / each.name)
        return folder / package.name / "pginstall" / "bin"
    shutil.copytree(own.parent, folder / "server")
    for each in ("psql", "pg_dump", "pg_restore", "pg_amcheck"):
        shutil.copy(client / each, folder / "server" / own.name)
    return folder / "server" / own.name


@pytest.mark.parametrize("release", [each for each in asked() if each != PACKAGED], ids=name)
def test_good_backup_of_each_release_passes(release, tmp_path, scratch):
    with running(release, tmp_path / "server") as cluster:
        place = installed(cluster, scratch.parent)
        postgres = Postgres(cluster.server, cluster.password)
        shop = Clustered(postgres, tmp_path, client=programs(cluster), scratch=scratch, keys={"programs": str(place)})
        shop.create(*STATEMENTS)
        shop.require("backup")
        shop.require("restore_drill")
        assert (shop.databases, shop.remains, shop.differences) == ([], [], [])
