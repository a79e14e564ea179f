"""Indexes are rebuilt while the table is read and written, and what earlier builds left goes, whoever began them."""

import os
import subprocess

import pytest

from lab.waiting import wait_until
from opsproof.action import Work
from opsproof.errors import StepFailed
from opsproof.inventory import load
from opsproof.maintenance import indexes
from opsproof.maintenance.client import Client
from opsproof.maintenance.machine import Machine
from opsproof.maintenance.rebuild import Builder
from opsproof.maintenance.session import Session
from tests.extent import moments
from tests.killing import as_text, course_s
from tests.maintenance.conftest import READ, definition, interrupted, killed_at, left_by_a_killed_build, oid

VECTORS = "t.rows_vectors"
WRITE = "UPDATE t.rows SET at = at WHERE id = 'chk000001'"


def is_valid(place, name):
    return place.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")


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
        wait_until(lambda: place.invalid == ["half"], "the index is being built")
    assert not is_valid(place, "t.half")
    place.do("reindex", "--index", "t.half")
    assert is_valid(place, "t.half")


def test_what_a_killed_build_left_is_dropped(place, vectors):
    assert left_by_a_killed_build(place, vectors) == ["rows_vectors_ccold"]
    assert "drop t.rows_vectors_ccold, left by an interrupted build" in place.do("reindex")
    assert place.invalid == []
    assert is_valid(place, vectors)


def test_what_somebody_builds_at_this_moment_is_left_alone(place, vectors):
    with place.holding(WRITE), place.building(f"REINDEX INDEX CONCURRENTLY {vectors}"):
        place.await_build()
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
    (index,) = indexes.look(way, ["t.rows_vectors"]).chosen
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
    disk = place.server.data.with_name("small")  # pytest closes its own folders whenever a session begins
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
        disk.rmdir()


def test_others_read_and_write_meanwhile_and_a_transaction_that_does_not_end_is_named(place, vectors):
    before = oid(place, vectors)
    with place.holding(WRITE) as pid:
        process = place.begin("reindex", "--index", vectors, "--wait", "1s")
        place.await_build(process)
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
        place.await_swap(process)
        interrupted(process)
        assert process.returncode == 4
    wait_until(lambda: not place.at_work, "the session of the rebuild ends")
    assert place.invalid == [] or "drop" in place.again("reindex")
    assert is_valid(place, vectors)


def test_a_second_copy_is_refused(place, vectors):
    with place.holding(READ):
        process = place.begin("reindex", "--index", vectors)
        place.await_build(process)
        second = place.run("reindex", "--apply", "--index", vectors)
        assert second.returncode == 3
        assert "held by reindex" in second.stderr
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.kills
@pytest.mark.parametrize("option", [(), ("--retune",)], ids=["rebuild", "retune"])
def test_a_kill_at_any_moment_is_swept_by_the_next_run(place, vectors, option, note):
    before = definition(place, vectors)
    lasts_s = course_s(place.begin("reindex", "--index", vectors, *option))
    at = moments(f"reindex {' '.join(option)}")
    note(f"reindex {' '.join(option)} killed at {as_text(at)} of {lasts_s:.2f} s")
    hits = 0
    for number, moment in enumerate(at):
        place.sql(f"DROP INDEX {vectors}; {before}")
        process = place.begin("reindex", "--index", vectors, *option)
        hits += killed_at(process, moment * lasts_s, everything=number % 2 == 0)
        assert definition(place, vectors) in (before, before.replace("200", "6"))
        assert is_valid(place, vectors)
        place.again("reindex", "--index", vectors, *option)
        assert place.invalid == []
        assert definition(place, vectors) == (before.replace("200", "6") if option else before)
    assert hits, "every kill came too late"


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

    def has_ended():
        seen.append(subprocess.check_output(["ps", "axww", "-o", "args"], text=True))
        return process.poll() is not None

    wait_until(has_ended, "the rebuild ends", 60)
    process.communicate()
    assert any("opsproof_maintenance" in each for each in seen)
    assert not any(secret in each for each in seen for secret in place.secrets.all)
