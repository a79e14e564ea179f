"""Faults of backups, off-site copies and journaled restore drills."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from lab import Lab, backups
from lab.backups import DAY_S
from lab.fault import EVERYTHING, causes, shows
from lab.faults.fault import fault

B = "lab-metachat"
OF_THE_NEWEST = (
    f"test_backup_is_recent[{B}]",
    f"test_backup_is_large_enough[{B}]",
    f"test_backup_size_is_steady[{B}]",
    f"test_backup_checksums_match[{B}]",
    "test_backup_holds_every_table",
    f"test_disk_has_room_for_next_backup[{B}]",
    f"test_off_site_copy_is_complete[{B}]",
)
EVERY = (
    "test_backup_is_recent",
    "test_backup_is_large_enough",
    "test_backup_size_is_steady",
    "test_backup_checksums_match",
    "test_backup_holds_every_table",
    "test_backup_holds_every_file",
    "test_disk_has_room_for_next_backup",
    "test_off_site_copy_is_complete",
    "test_backup_count_is_sufficient",
    "test_declared_data_is_backed_up",
    "test_backup_is_private",
    "test_no_partial_backup_remains",
    "test_expired_backups_are_pruned",
)


@contextmanager
def moved_away(lab: Lab, names: list[str]) -> Iterator[None]:
    """Moves backups out of the folder."""
    folder = lab.home / "aside"
    folder.mkdir()
    for each in (file for name in names for file in backups.files(lab, name)):
        each.rename(folder / each.name)
    yield
    for each in folder.iterdir():
        each.rename(lab.layout.backups / each.name)
    folder.rmdir()


@contextmanager
def edited(path: Path, content: bytes) -> Iterator[None]:
    """Replaces the content of a file."""
    before = path.read_bytes()
    path.write_bytes(content)
    yield
    path.write_bytes(before)


@fault(failed=EVERY, touches=("backups",))
@shows("No such file or directory")
@causes("test_backup_is_recent", "test_declared_data_is_backed_up")
def backup_folder_gone(lab: Lab) -> Iterator[None]:
    """The backup disk is not mounted, or the folder was deleted."""
    lab.layout.backups.rename(lab.home / "aside")
    yield
    shutil.rmtree(lab.layout.backups, ignore_errors=True)
    (lab.home / "aside").rename(lab.layout.backups)


@fault(failed=(*OF_THE_NEWEST, f"test_backup_count_is_sufficient[{B}]"), touches=("backups",))
@causes("test_backup_is_recent")
def no_backup(lab: Lab) -> Iterator[None]:
    """The folder is empty."""
    with moved_away(lab, backups.sets(lab)):
        yield


@fault(failed=(f"test_backup_is_recent[{B}]", f"test_off_site_copy_is_complete[{B}]"), touches=("backups",))
def backup_two_days_old(lab: Lab) -> Iterator[None]:
    """Cron has not run for two days; the backup of three days ago was never copied."""
    with moved_away(lab, backups.sets(lab)[-2:]):
        yield


@fault(failed=(f"test_backup_checksums_match[{B}]", "test_backup_holds_every_table"), touches=("backups",))
def backup_truncated_by_one_byte(lab: Lab) -> Iterator[None]:
    """The disk was full for a moment."""
    path = backups.dump(lab, backups.newest(lab))
    with edited(path, path.read_bytes()[:-1]):
        yield


@fault(failed=(f"test_backup_checksums_match[{B}]", "test_backup_holds_every_table"), touches=("backups",))
def backup_with_a_flipped_bit(lab: Lab) -> Iterator[None]:
    """A bit flipped in the middle, unread by `pg_restore --list`; checksum mismatch, so the archive is not listed."""
    path = backups.dump(lab, backups.newest(lab))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with edited(path, bytes(content)):
        yield


@fault(failed=(f"test_backup_checksums_match[{B}]", "test_backup_holds_every_table"), touches=("backups",))
@causes("test_backup_checksums_match")
def manifest_edited(lab: Lab) -> Iterator[None]:
    """Row counts were edited by hand to match."""
    path = lab.layout.backups / f"{backups.newest(lab)}.manifest.json"
    with edited(path, path.read_bytes().replace(b'"chunks", 20000', b'"chunks", 19999')):
        yield


@fault(
    failed=(
        f"test_backup_checksums_match[{B}]",
        "test_backup_holds_every_table",
        f"test_backup_is_large_enough[{B}]",
        f"test_backup_size_is_steady[{B}]",
    ),
    touches=("backups",),
)
@shows(r"\.manifest\.json\n.*\.globals\.sql$")
def archive_gone(lab: Lab) -> Iterator[None]:
    """The manifest exists, its archive does not."""
    path = backups.dump(lab, backups.newest(lab))
    path.rename(lab.home / path.name)
    yield
    (lab.home / path.name).rename(path)


@fault(failed=("test_backup_role_can_dump_everything",), touches=("backup role",))
def backup_role_lost_bypassrls(lab: Lab) -> Iterator[None]:
    """A migration altered the backup role: the next pg_dump would stop at the first policy."""
    with lab.connect() as admin:
        admin.execute("ALTER ROLE opsproof_backup NOBYPASSRLS")
        yield
        admin.execute("ALTER ROLE opsproof_backup BYPASSRLS")


@fault(failed=("test_backup_leaves_nothing_out",), touches=("backup role", "backups"))
@shows("^ orders ")
def subscription_not_dumped(lab: Lab) -> Iterator[None]:
    """A subscription was made, and the backup role is no superuser: backups have none of it."""
    with lab.connect() as admin:
        admin.execute(
            "CREATE SUBSCRIPTION orders CONNECTION 'host=127.0.0.1 port=9' PUBLICATION orders "
            "WITH (connect = false, slot_name = NONE)"
        )
        yield
        admin.execute("DROP SUBSCRIPTION orders")


@fault(failed=("test_backup_holds_every_table",), touches=(EVERYTHING,))
def table_missing_in_backup(lab: Lab) -> Iterator[None]:
    """A table did not exist when the backup was made."""
    with lab.connect() as admin:
        admin.execute("ALTER TABLE webhooks RENAME TO hooks")
        try:
            backups.back_up(lab, undeclared="webhooks", of=backups.NAME)
        finally:
            admin.execute("ALTER TABLE hooks RENAME TO webhooks")
    yield
    for path in (*backups.files(lab, backups.newest(lab)), *lab.layout.elsewhere.glob(f"{backups.newest(lab)}.*")):
        path.unlink()


@fault(failed=(f"test_backup_is_large_enough[{B}]", f"test_backup_size_is_steady[{B}]"), touches=("backups",))
@shows(r" [\d]{1,6} \S+ \S+ metachat_\w+\.dump")
def backup_too_small(lab: Lab) -> Iterator[None]:
    """A dump of the schema without rows, with a valid manifest."""
    name = backups.newest(lab)
    path, manifest = backups.dump(lab, name), lab.layout.backups / f"{name}.manifest.json"
    archive, text = _empty(lab), manifest.read_text()
    said = f'"bytes": {len(archive)}, "sha256": "{sha256(archive).hexdigest()}"'
    told = re.sub(r'"bytes": \d+, "sha256": "\w+"', said, text, count=1)
    with edited(path, archive), edited(manifest, text.encode()):
        backups.write_manifest(
            lab, name, re.sub(r'"tables": \[.*\](?=,\n"checksum)', '"tables": []', told, flags=re.DOTALL)
        )
        yield


def _empty(lab: Lab) -> bytes:
    passfile = lab.layout.secrets / "pgpass-backup"
    where = f"host=127.0.0.1 port={lab.postgres_port} dbname=metachat user=opsproof_backup passfile={passfile}"
    words = [str(lab.layout.bin / "pg_dump"), "--format=custom", "--compress=0", "--schema-only", "-d", where]
    archive = subprocess.run(words, capture_output=True, check=True).stdout
    return subprocess.run(["zstd", "-q", "-c"], input=archive, capture_output=True, check=True).stdout


@fault(failed=(f"test_backup_is_private[{B}]",), touches=("backups",))
def backup_readable_by_others(lab: Lab) -> Iterator[None]:
    """Copied by hand, without preserving the mode."""
    path = backups.dump(lab, backups.sets(lab)[0])
    path.chmod(0o644)
    yield
    path.chmod(0o600)


@fault(failed=(f"test_backup_is_private[{B}]",), root=True, touches=("backups",))
def backup_owned_by_another_user(lab: Lab) -> Iterator[None]:
    """Another user owns the backup, and can change or delete the files."""
    path = backups.files(lab, backups.newest(lab))[0]
    os.chown(path, 65534, -1)
    yield
    os.chown(path, 0, -1)


@fault(failed=("test_backup_is_private",), touches=("backups",))
@causes("test_backup_is_private[lab-metachat]")
def backup_folder_writable_by_all(lab: Lab) -> Iterator[None]:
    """Folder created by hand, writable by all: any user of the host can replace a backup."""
    lab.layout.backups.chmod(0o777)
    yield
    lab.layout.backups.chmod(0o700)


@fault(failed=(f"test_no_partial_backup_remains[{B}]",), touches=("backups",))
def partial_backup_left(lab: Lab) -> Iterator[None]:
    """The machine crashed during a backup, two hours ago."""
    path = lab.layout.backups / "metachat_20260101T000000Z.dump.partial"
    path.write_bytes(b"PGDMP")
    os.utime(path, 2 * (time.time() - 7200,))
    yield
    path.unlink()


@fault(touches=("backups",))
def backup_in_progress(lab: Lab) -> Iterator[None]:
    """A backup in progress is not a leftover."""
    path = lab.layout.backups / "metachat_20260101T000000Z.dump.partial"
    path.write_bytes(b"PGDMP")
    yield
    path.unlink()


@fault(failed=(f"test_expired_backups_are_pruned[{B}]",), touches=("backups",))
def expired_backups_kept(lab: Lab) -> Iterator[None]:
    """No expired backup was pruned for more than a month."""
    names = [backups.clone(lab, backups.newest(lab), time.time() - age * DAY_S) for age in (40, 41)]
    yield
    for path in (path for name in names for path in backups.files(lab, name)):
        path.unlink()


@fault(failed=(f"test_backup_count_is_sufficient[{B}]",), touches=("backups",))
def too_few_backups(lab: Lab) -> Iterator[None]:
    """Two backups are left."""
    with moved_away(lab, backups.sets(lab)[:-2]):
        yield


@fault(warned=(f"test_backup_count_is_sufficient[{B}]",), touches=("backups",))
def few_backups(lab: Lab) -> Iterator[None]:
    """Four backups are left."""
    with moved_away(lab, backups.sets(lab)[:-4]):
        yield


@fault(failed=(f"test_disk_has_room_for_next_backup[{B}]",), root=True, touches=("backups",))
@shows("^opsproof +72M")
def no_room_for_the_next_backup(lab: Lab) -> Iterator[None]:
    """The folder's file system has almost no space beyond the existing backups."""
    kept, folder = lab.home / "aside", lab.layout.backups
    folder.rename(kept)
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m,mode=0700", "opsproof", folder], check=True)
    subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
    yield
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    kept.rename(folder)


