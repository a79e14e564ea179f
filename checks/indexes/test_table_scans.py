"""Large tables are read by index."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]

SHOWN = 20


@pytest.mark.remedy(
    "psql", "-c", "SELECT relname, seq_scan, seq_tup_read, idx_scan FROM pg_stat_user_tables ORDER BY 3 DESC LIMIT 10"
)
def test_large_tables_use_index_scans(table_scans, database, allowed, evidence, remembered, last_restore):
    """A query lacks an index: look for the query among the slow statements."""
    tables = table_scans[database]
    earlier = remembered(tables.readings)
    if tables.includes_restore(last_restore(), earlier):
        evidence("scans are judged from the next round on", ["the comparison of the last restore read each table"])
        return
    found = tables.scanned(earlier)
    evidence("large tables often read in full", map(str, found[:SHOWN]))
    assert tables.index_scans(earlier) in allowed.index_scans
