"""Indexes are valid and used, and none is redundant or missing."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]

REINDEX = pytest.mark.remedy("reindex.py", "--database", "{database}", "--apply")
DROP = pytest.mark.remedy("drop_indexes.py", "--database", "{database}")
SHOWN = 20
INVALID = "SELECT indexrelid::regclass, indrelid::regclass FROM pg_index WHERE NOT indisvalid"


@pytest.mark.weekly
@REINDEX
def test_indexes_are_valid(invalid_indexes, database, allowed, evidence, repair_by, repair_with):
    """An interrupted build leaves an invalid index: every write maintains it, no query uses it."""
    found = invalid_indexes[database]
    evidence("invalid indexes", [*map(str, found.invalid[:SHOWN]), f"query: {INVALID}"])
    repair_with("--index", [each.name for each in found.rebuildable[:SHOWN]])
    if not found.rebuildable:
        repair_by("psql", "-c", INVALID)
    assert len(found.invalid) in allowed.indexes_invalid


@pytest.mark.weekly
@REINDEX
def test_no_interrupted_index_build_remains(invalid_indexes, database, allowed, evidence, repair_with):
    """An interrupted REINDEX CONCURRENTLY leaves a second index, as large as the first."""
    found = invalid_indexes[database].leftovers
    evidence("leftover indexes", [*map(str, found[:SHOWN]), f"query: {INVALID}"])
    repair_with("--index", [each.name for each in found[:SHOWN]])
    assert len(found) in allowed.interrupted_index_builds


@DROP
def test_no_index_is_redundant(redundant_indexes, database, allowed, evidence, repair_with):
    """A redundant index doubles the cost of every write."""
    found = redundant_indexes[database]
    evidence("redundant indexes", found.lines[:SHOWN])
    repair_with("--index", [each.name for each in found.indexes[:SHOWN]])
    assert len(found.lines) in allowed.indexes_redundant


@DROP
def test_indexes_are_used(unused_indexes, statistics_epoch, database, allowed, evidence, remembered, repair_with):
    """An unused index costs writes and memory; check standbys too, which have their own statistics."""
    epoch, limit = statistics_epoch[database], allowed.index_idle
    earlier = remembered({"transactions": epoch.reading})["transactions"]
    unused = unused_indexes[database]
    found = [each.index for each in unused.indexes if limit.judge(each.idle_s(epoch, earlier)[0]).verdict != "passed"]
    evidence("unused indexes", map(str, found[:SHOWN]))
    repair_with("--index", [each.name for each in found[:SHOWN]])
    assert unused.longest_s(epoch, earlier) in limit


@pytest.mark.remedy("psql", effect="builds indexes")
def test_foreign_keys_are_indexed(unindexed_foreign_keys, database, allowed, evidence, repair_with):
    """Each delete in the referenced table scans this whole table: CREATE INDEX CONCURRENTLY."""
    found = unindexed_foreign_keys[database]
    evidence("foreign keys without an index", [each.name for each in found[:SHOWN]])
    repair_with("-c", [each.index for each in found[:SHOWN]])
    assert max((each.size_bytes for each in found), default=0) in allowed.foreign_key_unindexed


@pytest.mark.remedy("psql")
def test_tables_have_a_primary_key(tables_without_key, database, allowed, evidence, repair_with_sql):
    """Without a primary key, logical replication and repairs cannot identify rows, and duplicates go unnoticed."""
    found = tables_without_key[database]
    evidence("tables without a primary key", map(str, found[:SHOWN]))
    repair_with_sql(r"\d {table}", [each.name for each in found[:SHOWN]])
    assert len(found) in allowed.tables_without_key