@fault(failed=("test_off_site_copy_is_complete",), touches=("backups",))
def off_site_copy_missing(lab: Lab) -> Iterator[None]:
    """The off-site folder is empty."""
    kept = lab.home / "aside"
    lab.layout.elsewhere.rename(kept)
    lab.layout.elsewhere.mkdir(mode=0o700)
    yield
    shutil.rmtree(lab.layout.elsewhere)
    kept.rename(lab.layout.elsewhere)


@fault(failed=(f"test_off_site_copy_is_complete[{B}]",), touches=("backups",))
def off_site_copy_with_a_flipped_bit(lab: Lab) -> Iterator[None]:
    """The off-site copy was corrupted on disk."""
    (path,) = lab.layout.elsewhere.glob(f"{backups.newest(lab)}.dump*")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    with edited(path, bytes(content)):
        yield


@fault(failed=("test_copies_cannot_be_deleted",), touches=("backups",))
@shows(r"^drwxrwxrwx .* \.$")
def off_site_copies_deletable_by_others(lab: Lab) -> Iterator[None]:
    """The off-site folder was made by hand, writable by all: each login of the machine can delete the copies."""
    lab.layout.elsewhere.chmod(0o777)
    yield
    lab.layout.elsewhere.chmod(0o700)


@contextmanager
def _journal(lab: Lab) -> Iterator[None]:
    path = lab.layout.journal
    kept = path.with_name("journal.kept")
    shutil.copy2(path, kept)
    yield
    kept.replace(path)


