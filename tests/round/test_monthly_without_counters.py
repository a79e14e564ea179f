"""What the checks of a database's health say, show and advise, by answers that were saved."""

import re

import pytest

from opsproof.core.verdicts import Sample, Verdict
from opsproof.history.store import History
from opsproof.postgres.connection import Result
from opsproof.round.gathering import Recording, write

COUNTING = [[0, 1_000_000, 1, True]]


@pytest.fixture(scope="module")
def files(repository):
    """The file of each check: collecting the others takes longer than a run of one."""
    found = (repository / "checks").rglob("test_*.py")
    return {name: path for path in found for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


@pytest.fixture
def said(prove, repository, files, tmp_path):
    """What a run says of one check, given the rows of its facts; a text in their place is an error."""

    def run(check, **answers):
        asked = {"statistics_epoch": COUNTING, **answers}
        results = {f"{fact} metachat": _result(rows) for fact, rows in asked.items()}
        write(tmp_path / "facts.json", {"vps-00": Recording(results=results)})
        options = [f"{files[check]}::{check}", f"--facts={tmp_path}/facts.json"]
        outcome = prove(repository / "inventory" / "metachat.toml", *options, reports=tmp_path / "reports")
        return next(iter(outcome.properties.values())), outcome

    return run


def _result(rows):
    return Result(error=rows) if isinstance(rows, str) else Result(rows)


def upkeep(table, dead, *flags, toast=False):
    return [table, toast, 100_000, dead, 20_050, 0, 10_050, None, 7, list(flags)]


def test_the_remedy_names_the_tables_that_were_found(said):
    rows = [upkeep("public.a", 90_000, "dead"), upkeep("public.b", 50_000, "dead"), upkeep("public.c", 1, "left out")]
    rows.append(upkeep("public.a", 60_000, "dead", toast=True))
    found, outcome = said("test_dead_rows_are_within_limit", table_upkeep=rows)
    assert found["verdict"] == "failed"
    assert found["sentence"] == "dead rows 47.4 % of metachat is over the limit of 20 %"
    options = "--host vps-00 --database metachat --apply --table public.a --table public.b"
    assert found["remedy"].endswith(f" {options}")
    assert " actions/vacuum.py " in found["remedy"]
    for line in ("public.a: 100000 rows; 90000 dead", "public.a (TOAST)", "query: SELECT relname"):
        assert line in outcome.text
    assert "public.c" not in outcome.text


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], "passed"),
        ([upkeep("public.a", 23_000, "dead")], "passed"),
        ([upkeep("public.a", 24_000, "dead"), upkeep("public.b", 0, "uncounted")], "unknown"),
        ([upkeep("public.a", 90_000, "dead"), upkeep("public.b", 0, "uncounted")], "failed"),
        ("canceling statement due to statement timeout", "unknown"),
        ("permission denied for table pg_statistic", "unknown"),
    ],
)
def test_lost_counters_and_no_answer_are_unknown(said, rows, verdict):
    assert said("test_dead_rows_are_within_limit", table_upkeep=rows)[0]["verdict"] == verdict


def test_twice_what_brings_autovacuum_warns(said):
    row = ["public.a", False, 10_000_000, 300_000, 100_050, 0, 1, None, 7, ["dead"]]
    found, _ = said("test_dead_rows_are_within_limit", table_upkeep=[row])
    assert found["verdict"] == "warned"
    assert found["sentence"] == "dead rows waiting 299.9 % of metachat is over the limit of 200 %"


@pytest.mark.parametrize(
    ("since", "ages", "verdict"),
    [(995_000, [None], "passed"), (0, [None], "unknown"), (0, [None, 800_000.0], "failed"), (0, [60.0], "passed")],
)
def test_a_table_that_was_never_vacuumed_may_wait_since_the_statistics_began(said, since, ages, verdict):
    rows = [["public.a", False, 100_000, 30_000, 20_050, 0, 10_050, age, 7, ["due"]] for age in ages]
    found, _ = said("test_tables_are_vacuumed", table_upkeep=rows, statistics_epoch=[[since, 1_000_000, 1, True]])
    assert found["verdict"] == verdict


@pytest.mark.parametrize(
    "check",
    ["dead_rows_are_within_limit", "tables_are_vacuumed", "statistics_are_current", "every_table_is_analyzed"],
)
def test_nothing_passes_where_nothing_is_counted(said, check):
    found, _ = said(f"test_{check}", table_upkeep=[], statistics_epoch=[[0, 1_000_000, 1, False]])
    assert found["verdict"] == "unknown"
    assert found["sentence"].endswith("track_counts is off, so the server has no activity counters")


@pytest.mark.parametrize(
    ("flags", "verdict"), [(["awaited"], "unknown"), (["unanalyzed"], "failed"), (["dead"], "passed")]
)
def test_a_table_that_may_be_fresh_is_not_called_forgotten(said, flags, verdict):
    rows = [upkeep("public.a", 0, *flags)]
    assert said("test_every_table_is_analyzed", table_upkeep=rows)[0]["verdict"] == verdict


def test_a_threshold_out_of_reach_is_reset(said):
    rows = [upkeep("public.a", 0, "left out"), upkeep("public.b", 0, "out of reach")]
    found, outcome = said("test_autovacuum_is_enabled_for_every_table", table_upkeep=rows)
    assert found["sentence"] == "autovacuum is off for public.a, public.b"
    assert 'ALTER TABLE "public"."a" RESET (autovacuum_enabled, toast.autovacuum_enabled)' in found["remedy"]
    assert 'ALTER TABLE "public"."b" RESET (autovacuum_vacuum_threshold, ' in found["remedy"]
    assert 'ALTER TABLE "public"."a" RESET (autovacuum_vacuum_threshold, ' not in found["remedy"]
    assert "public.b: 100000 rows" in outcome.text


