"""The planner knows the tables as they are."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_statistics_are_fresh(table_upkeep, database, allowed, evidence, repair_with):
    """Plans are made for rows that are not there any more: autovacuum analyzes at a tenth, and did not."""
    found = table_upkeep[database]
    evidence("tables that changed much", found.stale.lines)
    repair_with("--table", found.stale.tables)
    assert found.changed_share in allowed.changed_rows
    found.require_counted(toast=False)


@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_every_table_is_analyzed(table_upkeep, database, allowed, evidence, repair_with):
    """The planner guesses where it knows nothing; partitioned tables as a whole are nobody's duty but yours."""
    found = table_upkeep[database].unanalyzed
    evidence("tables without statistics", found.lines)
    repair_with("--table", found.tables)
    assert len(found.rows) in allowed.tables_unanalyzed
