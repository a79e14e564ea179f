"""Missing monthly partitions are found and created online; rows in the way are refused."""

import threading

import psycopg
import pytest

from lab.waiting import wait_until
from opsproof.core import scripts
from tests.harness.extent import moments
from tests.harness.killing import as_text, course_s
from tests.maintenance.conftest import WORKS_WITHIN_S, killed_at, month, partition_of


@pytest.fixture
def months(place):
    """A table with monthly partitions and a foreign key, owned by a non-superuser; the current month exists."""
    place.sql("DROP SCHEMA IF EXISTS t CASCADE; DROP ROLE IF EXISTS keeper; CREATE ROLE keeper")
    place.sql(
        "CREATE SCHEMA t; GRANT ALL ON SCHEMA t TO keeper; SET ROLE keeper;"
        "CREATE TABLE t.people (id int PRIMARY KEY); INSERT INTO t.people VALUES (1);"
        "CREATE TABLE t.rows (id int NOT NULL, person int REFERENCES t.people, size int CHECK (size < 9),"
        ' "at" timestamp NOT NULL, note text, PRIMARY KEY (id, "at")) PARTITION BY RANGE ("at");'
        "CREATE INDEX ON t.rows (size)"
    )
    name = partition_of(place, "rows", 0)
    place.sql(
        f"SET ROLE keeper; CREATE TABLE t.{name} PARTITION OF t.rows FOR VALUES FROM ('{month(place, 0)}')"
        f" TO ('{month(place, 1)}') WITH (fillfactor = 70);"
        f" GRANT SELECT ON t.{name} TO metachat_app WITH GRANT OPTION; GRANT INSERT ON t.{name} TO PUBLIC;"
        f"ALTER TABLE t.{name} ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY own ON t.{name} AS RESTRICTIVE FOR UPDATE TO metachat_app USING (person = 1)"
        " WITH CHECK (size > 1)"
    )
    yield "t.rows"
    place.sql("DROP SCHEMA t CASCADE; DROP ROLE keeper")


@pytest.fixture
def published(place, months):
    """The existing partition, added to a publication."""
    (name,) = made(place)
    place.sql(f"CREATE PUBLICATION own FOR TABLE {name}")
    yield name
    place.sql("DROP PUBLICATION own; DROP PUBLICATION IF EXISTS more; DROP ACCESS METHOD IF EXISTS plain CASCADE")


def made(place):
    rows = place.sql("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 't.rows'::regclass ORDER BY 1")
    return [name for (name,) in rows]


def traits(place, name):
    """Properties of a partition that are not inherited."""
    return place.sql(
        "SELECT relowner::regrole::text, relacl::text, reloptions, relrowsecurity,"
        " (SELECT array_agg((polname, polpermissive, polcmd, polroles, pg_get_expr(polqual, polrelid),"
        "                    pg_get_expr(polwithcheck, polrelid)) ORDER BY polname)::text"
        "    FROM pg_policy WHERE polrelid = c.oid),"
        " (SELECT array_agg(contype::text ORDER BY contype) FROM pg_constraint"
        "   WHERE conrelid = c.oid AND contype <> 'n'),"
        " (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisvalid), relreplident,"
        " (SELECT reloptions FROM pg_class WHERE oid = c.reltoastrelid), relam, relforcerowsecurity,"
        " (SELECT array_agg((attname, attnotnull, attstattarget, attstorage, attcompression, attoptions, attacl)"
        "    ORDER BY attname)::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0),"
        " (SELECT array_agg(prpubid ORDER BY prpubid) FROM pg_publication_rel WHERE prrelid = c.oid)"
        f" FROM pg_class c WHERE oid = '{name}'::regclass"
    )


def test_missing_partitions_copy_the_newest(place, months):
    assert "differs from" not in place.do("add_partitions", "--table", months, "--ahead", "2")
    first, *others = made(place)
    assert len(others) == 2
    assert [traits(place, each) for each in others] == [traits(place, first)] * 2
    place.sql(f"INSERT INTO t.rows VALUES (1, 1, 5, '{month(place, 2)}')")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.sql(f"INSERT INTO t.rows VALUES (1, 7, 5, '{month(place, 1)}')")
    assert "nothing to do" in place.do("add_partitions", "--table", months, "--ahead", "2")


