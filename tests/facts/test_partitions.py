from datetime import date, timedelta
from itertools import pairwise

import pytest

from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts.partitions import Partition, PartitionedTable, Partitions


def months(*names):
    """Partitions of whole months, ``2026-11`` for instance."""
    bounds = [(each, f"{int(each[:4]) + each.endswith('12')}-{int(each[5:]) % 12 + 1:02}") for each in names]
    return tuple(Partition(start, f"FOR VALUES FROM ('{start}-01') TO ('{end}-01')", False, 0) for start, end in bounds)


def table(*partitions, today="2026-11-25", strategy="r"):
    return PartitionedTable("public.t", strategy, partitions, date.fromisoformat(today))


@pytest.mark.parametrize(
    ("there", "today", "ahead", "missing"),
    [
        (["2026-11", "2026-12"], "2026-11-25", 1, []),
        (["2026-11"], "2026-11-01", 1, ["2026-12"]),
        (["2026-11", "2026-12"], "2026-11-30", 3, ["2027-01", "2027-02"]),
        (["2026-12", "2027-01"], "2026-12-31", 1, []),
        (["2026-10"], "2026-11-01", 1, ["2026-11", "2026-12"]),
        (["2026-10", "2026-12"], "2026-11-01", 1, ["2026-11"]),
        ([], "2026-11-01", 2, ["2026-11", "2026-12", "2027-01"]),
    ],
)
def test_current_and_future_months_need_a_partition(there, today, ahead, missing):
    assert table(*months(*there), today=today).missing(ahead) == missing


@pytest.mark.parametrize(
    ("bounds", "missing"),
    [
        ([("'2026-11-01 00:00:00'", "'2026-12-01 00:00:00'"), ("'2026-12-01'", "'2027-01-01'")], []),
        ([("'2026-11-01 01:00+01'", "'2027-01-01 01:00+01'"), ("'2026-10-01'", "'2026-11-01 01:00+01'")], []),
        ([("MINVALUE", "'2026-11-16'"), ("'2026-11-16'", "MAXVALUE")], []),
        ([("'2026-11-01'", "'2026-11-16'"), ("'2026-11-17'", "'2027-01-01'")], ["2026-11"]),
        ([("'2026-11-16'", "'2026-12-01'"), ("'2026-12-01'", "'2027-01-01'")], []),
        ([("'2026-11-26'", "'2026-12-01'"), ("'2026-12-01'", "'2027-01-01'")], ["2026-11"]),
        ([("'2026-01-01', 'a'", "'2027-01-01', 'a'")], []),
    ],
)  # fmt: skip
def test_partitions_may_cover_other_spans_than_months(bounds, missing):
    spans = [Partition(f"t{n}", f"FOR VALUES FROM ({a}) TO ({b})", False, 0) for n, (a, b) in enumerate(bounds)]
    assert table(*spans).missing(1) == missing


def spans_of(*cuts, zone=""):
    return [
        Partition(f"t{start}", f"FOR VALUES FROM ('{start}{zone}') TO ('{end}{zone}')", False, 0)
        for start, end in pairwise(cuts)
    ]


DAYS = [f"2026-11-{day}" for day in range(20, 28)]
WEEKS = ["2026-11-05", "2026-11-12", "2026-11-19", "2026-11-26", "2026-12-03"]


@pytest.mark.parametrize(
    ("by", "cuts", "zone", "missing"),
    [
        ("day", DAYS, "", []),
        ("day", DAYS[:-1], "", ["2026-11-26"]),
        ("day", DAYS[:-3], "", ["2026-11-25", "2026-11-26"]),
        ("day", [f"{each} 23:00:00" for each in DAYS], "+00", []),
        ("day", [f"{each} 23:00:00" for each in DAYS[:-2]], "+00", ["2026-11-26"]),
        ("day", [f"{each} 05:00:00" for each in DAYS], "+00", []),
        ("day", [f"{each} 05:00:00" for each in DAYS[:-2]], "+00", ["2026-11-25", "2026-11-26"]),
        ("week", WEEKS, "", []),
        ("week", WEEKS[:-1], "", ["2026-11-26"]),
        ("week", [f"{each} 23:00:00" for each in WEEKS], "+00", []),
        ("week", [f"{each} 23:00:00" for each in WEEKS[:-1]], "+00", ["2026-11-27"]),
    ],
)
def test_current_and_future_days_and_weeks_need_a_partition(by, cuts, zone, missing):
    assert table(*spans_of(*cuts, zone=zone)).every(by).missing(1) == missing


