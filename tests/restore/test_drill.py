"""Drills of dumps: a good backup passes, damage is found, the live database is never touched."""

import pytest

from opsproof.action import drills
from tests.harness import extent
from tests.restore.conftest import Place


def drill(place, *more):
    done = place.run("restore_drill", "--apply", *more)
    assert [name for name in place.databases if name.startswith("drill_")] == []
    assert place.serving == "old"
    return done


@pytest.fixture(scope="module")
def drilled(small_lab, backed_up, tmp_path_factory):
    """A place, and a completed drill of a good backup."""
    place = Place(small_lab, tmp_path_factory.mktemp("drilled"), small_lab.layout.bin)
    place.write()
    return place, drill(place)


def test_plan_lists_restore_and_changes_nothing(place, backed_up):
    done = place.run("restore_drill")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"restore {backed_up} (" in done.stdout
    assert "GB free)" in done.stdout
    assert place.databases == []


def test_good_backup_passes_and_journal_has_measurements(drilled, backed_up):
    place, done = drilled
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = place.journal
    assert (entry["outcome"], entry["measured"]["set"]) == ("done", backed_up)
    assert 0 < entry["measured"]["restore_s"] < 60
    assert entry["measured"]["size_bytes"] > 7_000_000
    assert "not_checked" not in entry["measured"]
    assert drills.last(place.folder / "reports" / "journal.jsonl", "lab", "metachat").outcome == "done"


def test_drill_passes_although_live_database_has_invalid_index(place):
    place.sql("CREATE INDEX CONCURRENTLY odd ON events (type)")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'odd'::regclass")
    kept = set(place.backups.iterdir())
    try:
        assert place.run("backup", "--apply").returncode == 0
        done = drill(place)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        place.sql("DROP INDEX odd")
        for path in set(place.backups.iterdir()) - kept:
            path.unlink()


def truncated(place, copied):
    copied.dump.write_bytes(copied.dump.read_bytes()[:-1])


def flipped(place, copied):
    content = bytearray(copied.dump.read_bytes())
    content[len(content) // 2] ^= 1
    copied.dump.write_bytes(content)


def flipped_and_sealed(place, copied):
    flipped(place, copied)
    copied.seal()


def edited(place, copied):
    text = copied.manifest.read_text()
    copied.manifest.write_text(text.replace('"webhooks", 50]', '"webhooks", 49]'))


def gone(place, copied):
    copied.dump.unlink()


def without_a_table(place, copied):
    copied.replace_dump(place, "--exclude-table=webhooks")


def without_rows_of_a_table(place, copied):
    copied.replace_dump(place, "--exclude-table-data=webhooks")


def with_a_row_less(place, copied):
    place.sql("DELETE FROM webhooks WHERE id = 'whk0001'")
    try:
        copied.replace_dump(place)
    finally:
        place.sql("INSERT INTO webhooks VALUES ('whk0001', 'ten00002', 'https://hooks.example/1', true, now())")


def without_a_policy(place, copied):
    copied.replace_dump(place, "--no-policies")


def without_privileges(place, copied):
    copied.replace_dump(place, "--no-privileges")


def plain_text(place, copied):
    copied.dump.write_bytes(b"SELECT 1;")
    copied.seal()


def without_roles(place, copied):
    (copied.folder / f"{copied.name}.globals.sql").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, " bytes (the manifest says "),
        (gone, ".dump.zst is missing"),
        (without_roles, ".globals.sql is missing"),
        (edited, "the manifest was edited: checksum mismatch"),
    ],
)
def test_plan_of_drill_ends_as_the_drill_does(place, copied, damage, message):
    damage(place, copied)
    done = place.run("restore_drill", f"--from={copied.folder}")
    assert (done.returncode, message in done.stderr) == (5, True), done.stderr
    assert done.stderr.endswith(": nothing was changed\n")


def test_plan_of_drill_without_a_backup_changes_nothing(place, tmp_path):
    done = place.run("restore_drill", f"--from={tmp_path}")
    message = f"restore_drill: no backup of metachat in {tmp_path}: nothing was changed\n"
    assert (done.returncode, done.stderr) == (5, message)


