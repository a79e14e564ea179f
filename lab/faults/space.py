"""Faults of bloat in tables and indexes."""

from collections.abc import Iterator

from lab import Lab
from lab.faults.fault import fault
from lab.faults.vacuum import DATABASE, KEYLESS, ROW, table

TABLES = f"test_tables_are_not_bloated[{DATABASE}]"
INDEXES = f"test_indexes_are_not_bloated[{DATABASE}]"
SCATTERED = "DELETE FROM archive WHERE hashint4(id) & 15 < 11"
"""Eleven of every sixteen rows, spread evenly: no page becomes empty."""


@fault(failed=(TABLES,), may_change=KEYLESS, touches=("archive", "snapshots"))
def table_bloated(lab: Lab) -> Iterator[None]:
    """Most rows were deleted and vacuumed: the space stays allocated to the table."""
    made = f"CREATE TABLE archive AS SELECT *, repeat('x', 200) AS text FROM ({ROW.format(30000)}) AS row"
    with table(lab, "archive", made, SCATTERED, "VACUUM (ANALYZE) archive"):
        yield


@fault(failed=(TABLES,), may_change=KEYLESS, touches=("archive", "snapshots"))
def toast_bloated(lab: Lab) -> Iterator[None]:
    """Large values live in the TOAST table, which ANALYZE does not sample."""
    made = "CREATE TABLE archive (id integer, text text)"
    outside = "ALTER TABLE archive ALTER text SET STORAGE EXTERNAL"
    filled = f"INSERT INTO archive SELECT id, repeat(note, 200) FROM ({ROW.format(1500)}) AS row"
    with table(lab, "archive", made, outside, filled, SCATTERED, "VACUUM (ANALYZE) archive"):
        yield


@fault(failed=(TABLES, INDEXES), may_change=KEYLESS, touches=("archive", "snapshots"))
def index_bloated(lab: Lab) -> Iterator[None]:
    """Most keys were deleted at random: index pages are nearly empty, but no page is free."""
    made = f"CREATE TABLE archive AS {ROW.format(150000)}"
    steps = ("CREATE INDEX archive_id_idx ON archive (id)", SCATTERED, "VACUUM (ANALYZE) archive")
    with table(lab, "archive", made, *steps):
        yield


@fault(unknown=(TABLES,), may_change=KEYLESS, touches=("archive", "snapshots"))
def bloat_without_pgstattuple(lab: Lab) -> Iterator[None]:
    """A table looks bloated, and pgstattuple is not installed."""
    made = f"CREATE TABLE archive AS SELECT *, repeat('x', 200) AS text FROM ({ROW.format(30000)}) AS row"
    with table(lab, "archive", made, SCATTERED, "VACUUM (ANALYZE) archive"), lab.connect() as admin:
        admin.execute("DROP EXTENSION pgstattuple")
        yield
        admin.execute("CREATE EXTENSION pgstattuple")
