"""What the checks flag is rebuilt and proven, and what is passed over is told."""

from tests.maintenance.conftest import declared, definition, left_by_a_killed_build, oid


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
    assert "build a replacement of t.rows_vectors: 6 lists instead of 200" in done.stdout
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
    names = ["t.odd", "pg_catalog.pg_class_oid_index", "t.rows_at"]
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: dict.fromkeys(names, ""))
    before = oid(place, "t.rows_at")
    done = place.run("reindex", "--apply")
    assert done.returncode == 5
    assert "left out: t.odd belongs to an exclusion constraint" in done.stdout
    assert "left out: pg_catalog.pg_class_oid_index is on a system catalog" in done.stderr
    assert oid(place, "t.rows_at") != before
    names.pop()
    for more in ((), ("--apply",)):
        done = place.run("reindex", *more)
        assert done.returncode == 3
        assert "left out: t.odd belongs to an exclusion constraint" in done.stderr


def test_lists_of_a_partition_that_cannot_change_keep_no_others_from_it(place, vectors, monkeypatch):
    place.sql(
        "CREATE TABLE t.parts (id text, embedding vector(64)) PARTITION BY RANGE (id);"
        "CREATE TABLE t.part PARTITION OF t.parts DEFAULT;"
        "CREATE INDEX parts_vectors ON t.parts USING ivfflat (embedding vector_cosine_ops) WITH (lists = 50)"
    )
    names = ["t.parts_vectors", "t.rows_vectors"]
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
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: {"t.rows_at": ""})
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
    monkeypatch.setattr("opsproof.inventory.hosts.Host.limit", lambda *_: None)
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
