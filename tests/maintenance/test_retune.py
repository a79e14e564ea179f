"""More lists stay where they find enough by the application's probes; else the index that did has its name again."""

import pytest

from tests.harness.extent import moments
from tests.harness.killing import as_text, course_s
from tests.maintenance.conftest import declared, definition, killed_at, oid

BEARABLE, UNBEARABLE = ">= 1%", ">= 99.9%"
LISTS = "CREATE INDEX {} ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = {})"
GRANTS = "GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.rows TO opsproof_recall"


@pytest.fixture
def few(place, table):
    """A declared index with fewer lists than its rows ask for, which reads them all."""
    place.sql(f"{GRANTS}; {LISTS.format('rows_vectors', 1)}")
    place.sql("COMMENT ON INDEX t.rows_vectors IS 'of the search'")
    return "t.rows_vectors"


@pytest.fixture
def exchanged(place, few):
    """What a run leaves that was killed once the new index had the name."""
    place.sql(LISTS.format("fresh", 6))
    place.sql(f"ALTER INDEX {few} RENAME TO opsproof_retired_{oid(place, 't.fresh')}")
    place.sql("ALTER INDEX t.fresh RENAME TO rows_vectors")
    return few


def test_more_lists_stay_where_they_find_enough(place, few):
    declared(place, vector_recall=BEARABLE)
    place.do("reindex", "--index", few, "--retune")
    assert "lists='6'" in definition(place, few)
    assert place.value(f"SELECT obj_description('{few}'::regclass)") == "of the search"
    assert place.invalid == []


def test_more_lists_that_find_too_little_are_taken_back(place, few):
    declared(place, vector_recall=UNBEARABLE)
    before = oid(place, few)
    done = place.run("reindex", "--apply", "--index", few, "--retune")
    assert done.returncode == 5
    assert "t.rows_vectors has its 1 lists again: with 6, recall " in done.stderr
    assert (oid(place, few), place.invalid) == (before, [])
    assert place.value(f"SELECT obj_description('{few}'::regclass)") == "of the search"


def test_more_lists_are_refused_where_nobody_could_tell_what_they_find(place, few):
    declared(place)
    place.sql("REVOKE USAGE ON SCHEMA t FROM opsproof_recall")
    before = oid(place, few)
    done = place.run("reindex", "--apply", "--index", few, "--retune")
    assert done.returncode == 3
    assert "gets no more lists, as nobody could tell what they find: " in done.stderr
    assert (oid(place, few), place.invalid) == (before, [])


def test_more_lists_stay_where_the_earlier_found_too_little_too(place, few):
    declared(place, vector_recall="> 100%")
    place.sql(f"DROP INDEX {few}; {LISTS.format('rows_vectors', 4)}")
    done = place.run("reindex", "--apply", "--index", few, "--retune")
    assert done.returncode == 5
    assert "recall" in done.stderr
    assert ("lists='6'" in definition(place, few), place.invalid) == (True, [])


def test_what_had_the_name_before_a_kill_has_it_again_where_nobody_knows_what_the_new_one_finds(place, exchanged):
    declared(place)
    place.sql("REVOKE USAGE ON SCHEMA t FROM opsproof_recall")
    done = place.run("reindex", "--apply", "--index", "t.rows_at")
    assert done.returncode == 5
    assert "its recall cannot be measured: " in done.stderr
    assert "lists='1'" in definition(place, exchanged)


@pytest.mark.parametrize("words", [(), ("--retune",), ("--retune", "--index", "t.rows_vectors")], ids=" ".join)
def test_what_had_the_name_before_a_kill_goes_where_the_new_one_finds_enough(place, exchanged, words):
    declared(place, vector_recall=BEARABLE, vector_age="< 1000d", vector_new_rows="<= 100%")
    now = oid(place, exchanged)
    assert "which was t.rows_vectors" in place.do("reindex", *words)
    assert (oid(place, exchanged), place.invalid) == (now, [])


@pytest.mark.parametrize("words", [("--index", "t.rows_at"), ("--retune",)], ids=" ".join)
def test_what_had_the_name_before_a_kill_has_it_again_where_the_new_one_finds_too_little(place, exchanged, words):
    declared(place, vector_recall=UNBEARABLE)
    done = place.run("reindex", "--apply", *words)
    assert done.returncode == 5
    assert "t.rows_vectors has its 1 lists again" in done.stderr
    assert "lists='1'" in definition(place, exchanged)
    assert place.invalid == []


@pytest.mark.kills
@pytest.mark.parametrize(("limit", "status"), [(BEARABLE, 0), (UNBEARABLE, 5)], ids=["bearable", "unbearable"])
def test_a_kill_at_any_moment_ends_with_one_of_the_two(place, few, limit, status, note):
    declared(place, vector_recall=limit)
    before = definition(place, few)
    lasts_s = course_s(place.begin("reindex", "--index", few, "--retune"), statuses=[status])
    at = moments(f"more lists, recall {limit}")
    note(f"more lists, recall {limit}: killed at {as_text(at)} of {lasts_s:.2f} s")
    hits = 0
    for number, moment in enumerate(at):
        place.sql(f"DROP INDEX {few}; {before}")
        process = place.begin("reindex", "--index", few, "--retune")
        hits += killed_at(process, moment * lasts_s, everything=number % 2 == 0)
        assert definition(place, few) in (before, before.replace("'1'", "'6'"))
        assert place.once_free("reindex", "--index", few, "--retune").returncode == status
        assert place.invalid == []
        assert definition(place, few) == (before.replace("'1'", "'6'") if limit == BEARABLE else before)
    assert hits, "every kill came too late"


def test_lists_for_rows_that_nobody_counted_are_refused(place, few):
    place.sql("SELECT pg_stat_reset_single_table_counters('t.rows'::regclass)")
    before = oid(place, few)
    done = place.run("reindex", "--apply", "--index", few, "--retune")
    assert done.returncode == 3
    assert "t.rows_vectors is on a table whose rows the server has not counted of late" in done.stderr
    assert oid(place, few) == before
    place.do("analyze", "--table", "t.rows")
    place.do("reindex", "--index", few, "--retune")
    assert "lists='6'" in definition(place, few)


def test_lists_for_a_few_rows_are_refused(place, table):
    declared(place)
    place.sql("DELETE FROM t.rows WHERE id > 'chk000500'")
    place.sql("VACUUM ANALYZE t.rows")
    place.sql(LISTS.format("rows_vectors", 100))
    done = place.run("reindex", "--apply", "--index", "t.rows_vectors", "--retune")
    assert done.returncode == 3
    assert "rows: too few to tell how many lists they need" in done.stderr
    done = place.run("reindex", "--apply", "--retune")
    assert done.returncode == 6
    assert "not judged: lists of t.rows_vectors: of " in done.stderr
    assert "lists='100'" in definition(place, "t.rows_vectors")