@pytest.mark.parametrize("kind", ["PERMISSIVE", "RESTRICTIVE"])
def test_all_policy_kinds_are_copied(place, months, kind):
    (first,) = made(place)
    place.sql(
        f"CREATE POLICY seen ON {first} AS {kind} FOR SELECT TO metachat_app, keeper USING (person = 1);"
        f"CREATE POLICY gone ON {first} AS {kind} FOR DELETE USING (size > 2);"
        f"CREATE POLICY come ON {first} AS {kind} FOR INSERT WITH CHECK (id = (SELECT current_setting('t.id')::int));"
        f"CREATE POLICY kept ON {first} AS {kind} FOR UPDATE TO keeper USING (size > 3);"
        f"CREATE POLICY most ON {first} AS {kind} WITH CHECK (size > 4); CREATE POLICY open ON {first} AS {kind};"
        f"ALTER TABLE {first} FORCE ROW LEVEL SECURITY"
    )
    place.do("add_partitions", "--table", months, "--ahead", "1")
    assert traits(place, first) == traits(place, made(place)[1])


def test_partition_settings_are_copied(place, months, published):
    place.sql(
        f"CREATE ACCESS METHOD plain TYPE TABLE HANDLER heap_tableam_handler;"
        f"ALTER TABLE {published} SET ACCESS METHOD plain;"
        f"ALTER TABLE {published} SET (toast.autovacuum_enabled = off), ALTER person SET NOT NULL,"
        "  ALTER size SET STATISTICS 500, ALTER size SET (n_distinct = -0.5), ALTER note SET STORAGE EXTERNAL,"
        "  ALTER note SET COMPRESSION pglz, REPLICA IDENTITY NOTHING;"
        f"GRANT SELECT (id, note), UPDATE (note) ON {published} TO PUBLIC;"
        f"GRANT UPDATE (size) ON {published} TO metachat_app WITH GRANT OPTION"
    )
    assert "differs from" not in place.do("add_partitions", "--table", months, "--ahead", "1")
    assert traits(place, published) == traits(place, made(place)[1])


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX {}_id_at_idx"])
def test_published_new_partition_accepts_updates(place, months, published, identity):
    place.sql(
        "ALTER TABLE t.rows DROP CONSTRAINT rows_pkey; CREATE UNIQUE INDEX ON t.rows (id, at);"
        f"ALTER TABLE {published} REPLICA IDENTITY {identity.format(published.removeprefix('t.'))};"
        "CREATE PUBLICATION more FOR TABLE t.rows"
    )
    assert "differs from" not in place.do("add_partitions", "--table", months, "--ahead", "1")
    place.sql(f"INSERT INTO t.rows VALUES (1, 1, 5, '{month(place, 1)}'); UPDATE t.rows SET size = 6")
    assert traits(place, published) == traits(place, made(place)[1])


def test_missing_properties_are_reported(place, months, published):
    name = published.removeprefix("t.")
    place.sql(
        f"CREATE UNIQUE INDEX {name}_own ON {published} (person, at) WHERE size > 1; ALTER TABLE {published}"
        f" ADD CHECK (size <> 4) NOT VALID, ALTER size SET DEFAULT 3, ALTER person SET NOT NULL;"
        f"CREATE UNIQUE INDEX {name}_too ON {published} (person);"
        f"ALTER TABLE {published} REPLICA IDENTITY USING INDEX {name}_too;"
        f"CREATE STATISTICS t.both ON id, size FROM {published};"
        f"CREATE TRIGGER same BEFORE UPDATE ON {published} FOR EACH ROW"
        "  EXECUTE FUNCTION suppress_redundant_updates_trigger();"
        f"CREATE RULE never AS ON DELETE TO {published} DO INSTEAD NOTHING;"
        f"CREATE PUBLICATION more FOR TABLE {published} (id, person, at) WHERE (person > 1)"
    )
    said = place.do("add_partitions", "--table", months, "--ahead", "1")
    (message,) = [line.strip() for line in said.splitlines() if "differs from" in line]
    new, _, lacking = message.partition(f" differs from {name}: missing ")
    assert new == made(place)[1]
    assert lacking.split("; ") == [
        "CHECK ((size <> 4))",
        "CREATE TRIGGER same BEFORE UPDATE FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DEFAULT 3 of size",
        "REPLICA IDENTITY USING UNIQUE INDEX btree (person)",
        "STATISTICS ON id, size",
        "UNIQUE INDEX btree (person)",
        "UNIQUE INDEX btree (person, at) WHERE (size > 1)",
        "publication more of at, id, person WHERE (person > 1)",
        "rule never",
    ]
    assert place.journal[-1]["measured"] == {f"lacking_of_{new}": message}


