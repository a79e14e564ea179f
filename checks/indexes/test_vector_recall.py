"""Vector searches find the nearest neighbours."""

import pytest

pytestmark = [
    pytest.mark.monthly,
    pytest.mark.caused_by("test_database_accepts_connections", on="database"),
    pytest.mark.caused_by("test_vector_index_is_valid"),
]


@pytest.mark.remedy(
    "exists",
    "-c",
    "SELECT name, setting, source FROM pg_settings WHERE name ~ '^enable_|_cost' AND source <> 'default'",
)
def test_vector_index_is_used(vector_recalls, vector_index, host, evidence):
    """The planner cannot use the index for the application's query: check operator, filter and the settings."""
    recall, declared = vector_recalls[vector_index], host.vector_indexes[vector_index]
    evidence("indexes in the plan", recall.indexes or ["none"])
    assert recall.is_served(vector_index, declared), f"the application's query does not use {vector_index}"


@pytest.mark.remedy("reindex.py", "--apply")
def test_vector_recall_is_within_limit(vector_recalls, vector_index, host, allowed, evidence, repair_with):
    """Missed neighbours are missing from the platform's answers: rebuild the index, or raise probes or ef_search."""
    recall, declared = vector_recalls[vector_index], host.vector_indexes[vector_index]
    repair_with("--database", [declared.database])
    repair_with("--index", [declared.qualified(vector_index)])
    found = recall.through(vector_index, declared)
    evidence("recall", recall.evidence)
    assert found in allowed.vector_recall
