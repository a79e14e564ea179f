"""Tables and indexes take no more room than their rows need."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy("psql")
def test_tables_are_not_bloated(bloat_estimates, bloat_measurements, database, allowed, evidence, repair_with_sql):
    """Only a rewrite gives it back, and keeps everybody out meanwhile: find out first why vacuum came too late."""
    found, limit = bloat_estimates[database].tables(bloat_measurements[database]), allowed.table_bloat
    evidence("unused share of tables", found.found.lines)
    repair_with_sql("VACUUM (FULL, ANALYZE) {table}", found.beyond(limit))
    assert found.share in limit
    found.require_measured()


@pytest.mark.remedy("reindex.py", "--database", "{database}", "--apply")
def test_indexes_are_not_bloated(bloat_estimates, bloat_measurements, database, allowed, evidence, repair_with):
    """Every look into them reads more pages than it has to: build them anew, which keeps nobody out."""
    found, limit = bloat_estimates[database].indexes(bloat_measurements[database]), allowed.index_bloat
    evidence("unused share of indexes", found.found.lines)
    repair_with("--index", found.beyond(limit))
    assert found.share in limit
    found.require_measured()
