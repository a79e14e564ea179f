"""Indexes serve queries: none is broken, superfluous or missing."""

import pytest

pytestmark = pytest.mark.monthly

REINDEX = pytest.mark.remedy("reindex.py", "--database", "{database}", "--apply")
DROP = pytest.mark.remedy("drop_indexes.py", "--database", "{database}")
SCANNED = pytest.mark.remedy(
    "psql", "-c", "SELECT relname, seq_scan, seq_tup_read, idx_scan FROM pg_stat_user_tables ORDER BY 3 DESC LIMIT 10"
)
SHOWN = 20
AGAIN = "look again: SELECT indexrelid::regclass, indrelid::regclass FROM pg_index WHERE NOT indisvalid"


@REINDEX
def test_indexes_are_valid(invalid_indexes, database, allowed, evidence, repair_with):
    """A building that was cut off leaves an index that every write keeps up and no query uses."""
    found = invalid_indexes[database]
    evidence("invalid indexes", [*map(str, found.invalid[:SHOWN]), AGAIN])
    repair_with("--index", [each.name for each in found.rebuildable[:SHOWN]])
    assert len(found.invalid) in allowed.indexes_invalid


@REINDEX
def test_no_interrupted_index_build_remains(invalid_indexes, database, allowed, evidence, repair_with):
    """REINDEX CONCURRENTLY that was cut off leaves a second index beside the first, as large as it."""
    found = invalid_indexes[database].leftovers
    evidence("indexes left over", [*map(str, found[:SHOWN]), AGAIN])
    repair_with("--index", [each.name for each in found[:SHOWN]])
    assert len(found) in allowed.interrupted_index_builds


@DROP
def test_no_index_is_redundant(redundant_indexes, database, allowed, evidence, repair_with):
    """Two indexes that answer the same questions cost every write twice."""
    found = redundant_indexes[database]
    evidence("superfluous indexes", map(str, found[:SHOWN]))
    repair_with("--index", [each.name for each in found[:SHOWN]])
    assert len(found) in allowed.indexes_redundant


@DROP
def test_indexes_are_used(unused_indexes, statistics_epoch, database, allowed, evidence, remembered, repair_with):
    """An index that no query uses costs every write, and memory; look at standbys too, which count for themselves."""
    epoch, limit = statistics_epoch[database], allowed.index_idle
    earlier = remembered({"transactions": epoch.reading})["transactions"]
    unused = unused_indexes[database]
    found = [each.index for each in unused.indexes if limit.judge(each.idle_s(epoch, earlier)[0]).verdict != "passed"]
    evidence("unused indexes", map(str, found[:SHOWN]))
    repair_with("--index", [each.name for each in found[:SHOWN]])
    assert unused.longest_s(epoch, earlier) in limit


@pytest.mark.remedy("psql")
def test_foreign_keys_are_indexed(unindexed_foreign_keys, database, allowed, evidence, repair_with):
    """Each row that goes from the referenced table has this one read from end to end: CREATE INDEX CONCURRENTLY."""
    found = unindexed_foreign_keys[database]
    evidence("foreign keys without an index", [each.name for each in found[:SHOWN]])
    repair_with("-c", [each.index for each in found[:SHOWN]])
    assert max((each.size_bytes for each in found), default=0) in allowed.foreign_key_unindexed


@pytest.mark.remedy("psql")
def test_tables_have_a_primary_key(tables_without_key, database, allowed, evidence, repair_with_sql):
    """Without one a row cannot be named: no logical replication, no repair, no way to tell twins apart."""
    found = tables_without_key[database]
    evidence("tables without a primary key", map(str, found[:SHOWN]))
    repair_with_sql(r"\d {table}", [each.name for each in found[:SHOWN]])
    assert len(found) in allowed.tables_without_key


@SCANNED
def test_large_tables_use_index_scans(table_scans, database, allowed, evidence, remembered):
    """Some query has no index to go by: look for it among the slow statements."""
    tables = table_scans[database]
    earlier = remembered(tables.readings)
    found = tables.scanned(earlier)
    evidence("large tables that are often read whole", map(str, found[:SHOWN]))
    assert tables.index_scans(earlier) in allowed.index_scans
