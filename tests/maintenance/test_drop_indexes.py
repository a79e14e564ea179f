"""drop_indexes prints DROP and undo statements, and drops nothing itself."""

import json

import pytest

from lab.waiting import wait_until
from opsproof.action import Work
from opsproof.inventory.load import load
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.session import MaintenanceSession


@pytest.fixture
def redundant(place, table):
    """A duplicate index, a unique constraint equal to the primary key, and names with newlines."""
    place.sql(
        "CREATE INDEX rows_at_too ON t.rows (at); ALTER TABLE t.rows ADD CONSTRAINT rows_id_key UNIQUE (id);"
        'CREATE INDEX "odd\nDROP TABLE t.rows; --" ON t.rows (at) WHERE at > 0;'
        'CREATE INDEX "odd\nDROP TABLE t.rows; -- too" ON t.rows (at) WHERE at > 0'
    )
    return table


def indexes(place):
    return place.sql("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't.rows'::regclass ORDER BY 1")


def test_drop_statements_and_undo_statements_work(place, redundant):
    before = indexes(place)
    done = place.run("drop_indexes")
    assert done.returncode == 0
    assert indexes(place) == before
    dropped = [line for line in done.stdout.splitlines() if line.startswith(("DROP ", "ALTER "))]
    assert "DROP INDEX CONCURRENTLY t.rows_at_too;" in dropped
    assert "ALTER TABLE t.rows DROP CONSTRAINT rows_id_key;" in dropped
    run(place, done.stdout)
    assert place.value("SELECT count(*) FROM t.rows") == 6000
    assert len(indexes(place)) == len(before) - 3
    assert "-- undo: " not in place.run("drop_indexes").stdout
    back = "\n".join(each.removeprefix("-- undo: ") for each in lines_of(done.stdout, "-- undo: "))
    run(place, back)
    assert indexes(place) == before


def test_undo_restores_condition_tablespace_and_deferral(place, table):
    with place.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE small LOCATION ''")
    try:
        place.sql(
            "CREATE INDEX rows_some ON t.rows (at) TABLESPACE small WHERE at > 0 AND id <> ' WHERE ';"
            "ALTER TABLE t.rows ADD CONSTRAINT rows_late UNIQUE (id, at) USING INDEX TABLESPACE small"
            " DEFERRABLE INITIALLY DEFERRED"
        )
        query = (
            "SELECT pg_get_indexdef(indexrelid), reltablespace, pg_get_constraintdef(u.oid) FROM pg_index"
            " JOIN pg_class c ON c.oid = indexrelid LEFT JOIN pg_constraint u ON conindid = indexrelid"
            " WHERE indrelid = 't.rows'::regclass ORDER BY 1"
        )
        before = place.sql(query)
        host = load(place.inventory).hosts["vps"]
        maintenance = MaintenanceSession(Work(host, print), MaintenanceClient(host, "metachat"), 1.0, quiet=True)
        said = maintenance.ask("drops", names=json.dumps(["t.rows_some", "t.rows_late"]))
        run(place, "\n".join(each["drop"] for each in said))
        assert len(place.sql(query)) == len(before) - 2
        run(place, "\n".join(each["back"] for each in said))
        assert place.sql(query) == before
    finally:
        place.sql("DROP SCHEMA t CASCADE")
        place.sql("DROP TABLESPACE small")


def lines_of(script, start):
    """Lines that begin with `start`, with their comment continuation lines."""
    found, on = [], False
    for line in script.splitlines():
        on = line.startswith(start) or (on and line.startswith("-- ") and not line.startswith("-- t."))
        if on:
            found.append(line if line.startswith(start) else line.removeprefix("-- "))
    return found


def run(place, script):
    import os
    import subprocess

    where = f"host=127.0.0.1 port={place.server.port} user=metachat dbname=metachat"
    environment = {**os.environ, "PGPASSFILE": str(place.layout.secrets / "pgpass-metachat")}
    words = [place.layout.bin / "psql", "-Xqv", "ON_ERROR_STOP=1", "-d", where]
    subprocess.run(words, input=script, text=True, env=environment, check=True, capture_output=True)


