"""Indexes are rebuilt while the table is read and written, and what earlier builds left goes, whoever began them."""

import os
import subprocess
import time

import pytest

from opsproof.action import Work
from opsproof.errors import StepFailed
from opsproof.inventory import load
from opsproof.maintenance import indexes
from opsproof.maintenance.client import Client
from opsproof.maintenance.machine import Machine
from opsproof.maintenance.rebuild import Builder
from opsproof.maintenance.session import Session
from tests.maintenance.conftest import interrupted, killed

VECTORS = "t.rows_vectors"
MOMENTS = 3
READ, WRITE = "SELECT count(*) FROM t.rows", "UPDATE t.rows SET at = at WHERE id = 'chk000001'"


@pytest.fixture
def vectors(place, table):
    """An index of vectors with far more lists than its rows ask for."""
    place.sql("CREATE INDEX rows_vectors ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)")
    place.sql("COMMENT ON INDEX t.rows_vectors IS 'of the search'")
    return VECTORS


def oid(place, name):
    return place.value(f"SELECT '{name}'::regclass::oid::bigint")


def definition(place, name):
    return place.value(f"SELECT pg_get_indexdef('{name}'::regclass)")


def is_valid(place, name):
    return place.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")


def left_by_a_killed_build(place, name):
    """What somebody's own REINDEX leaves when its session ends half-way."""
    with place.holding(READ), place.building(f"REINDEX INDEX CONCURRENTLY {name}"):
        assert place.eventually(lambda: place.invalid)
        time.sleep(0.2)
    return place.invalid


def test_a_plan_changes_nothing(place, vectors):
    before = oid(place, vectors)
    said = place.run("reindex", "--index", vectors)
    assert said.returncode == 0
    assert "rebuild t.rows_vectors (ivfflat, " in said.stdout
    assert oid(place, vectors) == before


def test_an_index_is_rebuilt_beside_itself(place, vectors):
    before, was = oid(place, vectors), definition(place, vectors)
    place.do("reindex", "--index", vectors, "--index", "t.rows_pkey")
    assert oid(place, vectors) != before
    assert definition(place, vectors) == was
    assert place.invalid == []
    (entry,) = place.journal
    assert entry["measured"]["bytes_after"] > 0


def test_an_index_that_a_cancelled_build_left_invalid_becomes_valid(place, table):
    with place.holding(WRITE), place.building("CREATE INDEX CONCURRENTLY half ON t.rows (at)"):
        assert place.eventually(lambda: place.invalid == ["half"])
    assert not is_valid(place, "t.half")
    place.do("reindex", "--index", "t.half")
    assert is_valid(place, "t.half")


def test_what_a_killed_build_left_is_dropped(place, vectors):
    (left,) = left_by_a_killed_build(place, vectors)
    assert left in ("rows_vectors_ccnew", "rows_vectors_ccold")
    assert f"drop t.{left}, left by an interrupted build" in place.do("reindex")
    assert place.invalid == []
    assert is_valid(place, vectors)


def test_what_somebody_builds_at_this_moment_is_left_alone(place, vectors):
    with place.holding(WRITE), place.building(f"REINDEX INDEX CONCURRENTLY {vectors}"):
        assert place.eventually(lambda: place.invalid)
        assert "nothing to do" in place.do("reindex")
        refused = place.run("reindex", "--apply", "--index", vectors)
        assert refused.returncode == 3
        assert "somebody builds an index of t.rows" in refused.stderr
        assert place.invalid == ["rows_vectors_ccnew"]


def test_an_index_of_that_name_that_works_is_nobodys_leftover(place, table):
    place.sql("CREATE INDEX good_ccnew ON t.rows (at)")
    assert "nothing to do" in place.do("reindex")
    assert is_valid(place, "t.good_ccnew")


def test_lists_become_as_many_as_the_rows_ask_for(place, vectors):
    place.do("reindex", "--index", vectors, "--retune")
    was = "CREATE INDEX rows_vectors ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists='6')"
    assert definition(place, vectors) == was
    assert is_valid(place, vectors)
    assert place.value(f"SELECT obj_description('{vectors}'::regclass)") == "of the search"
    assert place.invalid == []
    assert "nothing to do" in place.do("reindex", "--index", vectors, "--retune")


def test_an_index_that_is_another_one_meanwhile_keeps_its_name(place, vectors):
    host = load(place.inventory).hosts["vps"]
    way = Session(Work(host, print), Client(host, "metachat"), 1.0, quiet=True)
    (index,) = indexes.look(way, [("t", "rows_vectors")]).chosen
    place.sql(f"DROP INDEX {vectors}; CREATE INDEX rows_vectors ON t.rows (at)")
    with pytest.raises(StepFailed, match="the index is another one meanwhile"):
        Builder(way, way.server(), Machine()).swap(index)