@pytest.mark.parametrize(("by", "first"), [("day", "2026-11-27"), ("week", "2026-12-03")])
def test_days_and_weeks_to_add_follow_the_newest(by, first):
    cuts = {"day": DAYS, "week": WEEKS}[by]
    found = table(*spans_of(*cuts)).every(by)
    assert found.uncovered(4)[0] == date.fromisoformat(first)
    assert found.gaps() == []
    assert table(*spans_of(*cuts[:2]), *spans_of(*cuts[2:])).every(by).gaps() == [f"{cuts[1]} to {cuts[2]}"]


def test_thousand_days_are_compared_at_once():
    first = date(2024, 1, 1)
    cuts = [str(first + timedelta(days=each)) for each in range(1060)]
    assert len(table(*spans_of(*cuts)).every("day").uncovered(400)) > 390


@pytest.mark.parametrize(
    ("cuts", "missing"),
    [
        (["10-31 23:00:00+00", "11-30 23:00:00+00", "12-31 23:00:00+00"], []),
        (["11-01 05:00:00+00", "12-01 05:00:00+00", "12-31 18:30:00+00"], []),
        (["10-31 23:00:00+05:30", "11-30 23:00:00+05:30"], ["2026-12"]),
        (["10-31 09:00:00+00", "11-30 09:00:00+00", "12-31 09:00:00+00"], ["2026-12"]),
        (["10-31 23:00:00", "11-30 23:00:00", "12-31 23:00:00"], ["2026-12"]),
    ],
    ids=["east of UTC", "west of UTC", "one too few", "no time zone", "without an offset"],
)
def test_months_may_use_another_time_zone(cuts, missing):
    bounds = [f"FOR VALUES FROM ('2026-{start}') TO ('2026-{end}')" for start, end in pairwise(cuts)]
    found = table(*[Partition(f"t{number}", bound, False, 0) for number, bound in enumerate(bounds)])
    assert found.missing(1) == missing


def test_months_of_real_server_may_use_another_time_zone(cluster):
    try:
        cluster.run(
            "CREATE TABLE t (at timestamptz) PARTITION BY RANGE (at)",
            "CREATE TABLE t_then PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2001-01-01 00:00+01')",
        )
        (table,) = [cluster.value(Partitions)["public.t"]]
        assert (table.partitions[0].bound, table.zone_margin) == (
            "FOR VALUES FROM (MINVALUE) TO ('2000-12-31 23:00:00+00')",
            timedelta(hours=14),
        )
    finally:
        cluster.run("DROP TABLE IF EXISTS t")


@pytest.mark.parametrize(
    ("there", "holes"),
    [
        (["2026-08", "2026-09", "2026-10", "2026-11"], []),
        (["2026-08", "2026-10", "2026-11"], ["2026-09-01 to 2026-10-01"]),
        (["2026-07", "2026-10", "2026-12"], ["2026-08-01 to 2026-10-01"]),
        (["2026-10", "2026-12"], []),
        ([], []),
    ],
)
def test_gaps_count_only_in_the_past(there, holes):
    assert table(*months(*there)).gaps() == holes


@pytest.mark.parametrize(
    ("default", "rows"), [(None, 0), (Partition("d", "DEFAULT", True, 0), 0), (Partition("d", "DEFAULT", True, 5), 5)]
)
def test_default_partition_rows_are_counted(default, rows):
    assert table(*months("2026-11"), *[default] * bool(default)).default_rows == rows


def test_default_partition_without_statistics_is_unknown():
    with pytest.raises(MeasurementError, match=r"d is not empty, .*: run VACUUM \(ANALYZE\)"):
        _ = table(Partition("d", "DEFAULT", True, None)).default_rows


