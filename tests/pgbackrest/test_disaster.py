"""A purged cluster is rebuilt from a copy of its repository by the commands of docs/disaster.md."""

import time

import pytest

from tests.harness import disaster

pytestmark = pytest.mark.pgbackrest


def test_purged_cluster_is_rebuilt_from_its_repository_alone(site, note):
    site.write("the last commit before the fire")
    site.archive()
    site.stop()
    site.run("mv", site.repo, site.home / "vault")
    site.run("rm", "-rf", site.data)
    site.run("mv", site.home / "vault", site.repo)
    inventory = site.inventory(site.home / "inventory.toml")
    values = {
        "OPSPROOF_INVENTORY": str(inventory),
        "OPSPROOF_REPORTS": str(site.reports),
        "BACKUP": "metachat",
    }
    began = time.monotonic()
    done = disaster.execute(disaster.blocks("pgbackrest"), values)
    assert done.returncode == 0, done.stdout + done.stderr
    note(f"rebuilt from the repository in {time.monotonic() - began:.0f} s")
    assert site.sql("SELECT body FROM messages ORDER BY id DESC LIMIT 1") == "the last commit before the fire"