@fault(
    failed=(
        "test_restore_drill_is_recent",
        "test_last_restore_drill_succeeded",
        "test_restored_definitions_match_backup",
        "test_restore_time_is_within_limit",
    ),
    touches=("journal",),
)
@causes("test_restore_drill_is_recent")
def no_restore_drill(lab: Lab) -> Iterator[None]:
    """The journal has no drill."""
    with _journal(lab):
        backups.forget_drills(lab.layout.journal)
        yield


@fault(failed=(f"test_restore_drill_is_recent[{B}]",), touches=("journal", "backups"))
def last_drill_old(lab: Lab) -> Iterator[None]:
    """The last drill was 40 days ago."""
    with _journal(lab):
        backups.forget_drills(lab.layout.journal)
        backups.record_drill(lab, age_s=40 * DAY_S)
        backups.record_drill(lab, of=backups.FILES)
        yield


@fault(
    failed=(f"test_last_restore_drill_succeeded[{B}]",),
    unknown=("test_restored_definitions_match_backup",),
    touches=("journal", "backups"),
)
def last_drill_failed(lab: Lab) -> Iterator[None]:
    """The restored data did not match the manifest."""
    with _journal(lab):
        backups.record_drill(lab, outcome="not repaired")
        yield


@fault(failed=("test_restored_definitions_match_backup",), touches=("journal", "backups"))
def last_drill_found_differences(lab: Lab) -> Iterator[None]:
    """A policy of the restored database differs from the backup."""
    with _journal(lab):
        backups.record_drill(lab, outcome="not repaired", differences="policy public.events own is missing")
        yield


