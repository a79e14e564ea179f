"""Databases fit their server, and restores left no other database."""

import pytest

pytestmark = [pytest.mark.weekly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT oid::regclass, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'm')"
    " ORDER BY pg_total_relation_size(oid) DESC LIMIT 20",
)
def test_database_size_is_within_limit(database_sizes, database, allowed):
    """Backups, restores and maintenance slow down with size: plan a separate server."""
    assert database_sizes[database] in allowed.database_size


@pytest.mark.remedy("restore.py", "--drop-old", "--apply", effect="drops the databases")
def test_no_old_database_remains(host, leftover_databases, database, allowed, evidence, repair_with):
    """The database before a restore takes as much disk as the restored one: drop it once nothing is missing."""
    found = leftover_databases[database]
    backup = next((name for name, each in host.backups.items() if each.database == database), None)
    repair_with("--backup", [backup] if backup else [])
    evidence("databases of drills and restores", map(str, found))
    assert max((each.age_s for each in found), default=0.0) in allowed.leftover_age