def test_a_condition_stays_when_lists_change(place, table):
    place.sql(
        'CREATE INDEX "Odd ""name" ON t.rows USING ivfflat (embedding vector_ip_ops) WITH (lists = 90)'
        " WHERE at < 5 AND id <> ' WITH (lists=''1'') WHERE '"
    )
    place.do("reindex", "--index", 't.Odd "name', "--retune")
    now = definition(place, '"t"."Odd ""name"')
    assert "vector_ip_ops" in now
    assert now.endswith("WITH (lists='6') WHERE ((at < 5) AND (id <> ' WITH (lists=''1'') WHERE '::text))")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("ALTER TABLE t.rows ADD CONSTRAINT odd EXCLUDE (at WITH =) WHERE (at < 0)", "exclusion constraint"),
        ("CREATE INDEX odd ON t.rows (at)", "has no lists"),
    ],
)
def test_what_cannot_be_done_is_refused(place, table, statement, why):
    place.sql(statement)
    more = ["--retune"] if "lists" in why else []
    done = place.run("reindex", "--apply", "--index", "t.odd", *more)
    assert done.returncode in (2, 3)
    assert why in done.stderr


def test_nothing_is_begun_without_room(place, vectors, tmp_path):
    (tmp_path / "df").write_text("#!/bin/sh\nprintf 'Avail\\n%s\\n' 100000\n")
    (tmp_path / "df").chmod(0o755)
    place.path = [str(tmp_path)]
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert "are free" in done.stderr
    (tmp_path / "df").write_text("#!/bin/sh\nexit 1\n")
    assert place.run("reindex", "--apply", "--index", vectors).returncode == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_disk_that_becomes_full_meanwhile_leaves_the_index_as_it_was(place, vectors, tmp_path):
    disk = tmp_path / "disk"
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(0o755)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], check=True)
    try:
        place.server.adopt(disk)
        place.sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        place.sql(f"ALTER INDEX {vectors} SET TABLESPACE small")
        before = oid(place, vectors)
        (tmp_path / "df").write_text("#!/bin/sh\nprintf 'Avail\\n%s\\n' 1000000000000\n")
        (tmp_path / "df").chmod(0o755)
        place.path = [str(tmp_path)]
        done = place.run("reindex", "--apply", "--index", vectors)
        assert done.returncode == 4
        assert "No space left on device" in done.stderr
        assert place.invalid == []
        assert oid(place, vectors) == before
    finally:
        place.sql(f"DROP INDEX {vectors}")
        place.sql("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", disk], check=True)


def test_others_read_and_write_meanwhile_and_a_transaction_that_does_not_end_is_named(place, vectors):
    before = oid(place, vectors)
    with place.holding(WRITE) as pid:
        process = place.begin("reindex", "--index", vectors, "--wait", "2s")
        assert place.eventually(lambda: place.invalid)
        with place.connect(options="-c lock_timeout=1s") as other:
            other.execute("UPDATE t.rows SET at = at WHERE id = 'chk000002'")
            other.execute("SELECT count(*) FROM t.rows")
        told, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert f"process {pid} (metachat, idle in transaction" in said
    assert "what the build left is still there, for the next run to drop: drop t.rows_vectors_ccnew: " in told
    assert oid(place, vectors) == before
    assert place.again("reindex", "--index", vectors)
    assert place.invalid == []


def test_a_build_that_is_interrupted_leaves_nothing_invalid(place, vectors):
    with place.holding(READ):
        process = place.begin("reindex", "--index", vectors)
        assert place.eventually(lambda: place.invalid)
        time.sleep(0.3)
        interrupted(process)
        assert process.returncode == 4
    assert place.eventually(lambda: not place.at_work)
    assert place.invalid == [] or "drop" in place.again("reindex")
    assert is_valid(place, vectors)


def test_a_second_copy_is_refused(place, vectors):
    with place.holding(READ):
        process = place.begin("reindex", "--index", vectors)
        assert place.eventually(lambda: place.invalid)
        second = place.run("reindex", "--apply", "--index", vectors)
        assert second.returncode == 3
        assert "held by reindex" in second.stderr
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("option", [(), ("--retune",)], ids=["rebuild", "retune"])
def test_a_kill_at_any_moment_is_swept_by_the_next_run(place, vectors, option):
    before = definition(place, vectors)
    began = time.monotonic()
    place.do("reindex", "--index", vectors, *option)
    lasts = time.monotonic() - began
    for number in range(MOMENTS):
        place.sql(f"DROP INDEX {vectors}; {before}")
        process = place.begin("reindex", "--index", vectors, *option)
        time.sleep((number + 2) * lasts / (MOMENTS + 2))
        killed(process, everything=number % 2 == 0)
        assert definition(place, vectors) in (before, before.replace("200", "6"))
        assert is_valid(place, vectors)
        place.again("reindex", "--index", vectors, *option)
        assert place.invalid == []
        assert definition(place, vectors) == (before.replace("200", "6") if option else before)


