"""Faults of backups, on the host and off it, and of what is known of drills."""

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
from lab.fault import EVERYTHING
from lab.faults.fault import fault

B = "lab-metachat"
OF_THE_NEWEST = (
    "test_backup_is_recent",
    "test_backup_is_large_enough",
    "test_backup_size_is_steady",
    "test_backup_checksums_match",
    "test_backup_holds_every_table",
    "test_disk_has_room_for_next_backup",
    "test_off_site_copy_is_complete",
)
EVERY = (
    *OF_THE_NEWEST,
    "test_backup_count_is_sufficient",
    "test_backup_is_private",
    "test_no_partial_backup_remains",
    "test_expired_backups_are_pruned",
)


@contextmanager
def _aside(lab: Lab, names: list[str]) -> Iterator[None]:
    """These backups are somewhere else."""
    folder = lab.home / "aside"
    folder.mkdir()
    for each in (file for name in names for file in backups.files(lab, name)):
        each.rename(folder / each.name)
    yield
    for each in folder.iterdir():
        each.rename(lab.layout.backups / each.name)
    folder.rmdir()


@contextmanager
def _changed(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    yield
    path.write_bytes(before)


@fault(failed=EVERY, touches=("backups",))
def backup_folder_gone(lab: Lab) -> Iterator[None]:
    """A disk that was not mounted, or a folder that was tidied away."""
    lab.layout.backups.rename(lab.home / "aside")
    yield
    (lab.home / "aside").rename(lab.layout.backups)


@fault(failed=(*OF_THE_NEWEST, "test_backup_count_is_sufficient"), touches=("backups",))
def no_backup(lab: Lab) -> Iterator[None]:
    """The folder is there, and empty."""
    with _aside(lab, backups.sets(lab)):
        yield


@fault(failed=("test_backup_is_recent", "test_off_site_copy_is_complete"), touches=("backups",))
def backup_two_days_old(lab: Lab) -> Iterator[None]:
    """Cron has not run since; and the one before was never copied."""
    with _aside(lab, backups.sets(lab)[-2:]):
        yield


@fault(failed=("test_backup_checksums_match", "test_backup_holds_every_table"), touches=("backups",))
def backup_truncated_by_one_byte(lab: Lab) -> Iterator[None]:
    """The disk was full for a moment."""
    path = backups.dump(lab, backups.newest(lab))
    with _changed(path, path.read_bytes()[:-1]):
        yield


@fault(failed=("test_backup_checksums_match", "test_backup_holds_every_table"), touches=("backups",))
def backup_with_a_flipped_bit(lab: Lab) -> Iterator[None]:
    """In the middle, where pg_restore would not look for its list; it is not given the archive."""
    path = backups.dump(lab, backups.newest(lab))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with _changed(path, bytes(content)):
        yield


@fault(failed=("test_backup_checksums_match", "test_backup_holds_every_table"), touches=("backups",))
def manifest_edited(lab: Lab) -> Iterator[None]:
    """Somebody made the count of rows agree."""
    path = lab.layout.backups / f"{backups.newest(lab)}.manifest.json"
    with _changed(path, path.read_bytes().replace(b'"chunks", 20000', b'"chunks", 19999')):
        yield


@fault(
    failed=(
        "test_backup_checksums_match",
        "test_backup_holds_every_table",
        "test_backup_is_large_enough",
        "test_backup_size_is_steady",
    ),
    touches=("backups",),
)
def archive_gone(lab: Lab) -> Iterator[None]:
    """The manifest is there, and says of what."""
    path = backups.dump(lab, backups.newest(lab))
    path.rename(lab.home / path.name)
    yield
    (lab.home / path.name).rename(path)


@fault(failed=("test_backup_holds_every_table",), touches=(EVERYTHING,))
def table_missing_in_backup(lab: Lab) -> Iterator[None]:
    """A table was not there when the backup was made."""
    with lab.connect() as admin:
        admin.execute("ALTER TABLE webhooks RENAME TO hooks")
        try:
            backups.back_up(lab, wanting="webhooks")
        finally:
            admin.execute("ALTER TABLE hooks RENAME TO webhooks")
    yield
    for path in (*backups.files(lab, backups.newest(lab)), *lab.layout.elsewhere.glob(f"{backups.newest(lab)}.*")):
        path.unlink()


@fault(failed=("test_backup_is_large_enough", "test_backup_size_is_steady"), touches=("backups",))
def backup_too_small(lab: Lab) -> Iterator[None]:
    """The schema without rows, and a manifest that finds nothing wrong with it."""
    name = backups.newest(lab)
    path, manifest = backups.dump(lab, name), lab.layout.backups / f"{name}.manifest.json"
    archive, text = _empty(lab), manifest.read_text()
    said = f'"bytes": {len(archive)}, "sha256": "{sha256(archive).hexdigest()}"'
    told = re.sub(r'"bytes": \d+, "sha256": "\w+"', said, text, count=1)
    with _changed(path, archive), _changed(manifest, text.encode()):
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


@fault(failed=("test_backup_is_private",), touches=("backups",))
def backup_readable_by_others(lab: Lab) -> Iterator[None]:
    """Copied by hand, without its mode."""
    path = backups.dump(lab, backups.sets(lab)[0])
    path.chmod(0o644)
    yield
    path.chmod(0o600)


@fault(failed=("test_backup_is_private",), root=True, touches=("backups",))
def backup_of_another_owner(lab: Lab) -> Iterator[None]:
    """Somebody else may delete it, or already did something with it."""
    path = backups.files(lab, backups.newest(lab))[0]
    os.chown(path, 65534, -1)
    yield
    os.chown(path, 0, -1)


@fault(failed=("test_backup_is_private",), touches=("backups",))
def backup_folder_for_all(lab: Lab) -> Iterator[None]:
    """Made by hand: whoever is on the host may put another backup in the place of ours."""
    lab.layout.backups.chmod(0o777)
    yield
    lab.layout.backups.chmod(0o700)


@fault(failed=("test_no_partial_backup_remains",), touches=("backups",))
def partial_left(lab: Lab) -> Iterator[None]:
    """The machine went down in the middle, two hours ago."""
    path = lab.layout.backups / "metachat_20260101T000000Z.dump.partial"
    path.write_bytes(b"PGDMP")
    os.utime(path, 2 * (time.time() - 7200,))
    yield
    path.unlink()


@fault(touches=("backups",))
def backup_at_work(lab: Lab) -> Iterator[None]:
    """A backup that is being written is no leftover."""
    path = lab.layout.backups / "metachat_20260101T000000Z.dump.partial"
    path.write_bytes(b"PGDMP")
    yield
    path.unlink()


@fault(failed=("test_expired_backups_are_pruned",), touches=("backups",))
def old_backups_kept(lab: Lab) -> Iterator[None]:
    """Nobody has let go of anything since a month and more."""
    names = [backups.clone(lab, backups.newest(lab), time.time() - age * DAY_S) for age in (40, 41)]
    yield
    for path in (path for name in names for path in backups.files(lab, name)):
        path.unlink()


@fault(failed=("test_backup_count_is_sufficient",), touches=("backups",))
def too_few_backups(lab: Lab) -> Iterator[None]:
    """Two are left."""
    with _aside(lab, backups.sets(lab)[:-2]):
        yield


@fault(warned=("test_backup_count_is_sufficient",), touches=("backups",))
def few_backups(lab: Lab) -> Iterator[None]:
    """Four are left."""
    with _aside(lab, backups.sets(lab)[:-4]):
        yield


@fault(failed=("test_disk_has_room_for_next_backup",), root=True, touches=("backups",))
def no_room_for_the_next_backup(lab: Lab) -> Iterator[None]:
    """The folder lies on a file system that holds these backups and hardly more."""
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
def copy_missing(lab: Lab) -> Iterator[None]:
    """The other place is there, and empty."""
    kept = lab.home / "aside"
    lab.layout.elsewhere.rename(kept)
    lab.layout.elsewhere.mkdir(mode=0o700)
    yield
    lab.layout.elsewhere.rmdir()
    kept.rename(lab.layout.elsewhere)


@fault(failed=("test_off_site_copy_is_complete",), touches=("backups",))
def copy_with_a_flipped_bit(lab: Lab) -> Iterator[None]:
    """The copy went bad where nobody looks."""
    (path,) = lab.layout.elsewhere.glob(f"{backups.newest(lab)}.dump*")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    with _changed(path, bytes(content)):
        yield


@contextmanager
def _journal(lab: Lab) -> Iterator[None]:
    path = lab.layout.journal
    kept = path.with_name("journal.kept")
    shutil.copy2(path, kept)
    yield
    kept.replace(path)


@fault(
    failed=("test_restore_drill_is_recent", "test_last_restore_drill_succeeded", "test_restore_time_is_within_limit"),
    touches=("journal",),
)
def restore_never_practised(lab: Lab) -> Iterator[None]:
    """The journal knows of no drill."""
    with _journal(lab):
        backups.forget_drills(lab.layout.journal)
        yield


@fault(failed=("test_restore_drill_is_recent",), touches=("journal",))
def drill_long_ago(lab: Lab) -> Iterator[None]:
    """Forty days have gone by."""
    with _journal(lab):
        backups.forget_drills(lab.layout.journal)
        backups.practised(lab, age_s=40 * DAY_S)
        yield


@fault(failed=("test_last_restore_drill_succeeded",), touches=("journal",))
def drill_failed(lab: Lab) -> Iterator[None]:
    """What came back was not what the manifest says."""
    with _journal(lab):
        backups.practised(lab, outcome="not repaired")
        yield


@fault(failed=("test_restore_time_is_within_limit",), touches=("journal",))
def drill_slow(lab: Lab) -> Iterator[None]:
    """It took two hours."""
    with _journal(lab):
        backups.practised(lab, restore_s=7200)
        yield


@fault(warned=(f"test_database_size_is_within_limit[{B}]", f"test_largest_table_can_be_maintained[{B}]"))
def database_grown(lab: Lab) -> Iterator[None]:
    """A table that nobody prunes."""
    with lab.connect() as admin:
        admin.execute("CREATE TABLE pile (id int PRIMARY KEY, body text STORAGE EXTERNAL)")
        admin.execute("INSERT INTO pile SELECT n, repeat(md5(n::text), 200) FROM generate_series(1, 16000) n")
        admin.execute("VACUUM (ANALYZE) pile")
        yield
        admin.execute("DROP TABLE pile")
