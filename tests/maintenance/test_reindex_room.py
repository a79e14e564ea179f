"""An index is built only if the disks have space for the index and its WAL."""

import pytest

from tests.maintenance.conftest import definition, oid

VECTORS = "t.rows_vectors"
MARGIN = 1.2


def pretend(place, df, stat="echo 1"):
    """Fakes df and stat on the host; $place is the queried folder."""
    for name, script in {"df": f"echo Avail\n{df}", "stat": stat}.items():
        path = place.folder / name
        path.write_text(f"#!/bin/sh\nfor place; do :; done\n{script}\n")
        path.chmod(0o755)
    place.path = [str(place.folder)]


def create_leftovers(place):
    """Creates two leftovers, each as large as the index to be built."""
    names = ["t.opsproof_retune_1", "t.opsproof_retune_2"]
    for each in names:
        build = "ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200)"
        place.sql(f"CREATE INDEX {each.removeprefix('t.')} {build}")
    return names


def size(place, name=VECTORS):
    return place.value(f"SELECT pg_relation_size('{name}'::regclass)")


def test_wal_on_same_disk_doubles_needed_space(place, vectors):
    pretend(place, f"echo {round(MARGIN * 1.9 * size(place))}")
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert "for the index and its WAL (" in done.stderr
    pretend(place, f"echo {round(MARGIN * 2.1 * size(place))}")
    place.do("reindex", "--index", vectors)


def test_wal_on_separate_disk_needs_space_there(place, vectors):
    apart = 'case "$place" in */pg_wal) echo 2 ;; *) echo 1 ;; esac'
    room = f'case "$place" in */pg_wal) echo {{}} ;; *) echo {round(MARGIN * 1.1 * size(place))} ;; esac'
    pretend(place, room.format(100000), apart)
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert "for its WAL (100 kB free)" in done.stderr
    pretend(place, room.format(round(MARGIN * 1.1 * size(place))), apart)
    place.do("reindex", "--index", vectors)


def test_unreadable_pg_wal_is_assumed_on_data_disk(place, vectors):
    hidden = 'case "$place" in */pg_wal) echo "stat: Permission denied" >&2; exit 1 ;; *) echo 1 ;; esac'
    pretend(place, f"echo {round(MARGIN * 1.9 * size(place))}", hidden)
    assert place.run("reindex", "--apply", "--index", vectors).returncode == 3
    pretend(place, f"echo {round(MARGIN * 2.1 * size(place))}", hidden)
    said = place.do("reindex", "--index", vectors)
    assert "pg_wal is not readable: assuming WAL is on the disk of the data directory" in said
    pretend(place, f"echo {round(MARGIN * 1.9 * size(place))}", hidden.replace("Permission denied", "No such file"))
    assert place.run("reindex", "--apply", "--index", vectors).returncode == 6


def test_leftovers_count_as_free_space(place, vectors):
    one, other = create_leftovers(place)
    room = round(MARGIN * 2.1 * size(place))
    file = place.server.data / place.value(f"SELECT pg_relation_filepath('{other}'::regclass)")
    pretend(place, f"[ -s {file} ] && echo {room - size(place, one) - size(place, other)} || echo {room}")
    said = place.do("reindex", "--index", vectors)
    assert f"drop {other}, left by an interrupted build" in said
    assert place.invalid == []


def test_space_not_freed_by_cleanup_stops_build(place, vectors):
    one, _ = create_leftovers(place)
    before = oid(place, vectors)
    pretend(place, f"echo {round(MARGIN * 2 * size(place)) - size(place, one)}")
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 4
    assert "for the index and its WAL (" in done.stderr
    assert oid(place, vectors) == before


def test_finished_replacement_needs_no_space(place, vectors):
    built = f"opsproof_retune_{oid(place, vectors)}"
    place.sql(f"CREATE INDEX {built} ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 6)")
    pretend(place, "echo 1000")
    place.do("reindex", "--index", vectors, "--retune")
    assert "lists='6'" in definition(place, vectors)
    place.do("reindex", "--index", vectors, "--retune")


def test_unnamed_index_without_space_does_not_block_others(place, vectors, monkeypatch):
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: {VECTORS: "", "t.rows_at": ""})
    pretend(place, f"echo {round(MARGIN * 2.5 * size(place, 't.rows_at'))}")
    before, kept = oid(place, "t.rows_at"), oid(place, vectors)
    done = place.run("reindex", "--apply")
    assert done.returncode == 5
    assert "skipped: t.rows_vectors needs " in done.stderr
    assert oid(place, "t.rows_at") != before
    assert oid(place, vectors) == kept


@pytest.mark.parametrize("more", [(), ("--apply",)], ids=["plan", "apply"])
def test_foreign_build_does_not_block_other_tables(place, vectors, monkeypatch, more):
    place.sql("CREATE TABLE t.more (id int PRIMARY KEY)")
    before = oid(place, "t.more_pkey")
    monkeypatch.setattr("opsproof.maintenance.flagged.bloated", lambda _: {"t.rows_at": "", "t.more_pkey": ""})
    write = "UPDATE t.rows SET at = at WHERE id = 'chk000001'"
    with place.holding(write), place.building(f"REINDEX INDEX CONCURRENTLY {vectors}"):
        place.await_build()
        done = place.run("reindex", *more)
    assert "skipped: t.rows_at has to wait: another session builds an index of t.rows" in done.stdout
    assert done.returncode == (5 if more else 0)
    assert (oid(place, "t.more_pkey") != before) == bool(more)
