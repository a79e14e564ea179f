"""Sentences, evidence and remedies of the monthly checks, from saved answers."""

import re

import pytest

from opsproof.action.journal import JournalEntry, append
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history.store import History
from opsproof.postgres.connection import Result
from opsproof.round.gathering import Recording, write

COUNTING = [[0, 1_000_000, 1, True]]


@pytest.fixture(scope="module")
def files(repository):
    """The file of each check: collecting all checks takes longer than running a single check."""
    found = (repository / "checks").rglob("test_*.py")
    return {name: path for path in found for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


@pytest.fixture
def judged(prove, repository, files, tmp_path):
    """Runs a check on the rows of its facts and returns the properties; a text instead of rows is an error."""

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


def test_remedy_names_the_tables(judged):
    rows = [upkeep("public.a", 90_000, "dead"), upkeep("public.b", 50_000, "dead"), upkeep("public.c", 1, "left out")]
    rows.append(upkeep("public.a", 60_000, "dead", toast=True))
    found, outcome = judged("test_dead_rows_are_within_limit", table_upkeep=rows)
    assert found["verdict"] == "failed"
    assert found["sentence"] == "metachat: dead rows 47.4 % (limit < 20 %)"
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
def test_lost_counters_and_errors_are_unknown(judged, rows, verdict):
    assert judged("test_dead_rows_are_within_limit", table_upkeep=rows)[0]["verdict"] == verdict


def test_twice_the_autovacuum_threshold_warns(judged):
    row = ["public.a", False, 10_000_000, 300_000, 100_050, 0, 1, None, 7, ["dead"]]
    found, _ = judged("test_dead_rows_are_within_limit", table_upkeep=[row])
    assert found["verdict"] == "warned"
    assert found["sentence"] == "metachat: dead rows against autovacuum threshold 299.9 % (limit < 200 %)"


@pytest.mark.parametrize(
    ("since", "ages", "verdict"),
    [(995_000, [None], "passed"), (0, [None], "unknown"), (0, [None, 800_000.0], "failed"), (0, [60.0], "passed")],
)
def test_never_vacuumed_table_may_wait_since_the_statistics_reset(judged, since, ages, verdict):
    rows = [["public.a", False, 100_000, 30_000, 20_050, 0, 10_050, age, 7, ["due"]] for age in ages]
    found, _ = judged("test_tables_are_vacuumed", table_upkeep=rows, statistics_epoch=[[since, 1_000_000, 1, True]])
    assert found["verdict"] == verdict


@pytest.mark.parametrize(
    "check",
    ["dead_rows_are_within_limit", "tables_are_vacuumed", "statistics_are_current", "every_table_is_analyzed"],
)
def test_track_counts_off_is_unknown(judged, check):
    found, _ = judged(f"test_{check}", table_upkeep=[], statistics_epoch=[[0, 1_000_000, 1, False]])
    assert found["verdict"] == "unknown"
    assert found["sentence"].endswith("track_counts is off, so the server has no activity counters")


@pytest.mark.parametrize(
    ("flags", "verdict"), [(["awaited"], "unknown"), (["unanalyzed"], "failed"), (["dead"], "passed")]
)
def test_recently_filled_table_is_not_failed_as_unanalyzed(judged, flags, verdict):
    rows = [upkeep("public.a", 0, *flags)]
    assert judged("test_every_table_is_analyzed", table_upkeep=rows)[0]["verdict"] == verdict


def test_remedy_resets_an_unreachable_threshold(judged):
    rows = [upkeep("public.a", 0, "left out"), upkeep("public.b", 0, "out of reach")]
    found, outcome = judged("test_autovacuum_is_enabled_for_every_table", table_upkeep=rows)
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
def test_waiting_time_counts_from_an_earlier_round(judged, tmp_path, check, reading, verdict):
    flag, name = WAITING[check]
    seen = Verdict("test", "vps-00", "metachat", samples=[Sample(name, *map(float, reading))])
    (tmp_path / "reports").mkdir()
    History(tmp_path / "reports" / "history.sqlite").add(0.0, "vps.toml", "monthly", [seen])
    assert judged(check, table_upkeep=[upkeep("public.a", 30_000, flag)])[0]["verdict"] == verdict


@pytest.mark.parametrize(("toast", "verdict"), [(True, "passed"), (False, "unknown")])
def test_toast_tables_need_no_statistics(judged, toast, verdict):
    rows = [upkeep("public.a", 0, "uncounted", toast=toast)]
    assert judged("test_statistics_are_current", table_upkeep=rows)[0]["verdict"] == verdict


def test_remedy_names_rebuildable_indexes_only(judged):
    rows = [["public", "a", "t", False, False, True], ["public", "b", "p", False, True, True]]
    found, outcome = judged("test_indexes_are_valid", invalid_indexes=rows)
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


def test_measured_bloat_overrides_the_estimate(judged):
    found, outcome = judged("test_tables_are_not_bloated", bloat_estimates=ESTIMATES, bloat_measurements=FIGURES)
    assert found["verdict"] == "failed"
    psql = "sudo docker exec -i meta-chat-postgres psql --dbname=metachat --username=metachat --pset=pager=off"
    effect = "  # locks each table while it is rewritten"
    assert found["remedy"] == f'on vps-00: {psql} -c \'VACUUM (FULL, ANALYZE) "public"."a"\'{effect}'
    for line in (
        "public.a: 1 GB, 70 % unused, measured",
        "public.b (TOAST): 1 GB, 20 %",
        "public.d: 1 GB, 10 % unused, est",
    ):
        assert line in outcome.text


def test_remedy_rebuilds_bloated_indexes(judged):
    found, _ = judged("test_indexes_are_not_bloated", bloat_estimates=ESTIMATES, bloat_measurements=FIGURES)
    assert found["remedy"].endswith(" --host vps-00 --database metachat --apply --index public.c")
    assert found["sentence"].startswith("metachat: index bloat 66.")


NOT_THERE = "function pg_catalog.pgstattuple_approx(regclass) does not exist; LINE 1"


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
def test_unmeasured_bloat_never_passes(judged, estimates, figures, verdict):
    found, _ = judged("test_tables_are_not_bloated", bloat_estimates=estimates, bloat_measurements=figures)
    assert found["verdict"] == verdict


def test_remedy_creates_a_missing_partition(judged):
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
    _, outcome = judged("test_future_partitions_exist", partitions=[row])
    found = {each["sentence"]: each for each in outcome.properties.values()}
    failed = found["public.messages has no partition for 2026-12"]
    assert failed["remedy"].endswith("--apply --database metachat --table public.messages")
    assert found["public.api_logs is not a partitioned table"]["verdict"] == "failed"


def test_sequence_is_shown_with_its_column(judged):
    row = ["public.orders_id_seq", "orders.id", True, 1.9e9, 2147483647.0, 88.5, 1.8e9]
    found, outcome = judged("test_key_values_are_available", key_ranges=[row])
    assert found["sentence"] == "metachat: keys used 88.5 % (limit < 80 %)"
    assert "public.orders_id_seq in orders.id: 1900000000 of 2147483647, 88.5 %" in outcome.text


BORN, NOW = 1_795_000_000.0, 1_795_003_600.0


def restored(reports, began, backup="metachat", action="restore"):
    entry = JournalEntry(action, "vps-00", [], [], "done", "", began, 60.0, {"backup": backup})
    append(reports / "journal.jsonl", entry)


@pytest.mark.parametrize(
    ("began", "fields", "verdict"),
    [
        (BORN - 60, {}, "passed"),
        (BORN - 60, {"backup": "other"}, "failed"),
        (BORN - 60, {"action": "restore_drill"}, "failed"),
        (BORN + 60, {}, "failed"),
    ],
    ids=["restore", "of another database", "drill", "into another database"],
)
def test_scans_of_a_restore_are_not_judged(judged, tmp_path, began, fields, verdict):
    restored(tmp_path / "reports", began, **fields)
    rows = [["public.messages", 20_000, 20_000 * 40, 0, BORN, NOW, True]]
    found, _ = judged("test_large_tables_use_index_scans", table_scans=rows)
    assert found["verdict"] == verdict


def test_scans_since_the_round_after_a_restore_are_judged(judged, tmp_path):
    reports = tmp_path / "reports"
    restored(reports, BORN - 60)
    names = {"rows read public.messages": 20_000.0, "index scans public.messages": 0.0}
    samples = [Sample(name, value, BORN, BORN + 600) for name, value in names.items()]
    test = "test_large_tables_use_index_scans[vps-00-metachat]"
    History(reports / "history.sqlite").add(
        BORN, "x", "monthly", [Verdict(test, "vps-00", "metachat", samples=samples)]
    )
    rows = [["public.messages", 20_000, 20_000 * 40, 0, BORN, NOW, True]]
    assert judged("test_large_tables_use_index_scans", table_scans=rows)[0]["verdict"] == "failed"
