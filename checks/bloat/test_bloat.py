"""Tables and indexes have little unused space (bloat)."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy("psql", effect="locks each table while it is rewritten")
def test_tables_are_not_bloated(bloat_estimates, bloat_measurements, database, allowed, evidence, repair_with_sql):
    """VACUUM FULL returns unused space to the disk, but locks the table: find out first why vacuum came too late."""
    found, limit = bloat_estimates[database].tables(bloat_measurements[database]), allowed.table_bloat
    evidence("unused share of tables", found.found.lines)
    repair_with_sql("VACUUM (FULL, ANALYZE) {table}", found.over(limit))
    assert found.share in limit
    found.require_measured()


@pytest.mark.remedy("reindex.py", "--database", "{database}", "--apply")
def test_indexes_are_not_bloated(bloat_estimates, bloat_measurements, database, allowed, evidence, repair_with):
    """Every index scan reads extra pages: REINDEX CONCURRENTLY rebuilds the index without blocking writes."""
    found, limit = bloat_estimates[database].indexes(bloat_measurements[database]), allowed.index_bloat
    evidence("unused share of indexes", found.found.lines)
    repair_with("--index", found.over(limit))
    assert found.share in limit
    found.require_measured()
