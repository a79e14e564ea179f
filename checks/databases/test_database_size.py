"""Databases fit their server."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'm')"
    " ORDER BY pg_total_relation_size(oid) DESC LIMIT 20",
)
def test_database_size_is_within_limit(database_sizes, database, allowed):
    """Backups, restores and maintenance slow down with size: plan a separate server."""
    assert database_sizes[database] in allowed.database_size
