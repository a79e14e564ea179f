"""Every row has a proper partition."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections", on="database")]
DESCRIBE = r"\d+ {}"


@pytest.mark.daily
@pytest.mark.remedy("add_partitions.py", "--apply", absent=("exists",))
def test_future_partitions_exist(partitions, partitioned, host, evidence, repair_with):
    """Nothing creates partitions by itself: on the first of the month inserts fail, or fill the default partition."""
    declared = host.partitioned[partitioned]
    missing = partitions[declared.database][declared.table].every(declared.by).missing(declared.ahead)
    evidence(
        f"{declared.by}s without a partition",
        [*missing, f"query: {DESCRIBE.format(declared.table)}"] if missing else [],
    )
    repair_with("--database", [declared.database])
    repair_with("--table", [declared.table])
    assert not missing, f"{declared.table} has no partition for {', '.join(missing)}"


@pytest.mark.remedy("partitions", absent=("exists",))
def test_partitions_have_no_gap(partitions, partitioned, host, evidence):
    """The gap rejects new rows, and its old rows are missing: attach the detached partition, or add_partitions.py."""
    declared = host.partitioned[partitioned]
    gaps = partitions[declared.database][declared.table].every(declared.by).gaps()
    evidence("gaps", [*gaps, f"query: {DESCRIBE.format(declared.table)}"] if gaps else [])
    assert not gaps, f"{declared.table} has no partition for {', '.join(gaps)}"


@pytest.mark.weekly
@pytest.mark.remedy("psql", absent=("exists",))
def test_default_partition_is_empty(partitions, partitioned, host, evidence, repair_with_sql):
    """Rows in the default partition block the creation of their own partition: move the rows, and find the cause."""
    declared = host.partitioned[partitioned]
    rows = partitions[declared.database][declared.table].default_rows
    repair_with_sql(r"\d+ {table}", [declared.table])
    evidence(
        "rows in the default partition", [f"about {rows}", f"query: {DESCRIBE.format(declared.table)}"] if rows else []
    )
    assert not rows, f"the default partition of {declared.table} holds about {rows} rows"
