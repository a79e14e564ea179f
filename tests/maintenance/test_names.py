"""Names with dots, ambiguous names, and names in a LATIN1 database."""

import pytest

from lab.waiting import wait_until

HELD = 'SELECT count(*) FROM "a.b".q'


@pytest.fixture
def dotted(place):
    """A schema with a dot in its name."""
    place.sql('CREATE SCHEMA "a.b"; CREATE TABLE "a.b".q AS SELECT n AS id FROM generate_series(1, 30000) n')
    place.sql('CREATE INDEX q_id ON "a.b".q (id)')
    yield place
    place.sql('DROP SCHEMA "a.b" CASCADE')


def test_leftover_in_dotted_schema_is_dropped(dotted):
    with dotted.holding(HELD), dotted.building('REINDEX INDEX CONCURRENTLY "a.b".q_id'):
        dotted.await_build()
    assert "drop a.b.q_id_cc" in dotted.do("reindex")
    assert dotted.invalid == []


def test_index_and_table_in_dotted_schema_can_be_named(dotted):
    assert "rebuild a.b.q_id (btree" in dotted.do("reindex", "--index", "a.b.q_id")
    for action in ("vacuum", "analyze"):
        assert f"{action} a.b.q" in dotted.do(action, "--table", "a.b.q")


def test_table_in_dotted_schema_is_flagged(dotted):
    dotted.sql('ALTER TABLE "a.b".q SET (autovacuum_enabled = off); UPDATE "a.b".q SET id = id')
    dead = "SELECT pg_stat_get_dead_tuples('\"a.b\".q'::regclass)"
    wait_until(lambda: dotted.value(dead) >= 30000, "dead rows are counted")
    assert "vacuum a.b.q: " in dotted.do("vacuum")


@pytest.mark.parametrize(
    ("words", "name"),
    [(("vacuum", "--table"), "a.b.q"), (("reindex", "--index"), "a.b.q_id")],
    ids=["table", "index"],
)
def test_ambiguous_name_is_rejected(dotted, words, name):
    dotted.sql('CREATE SCHEMA a; CREATE TABLE a."b.q" (id int); CREATE INDEX "b.q_id" ON a."b.q" (id)')
    try:
        done = dotted.run(*words, name)
    finally:
        dotted.sql("DROP SCHEMA a CASCADE")
    assert done.returncode == 2
    assert f"metachat has several relations called {name}" in done.stderr


def test_names_in_latin1_database_are_converted(place):
    place.sql("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    try:
        with place.server.connect("metachat", place.secrets.passwords["metachat"], "latin") as connection:
            connection.execute('CREATE TABLE "Aufträge" (id int PRIMARY KEY)')
        place.name = "latin"
        assert "vacuum public.Aufträge" in place.do("vacuum", "--table", "Aufträge")
        assert "rebuild public.Aufträge_pkey" in place.do("reindex", "--index", "public.Aufträge_pkey")
    finally:
        place.sql("DROP DATABASE latin WITH (FORCE)")
