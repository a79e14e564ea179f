"""The planner knows the tables as they are."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.usefixtures("statistics_epoch")  # unknown where nothing is counted
@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_statistics_are_current(table_upkeep, database, allowed, evidence, repair_with):
    """Plans are made for rows that are not there any more: autovacuum analyzes at a tenth, and did not."""
    found = table_upkeep[database]
    evidence("tables that changed much", found.stale.lines)
    repair_with("--table", found.stale.tables)
    assert found.changed_share in allowed.changed_rows
    found.require_counted(toast=False)


@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_every_table_is_analyzed(table_upkeep, statistics_epoch, database, allowed, evidence, remembered, repair_with):
    """The planner guesses where it knows nothing; partitioned tables as a whole are nobody's duty but yours."""
    found, epoch = table_upkeep[database], statistics_epoch[database]
    earlier = remembered(found.analyze_readings(epoch))
    evidence("tables without statistics", found.unanalyzed.lines)
    repair_with("--table", found.unanalyzed.tables)
    assert found.unanalyzed_count(epoch, earlier) in allowed.tables_unanalyzed
