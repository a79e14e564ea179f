"""Remedies of all checks and resources."""

import os
import subprocess
import sys

import pytest

PLUGIN = """
from opsproof.round.remedies import remedy
from opsproof.round.run import RUN


def pytest_collection_finish(session):
    hosts = session.config.stash[RUN].inventory.hosts
    for item in session.items:
        print("remedy of", item.name, remedy(item, hosts, ()))
"""


@pytest.fixture
def remedies(tmp_path, repository):
    """The remedies of all checks of an inventory."""

    def remedies(inventory):
        (tmp_path / "every_remedy.py").write_text(PLUGIN)
        words = ["-p", "every_remedy", "--collect-only", "-q", "checks", f"--inventory=inventory/{inventory}.toml"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return remedies


@pytest.mark.parametrize("inventory", ["metachat", "lab-pgbackrest"])
def test_every_remedy_can_be_formatted(remedies, inventory):
    assert remedies(inventory).count("remedy of test_") > 50


def test_psql_in_a_container_connects_to_the_database(remedies):
    command = "on vps: docker exec -it meta-chat-postgres psql --dbname=metachat --username=metachat -c "
    assert command in remedies("lab-docker")