def test_a_replacement_that_was_built_is_not_built_again(place, vectors):
    number = oid(place, vectors)
    place.sql(
        f"CREATE INDEX opsproof_retune_{number} ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 6)"
    )
    said = place.do("reindex", "--index", vectors, "--retune")
    assert "build" not in said
    assert "lists='6'" in definition(place, vectors)
    assert place.invalid == []


def test_passwords_are_in_no_argument(place, vectors):
    process = place.begin("reindex", "--index", vectors)
    seen = []
    while process.poll() is None:
        seen.append(subprocess.check_output(["ps", "axww", "-o", "args"], text=True))
        time.sleep(0.05)
    process.communicate()
    assert any("opsproof_maintenance" in each for each in seen)
    assert not any(secret in each for each in seen for secret in place.secrets.all)


def declared(place, name="rows", **limits):
    """The vector index of a table is declared, with limits of its own."""
    said = "".join(f"limits.{name} = {{ must = '{limit}' }}\n" for name, limit in limits.items())
    place.more = (
        f'[hosts.vps.vector_indexes.{name}_vectors]\ndatabase = "metachat"\ntable = "t.{name}"\ncolumn = "embedding"\n'
        f'method = "ivfflat"\noperator = "<=>"\nprobes = {4 if name == "kinds" else 1}\nbudget = "4s"\n{said}'
    )
    place.database = 'timeout = "5s"\n'


def test_an_index_that_misses_neighbours_is_rebuilt_and_its_recall_is_proven(place, table):
    """It was built while the table held two kinds of rows out of two hundred."""
    kind = "substr(id, 4)::int * 7919 % 200"
    place.sql(
        f"CREATE TABLE t.kinds AS SELECT id, embedding FROM chunks WHERE {kind} < 2;"
        "CREATE INDEX kinds_vectors ON t.kinds USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20);"
        f"INSERT INTO t.kinds SELECT id, embedding FROM chunks WHERE {kind} >= 2; ANALYZE t.kinds;"
        "GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.kinds TO opsproof_recall"
    )
    declared(place, "kinds", vector_recall=">= 85%", vector_age="< 1000d", vector_new_rows="<= 100%")
    said = place.do("reindex")
    assert "rebuild t.kinds_vectors (ivfflat" in said
    assert ", recall " in said
    assert place.journal[-1]["measured"]["recall_percent"] >= 85
    assert "rebuild" not in place.do("reindex")


def test_recall_that_does_not_come_is_no_success(place, vectors):
    place.sql("GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.rows TO opsproof_recall")
    declared(place, vector_recall=">= 100%")
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 5
    assert "rows_vectors: recall " in done.stderr


def test_lists_that_the_check_flags_are_retuned_without_being_named(place, vectors):
    declared(place)
    done = place.run("reindex", "--apply", "--retune")
    assert "build a second t.rows_vectors: 6 lists in place of 200" in done.stdout
    assert "lists='6'" in definition(place, vectors)
    assert done.returncode == 5
    assert "cannot be measured: permission denied for schema t" in done.stderr


def test_an_index_with_much_unused_room_is_rebuilt(place, table):
    place.sql(
        "CREATE TABLE t.keys (id int, size int) WITH (autovacuum_enabled = off);"
        "INSERT INTO t.keys SELECT n, n FROM generate_series(1, 100000) n; CREATE INDEX keys_id ON t.keys (id);"
        "DELETE FROM t.keys WHERE id % 10 <> 0"
    )
    place.sql("VACUUM ANALYZE t.keys")
    place.database = 'large_index = "1MB"\n'
    before = place.value("SELECT pg_relation_size('t.keys_id')")
    said = place.do("reindex")
    assert "rebuild t.keys_id (btree, 2.3 MB, 8" in said
    assert place.value("SELECT pg_relation_size('t.keys_id')") < before / 5
    assert "nothing to do" in place.do("reindex")


def test_what_cannot_be_rebuilt_keeps_nothing_else_from_it(place, table, monkeypatch):
    place.sql("ALTER TABLE t.rows ADD CONSTRAINT odd EXCLUDE (at WITH =) WHERE (at < 0)")
    names = [("t", "odd"), ("pg_catalog", "pg_class_oid_index"), ("t", "rows_at")]
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: dict.fromkeys(names, ""))
    before = oid(place, "t.rows_at")
    done = place.run("reindex", "--apply")
    assert done.returncode == 5
    assert "left out: t.odd is of an exclusion constraint" in done.stdout
    assert "left out: pg_catalog.pg_class_oid_index is of the system catalogs" in done.stderr
    assert oid(place, "t.rows_at") != before
    names.pop()
    for more in ((), ("--apply",)):
        done = place.run("reindex", *more)
        assert done.returncode == 3
        assert "left out: t.odd is of an exclusion constraint" in done.stderr


