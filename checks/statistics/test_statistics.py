"""Planner statistics are current."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.usefixtures("statistics_epoch")  # unknown without counters
@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_statistics_are_current(table_upkeep, database, allowed, evidence, repair_with):
    """Outdated statistics lead to bad plans: autovacuum should have analyzed after 10 % changes."""
    found = table_upkeep[database]
    evidence("tables with many changed rows", found.stale.lines)
    repair_with("--table", found.stale.tables)
    assert found.changed_share in allowed.changed_rows
    found.require_counted(toast=False)


@pytest.mark.remedy("analyze.py", "--database", "{database}", "--apply")
def test_every_table_is_analyzed(table_upkeep, statistics_epoch, database, allowed, evidence, remembered, repair_with):
    """Without statistics the planner guesses: run ANALYZE; autovacuum never analyzes partitioned tables."""
    found, epoch = table_upkeep[database], statistics_epoch[database]
    earlier = remembered(found.analyze_readings(epoch))
    evidence("tables without statistics", found.unanalyzed.lines)
    repair_with("--table", found.unanalyzed.tables)
    assert found.unanalyzed_count(epoch, earlier) in allowed.tables_unanalyzed
