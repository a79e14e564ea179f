"""Rounds, maintenance, backups and restores run no code of an unprivileged role with the rights of opsproof."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.postgres import SUPERUSER
from opsproof.core.scripts import PACKAGE
from opsproof.postgres.dsn import SEARCH_PATH
from tests.facts.clusters import PACKAGED, any_cluster
from tests.harness.decoys import DATABASE
from tests.harness.extent import FULL, RELEASES
from tests.harness.planting import LOADER, calls, loadable, with_code
from tests.zoo.clients import programs

__all__ = ["any_cluster"]

ROOT = Path(__file__).parents[2]
QUERIES = " ".join(path.read_text() for path in PACKAGE.rglob("*.sql"))
INVENTORY = """
extends = {limits}
[hosts.vps]
transport = "local://"
path = [{programs}]
[hosts.vps.databases.decoyed]
dsn = "host=127.0.0.1 port={port} dbname=decoyed user=opsproof_monitor passfile={passfile}"
maintenance_user = "opsproof_maintain"
maintenance_passfile = {passfile!r}
[hosts.vps.partitioned.parts]
database = "decoyed"
table = "public.parts"
[hosts.vps.vector_indexes.chunks_embedding]
database = "decoyed"
table = "public.chunks"
column = "embedding"
method = "ivfflat"
operator = "<=>"
[hosts.vps.backups.decoyed]
database = "decoyed"
folder = {folder!r}
user = "opsproof_backup"
passfile = {passfile!r}
restore_user = {superuser!r}
restore_passfile = {passfile!r}
"""
EVERY_ROUND = "daily or weekly or monthly or quarterly or predeploy or postdeploy"
REBUILDING = ("reindex", "--index=public.planted_constant", "--index=public.planted_expression")
ACTIONS = (
    ("vacuum", "--all"),
    ("vacuum", "--all", "--freeze"),
    ("analyze", "--all"),
    REBUILDING,
    ("add_partitions",),
    ("end_sessions",),
)
AS_OWNER = {
    "index",
    "index constant",
    "index of materialized view",
    "index of partitions",
    "index of vectors",
    "predicate",
    "statistics",
    "statistics constant",
}
"""Places whose code VACUUM, ANALYZE and REINDEX run as the table's owner, unable to change the role."""
RESTORES = (("backup",), ("verify_backup",), ("restore_drill",), ("restore",), ("restore", "--drop-old"))
pytestmark = pytest.mark.parametrize("any_cluster", RELEASES if FULL else [PACKAGED], indirect=True)


@dataclass(frozen=True)
class Site:
    """A host with a database full of planted code."""

    cluster: object
    folder: Path

    @property
    def words(self):
        passfile, backups = self.folder / "pgpass", self.folder / "backups"
        backups.mkdir(mode=0o700, exist_ok=True)
        passwords = {"opsproof_monitor": "monitor", "opsproof_maintain": "maintain", "opsproof_backup": "backup"}
        passwords[SUPERUSER] = self.cluster.password
        passfile.write_text("".join(f"*:*:*:{role}:{password}\n" for role, password in passwords.items()))
        passfile.chmod(0o600)
        path, server = self.folder / "inventory.toml", self.cluster.server
        values = {"limits": json.dumps(str(ROOT / "inventory" / "metachat.toml")), "port": server.port}
        values |= {
            "programs": json.dumps(str(programs(self.cluster))),
            "passfile": str(passfile),
            "superuser": SUPERUSER,
        }
        path.write_text(INVENTORY.format(folder=str(backups), **values))
        return [f"--inventory={path}", f"--reports={self.folder}"]

    def run(self, *words):
        return subprocess.run(
            [sys.executable, *words, *self.words], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
        )

    def calls(self, *words):
        """The result of a run, and the calls of planted code meanwhile."""
        start = self.cluster.server.log.stat().st_size
        done = self.run(*words)
        return done, calls(self.cluster.server.log, start)


@pytest.fixture(scope="module")
def site(any_cluster, tmp_path_factory):
    any_cluster.run(
        "CREATE ROLE opsproof_backup LOGIN BYPASSRLS PASSWORD 'backup' IN ROLE pg_read_all_data", database="postgres"
    )
    with with_code(any_cluster, QUERIES):
        yield Site(any_cluster, tmp_path_factory.mktemp("injection"))
    any_cluster.run("DROP ROLE opsproof_backup", database="postgres")


def require_no_calls(found):
    """Accepts only the calls that PostgreSQL makes as the owner, and those of a session without rights."""
    ours = {call for call in found if call[1:] != (LOADER, LOADER)}
    assert {call for call in ours if call[0] not in AS_OWNER or call[1] != "planter"} == set()


def test_planted_code_runs_with_the_rights_of_a_query(site):
    """The log shows planted code: a plain query of the backup role runs some."""
    start = site.cluster.server.log.stat().st_size
    with site.cluster.server.connect("opsproof_backup", "backup", DATABASE, options=SEARCH_PATH) as connection:
        connection.execute("SELECT count(*) FROM public.planted")
    found = calls(site.cluster.server.log, start)
    assert ("index constant", "opsproof_backup", "opsproof_backup") in found


def test_rounds_run_no_planted_code(site):
    done, found = site.calls("-m", "pytest", "checks", "-q", "-m", EVERY_ROUND, "-p", "no:cacheprovider")
    assert "round trips: 1 to hosts, 1 to databases" in done.stdout
    assert found == set()


@pytest.mark.parametrize("words", ACTIONS if FULL else ACTIONS[2:], ids=" ".join)
def test_actions_run_planted_code_only_as_its_owner(site, words):
    name, *options = words
    for each in (options, [*options, "--apply"]):
        done, found = site.calls(f"actions/{name}.py", *each)
        assert done.returncode not in (1, 2), done.stderr
        require_no_calls(found)


def test_plan_of_drop_indexes_runs_no_planted_code(site):
    done, found = site.calls("actions/drop_indexes.py")
    assert (done.returncode, found) == (0, set()), done.stderr


def test_functions_of_other_roles_for_definitions_are_refused(site):
    for name, *options in (REBUILDING, ("add_partitions",)):
        done, found = site.calls(f"actions/{name}.py", *options, "--apply")
        assert (done.returncode, found) == (3, set())
        assert "of planter" in done.stderr
        assert "a superuser must own the function" in done.stderr


@pytest.mark.parametrize("words", [("backup",), ("backup", "--apply"), ("verify_backup",)], ids=" ".join)
def test_backups_run_no_planted_code(site, words):
    name, *options = words
    done, found = site.calls(f"actions/{name}.py", *options)
    assert (done.returncode, found) == (0, set()), done.stderr


def test_restores_run_planted_code_only_without_rights(site, tmp_path):
    log = site.cluster.server.log
    with loadable(site.cluster, programs(site.cluster), tmp_path) as database:
        for name, *options in RESTORES:
            for run in (database.plan, database.run):
                start = log.stat().st_size
                done = run(name, *options)
                assert done.returncode == 0, (name, done.stdout, done.stderr)
                require_no_calls(calls(log, start))
        assert ("generated column", LOADER, LOADER) in calls(log)