@fault(failed=(f"test_restore_time_is_within_limit[{B}]",), touches=("journal", "backups"))
def last_drill_slow(lab: Lab) -> Iterator[None]:
    """The drill took two hours."""
    with _journal(lab):
        backups.record_drill(lab, restore_s=7200)
        yield


@fault(failed=(f"test_no_old_database_remains[{B}]",))
def database_before_a_restore_kept(lab: Lab) -> Iterator[None]:
    """The database that a restore replaced years ago was never dropped."""
    with lab.connect() as admin:
        admin.execute('CREATE DATABASE "metachat_before_20200101T000000Z" TEMPLATE template0')
        mark = "opsproof: replaced metachat_20200101T000000Z"
        admin.execute(f"COMMENT ON DATABASE \"metachat_before_20200101T000000Z\" IS '{mark}'".encode())
        yield
        admin.execute('DROP DATABASE IF EXISTS "metachat_before_20200101T000000Z"')


@fault(warned=(f"test_database_size_is_within_limit[{B}]", f"test_largest_table_can_be_maintained[{B}]"))
@shows(r"\bpile\b")
def database_grown(lab: Lab) -> Iterator[None]:
    """A table grows because old rows are never deleted."""
    with lab.connect() as admin:
        admin.execute("CREATE TABLE pile (id int PRIMARY KEY, body text STORAGE EXTERNAL)")
        admin.execute("INSERT INTO pile SELECT n, repeat(md5(n::text), 200) FROM generate_series(1, 16000) n")
        admin.execute("VACUUM (ANALYZE) pile")
        yield
        admin.execute("DROP TABLE pile")