CANNOT_BE_COPIED = {
    "policy kin of {} names its table before a column, as in a subquery, and cannot be copied": (
        "CREATE POLICY kin ON {} USING (EXISTS (SELECT FROM t.people p WHERE p.id = person))"
    ),
    "{} is partitioned": (
        "DROP TABLE {0};CREATE TABLE {0} PARTITION OF t.rows FOR VALUES FROM ('{1}') TO ('{2}') PARTITION BY HASH (id)"
    ),
}


@pytest.mark.parametrize(("reason", "statements"), CANNOT_BE_COPIED.items(), ids=["policy", "partitioned"])
def test_uncopyable_newest_partition_is_refused(place, months, reason, statements):
    place.more = (
        '[hosts.vps.partitioned]\nmore = { database = "metachat", table = "t.more" }\n'
        'rows = { database = "metachat", table = "t.rows" }\n'
    )
    (first,) = made(place)
    place.sql(statements.format(first, month(place, 0), month(place, 1)))
    done = place.run("add_partitions", "--apply", "--table", months)
    assert done.returncode == 3
    assert f"{reason.format(first)}: create the next " in done.stderr
    place.sql("CREATE TABLE t.more (at date) PARTITION BY RANGE (at)")
    done = place.run("add_partitions", "--apply")
    assert done.returncode == 5
    assert f"skipped: {reason.format(first)}" in done.stderr
    assert made(place) == [first]
    assert place.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't.more'::regclass") == 2


def test_rows_in_default_partition_are_refused(place, months):
    place.sql(
        f"CREATE TABLE t.rest PARTITION OF t.rows DEFAULT; INSERT INTO t.rows VALUES (1, 1, 5, '{month(place, 1)}')"
    )
    done = place.run("add_partitions", "--apply", "--table", months)
    assert done.returncode == 3
    assert f"t.rest holds rows of {month(place, 1)[:7]}" in done.stderr
    place.sql("DELETE FROM t.rest")
    place.do("add_partitions", "--table", months)


def test_unnamed_refused_table_does_not_block_others(place, months):
    place.more = (
        '[hosts.vps.partitioned]\nmore = { database = "metachat", table = "t.more" }\n'
        'rows = { database = "metachat", table = "t.rows" }\n'
    )
    place.sql(
        "CREATE TABLE t.more (at date) PARTITION BY RANGE (at); CREATE TABLE t.rest PARTITION OF t.more DEFAULT;"
        f"CREATE TABLE t.past PARTITION OF t.more FOR VALUES FROM (MINVALUE) TO ('{month(place, 0)}');"
        f"INSERT INTO t.more VALUES ('{month(place, 1)}')"
    )
    done = place.run("add_partitions", "--apply")
    assert done.returncode == 5
    assert f"skipped: t.rest holds rows of {month(place, 1)[:7]}" in done.stderr
    assert len(made(place)) == 2
    for more in ((), ("--apply",)):
        assert place.run("add_partitions", *more).returncode == 3


