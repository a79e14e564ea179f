"""Tables are small enough to be vacuumed, dumped and rebuilt in a night."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy(
    "psql", "-c", "SELECT oid::regclass, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' ORDER BY 2 DESC"
)
def test_largest_table_can_be_maintained(relation_sizes, table_changes, database, allowed, evidence, remembered):
    """Maintenance takes longer with every gigabyte: partition the table, or delete old rows."""
    sizes, changes = relation_sizes[database], table_changes[database]
    earlier = remembered(sizes.readings)
    evidence("all tables with their indexes, and changed rows", changes.lines(remembered(changes.readings)))
    evidence("the database", sizes.lines((sizes.whole,), earlier))
    evidence("largest tables", sizes.lines(sizes.tables, earlier))
    evidence("largest indexes", sizes.lines(sizes.indexes, earlier))
    assert sizes.largest_bytes in allowed.table_size