DAMAGES = [
    (truncated, " bytes (the manifest says "),
    (flipped, "checksum mismatch, the file changed since the backup was made"),
    (flipped_and_sealed, "Restored data doesn't match checksum"),
    (edited, "the manifest was edited: checksum mismatch"),
    (gone, ".dump.zst is missing"),
    (without_a_table, "public.webhooks is missing"),
    (without_rows_of_a_table, "public.webhooks has 0 rows (expected 50)"),
    (with_a_row_less, "public.webhooks has 49 rows (expected 50)"),
    (
        without_a_policy,
        " is whole, but differs: compared with the backed-up database, type policy: 0 (expected ",
    ),
    (without_privileges, " is whole, but differs: compared with the backed-up database, type "),
    (plain_text, "zstd: "),
]


@pytest.mark.parametrize(("damage", "message"), extent.sample("damaged backups", DAMAGES, 6))
def test_damaged_backup_fails_drill(place, copied, damage, message):
    damage(place, copied)
    done = drill(place, f"--from={copied.folder}")
    assert done.returncode == 5
    assert message in done.stderr
    (entry,) = place.journal
    assert entry["outcome"] == "not repaired"
    assert entry["measured"]["backup"] == "metachat"


def test_leftovers_of_earlier_drills_are_dropped_and_other_databases_kept(place):
    names = ("metachat_drill_20250101T000000Z", "metachat_drill_mine", "metachat_drills_20250101T000000Z")
    for name in names:
        place.sql(f'CREATE DATABASE "{name}"', "postgres")
        place.sql(f"COMMENT ON DATABASE \"{name}\" IS 'opsproof: made metachat-x'", "postgres")
    done = place.run("restore_drill", "--apply")
    assert done.returncode == 0
    assert f"drop leftovers of earlier drills: {names[0]}\n" in done.stdout
    assert place.databases == ["drill_mine", "drills_20250101T000000Z"]


@pytest.fixture
def foreign_archive(place, copied):
    """An archive without a manifest."""
    copied.manifest.unlink()
    return copied.dump


def test_archive_without_manifest_is_refused_with_vulnerable_client(place, foreign_archive):
    done = place.run("restore_drill", "--apply", f"--archive={foreign_archive}", "--untrusted")
    assert done.returncode == 3
    assert "pg_restore (PostgreSQL) 18.6 can be made to run code by a crafted archive (CVE-2026-116314)" in done.stderr


def test_archive_without_manifest_needs_untrusted_and_journal_has_not_checked(place, foreign_archive, safe_client):
    place.path = safe_client
    done = place.run("restore_drill", "--apply", f"--archive={foreign_archive}")
    assert (done.returncode, "add --untrusted to go on" in done.stderr) == (3, True)
    done = drill(place, f"--archive={foreign_archive}", "--untrusted")
    assert (done.returncode, done.stderr) == (0, "")
    assert "rows and owners not compared" in place.journal[-1]["measured"]["not_checked"]


def test_drill_is_refused_without_disk_space(place, script, tmp_path):
    place.path = tmp_path / "bin"
    script(place.path / "df", "echo Avail; echo 1000000")
    done = drill(place)
    assert done.returncode == 3
    assert "the server's disk has 1 MB free (" in done.stderr


@pytest.mark.parametrize("missing", ["pg_amcheck"])
def test_missing_pg_amcheck_is_reported_as_not_checked(place, script, tmp_path, missing):
    place.path = tmp_path / "bin"
    script(place.path / missing, 'echo "error: no such tool" >&2; exit 127')
    done = drill(place)
    assert done.returncode == 0
    assert "heap and B-trees not checked: error: no such tool" in done.stdout
    assert "heap and B-trees not checked" in place.journal[0]["measured"]["not_checked"]


def test_output_and_journal_have_no_secrets(drilled):
    place, done = drilled
    kept = (place.folder / "reports" / "journal.jsonl").read_text()
    assert [each for each in place.lab.secrets if each in done.stdout + done.stderr + kept] == []