WAITING = {
    "test_tables_are_vacuumed": ("due", "due public.a"),
    "test_every_table_is_analyzed": ("awaited", "unanalyzed public.a"),
}


@pytest.mark.parametrize("check", WAITING)
@pytest.mark.parametrize(
    ("reading", "verdict"), [((7, 0, 1_000), "failed"), ((7, 0, 999_900), "unknown"), ((8, 0, 1_000), "unknown")]
)
def test_what_an_earlier_round_found_waiting_waits_since_then(said, tmp_path, check, reading, verdict):
    flag, name = WAITING[check]
    seen = Verdict("test", "vps-00", "metachat", samples=[Sample(name, *map(float, reading))])
    (tmp_path / "reports").mkdir()
    History(tmp_path / "reports" / "history.sqlite").add(0.0, "vps.toml", "monthly", [seen])
    assert said(check, table_upkeep=[upkeep("public.a", 30_000, flag)])[0]["verdict"] == verdict


@pytest.mark.parametrize(("toast", "verdict"), [(True, "passed"), (False, "unknown")])
def test_no_statistics_are_of_toast(said, toast, verdict):
    rows = [upkeep("public.a", 0, "uncounted", toast=toast)]
    assert said("test_statistics_are_current", table_upkeep=rows)[0]["verdict"] == verdict


def test_only_what_can_be_rebuilt_is_named_to_the_action(said):
    rows = [["public", "a", "t", False, False, True], ["public", "b", "p", False, True, True]]
    found, outcome = said("test_indexes_are_valid", invalid_indexes=rows)
    assert found["verdict"] == "failed"
    assert found["remedy"].endswith("--index public.a")
    assert "public.b: of p, partitioned: CREATE INDEX CONCURRENTLY on each partition without an index" in outcome.text


ESTIMATES = [
    [1, "table", "public.a", 10**9, 1.0, 80.0],
    [2, "TOAST", "public.b", 10**9, 1.0, None],
    [3, "index", "public.c", 10**9, 0.9, 70.0],
    [4, "table", "public.d", 10**9, 1.0, 10.0],
]
FIGURES = [[1, [10**9, 7e8, 3e8, 1e6]], [2, [10**9, 2e8, 8e8, 5e5]], [3, [10**9, 122000, 60, 30.0]]]


def test_measured_figures_decide(said):
    found, outcome = said("test_tables_are_not_bloated", bloat_estimates=ESTIMATES, bloat_measurements=FIGURES)
    assert found["verdict"] == "failed"
    psql = "docker exec -it meta-chat-postgres psql --dbname=metachat --username=metachat"
    assert found["remedy"] == f'on vps-00: {psql} -c \'VACUUM (FULL, ANALYZE) "public"."a"\''
    for line in (
        "public.a: 1 GB, 70 % unused, measured",
        "public.b (TOAST): 1 GB, 20 %",
        "public.d: 1 GB, 10 % unused, est",
    ):
        assert line in outcome.text


def test_indexes_are_built_anew_by_the_action(said):
    found, _ = said("test_indexes_are_not_bloated", bloat_estimates=ESTIMATES, bloat_measurements=FIGURES)
    assert found["remedy"].endswith(" --host vps-00 --database metachat --apply --index public.c")
    assert found["sentence"].startswith("index bloat 66.")


NOT_THERE = "function pgstattuple_approx(regclass) does not exist; LINE 1"


@pytest.mark.parametrize(
    ("estimates", "figures", "verdict"),
    [
        (ESTIMATES[:1], NOT_THERE, "unknown"),
        (ESTIMATES[3:], NOT_THERE, "passed"),
        (ESTIMATES[:1], [[1, None]], "unknown"),
        (ESTIMATES[:2], [FIGURES[0], [2, None]], "failed"),
        (ESTIMATES[1:2], [], "unknown"),
        ("permission denied for table pg_statistic", FIGURES, "unknown"),
        (ESTIMATES[3:], "canceling statement due to statement timeout", "unknown"),
    ],
)
def test_what_was_not_measured_never_passes(said, estimates, figures, verdict):
    found, _ = said("test_tables_are_not_bloated", bloat_estimates=estimates, bloat_measurements=figures)
    assert found["verdict"] == verdict


def test_a_missing_partition_is_made_by_the_action(said):
    row = [
        "public.messages",
        "r",
        "m",
        "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')",
        False,
        0,
        True,
        "2026-11-25",
    ]
    _, outcome = said("test_future_partitions_exist", partitions=[row])
    found = {each["sentence"]: each for each in outcome.properties.values()}
    failed = found["public.messages has no partition for 2026-12"]
    assert failed["remedy"].endswith("--apply --database metachat --table public.messages")
    assert found["public.api_logs is not a partitioned table"]["verdict"] == "failed"


def test_a_sequence_is_told_with_its_column(said):
    row = ["public.orders_id_seq", "orders.id", True, 1.9e9, 2147483647.0, 88.5, 1.8e9]
    found, outcome = said("test_key_values_are_available", key_ranges=[row])
    assert found["sentence"] == "keys used 88.5 % of metachat is over the limit of 80 %"
    assert "public.orders_id_seq in orders.id: 1900000000 of 2147483647, 88.5 %" in outcome.text
