"""Restores of a live platform: lost rows come back, and after any failure a database is live."""

import os
import threading
from contextlib import closing

import pytest

from lab.waiting import wait_until


@pytest.fixture
def emptied(place):
    """The live database without webhooks, and with a row that the backup lacks."""
    place.sql("TRUNCATE webhooks")
    return place


def test_plan_lists_lost_rows_and_changes_nothing(emptied, backed_up):
    done = emptied.run("restore")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"restore {backed_up} (" in done.stdout
    assert (
        "rows lost: 1 (events 1); rows restored: 50 (webhooks 50); rows updated since the backup are lost too"
        in done.stdout
    )
    assert "stop meta-chat-api and meta-chat-worker, rename " in done.stdout
    assert (emptied.databases, emptied.serving) == ([], "old")


def test_lost_rows_come_back_and_old_database_is_kept_until_drop_old(emptied, backed_up):
    done = emptied.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert emptied.sql("SELECT count(*) FROM webhooks") == [(50,)]
    assert emptied.serving == "new"
    assert emptied.is_healthy()
    (before,) = emptied.databases
    assert before.startswith("before_")
    assert emptied.sql("SELECT count(*) FROM webhooks", f"metachat_{before}") == [(0,)]
    planned = emptied.run("restore", "--drop-old")
    assert f"1. drop metachat_{before} (" in planned.stdout
    done = emptied.run("restore", "--drop-old", "--apply")
    assert (done.returncode, emptied.databases) == (0, [])
    assert emptied.run("restore", "--drop-old", "--apply").stdout == "restore: nothing to do\n"


CARRIED = """
    ALTER DATABASE metachat SET work_mem = '7MB';
    ALTER DATABASE metachat SET search_path = "$user", public, "Odd; na'me";
    ALTER DATABASE metachat SET default_transaction_read_only = 'off';
    ALTER ROLE metachat_app IN DATABASE metachat SET "app.zone" = 'a''b;c';
    ALTER DATABASE metachat CONNECTION LIMIT 41;
    COMMENT ON DATABASE metachat IS E'the one\\nthat serves';
    REVOKE CONNECT ON DATABASE metachat FROM PUBLIC;
    GRANT CONNECT ON DATABASE metachat TO metachat_app WITH GRANT OPTION;
    GRANT CONNECT, CREATE ON DATABASE metachat TO opsproof_monitor, opsproof_backup;
    SET ROLE metachat_app;
    GRANT CONNECT ON DATABASE metachat TO pg_monitor;
"""
OF_THE_DATABASE = """
    SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(oid, 'pg_database'),
           (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
           (SELECT array_agg((setrole, setconfig)::text ORDER BY setrole) FROM pg_db_role_setting
             WHERE setdatabase = d.oid)
      FROM pg_database d WHERE datname = 'metachat'
"""


def test_database_privileges_and_settings_are_carried_over(place):
    with place.connect() as connection:
        for statement in CARRIED.split(";\n"):
            connection.execute(statement)
    before = place.sql(OF_THE_DATABASE, "postgres")
    done = place.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert place.sql(OF_THE_DATABASE, "postgres") == before


def test_unhealthy_platform_swaps_back(place):
    place.lab.faults(health="degraded")
    done = place.run("restore", "--apply", "--wait=4")
    assert done.returncode == 4
    assert "swapped back, because health reports database down; metachat_restoring_" in done.stderr
    assert place.serving == "old"
    place.lab.faults()
    assert place.becomes_healthy()
    assert [name[:10] for name in place.databases] == ["restoring_"]
    planned = place.run("restore")  # the copy was live, so the comparison is outdated
    assert "1. drop metachat_restoring_" in planned.stdout
    assert place.run("restore", "--apply").returncode == 0
    assert (place.serving, place.is_healthy()) == ("new", True)


def test_service_down_before_does_not_swap_back(place):
    place.lab.faults(services={"redis": "down"})
    done = place.run("restore", "--apply")
    assert (done.returncode, place.serving) == (0, "new")


def test_into_restores_without_swap(place):
    done = place.run("restore", "--apply", "--into=metachat_look")
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.databases, place.serving) == (["look"], "old")
    assert place.sql("SELECT count(*) FROM webhooks", "metachat_look") == [(50,)]
    again = place.run("restore", "--apply", "--into=metachat_look")
    assert (again.returncode, "metachat_look already exists" in again.stderr) == (2, True)


