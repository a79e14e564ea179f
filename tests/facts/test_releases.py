"""Every supported PostgreSQL release answers every query, for the role of monitor.sql."""

import pytest

from opsproof.facts import REGISTRY
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import ask

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