def test_failed_partition_does_not_block_other_tables(place, months, monkeypatch):
    place.sql(
        "CREATE TABLE t.more (at date) PARTITION BY RANGE (at);"
        f"CREATE TABLE t.past PARTITION OF t.more FOR VALUES FROM (MINVALUE) TO ('{month(place, 1)}')"
    )
    sql, begin = scripts.sql, "BEGIN;\nSET LOCAL"
    failing = f"SELECT 1 / (:'parent' <> 'more')::int;\n{begin}"
    monkeypatch.setattr(scripts, "sql", lambda name: sql(name).replace(begin, failing))
    done = place.run("add_partitions", "--apply", "--table", "t.more", "--table", months)
    assert done.returncode == 4
    assert f"t.{partition_of(place, 'more', 1)}" in done.stderr
    assert "division by zero" in done.stderr
    assert len(made(place)) == 2


def test_slow_default_partition_scan_is_reported(place, months, monkeypatch):
    place.sql(
        "CREATE TABLE t.rest PARTITION OF t.rows DEFAULT;"
        f"INSERT INTO t.rows SELECT n, 1, 5, '{month(place, -1)}' FROM generate_series(1, 100000) n"
    )
    sql = scripts.sql
    monkeypatch.setattr(scripts, "sql", lambda name: sql(name).replace("timeout = '1s'", "timeout = '1ms'"))
    words = ["--apply", "--table", months, "--ahead", "1"]
    done = place.run("add_partitions", *words)
    assert done.returncode == 4
    assert "t.rest cannot be locked and scanned in time" in done.stderr
    assert len(made(place)) == 2
    constraint = f"ALTER TABLE t.rest ADD CHECK (at < '{month(place, 1)}')"
    monkeypatch.undo()
    place.sql(constraint)
    place.do("add_partitions", *words[1:])


TAKING = {
    "taken by a table, which is no partition of t.rows: rename the table": "CREATE TABLE {} (id int)",
    "taken by a view": "CREATE VIEW {} AS SELECT 1 AS one",
    "taken by a sequence": "CREATE SEQUENCE {}",
    "taken by a composite type": "CREATE TYPE {} AS (one int)",
    "taken by a type: rename the type": "CREATE DOMAIN {} AS int",
}


@pytest.mark.parametrize(("reason", "statement"), TAKING.items(), ids=[each.split()[1] for each in TAKING.values()])
def test_taken_name_is_refused_by_plan_and_run(place, months, reason, statement):
    place.sql(statement.format(f"t.{partition_of(place, 'rows', 1)}"))
    for more in ((), ("--apply",)):
        done = place.run("add_partitions", "--table", months, "--ahead", "1", *more)
        assert (done.returncode, reason in done.stderr) == (3, True), done.stderr
    assert len(made(place)) == 1


def test_too_long_name_is_refused_by_plan_and_run(place, months):
    del months
    long = "r" * 60
    place.sql(
        f"CREATE TABLE t.{long} (at date) PARTITION BY RANGE (at);"
        f"CREATE TABLE t.past PARTITION OF t.{long} FOR VALUES FROM (MINVALUE) TO ('{month(place, 1)}')"
    )
    for more in ((), ("--apply",)):
        done = place.run("add_partitions", "--table", f"t.{long}", "--ahead", "1", *more)
        assert (done.returncode, "is longer than 63 bytes" in done.stderr) == (3, True), done.stderr


def test_table_without_time_partitions_is_rejected(place, table):
    done = place.run("add_partitions", "--table", "t.rows")
    assert done.returncode == 2
    assert "t.rows of metachat is not a table with range partitions on a date or timestamp" in done.stderr


def follow_output(process):
    """Reads the lines of a process in a thread; returns the growing list and the thread."""
    lines = []

    def read():
        for each in process.stdout:
            lines.append(each)  # noqa: PERF402  # readers see each line at once

    reader = threading.Thread(target=read)
    reader.start()
    return lines, reader


def names_blocker(lines, pid):
    return any("waits for" in each and f"process {pid}" in each for each in lines)


def write(connection):
    connection.execute("INSERT INTO t.people SELECT max(id) + 1 FROM t.people")