def test_lists_of_a_partition_that_cannot_change_keep_no_others_from_it(place, vectors, monkeypatch):
    place.sql(
        "CREATE TABLE t.parts (id text, embedding vector(64)) PARTITION BY RANGE (id);"
        "CREATE TABLE t.part PARTITION OF t.parts DEFAULT;"
        "CREATE INDEX parts_vectors ON t.parts USING ivfflat (embedding vector_cosine_ops) WITH (lists = 50)"
    )
    names = [("t", "parts_vectors"), ("t", "rows_vectors")]
    monkeypatch.setattr("opsproof.maintenance.flagged.unsuited", lambda _: dict.fromkeys(names, ""))
    done = place.run("reindex", "--apply", "--retune")
    assert done.returncode == 5
    assert "left out: t.part_embedding_idx belongs to the index of a partitioned table" in done.stderr
    assert "lists='6'" in definition(place, vectors)


def test_what_nobody_could_judge_is_no_success(place, vectors, monkeypatch):
    declared(place, vector_age="< 1000d", vector_new_rows="<= 100%")
    for more in ((), ("--apply",)):
        done = place.run("reindex", *more)
        assert done.returncode == 6
        assert "not judged: recall of rows_vectors: " in done.stderr
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: {("t", "rows_at"): ""})
    before = oid(place, "t.rows_at")
    done = place.run("reindex", "--apply")
    assert done.returncode == 5
    assert "not judged: recall of rows_vectors: " in done.stderr
    assert oid(place, "t.rows_at") != before


def test_who_could_not_drop_what_a_build_leaves_may_not_begin_one(poor, vectors):
    poor.sql("GRANT USAGE ON SCHEMA t TO opsproof_maintain; GRANT pg_maintain TO opsproof_maintain")
    done = poor.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert "t.rows_vectors belongs to metachat: GRANT metachat TO opsproof_maintain" in done.stderr


def test_what_others_left_on_other_tables_is_no_hindrance_for_a_named_index(poor, vectors):
    poor.sql("CREATE TABLE t.ours (id int PRIMARY KEY); ALTER TABLE t.ours OWNER TO opsproof_maintain")
    poor.sql("GRANT USAGE, CREATE ON SCHEMA t TO opsproof_maintain")
    assert left_by_a_killed_build(poor, vectors)
    before = oid(poor, "t.ours_pkey")
    try:
        poor.do("reindex", "--index", "t.ours_pkey")
        assert oid(poor, "t.ours_pkey") != before
    finally:
        poor.sql("DROP TABLE t.ours")


def test_without_a_limit_for_the_proof_nothing_is_begun(place, vectors, monkeypatch):
    monkeypatch.setattr("opsproof.models.Host.limit", lambda *_: None)
    declared(place)
    before = oid(place, vectors)
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 2
    assert "limits.vector_recall is not declared" in done.stderr
    assert oid(place, vectors) == before


def test_an_index_that_is_locked_leaves_the_others_their_turn(place, table):
    place.sql("CREATE TABLE t.more (id int PRIMARY KEY)")
    before = oid(place, "t.rows_at")
    with place.holding("LOCK TABLE t.more IN ACCESS SHARE MODE", "LOCK TABLE t.more IN SHARE ROW EXCLUSIVE MODE"):
        done = place.run("reindex", "--apply", "--index", "t.more_pkey", "--index", "t.rows_at", "--wait", "1s")
    assert done.returncode != 0
    assert oid(place, "t.rows_at") != before


def test_an_index_that_partitions_lack_is_not_called_repaired(place, table):
    place.sql(
        "CREATE TABLE t.parts (id int) PARTITION BY RANGE (id); CREATE TABLE t.part PARTITION OF t.parts DEFAULT;"
        "CREATE TABLE t.second PARTITION OF t.parts FOR VALUES FROM (0) TO (9);"
        "CREATE INDEX parts_id ON ONLY t.parts (id);"
        "CREATE INDEX part_id ON t.part (id); ALTER INDEX t.parts_id ATTACH PARTITION t.part_id"
    )
    assert "nothing to do" in place.do("reindex")
    done = place.run("reindex", "--apply", "--index", "t.parts_id")
    assert done.returncode == 5
    assert "t.parts_id is not valid: of parts, partitioned: CREATE INDEX CONCURRENTLY on each" in done.stderr
