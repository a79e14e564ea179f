"""Every supported PostgreSQL release answers every query, for the role of monitor.sql."""

import pytest

from opsproof.facts import REGISTRY
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import ask
from tests.facts import clusters

FACTS = sorted(name for name, fact in REGISTRY.items() if issubclass(fact, SqlFact))


@pytest.fixture(scope="module")
def counting(any_cluster):
    """A server that counts statements."""
    any_cluster.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    yield any_cluster
    any_cluster.run("DROP EXTENSION pg_stat_statements")


@pytest.mark.parametrize("fact", FACTS)
def test_every_release_runs_all_queries(counting, monkeypatch, fact):
    monkeypatch.setenv("TEST_MONITOR", "monitor")
    (result,) = ask(counting.target(), [REGISTRY[fact].sql])
    assert result.error == ""
    REGISTRY[fact]().parse(result, Database.model_validate({"dsn": "dbname=facts"}))


@pytest.mark.parametrize(("is_full", "asked"), [(True, ["14", "15", "18"]), (False, ["14", "18"])])
def test_whole_proof_leaves_out_no_release(monkeypatch, is_full, asked):
    for name, value in {"FULL": is_full, "RELEASES": ("14", "15", "18"), "SYSTEM": {}, "OLDER": ("14",)}.items():
        monkeypatch.setattr(clusters, name, value)
    assert clusters.asked() == asked