def test_into_an_existing_database_of_any_name_is_refused_and_touches_nothing(place):
    place.sql("CREATE DATABASE elsewhere", "postgres")
    try:
        with closing(place.connect("elsewhere")) as session:
            for name in ("elsewhere", "postgres", "template1", "metachat"):
                for more in ([], ["--apply"]):
                    done = place.run("restore", f"--into={name}", *more)
                    message = f"restore: --into: {name} already exists\n"
                    assert (done.returncode, done.stderr) == (2, message)
            assert session.execute("SELECT current_database()").fetchone() == ("elsewhere",)
        closed = "SELECT count(*) FROM pg_database WHERE NOT datallowconn AND datname <> 'template0'"
        assert (place.sql(closed, "postgres"), place.databases) == ([(0,)], [])
    finally:
        place.sql("DROP DATABASE elsewhere WITH (FORCE)", "postgres")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 64, "is too long: 64 bytes (limit 63)"),
        ("ä" * 32, "is too long: 64 bytes (limit 63)"),
        ("metachat_restoring_20260101T000000Z", "is a name of temporary databases, which the next restore drops"),
        ("metachat_drill_20260101T000000Z", "is a name of temporary databases, which the next restore drops"),
    ],
)
def test_into_a_name_that_cannot_stay_is_refused(place, name, message):
    done = place.run("restore", f"--into={name}")
    assert (done.returncode, done.stderr) == (2, f"restore: --into: {name} {message}\n")


def test_database_made_meanwhile_under_the_name_is_not_touched(place, tmp_path, script):
    real = place.lab.layout.bin / "psql"
    other = f'echo \'CREATE DATABASE "metachat_look"\' | {real} "$@"'
    text = f"""script=$(cat)
case $script in *'RENAME TO :"name"'*) {other} ;; esac
printf '%s\\n' "$script" | exec {real} "$@"
"""
    place.path = script(tmp_path / "bin" / "psql", text).parent
    done = place.run("restore", "--apply", "--into=metachat_look")
    assert (done.returncode, "metachat_look" in done.stderr) == (4, True)
    assert "look" in place.databases
    assert place.sql("SELECT current_database()", "metachat_look") == [("metachat_look",)]


def test_cut_short_dump_is_refused_by_the_plan_and_by_the_restore(place, copied):
    copied.dump.write_bytes(copied.dump.read_bytes()[:1000])
    for more in ([], ["--apply"]):
        done = place.run("restore", f"--from={copied.folder}", *more)
        assert (done.returncode, " has 1000 bytes (the manifest says " in done.stderr) == (3, True)
    assert place.databases == []


def test_archive_that_is_no_file_is_refused_at_once(place, tmp_path):
    os.mkfifo(tmp_path / "fifo.dump")
    done = place.run("restore", f"--archive={tmp_path}/fifo.dump", "--untrusted")
    assert (done.returncode, f"{tmp_path}/fifo.dump is no file, but a fifo" in done.stderr) == (3, True)


def test_dropped_database_is_restored(place):
    place.sql("DROP DATABASE metachat WITH (FORCE)", "postgres")
    done = place.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.serving, place.databases) == ("new", [])
    assert place.becomes_healthy()


def test_swap_terminates_open_sessions(place):
    with closing(place.connect()) as stray:
        stray.execute("BEGIN")
        stray.execute("LOCK TABLE webhooks")
        done = place.run("restore", "--apply")
        assert (done.returncode, place.serving) == (0, "new")


HALF_A_SWAP = """\
script=$(cat)
case $script in
*"RENAME TO"*)
    printf '%s\\n' "$script" | sed '/^BEGIN/,$d' | {psql} "$@" || exit
    touch {folder}/closed
    timeout 60 sh -c 'while ! [ -e {folder}/stopped ]; do sleep 0.05; done' ;;
esac
printf '%s\\n' "$script" | {psql} "$@" && exit
status=$?
echo $status >> {folder}/refused
exit $status
"""


@pytest.fixture
def half_a_swap(place, tmp_path, script):
    """A psql that waits, after a swap has closed the databases, for a file called stopped."""
    text = HALF_A_SWAP.replace("{psql}", str(place.lab.layout.bin / "psql")).replace("{folder}", str(tmp_path))
    place.path = script(tmp_path / "psql", text).parent
    return tmp_path


def test_server_restart_within_swap_leaves_live_database_open(place, half_a_swap):
    process = place.begin("restore")
    wait_until((half_a_swap / "closed").exists, "the swap has closed the databases", 60, process=process)
    place.lab.stop_database()
    (half_a_swap / "stopped").touch()
    refused = half_a_swap / "refused"
    wait_until(
        lambda: refused.exists() and refused.read_text().split() == ["2", "2"],
        "the swap and the reopening are refused",
        60,
        process=process,
    )
    place.lab._server.start()
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, "the swap ended with status 2" in said) == (4, True)
    assert place.serving == "old"
    assert place.becomes_healthy()
    assert place.run("restore", "--apply").returncode == 0
    assert place.serving == "new"


