"""Indexes are rebuilt online; leftovers of earlier builds are dropped."""

import os
import subprocess

import pytest

from lab.waiting import wait_until
from opsproof.action import Work
from opsproof.core.errors import StepFailed
from opsproof.inventory.load import load
from opsproof.maintenance import indexes
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.machine import MachineResources
from opsproof.maintenance.rebuild import Builder
from opsproof.maintenance.session import MaintenanceSession
from tests.harness.extent import moments
from tests.harness.killing import as_text, course_s
from tests.maintenance.conftest import READ, definition, interrupted, killed_at, leftovers_of_killed_build, oid

VECTORS = "t.rows_vectors"
WRITE = "UPDATE t.rows SET at = at WHERE id = 'chk000001'"


def is_valid(place, name):
    return place.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")


def test_plan_changes_nothing(place, vectors):
    before = oid(place, vectors)
    said = place.run("reindex", "--index", vectors)
    assert said.returncode == 0
    assert "rebuild t.rows_vectors (ivfflat, " in said.stdout
    assert oid(place, vectors) == before


def test_index_is_rebuilt_concurrently(place, vectors):
    before, was = oid(place, vectors), definition(place, vectors)
    place.do("reindex", "--index", vectors, "--index", "t.rows_pkey")
    assert oid(place, vectors) != before
    assert definition(place, vectors) == was
    assert place.invalid == []
    (entry,) = place.journal
    assert entry["measured"]["bytes_after"] > 0


def test_invalid_index_of_cancelled_build_becomes_valid(place, table):
    with place.holding(WRITE), place.building("CREATE INDEX CONCURRENTLY half ON t.rows (at)"):
        wait_until(lambda: place.invalid == ["half"], "the index is being built")
    assert not is_valid(place, "t.half")
    place.do("reindex", "--index", "t.half")
    assert is_valid(place, "t.half")


def test_leftover_of_killed_build_is_dropped(place, vectors):
    assert leftovers_of_killed_build(place, vectors) == ["rows_vectors_ccold"]
    assert "drop t.rows_vectors_ccold, left by an interrupted build" in place.do("reindex")
    assert place.invalid == []
    assert is_valid(place, vectors)


def test_running_build_is_left_alone(place, vectors):
    with place.holding(WRITE), place.building(f"REINDEX INDEX CONCURRENTLY {vectors}"):
        place.await_build()
        assert "nothing to do" in place.do("reindex")
        refused = place.run("reindex", "--apply", "--index", vectors)
        assert refused.returncode == 3
        assert "another session builds an index of t.rows" in refused.stderr
        assert place.invalid == ["rows_vectors_ccnew"]


def test_valid_index_with_leftover_name_is_kept(place, table):
    place.sql("CREATE INDEX good_ccnew ON t.rows (at)")
    assert "nothing to do" in place.do("reindex")
    assert is_valid(place, "t.good_ccnew")


def test_retune_sets_ideal_number_of_lists(place, vectors):
    place.do("reindex", "--index", vectors, "--retune")
    was = "CREATE INDEX rows_vectors ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists='6')"
    assert definition(place, vectors) == was
    assert is_valid(place, vectors)
    assert place.value(f"SELECT obj_description('{vectors}'::regclass)") == "of the search"
    assert place.invalid == []
    assert "nothing to do" in place.do("reindex", "--index", vectors, "--retune")


def test_index_replaced_meanwhile_is_not_swapped(place, vectors):
    host = load(place.inventory).hosts["vps"]
    maintenance = MaintenanceSession(Work(host, print), MaintenanceClient(host, "metachat"), 1.0, quiet=True)
    (index,) = indexes.find(maintenance, ["t.rows_vectors"]).chosen
    place.sql(f"DROP INDEX {vectors}; CREATE INDEX rows_vectors ON t.rows (at)")
    with pytest.raises(StepFailed, match="the index was replaced meanwhile"):
        Builder(maintenance, maintenance.server(), MachineResources()).swap(index)


def test_retune_keeps_index_condition(place, table):
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
def test_unsupported_index_is_refused(place, table, statement, why):
    place.sql(statement)
    more = ["--retune"] if "lists" in why else []
    done = place.run("reindex", "--apply", "--index", "t.odd", *more)
    assert done.returncode in (2, 3)
    assert why in done.stderr


def test_build_without_disk_space_is_refused(place, vectors, tmp_path):
    (tmp_path / "df").write_text("#!/bin/sh\nprintf 'Avail\\n%s\\n' 100000\n")
    (tmp_path / "df").chmod(0o755)
    place.path = [str(tmp_path)]
    done = place.run("reindex", "--apply", "--index", vectors)
    assert done.returncode == 3
    assert " free)" in done.stderr
    (tmp_path / "df").write_text("#!/bin/sh\nexit 1\n")
    assert place.run("reindex", "--apply", "--index", vectors).returncode == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_disk_full_during_build_keeps_index(place, vectors, tmp_path):
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


def test_build_blocks_nobody_and_names_blocking_transaction(place, vectors):
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
    assert "the build failed and left an invalid index, which the next run drops: drop t.rows_vectors_ccnew: " in told
    assert oid(place, vectors) == before
    assert place.again("reindex", "--index", vectors)
    assert place.invalid == []


def test_interrupted_build_leaves_no_invalid_index(place, vectors):
    with place.holding(READ):
        process = place.begin("reindex", "--index", vectors)
        place.await_swap(process)
        interrupted(process)
        assert process.returncode == 4
    wait_until(lambda: not place.at_work, "the session of the rebuild ends")
    assert place.invalid == [] or "drop" in place.again("reindex")
    assert is_valid(place, vectors)


def test_concurrent_run_is_refused(place, vectors):
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
def test_next_run_drops_leftovers_of_killed_run(place, vectors, option, note):
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


def test_finished_replacement_is_reused(place, vectors):
    number = oid(place, vectors)
    place.sql(
        f"CREATE INDEX opsproof_retune_{number} ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 6)"
    )
    said = place.do("reindex", "--index", vectors, "--retune")
    assert "build" not in said
    assert "lists='6'" in definition(place, vectors)
    assert place.invalid == []


def test_passwords_are_not_in_arguments(place, vectors):
    process = place.begin("reindex", "--index", vectors)
    seen = []

    def has_ended():
        seen.append(subprocess.check_output(["ps", "axww", "-o", "args"], text=True))
        return process.poll() is not None

    wait_until(has_ended, "the rebuild ends", 60)
    process.communicate()
    assert any("opsproof_maintenance" in each for each in seen)
    assert not any(secret in each for each in seen for secret in place.secrets.all)
