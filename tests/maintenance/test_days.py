"""Missing partitions by day and week are named and created like those by month."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from opsproof.facts.partitions import Partition, PartitionedTable
from opsproof.inventory.load import load
from opsproof.maintenance.partitions import TimePartitions

TODAY = date(2026, 11, 25)


def partition(start, end, name):
    return Partition(name, f"FOR VALUES FROM ('{start}') TO ('{end}')", False, 0)


@pytest.mark.parametrize(
    ("by", "name", "fresh"),
    [
        ("day", "rows_2026_11_24", "rows_2026_11_26"),
        ("day", "rows_p20261124", "rows_p20261126"),
        ("week", "rows_2026_11_24", "rows_2026_11_26"),
        ("day", "newest", "rows_2026_11_26"),
    ],
)
def test_partition_of_a_day_is_named_like_the_newest(by, name, fresh):
    found = PartitionedTable("t.rows", "r", (partition("2026-11-24", "2026-11-25", name),), TODAY, by)
    table = TimePartitions("t", "rows", "at", "metachat", True, "", {}, found, ())
    assert table.name_of(date(2026, 11, 26)) == fresh


@pytest.mark.parametrize(("by", "step"), [("day", 1), ("week", 7)])
def test_missing_days_and_weeks_are_created(place, by, step):
    today = place.value("SELECT (now() AT TIME ZONE 'UTC')::date")
    place.sql(
        "CREATE SCHEMA d; CREATE TABLE d.rows (at timestamptz) PARTITION BY RANGE (at);"
        f"CREATE TABLE d.rows_{today:%Y_%m_%d} PARTITION OF d.rows"
        f" FOR VALUES FROM ('{today} 00:00+00') TO ('{today + timedelta(days=step)} 00:00+00')"
    )
    fields = f'database = "metachat", table = "d.rows", by = "{by}", ahead = 3'
    daily = replace(place, more=f"{place.more}[hosts.vps.partitioned]\nrows = {{ {fields} }}\n")
    load.cache_clear()
    try:
        done = daily.do("add_partitions", "--table", "d.rows")
        assert "nothing to do" in daily.do("add_partitions", "--table", "d.rows")
        last = today + timedelta(days=4 * step)
        place.sql(f"INSERT INTO d.rows VALUES ('{last} 00:00+00'::timestamptz - interval '1s')")
    finally:
        load.cache_clear()
        place.sql("DROP SCHEMA d CASCADE")
    assert done.count("create d.rows_") == 3
