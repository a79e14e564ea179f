from datetime import UTC, datetime

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.facts.keys import KeyRange, KeyRanges
from opsproof.postgres.connection import Result

DAY = 86400.0


@pytest.fixture
def used(cluster):
    """Used share of each sequence in percent, with its narrowest column."""

    def used_shares():
        found = cluster.value(KeyRanges).found.rows
        return {each.sequence.removeprefix("public."): (round(each.used), each.column) for each in found}

    return used_shares


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["CREATE TABLE t (id serial)", "SELECT setval('t_id_seq', 1825361100)"], {"t_id_seq": (85, "t.id")}),
        (
            ["CREATE TABLE t (id smallint GENERATED ALWAYS AS IDENTITY)", "SELECT setval('t_id_seq', 16384)"],
            {"t_id_seq": (50, "")},
        ),
        (["CREATE TABLE t (id bigserial)", "SELECT setval('t_id_seq', 9000000000000000000)"], {}),
        (
            [
                "CREATE SEQUENCE s AS bigint",
                "CREATE TABLE t (id integer DEFAULT nextval('s'))",
                "SELECT setval('s', 2000000000)",
            ],
            {"s": (93, "t.id")},
        ),
        (
            [
                "CREATE TABLE t (id bigserial PRIMARY KEY)",
                "CREATE TABLE child (t_id integer REFERENCES t)",
                "SELECT setval('t_id_seq', 1288490189)",
            ],
            {"t_id_seq": (60, "child.t_id")},
        ),
        (["CREATE SEQUENCE s MAXVALUE 100", "SELECT setval('s', 75)"], {"s": (75, "")}),
        (["CREATE SEQUENCE s MAXVALUE 100"], {"s": (0, "")}),
        (["CREATE SEQUENCE s MAXVALUE 100 CYCLE", "SELECT setval('s', 99)"], {}),
        (
            [
                "CREATE SEQUENCE s AS bigint CYCLE",
                "CREATE TABLE t (id integer DEFAULT nextval('s'))",
                "SELECT setval('s', 2000000000)",
            ],
            {"s": (93, "t.id")},
        ),
        (["CREATE TABLE t (id integer DEFAULT 1)", "CREATE SEQUENCE s AS integer CYCLE OWNED BY t.id"], {}),
        (
            ["CREATE TABLE t (id integer)", "CREATE SEQUENCE s AS integer INCREMENT -1 CYCLE OWNED BY t.id"],
            {},
        ),
        (
            [
                "CREATE TABLE t (id serial)",
                "ALTER SEQUENCE t_id_seq MINVALUE -2147483648 RESTART WITH -2147483648",
                "SELECT setval('t_id_seq', -5000000)",
            ],
            {"t_id_seq": (100, "t.id")},
        ),
        (
            ["CREATE SEQUENCE s AS integer MINVALUE -2147483648", "SELECT setval('s', -5000000)"],
            {"s": (50, "")},
        ),
        (
            ["CREATE SEQUENCE s INCREMENT -1 MINVALUE -100 MAXVALUE 100 START -1", "SELECT setval('s', 10)"],
            {"s": (90, "")},
        ),
        (
            ["CREATE SEQUENCE s INCREMENT -1 MINVALUE -101 MAXVALUE -1", "SELECT setval('s', -91)"],
            {"s": (90, "")},
        ),
    ],
)
def test_used_share_is_of_narrowest_column(cluster, used, statements, expected):
    try:
        cluster.run(*statements)
        assert used() == expected
    finally:
        cluster.run("DROP TABLE IF EXISTS t, child CASCADE", "DROP SEQUENCE IF EXISTS s")


def test_unreadable_sequence_is_unknown(cluster):
    cluster.run("CREATE SEQUENCE s MAXVALUE 100", "REVOKE ALL ON s FROM opsproof_monitor")
    try:
        keys = cluster.value(KeyRanges)
    finally:
        cluster.run("DROP SEQUENCE s")
    assert keys.used == 0
    with pytest.raises(MeasurementError, match=r"for sequence public\.s: run the SQL of .*--show=monitor\.sql"):
        keys.require_readable()


def test_unreadable_sequences_do_not_hide_others(cluster):
    names = [f"hidden{number}" for number in range(60)]
    cluster.run("CREATE SEQUENCE s MAXVALUE 1000", "SELECT setval('s', 978)")
    cluster.run(
        "; ".join(f"CREATE SEQUENCE {each} MAXVALUE 100; REVOKE ALL ON {each} FROM opsproof_monitor" for each in names)
    )
    try:
        assert round(cluster.value(KeyRanges).used, 1) == 97.8
    finally:
        cluster.run(f"DROP SEQUENCE s, {', '.join(names)}")


def test_temporary_sequence_is_skipped(cluster):
    with cluster.connect() as session:
        session.execute("CREATE TEMP TABLE mine (id serial)")
        cluster.value(KeyRanges).require_readable()


NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
RANGE = KeyRange("public.s", "t.id", True, 1500.0, 2000.0, 75.0)


@pytest.mark.parametrize(
    ("earlier", "text"),
    [
        ([], "a second run is needed to predict when values run out"),
        ([Counter(1400.0, 0.0, NOW - 10 * DAY)], "runs out about 2027-01-14"),
        ([Counter(1500.0, 0.0, NOW - 10 * DAY)], "no growth since 2026-11-15"),
        ([Counter(1600.0, 0.0, NOW - 10 * DAY)], "no growth since 2026-11-15"),
        ([Counter(1499.999, 0.0, NOW - 90 * DAY)], "runs out about 2100 or later"),
    ],
)
def test_exhaustion_date_is_extrapolated_from_growth(earlier, text):
    assert RANGE.line(earlier, NOW) == f"public.s in t.id: 1500 of 2000, 75.0 %; {text}"


def test_database_without_limited_sequences_is_0_percent():
    keys = KeyRanges().parse(Result([]), None)
    assert (keys.used, keys.readings, keys.lines({})) == (0, {}, [])


def test_sequences_of_every_schema_are_readable(cluster, used):
    cluster.run("CREATE SCHEMA later", "CREATE SEQUENCE later.s AS smallint", "SELECT setval('later.s', 30000)")
    try:
        assert used()["later.s"] == (92, "")
    finally:
        cluster.run("DROP SCHEMA later CASCADE")
