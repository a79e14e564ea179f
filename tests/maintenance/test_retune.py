"""--retune keeps more lists if recall suffices, and otherwise restores the old index."""

import pytest

from tests.harness.extent import moments
from tests.harness.killing import as_text, course_s
from tests.maintenance.conftest import declared, definition, killed_at, oid

LOW_LIMIT, HIGH_LIMIT = ">= 1%", ">= 99.9%"
LISTS = "CREATE INDEX {} ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = {})"
GRANTS = "GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.rows TO opsproof_recall"


@pytest.fixture
def few_lists(place, table):
    """A declared index with a single list, which gives full recall."""
    place.sql(f"{GRANTS}; {LISTS.format('rows_vectors', 1)}")
    place.sql("COMMENT ON INDEX t.rows_vectors IS 'of the search'")
    return "t.rows_vectors"


@pytest.fixture
def exchanged(place, few_lists):
    """The state after a run was killed between swapping and dropping."""
    place.sql(LISTS.format("fresh", 6))
    place.sql(f"ALTER INDEX {few_lists} RENAME TO opsproof_retired_{oid(place, 't.fresh')}")
    place.sql("ALTER INDEX t.fresh RENAME TO rows_vectors")
    return few_lists


def test_more_lists_with_enough_recall_are_kept(place, few_lists):
    declared(place, vector_recall=LOW_LIMIT)
    place.do("reindex", "--index", few_lists, "--retune")
    assert "lists='6'" in definition(place, few_lists)
    assert place.value(f"SELECT obj_description('{few_lists}'::regclass)") == "of the search"
    assert place.invalid == []


def test_more_lists_with_low_recall_are_rolled_back(place, few_lists):
    declared(place, vector_recall=HIGH_LIMIT)
    before = oid(place, few_lists)
    done = place.run("reindex", "--apply", "--index", few_lists, "--retune")
    assert done.returncode == 5
    assert "t.rows_vectors was rolled back to 1 lists: with 6 lists, recall " in done.stderr
    assert (oid(place, few_lists), place.invalid) == (before, [])
    assert place.value(f"SELECT obj_description('{few_lists}'::regclass)") == "of the search"


def test_retune_is_refused_if_recall_cannot_be_measured(place, few_lists):
    declared(place)
    place.sql("REVOKE USAGE ON SCHEMA t FROM opsproof_recall")
    before = oid(place, few_lists)
    done = place.run("reindex", "--apply", "--index", few_lists, "--retune")
    assert done.returncode == 3
    assert "keeps its number of lists, because recall cannot be measured: " in done.stderr
    assert (oid(place, few_lists), place.invalid) == (before, [])


def test_more_lists_are_kept_if_recall_failed_before(place, few_lists):
    declared(place, vector_recall="> 100%")
    place.sql(f"DROP INDEX {few_lists}; {LISTS.format('rows_vectors', 4)}")
    done = place.run("reindex", "--apply", "--index", few_lists, "--retune")
    assert done.returncode == 5
    assert "recall" in done.stderr
    assert ("lists='6'" in definition(place, few_lists), place.invalid) == (True, [])


def test_killed_retune_restores_old_index_if_recall_unknown(place, exchanged):
    declared(place)
    place.sql("REVOKE USAGE ON SCHEMA t FROM opsproof_recall")
    done = place.run("reindex", "--apply", "--index", "t.rows_at")
    assert done.returncode == 5
    assert "its recall cannot be measured: " in done.stderr
    assert "lists='1'" in definition(place, exchanged)


@pytest.mark.parametrize("words", [(), ("--retune",), ("--retune", "--index", "t.rows_vectors")], ids=" ".join)
def test_killed_retune_drops_old_index_if_recall_suffices(place, exchanged, words):
    declared(place, vector_recall=LOW_LIMIT, vector_age="< 1000d", vector_new_rows="<= 100%")
    now = oid(place, exchanged)
    assert "formerly t.rows_vectors" in place.do("reindex", *words)
    assert (oid(place, exchanged), place.invalid) == (now, [])


@pytest.mark.parametrize("words", [("--index", "t.rows_at"), ("--retune",)], ids=" ".join)
def test_killed_retune_restores_old_index_if_recall_low(place, exchanged, words):
    declared(place, vector_recall=HIGH_LIMIT)
    done = place.run("reindex", "--apply", *words)
    assert done.returncode == 5
    assert "t.rows_vectors was rolled back to 1 lists" in done.stderr
    assert "lists='1'" in definition(place, exchanged)
    assert place.invalid == []


