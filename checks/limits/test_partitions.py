"""Every row finds a partition that was made for it."""

import pytest

pytestmark = pytest.mark.monthly
AGAIN = r"\d+ {}"


@pytest.mark.remedy("add_partitions.py", "--apply")
def test_future_partitions_exist(partitions, partitioned, host, evidence, repair_with):
    """On the first of the month inserts fail, or fill the default partition: nothing makes new ones by itself."""
    declared = host.partitioned[partitioned]
    missing = partitions[declared.database][declared.table].missing(declared.ahead)
    evidence("months without a partition", [*missing, f"again: {AGAIN.format(declared.table)}"] if missing else [])
    repair_with("--database", [declared.database])
    repair_with("--table", [declared.table])
    assert not missing, f"{declared.table} has no partition for {', '.join(missing)}"


@pytest.mark.remedy("add_partitions.py", "--apply")
def test_partitions_have_no_gap(partitions, partitioned, host, evidence, repair_with):
    """Rows of that time cannot come in late, and those that were there are gone: look for a detached table."""
    declared = host.partitioned[partitioned]
    holes = partitions[declared.database][declared.table].holes()
    evidence("without a partition", [*holes, f"again: {AGAIN.format(declared.table)}"] if holes else [])
    repair_with("--database", [declared.database])
    repair_with("--table", [declared.table])
    assert not holes, f"{declared.table} has no partition for {', '.join(holes)}"


@pytest.mark.remedy("psql")
def test_default_partition_is_empty(partitions, partitioned, host, evidence, repair_with_sql):
    """Its rows keep the partition that they belong to from being made: move them, and ask why it was missing."""
    declared = host.partitioned[partitioned]
    rows = partitions[declared.database][declared.table].default_rows
    repair_with_sql(r"\d+ {table}", [declared.table])
    evidence(
        "rows in the default partition", [f"about {rows}", f"again: {AGAIN.format(declared.table)}"] if rows else []
    )
    assert not rows, f"the default partition of {declared.table} holds about {rows} rows"