@pytest.mark.parametrize(
    ("partition", "strategy", "complaint"),
    [
        (Partition("p", "FOR VALUES IN ('a')", False, 0), "l", "public.t is partitioned by list, not by range"),
        (Partition("p", "FOR VALUES FROM ('1') TO ('5')", False, 0), "r", "p: bound is not a time: '1'"),
        (
            Partition("p", "FOR VALUES FROM (1) TO (5)", False, 0),
            "r",
            r"p: bound is not a time range: FOR",
        ),
    ],
)
def test_table_not_partitioned_by_time_is_unknown(partition, strategy, complaint):
    with pytest.raises(OutputError, match=complaint):
        table(partition, strategy=strategy).missing(1)


def test_real_table_is_listed_with_partitions(cluster):
    try:
        cluster.run(
            "CREATE TABLE t (id integer, at timestamp) PARTITION BY RANGE (at)",
            "CREATE TABLE t_then PARTITION OF t FOR VALUES FROM ('2000-01-01') TO ('2001-01-01')",
            "CREATE TABLE t_now PARTITION OF t FOR VALUES FROM ('2001-01-01') TO (MAXVALUE)",
            "CREATE TABLE t_else PARTITION OF t DEFAULT",
            "CREATE TABLE empty (at date) PARTITION BY RANGE (at)",
        )
        found = cluster.value(Partitions)
        assert {each.name for each in found["public.t"].partitions} == {"t_then", "t_now", "t_else"}
        assert (found["public.t"].missing(5), found["public.t"].gaps(), found["public.t"].default_rows) == ([], [], 0)
        assert len(found["public.empty"].missing(1)) == 2
        cluster.run("INSERT INTO t VALUES (1, '1999-01-01'), (2, NULL)")
        assert cluster.value(Partitions)["public.t"].default_rows == 2
        cluster.run("DELETE FROM t_else")
        with pytest.raises(MeasurementError, match="VACUUM"):
            _ = cluster.value(Partitions)["public.t"].default_rows
        cluster.run("VACUUM t_else")
        assert cluster.value(Partitions)["public.t"].default_rows == 0
    finally:
        cluster.run("DROP TABLE IF EXISTS t, empty")


def test_sub_partitioned_partition_without_partitions_takes_no_rows(cluster):
    try:
        cluster.run(
            "CREATE TABLE t (id integer, at timestamp) PARTITION BY RANGE (at)",
            "CREATE TABLE t_now PARTITION OF t FOR VALUES FROM ('2001-01-01') TO (MAXVALUE) PARTITION BY HASH (id)",
            "CREATE TABLE t_half PARTITION OF t_now FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY HASH (id)",
            "CREATE TABLE t_else PARTITION OF t DEFAULT PARTITION BY LIST (id)",
        )
        found = cluster.value(Partitions)["public.t"]
        assert ([each.takes_rows for each in found.partitions], found.spans()) == ([False, False], [])
        assert found.default_rows == 0
        assert [each.takes_rows for each in cluster.value(Partitions)["public.t_now"].partitions] == [False]
        cluster.run("CREATE TABLE t_leaf PARTITION OF t_half FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
        found = cluster.value(Partitions)["public.t"]
        assert ([each.name for each in found.partitions if each.takes_rows], found.missing(1)) == (["t_now"], [])
    finally:
        cluster.run("DROP TABLE IF EXISTS t")


def test_sub_partitioned_default_sums_its_partitions(cluster):
    try:
        cluster.run(
            "CREATE TABLE t (id integer, at timestamp) PARTITION BY RANGE (at)",
            "CREATE TABLE t_else PARTITION OF t DEFAULT PARTITION BY LIST (id)",
            *[f"CREATE TABLE t_{number} PARTITION OF t_else FOR VALUES IN ({number})" for number in (1, 2)],
        )
        assert cluster.value(Partitions)["public.t"].default_rows == 0
        cluster.run("INSERT INTO t VALUES (1), (1), (2)")
        assert cluster.value(Partitions)["public.t"].default_rows == 3
    finally:
        cluster.run("DROP TABLE IF EXISTS t")


def test_missing_table_is_absent(cluster):
    with pytest.raises(Absent, match=r"public\.nothing is not a partitioned table"):
        _ = cluster.value(Partitions)["public.nothing"]
