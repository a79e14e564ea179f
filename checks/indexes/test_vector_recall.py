"""Vector searches find the nearest neighbours."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy("analyze.py", "--apply")
def test_vector_index_is_used(vector_recalls, vector_index, host, evidence, repair_with):
    """The planner ignores the index for the application's query: ANALYZE the table, check operator and filter."""
    used, declared = vector_recalls[vector_index].indexes, host.vector_indexes[vector_index]
    repair_with("--database", [declared.database])
    repair_with("--table", [declared.table])
    evidence("indexes in the plan", used or ["none"])
    assert vector_index in used, f"the application's query does not use {vector_index}"


@pytest.mark.remedy("reindex.py", "--apply")
def test_vector_recall_is_within_limit(vector_recalls, vector_index, host, allowed, evidence, repair_with):
    """Missed neighbours are missing from the platform's answers: rebuild the index, or raise probes or ef_search."""
    recall, declared = vector_recalls[vector_index], host.vector_indexes[vector_index]
    repair_with("--database", [declared.database])
    repair_with("--index", [declared.qualified(vector_index)])
    found = recall.through(vector_index)
    evidence("recall", recall.evidence)
    assert found in allowed.vector_recall
