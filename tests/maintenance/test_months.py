"""Missing months of partitioned tables, and the names of new partitions."""

from dataclasses import replace
from datetime import date

import pytest

from opsproof.core.errors import Refused
from opsproof.facts.partitions import Partition, PartitionedTable
from opsproof.maintenance.partitions import TimePartitions
from tests.maintenance.conftest import month, partition_of

TODAY = date(2026, 11, 25)


def partition(start, end, name=""):
    return Partition(
        name or f"rows_{start[:7].replace('-', '_')}", f"FOR VALUES FROM ('{start}') TO ('{end}')", False, 0
    )


NOVEMBER = partition("2026-11-01", "2026-12-01")
PAST = Partition("past", "FOR VALUES FROM (MINVALUE) TO ('2026-12-01 00:00:00')", False, 0)


def of(*partitions, ahead=0):
    found = PartitionedTable("t.rows", "r", partitions, TODAY)
    return TimePartitions("t", "rows", "at", "metachat", True, "", {}, found, tuple(found.uncovered(ahead)))


@pytest.mark.parametrize(
    ("partitions", "ahead", "missing"),
    [
        ([NOVEMBER], 0, []),
        ([NOVEMBER], 2, [date(2026, 12, 1), date(2027, 1, 1)]),
        ([partition("2026-09-01", "2026-10-01"), NOVEMBER], 0, [date(2026, 10, 1)]),
        ([partition("2027-01-01", "2027-02-01")], 2, [date(2026, 11, 1), date(2026, 12, 1)]),
        ([partition("2026-10-01", "2027-01-01")], 2, [date(2027, 1, 1)]),
        ([PAST], 1, [date(2026, 12, 1)]),
        ([partition("2026-08-17", "2026-09-01"), NOVEMBER], 0, [date(2026, 9, 1), date(2026, 10, 1)]),
        ([partition("2026-11-16", "2026-12-01")], 1, [date(2026, 12, 1)]),
        ([], 1, [date(2026, 11, 1), date(2026, 12, 1)]),
    ],
)
def test_gaps_and_future_months_are_missing(partitions, ahead, missing):
    assert list(of(*partitions, ahead=ahead).missing) == missing


def test_weekly_partitions_are_refused():
    with pytest.raises(Refused, match="not partitioned by UTC months: a partition covers part of 2026-11"):
        of(partition("2026-10-01", "2026-11-01"), partition("2026-11-16", "2026-11-23")).require_spans()
    of(NOVEMBER, ahead=1).require_spans()


def test_partition_without_partitions_is_refused():
    hollow = replace(NOVEMBER, takes_rows=False)
    with pytest.raises(Refused, match="is partitioned but has no partition for rows of 2026-11"):
        of(partition("2026-10-01", "2026-11-01"), hollow).require_spans()


@pytest.mark.parametrize(
    ("newest", "name"),
    [
        ("messages_2026_11", "messages_2027_01"),
        ("messages_y2026m11", "messages_y2027m01"),
        ("p202611_messages", "p202701_messages"),
        ("in_11_2026", "rows_2027_01"),
        ("current", "rows_2027_01"),
    ],
)
def test_partition_name_follows_newest(newest, name):
    older = partition("2026-10-01", "2026-11-01", "rows_2026_10")
    assert of(older, partition("2026-11-01", "2026-12-01", newest)).name_of(date(2027, 1, 1)) == name


def test_two_tables_with_one_name_for_a_partition_are_refused_by_plan_and_run(place):
    place.sql("DROP SCHEMA IF EXISTS t CASCADE; CREATE SCHEMA t")
    for table, newest in (("rows", "odd"), ("others", partition_of(place, "rows", 0))):
        place.sql(
            f"CREATE TABLE t.{table} (at date) PARTITION BY RANGE (at); CREATE TABLE t.{newest} PARTITION OF t.{table}"
            f" FOR VALUES FROM ('{month(place, 0)}') TO ('{month(place, 1)}')"
        )
    both, name = ("--table", "t.rows", "--table", "t.others", "--ahead", "1"), partition_of(place, "rows", 1)
    for more in ((), ("--apply",)):
        done = place.run("add_partitions", *both, *more)
        assert (done.returncode, f"t.rows and t.others would both get t.{name}: " in done.stderr) == (3, True), done