@pytest.mark.kills
@pytest.mark.parametrize(("limit", "status"), [(LOW_LIMIT, 0), (HIGH_LIMIT, 5)], ids=["recall passes", "recall fails"])
def test_killed_retune_ends_with_old_or_new_index(place, few_lists, limit, status, note):
    declared(place, vector_recall=limit)
    before = definition(place, few_lists)
    lasts_s = course_s(place.begin("reindex", "--index", few_lists, "--retune"), statuses=[status])
    at = moments(f"more lists, recall {limit}")
    note(f"more lists, recall {limit}: killed at {as_text(at)} of {lasts_s:.2f} s")
    hits = 0
    for number, moment in enumerate(at):
        place.sql(f"DROP INDEX {few_lists}; {before}")
        process = place.begin("reindex", "--index", few_lists, "--retune")
        hits += killed_at(process, moment * lasts_s, everything=number % 2 == 0)
        assert definition(place, few_lists) in (before, before.replace("'1'", "'6'"))
        assert place.once_free("reindex", "--index", few_lists, "--retune").returncode == status
        assert place.invalid == []
        assert definition(place, few_lists) == (before.replace("'1'", "'6'") if limit == LOW_LIMIT else before)
    assert hits, "every kill came too late"


def test_retune_with_outdated_row_count_is_refused(place, few_lists):
    place.sql("SELECT pg_stat_reset_single_table_counters('t.rows'::regclass)")
    before = oid(place, few_lists)
    done = place.run("reindex", "--apply", "--index", few_lists, "--retune")
    assert done.returncode == 3
    assert "t.rows_vectors is on a table with an outdated row count" in done.stderr
    assert oid(place, few_lists) == before
    place.do("analyze", "--table", "t.rows")
    place.do("reindex", "--index", few_lists, "--retune")
    assert "lists='6'" in definition(place, few_lists)


def test_retune_with_few_rows_is_refused(place, table):
    declared(place)
    place.sql("DELETE FROM t.rows WHERE id > 'chk000500'")
    place.sql("VACUUM ANALYZE t.rows")
    place.sql(LISTS.format("rows_vectors", 100))
    done = place.run("reindex", "--apply", "--index", "t.rows_vectors", "--retune")
    assert done.returncode == 3
    assert "rows: too few to determine the number of lists" in done.stderr
    done = place.run("reindex", "--apply", "--retune")
    assert done.returncode == 6
    assert "501 rows are too few to judge the number of lists" in done.stderr
    assert "lists='100'" in definition(place, "t.rows_vectors")


@pytest.fixture
def kept(restricted, vectors):
    """The index in a tablespace; the owner of both may use neither the schema nor the tablespace for new indexes."""
    restricted.sql("CREATE ROLE keeper; ALTER TABLE t.rows OWNER TO keeper; GRANT keeper TO opsproof_maintain")
    restricted.sql("GRANT USAGE ON SCHEMA t TO keeper")
    with restricted.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE small LOCATION ''")
    restricted.sql(f"ALTER INDEX {vectors} SET TABLESPACE small")
    yield vectors
    restricted.sql("DROP SCHEMA t CASCADE; DROP OWNED BY keeper; DROP ROLE keeper")
    restricted.sql("DROP TABLESPACE small")


def test_retune_without_rights_or_free_name_is_refused_by_plan_and_run(restricted, kept):
    words, taken = ("reindex", "--index", kept, "--retune"), f"opsproof_retune_{oid(restricted, kept)}"
    restricted.sql(f"CREATE TABLE t.{taken} (id int)")
    for done in (restricted.run(*words), restricted.run(*words, "--apply")):
        assert done.returncode == 3
        for subject in (
            "indexes in schema t: GRANT CREATE ON SCHEMA t",
            "indexes in tablespace small: GRANT CREATE ON",
        ):
            assert subject in done.stderr
        assert f"the name of the replacement, t.{taken}, is taken by a table: rename it" in done.stderr
    restricted.sql(f"DROP TABLE t.{taken}; GRANT CREATE ON SCHEMA t TO keeper")
    assert restricted.run(*words).returncode == 3
    restricted.sql(f"ALTER INDEX {kept} SET TABLESPACE pg_default")
    restricted.do(*words)
    assert definition(restricted, kept).endswith("WITH (lists='6')")
