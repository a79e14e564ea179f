"""Databases left by killed drills and restores are recognised by their marks, never by a name alone."""

import pytest

DATED = "20260101T000000Z"


@pytest.fixture
def left(place):
    """Makes a database beside metachat; `more` are words of CREATE DATABASE."""

    def make(kind, comment="", more=""):
        name = f"metachat_{kind}_{DATED}"
        place.sql(f'CREATE DATABASE "{name}" TEMPLATE template0 {more}', "postgres")
        if comment:
            place.sql(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'", "postgres")
        return f"{kind}_{DATED}"

    return make


def test_databases_named_like_leftovers_are_not_dropped(place, left):
    foreign = [left(kind) for kind in ("comparing", "drill", "restoring")]
    assert place.run("restore_drill", "--apply").returncode == 0
    assert place.run("restore", "--apply", "--into=metachat_look").returncode == 0
    assert place.run("restore", "--drop-old", "--apply").returncode == 0
    assert sorted(place.databases) == sorted([*foreign, "look"])


def test_drop_old_drops_leftovers_of_drills_and_comparisons(place, left):
    marked = [left(kind, "opsproof: made metachat-x") for kind in ("comparing", "drill")]
    unfinished = left("restoring", more="ALLOW_CONNECTIONS false")
    planned = place.run("restore", "--drop-old")
    assert all(f"drop metachat_{name} (" in planned.stdout for name in marked)
    assert place.run("restore", "--drop-old", "--apply").returncode == 0
    assert place.databases == [unfinished]
    assert place.run("restore", "--apply", "--into=metachat_look").returncode == 0
    assert place.databases == ["look"]


def test_mark_written_by_another_role_is_ignored(place, left, backed_up):
    place.sql("CREATE ROLE forger LOGIN CREATEDB", "postgres")
    try:
        forged = left("restoring", f"opsproof: verified {backed_up}", "OWNER forger")
        planned = place.run("restore")
        assert (planned.returncode, f"rename metachat_{forged} to" in planned.stdout) == (0, False)
        assert f"restore {backed_up} (" in planned.stdout
        assert place.run("restore", "--apply", "--into=metachat_look").returncode == 0
        assert place.databases == ["look", forged]
    finally:
        place.clear()
        place.sql("DROP ROLE forger", "postgres")


def test_rows_written_after_the_plan_are_reported_as_lost(place, tmp_path, script):
    real = place.lab.layout.bin / "psql"
    late = "INSERT INTO public.events SELECT 'late' || n, 'ten00001', 'late', '{}', now() FROM generate_series(1, 3) n"
    text = f"""script=$(cat)
for last; do :; done
case $script in *"RENAME TO"*)
    {real} -wqX -d "$(printf %s "$last" | sed s/dbname=postgres/dbname=metachat/)" -c "{late}" || exit ;;
esac
printf '%s\\n' "$script" | exec {real} "$@"
"""
    place.path = script(tmp_path / "bin" / "psql", text).parent
    done = place.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert "rows lost: 1 (events 1)" in done.stdout
    (before,) = place.databases
    assert f"rows lost: 4 (events 4); metachat_{before} has the rows from before the swap" in done.stdout
    assert place.journal[-1]["measured"]["rows"] == "rows lost: 4 (events 4)"
