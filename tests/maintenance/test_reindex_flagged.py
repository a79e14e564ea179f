"""Indexes flagged by checks are rebuilt and proven; skipped indexes are reported."""

from tests.maintenance.conftest import declared, definition, leftovers_of_killed_build, oid


def test_index_with_low_recall_is_rebuilt_and_recall_proven(place, table):
    """The index was built while the table held 2 of 200 kinds of rows."""
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


def test_low_recall_after_rebuild_is_not_repaired(place, vectors):
    place.sql("GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.rows TO opsproof_recall")
    declared(place, vector_recall=">= 100%")
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 5
    assert "rows_vectors: recall " in done.stderr


def test_flagged_lists_are_retuned(place, vectors):
    declared(place)
    done = place.run("reindex", "--apply", "--retune")
    assert "build a replacement of t.rows_vectors: 6 lists instead of 200" in done.stdout
    assert "lists='6'" in definition(place, vectors)
    assert done.returncode == 5
    assert "cannot be measured: permission denied for schema t" in done.stderr


def test_bloated_index_is_rebuilt(place, table):
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


def test_unsupported_index_does_not_block_others(place, table, monkeypatch):
    place.sql("ALTER TABLE t.rows ADD CONSTRAINT odd EXCLUDE (at WITH =) WHERE (at < 0)")
    names = ["t.odd", "pg_catalog.pg_class_oid_index", "t.rows_at"]
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: dict.fromkeys(names, ""))
    before = oid(place, "t.rows_at")
    done = place.run("reindex", "--apply")
    assert done.returncode == 5
    assert "skipped: t.odd belongs to an exclusion constraint" in done.stdout
    assert "skipped: pg_catalog.pg_class_oid_index is on a system catalog" in done.stderr
    assert oid(place, "t.rows_at") != before
    names.pop()
    for more in ((), ("--apply",)):
        done = place.run("reindex", *more)
        assert done.returncode == 3
        assert "skipped: t.odd belongs to an exclusion constraint" in done.stderr


def test_unreplaceable_partition_index_does_not_block_others(place, vectors, monkeypatch):
    place.sql(
        "CREATE TABLE t.parts (id text, embedding vector(64)) PARTITION BY RANGE (id);"
        "CREATE TABLE t.part PARTITION OF t.parts DEFAULT;"
        "CREATE INDEX parts_vectors ON t.parts USING ivfflat (embedding vector_cosine_ops) WITH (lists = 50)"
    )
    names = ["t.parts_vectors", "t.rows_vectors"]
    monkeypatch.setattr("opsproof.maintenance.flagged.unsuited", lambda _: dict.fromkeys(names, ""))
    done = place.run("reindex", "--apply", "--retune")
    assert done.returncode == 5
    assert "skipped: t.part_embedding_idx belongs to the index of a partitioned table" in done.stderr
    assert "lists='6'" in definition(place, vectors)


def test_unmeasured_recall_is_not_repaired(place, vectors, monkeypatch):
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


def test_role_that_cannot_drop_leftovers_is_refused(restricted, vectors):
    restricted.sql("GRANT USAGE ON SCHEMA t TO opsproof_maintain; GRANT pg_maintain TO opsproof_maintain")
    done = restricted.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert "t.rows_vectors belongs to metachat: GRANT metachat TO opsproof_maintain" in done.stderr


def test_leftovers_on_other_tables_do_not_block_named_index(restricted, vectors):
    restricted.sql("CREATE TABLE t.ours (id int PRIMARY KEY); ALTER TABLE t.ours OWNER TO opsproof_maintain")
    restricted.sql("GRANT USAGE, CREATE ON SCHEMA t TO opsproof_maintain")
    assert leftovers_of_killed_build(restricted, vectors)
    before = oid(restricted, "t.ours_pkey")
    try:
        restricted.do("reindex", "--index", "t.ours_pkey")
        assert oid(restricted, "t.ours_pkey") != before
    finally:
        restricted.sql("DROP TABLE t.ours")


def test_missing_recall_limit_is_refused(place, vectors, monkeypatch):
    monkeypatch.setattr("opsproof.inventory.hosts.Host.limit", lambda *_: None)
    declared(place)
    before = oid(place, vectors)
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 2
    assert "limits.vector_recall is not declared" in done.stderr
    assert oid(place, vectors) == before


def test_locked_index_does_not_block_others(place, table):
    place.sql("CREATE TABLE t.more (id int PRIMARY KEY)")
    before = oid(place, "t.rows_at")
    with place.holding("LOCK TABLE t.more IN ACCESS SHARE MODE", "LOCK TABLE t.more IN SHARE ROW EXCLUSIVE MODE"):
        done = place.run("reindex", "--apply", "--index", "t.more_pkey", "--index", "t.rows_at", "--wait", "1s")
    assert done.returncode != 0
    assert oid(place, "t.rows_at") != before


def test_incomplete_partitioned_index_is_not_repaired(place, table):
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
