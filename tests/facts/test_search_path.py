"""No function, operator or view of an unprivileged role runs with the rights of opsproof.

A role that owns the schemas of the default search path plants decoys there: operators and functions with the names of
pg_catalog, for other argument types, which PostgreSQL prefers where they fit better; and views named like those of
extensions.
"""

import re
from dataclasses import replace

import psycopg
import pytest

from opsproof.core.scripts import PACKAGE, sql
from opsproof.facts import REGISTRY
from opsproof.facts.base import SqlFact, SqlResourceFact
from opsproof.inventory.backups import Backup
from opsproof.inventory.resources import VectorIndex
from opsproof.maintenance.session import _ROWS
from opsproof.postgres import extensions
from opsproof.postgres.connection import ask
from tests.harness.decoys import DATABASE, PLANTED, planted, psql

QUERIES = {name: fact.sql for name, fact in sorted(REGISTRY.items()) if issubclass(fact, SqlFact | SqlResourceFact)}
MEMBER = re.compile(rf"\b(?:{'|'.join(sorted(extensions.MEMBERS, key=len, reverse=True))})\b(?=[\s(])")
VECTOR = VectorIndex(database="x", table="public.t", column="a", method="ivfflat", operator="<->", probes=20)
BACKUP = Backup(database="x", folder="/backups", user="opsproof_monitor")
CHANGING = ("add_partition", "end_own", "retune_build", "retune_swap")
ASKING = sorted(path.stem for path in PACKAGE.glob("maintenance/sql/*.sql") if path.stem not in CHANGING)
VALUES = {
    "application": "opsproof_maintenance", "names": '["public.t", "public.parts"]', "schema": "public",
    "relation": "t", "name": "t", "sibling": "0", "tellable": "^select", "idle": "0", "in_transaction": "0",
    "active": "0", "signal": "none", "pid": "1", "born": "2026-01-01", "changed": "2026-01-01", "state": "idle",
    "default": "public.parts_default", "column": "at", "start": "2026-01-01", "finish": "2026-02-01",
    "parent": "parts", "owner": "planter", "oid": "'public.t_a'::regclass", "replacement": "opsproof_retune_1",
}  # fmt: skip


@pytest.fixture(scope="module")
def with_decoys(any_cluster):
    """A server whose schemas of the default search path belong to the role `planter`, with decoys."""
    with planted(any_cluster, " ".join([*QUERIES.values(), *(sql(f"maintenance/{each}") for each in ASKING)])):
        yield any_cluster


@pytest.fixture
def decoyed(with_decoys, monkeypatch):
    """The server, with the password of the monitor set."""
    monkeypatch.setenv("TEST_MONITOR", "monitor")
    return with_decoys


def _target(cluster):
    target = cluster.target()
    return replace(target, dsn=target.dsn.replace("dbname=facts", f"dbname={DATABASE}"))


def _calls(cluster):
    with cluster.connect(DATABASE) as connection:
        return connection.execute("SELECT DISTINCT what, who FROM decoy.calls ORDER BY 1").fetchall()


def _query(name):
    if not issubclass(REGISTRY[name], SqlResourceFact):
        return QUERIES[name]
    declared = VECTOR if REGISTRY[name].resource == "vector_index" else BACKUP
    return REGISTRY[name]().query("t_a", declared)


def test_facts_run_no_code_of_other_roles(decoyed):
    results = ask(_target(decoyed), [_query(name) for name in QUERIES])
    errors = {name: result.error for name, result in zip(QUERIES, results, strict=True) if result.error}
    assert {name: error for name, error in errors.items() if "decoy" in error} == {}
    assert _calls(decoyed) == []
    allowed = ("pg_catalog.pg", "opsproof.vector_recall belongs", "more suitable index", "opsproof")
    assert {name: error for name, error in errors.items() if not any(each in error for each in allowed)} == {}


def test_decoys_run_in_the_default_search_path(decoyed, monkeypatch):
    monkeypatch.setattr("opsproof.postgres.dsn.SEARCH_PATH", "-c jit=off")
    monkeypatch.setattr("opsproof.postgres.connection._homes", lambda *_: dict.fromkeys(extensions.MEMBERS, "public"))
    results = ask(_target(decoyed), [_query(name) for name in QUERIES])
    assert len([each for each in results if PLANTED in each.error]) >= 3, [each.error for each in results]


@pytest.mark.parametrize("script", ASKING)
def test_maintenance_asks_without_code_of_other_roles(decoyed, script):
    done = psql(decoyed, sql(f"maintenance/{script}"), **VALUES)
    assert (done.returncode, PLANTED in done.stderr, _calls(decoyed)) == (0, False, []), done.stderr


def test_maintenance_measures_facts_without_code_of_other_roles(decoyed):
    for name in ("bloat_measurements", "table_upkeep"):
        script = f"{extensions.LOOKUP}\\gset\n{_ROWS.format(QUERIES[name])};"
        done = psql(decoyed, script)
        assert PLANTED not in done.stderr, (name, done.stderr)
    assert _calls(decoyed) == []


def test_recall_refuses_a_schema_of_another_role(decoyed, repository):
    statements = (repository / "docs" / "privileges" / "recall.sql").read_bytes()
    with decoyed.connect(DATABASE) as admin, pytest.raises(psycopg.errors.RaiseException, match="others may create"):
        admin.execute(statements)


def test_extensions_are_found_in_any_schema(cluster):
    cluster.run("CREATE SCHEMA elsewhere", "ALTER EXTENSION pgstattuple SET SCHEMA elsewhere")
    try:
        cluster.run("GRANT USAGE ON SCHEMA elsewhere TO opsproof_monitor")
        (result,) = ask(cluster.target(), [QUERIES["bloat_measurements"]])
        assert result.error == ""
    finally:
        cluster.run("ALTER EXTENSION pgstattuple SET SCHEMA public", "DROP SCHEMA elsewhere CASCADE")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.sql")), ids=lambda path: path.stem)
def test_members_of_extensions_have_a_schema(path):
    code = re.sub(r"--[^\n]*|'(?:[^']|'')*'", "", path.read_text(encoding="utf-8"))
    bare = [found[0] for found in MEMBER.finditer(code) if not code[: found.start()].endswith(".")]
    assert bare == []
    fixed = "SET search_path = pg_catalog, pg_temp" if path.parents[1].name == "privileges" else ""
    assert not re.search(r"\bsearch_path\b", code.replace(fixed, "")), "the session sets the search path"