def test_lock_wait_does_not_block_writers(place, months):
    """A writer of the referenced table blocks the action; the action blocks other writers only briefly."""
    with place.holding("UPDATE t.people SET id = id") as pid, place.connect(options="-c lock_timeout=5s") as other:
        process = place.begin("add_partitions", "--table", months, "--ahead", "1")
        said, reader = follow_output(process)
        wait_until(
            lambda: write(other) or names_blocker(said, pid), "the action names the blocker", 60, process=process
        )
        for _ in range(40):
            write(other)
            assert process.poll() is None
            threading.Event().wait(0.05)
    assert process.wait(60) == 0
    reader.join(WORKS_WITHIN_S)
    assert len(made(place)) == 2


@pytest.mark.kills
def test_killed_run_leaves_no_partial_partition(place, months, note):
    lasts_s = course_s(place.begin("add_partitions", "--table", months, "--ahead", "3"))
    at = moments("add_partitions")
    note(f"add_partitions killed at {as_text(at)} of {lasts_s:.2f} s")
    hits = 0
    for number, moment in enumerate(at, 2):
        process = place.begin("add_partitions", "--table", months, "--ahead", str(3 * number))
        hits += killed_at(process, moment * lasts_s, everything=number % 2 == 0)
        place.again("add_partitions", "--table", months, "--ahead", str(3 * number))
        assert len(made(place)) == 3 * number + 1
    assert hits, "every kill came too late"
    assert (
        place.value(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'rows_2%' AND NOT relispartition AND relkind = 'r'"
        )
        == 0
    )


@pytest.fixture
def noted(place):
    """Counts the definitions seen by an event trigger."""
    place.sql(
        "CREATE TABLE public.noted (tag text); GRANT INSERT ON public.noted TO PUBLIC;"
        "CREATE FUNCTION public.noting() RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN INSERT INTO public.noted VALUES (tg_tag); END';"
        "CREATE EVENT TRIGGER keeps_notes ON ddl_command_end EXECUTE FUNCTION public.noting()"
    )
    yield lambda: place.value("SELECT count(*) FROM public.noted")
    place.sql("DROP EVENT TRIGGER keeps_notes; DROP FUNCTION public.noting; DROP TABLE public.noted")


def test_event_triggers_do_not_fire_for_superuser(place, months, noted):
    place.do("add_partitions", "--table", months, "--ahead", "1")
    assert (len(made(place)), noted()) == (2, 0)


def test_plan_names_event_triggers_that_fire(restricted, months, noted):
    restricted.sql("GRANT keeper TO opsproof_maintain")
    planned = restricted.run("add_partitions", "--table", months, "--ahead", "1")
    assert "event triggers of the database that fire: keeps_notes\n" in planned.stdout
    restricted.do("add_partitions", "--table", months, "--ahead", "1")
    assert noted() > 0


def test_role_without_ownership_is_refused(restricted, months):
    done = restricted.run("add_partitions", "--apply", "--table", months, "--ahead", "1")
    assert done.returncode == 3
    assert "t.rows belongs to keeper: GRANT keeper TO opsproof_maintain" in done.stderr
    restricted.sql("GRANT keeper TO opsproof_maintain; REVOKE CREATE ON SCHEMA t FROM keeper")
    for more in ((), ("--apply",)):
        done = restricted.run("add_partitions", "--table", months, "--ahead", "1", *more)
        assert done.returncode == 3
        assert "keeper may not create tables in schema t: GRANT CREATE ON SCHEMA t TO keeper" in done.stderr
    restricted.sql("GRANT CREATE ON SCHEMA t TO keeper")
    restricted.do("add_partitions", "--table", months, "--ahead", "1")
    first, second = made(restricted)
    assert traits(restricted, first) == traits(restricted, second)


def test_foreign_publication_is_reported(restricted, months, published):
    restricted.sql("GRANT keeper TO opsproof_maintain")
    said = restricted.do("add_partitions", "--table", months, "--ahead", "1")
    assert (
        f"{made(restricted)[1]} differs from {published.removeprefix('t.')}: missing publication own of at, id, "
        in said
    )