def await_statement(place, statement):
    wait_until(lambda: statement in place.run("drop_indexes").stdout, f"it prints {statement}")


def test_long_unused_index_is_printed_with_its_foreign_keys(place, table):
    place.sql(
        "CREATE TABLE t.parts (row text REFERENCES t.rows, note text);"
        "INSERT INTO t.parts SELECT id, repeat(id, 9) FROM t.rows; CREATE INDEX parts_row ON t.parts (row);"
        "ANALYZE t.parts"
    )
    place.database = "limits.index_idle = { should = '< 1ms' }\n"
    assert "t.parts_row" not in place.run("drop_indexes").stdout
    remember(place)
    await_statement(place, "DROP INDEX CONCURRENTLY t.parts_row;")
    assert "-- serves the foreign key parts_row_fkey" in place.run("drop_indexes", "--index", "t.parts_row").stdout


def test_one_of_two_equivalent_indexes_stays(place, table):
    place.sql("CREATE INDEX rows_older ON t.rows (at, id); CREATE INDEX rows_younger ON t.rows (at, id)")
    place.database = "limits.index_idle = { should = '< 1ms' }\n"
    remember(place)
    with place.connect() as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        connection.execute("SELECT FROM t.rows WHERE at = 1 AND id = 'chk000001'")
    used, idle = sorted(
        ("rows_older", "rows_younger"),
        key=lambda name: -place.value(f"SELECT pg_stat_get_numscans('t.{name}'::regclass)"),
    )
    await_statement(place, f"DROP INDEX CONCURRENTLY t.{idle};")
    whole = place.run("drop_indexes").stdout
    assert f"DROP INDEX CONCURRENTLY t.{used};" not in whole
    assert f"-- drop either this index or t.{used}, not both" in whole
    superfluous = place.run("drop_indexes", "--index", f"t.{used}").stdout
    assert f"DROP INDEX CONCURRENTLY t.{used};" in superfluous
    assert f"-- drop either this index or t.{idle}, not both" in superfluous


def test_undo_restores_partitioned_indexes(place, table):
    place.sql(
        "CREATE TABLE t.parts (at int, id int, UNIQUE (at, id)) PARTITION BY RANGE (at);"
        "CREATE TABLE t.part PARTITION OF t.parts FOR VALUES FROM (0) TO (9);"
        'CREATE INDEX " ON ONLY " ON t.parts (id); CREATE INDEX "the same" ON t.parts (id);'
        "ALTER TABLE t.parts ADD CONSTRAINT again UNIQUE (at, id)"
    )
    query = (
        "SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index"
        " WHERE indrelid IN ('t.parts'::regclass, 't.part'::regclass) ORDER BY 1, 2"
    )
    before = place.sql(query)
    done = place.run("drop_indexes", "--index", "t.the same", "--index", "t.again")
    assert done.stdout.count("-- locks the table and all its partitions") == 2
    run(place, done.stdout)
    assert len(place.sql(query)) == len(before) - 4
    run(place, "\n".join(each.removeprefix("-- undo: ") for each in lines_of(done.stdout, "-- undo: ")))
    assert [row[2] for row in place.sql(query)] == [True] * len(before)
    assert place.sql(query) == before


def remember(place):
    """Stores the current number of transactions as the reading of an earlier round."""
    from opsproof.core.verdicts import Sample, Verdict
    from opsproof.history.store import History

    now, number = place.sql(
        "SELECT extract(epoch FROM clock_timestamp())::float8, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    )[0]
    seen = Verdict("test", "vps", "metachat", samples=[Sample("transactions", float(number), 0.0, float(now))])
    History(place.folder / "history.sqlite").add(0.0, "vps.toml", "monthly", [seen])


def test_used_index_is_rejected(place, table):
    done = place.run("drop_indexes", "--index", "t.rows_pkey")
    assert done.returncode == 2
    assert "t.rows_pkey: neither unused nor redundant" in done.stderr


def test_apply_option_does_not_exist(place):
    done = place.run("drop_indexes", "--apply")
    assert done.returncode == 2
    assert "unrecognized arguments: --apply" in done.stderr