COUNTING_QUERIES = """\
script=$(cat)
case $script in *"'at_work'"*) echo >> {folder}/queries ;; esac
printf '%s\\n' "$script" | exec {psql} "$@"
"""


def test_database_still_being_created_for_killed_run_is_dropped(place, tmp_path, script):
    """The database is created after the next run has queried the server three times."""

    def made_late():
        with place.lab.connect(database="postgres", application_name="opsproof_restore") as session:
            session.execute("SELECT pg_advisory_lock(1)")
            session.execute('CREATE DATABASE "metachat_restoring_20260101T000000Z" ALLOW_CONNECTIONS false')

    psql = COUNTING_QUERIES.replace("{psql}", str(place.lab.layout.bin / "psql")).replace("{folder}", str(tmp_path))
    place.path, queries = script(tmp_path / "psql", psql).parent, tmp_path / "queries"
    maker = threading.Thread(target=made_late)
    with place.connect("postgres") as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        maker.start()
        wait_until(lambda: place.at_work, "the killed run's session works")
        process = place.begin("restore")
        wait_until(lambda: queries.exists() and queries.stat().st_size >= 3, "the restore queries", process=process)
    maker.join()
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said, place.serving) == (0, "", "new")
    assert [name[:7] for name in place.databases] == ["before_"]


def test_prepared_transaction_is_refused(place):
    place.sql("ALTER SYSTEM SET max_prepared_transactions = 2", "postgres")
    place.lab.stop_database()
    place.lab.up()
    try:
        place.sql("BEGIN; DELETE FROM webhooks WHERE id = 'whk0001'; PREPARE TRANSACTION 'mine'")
        done = place.run("restore", "--apply")
        assert (done.returncode, "prepared transactions" in done.stderr) == (3, True)
    finally:
        place.sql("ROLLBACK PREPARED 'mine'")
        place.sql("ALTER SYSTEM RESET max_prepared_transactions", "postgres")


def test_restore_starts_no_pm2_daemon(place):
    place.lab.pm2("kill")
    done = place.run("restore", "--apply")
    assert (done.returncode, place.serving) == (0, "new")
    assert "stop no process, rename" in done.stdout
    assert place.lab._pm2.daemons() == []


def test_damaged_backup_is_not_swapped_in(place, copied):
    content = bytearray(copied.dump.read_bytes())
    content[len(content) // 2] ^= 1
    copied.dump.write_bytes(content)
    done = place.run("restore", "--apply", f"--from={copied.folder}")
    assert done.returncode == 4
    assert "checksum mismatch" in done.stderr
    assert (place.databases, place.serving, place.is_healthy()) == ([], "old", True)


def test_copy_without_rows_is_kept_and_not_swapped_in(place, copied):
    copied.replace_dump(place, "--exclude-table-data=webhooks")
    where = f"--from={copied.folder}"
    done = place.run("restore", "--apply", where)
    assert done.returncode == 4
    assert "public.webhooks has 0 rows (expected 50)" in done.stderr
    (kept,) = place.databases
    assert f'-c \'ALTER DATABASE "metachat_{kept}" RENAME TO "metachat"\'' in done.stderr
    assert (place.serving, place.is_healthy()) == ("old", True)
    again = place.run("restore", "--apply", where, "--accept-differences")
    assert (again.returncode, "public.webhooks has 0 rows (expected 50)" in again.stderr) == (4, True)
    assert (place.databases, place.serving) == ([kept], "old")
    assert place.run("restore", "--apply", "--drop-old").returncode == 0
    assert (place.databases, place.serving) == ([], "old")


def test_copy_with_differences_is_kept_until_accepted(place, copied):
    copied.replace_dump(place, "--no-policies")
    where = f"--from={copied.folder}"
    done = place.run("restore", "--apply", where)
    assert (done.returncode, "add --accept-differences to go on with it" in done.stderr) == (4, True)
    (kept,) = place.databases
    assert "type policy: 0 (expected " in place.journal[-1]["measured"]["differences"]
    assert (place.serving, place.is_healthy()) == ("old", True)
    again = place.run("restore", "--apply", where)
    assert (again.returncode, place.databases) == (4, [kept])
    accepted = place.run("restore", "--apply", where, "--accept-differences")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert "restore " + copied.name not in accepted.stdout
    assert place.serving == "new"
    assert place.databases == [kept.replace("restoring_", "before_")]
