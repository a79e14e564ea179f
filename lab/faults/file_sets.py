"""Faults of backups of files."""

import shutil
import time
from collections.abc import Iterator

from lab import Lab, backups
from lab.backups import DAY_S, FILES
from lab.fault import causes, shows
from lab.faults.backups import edited, moved_away
from lab.faults.fault import fault

F = "lab-files"


@fault(
    failed=(
        f"test_backup_is_recent[{F}]",
        f"test_backup_is_large_enough[{F}]",
        f"test_backup_size_is_steady[{F}]",
        f"test_backup_checksums_match[{F}]",
        "test_backup_holds_every_file",
        f"test_disk_has_room_for_next_backup[{F}]",
        f"test_off_site_copy_is_complete[{F}]",
        f"test_backup_count_is_sufficient[{F}]",
        "test_declared_data_is_backed_up",
    ),
    touches=("backups",),
)
@causes("test_backup_is_recent", "test_declared_data_is_backed_up")
def no_backup_of_files(lab: Lab) -> Iterator[None]:
    """Only the database was ever backed up."""
    with moved_away(lab, backups.sets(lab, FILES)):
        yield


@fault(failed=(f"test_backup_is_recent[{F}]", f"test_off_site_copy_is_complete[{F}]"), touches=("backups",))
def backup_of_files_two_days_old(lab: Lab) -> Iterator[None]:
    """Cron has not run for two days; the backup of three days ago was never copied."""
    with moved_away(lab, backups.sets(lab, FILES)[-2:]):
        yield


@fault(failed=(f"test_backup_checksums_match[{F}]",), touches=("backups",))
def archive_of_files_with_a_flipped_bit(lab: Lab) -> Iterator[None]:
    """A bit of the compressed archive flipped on the disk."""
    path = lab.layout.backups / f"{backups.newest(lab, FILES)}.tar.zst"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with edited(path, bytes(content)):
        yield


@fault(failed=("test_declared_data_is_backed_up", "test_backup_holds_every_file"), touches=("backups",))
def file_set_without_backup(lab: Lab) -> Iterator[None]:
    """The settings were declared, and the newest backup is from before."""
    before = backups.sets(lab, FILES)
    backups.back_up(lab, undeclared=".env", of=FILES)
    yield
    _forget(lab, [each for each in backups.sets(lab, FILES) if each not in before])


@fault(failed=("test_declared_data_is_backed_up",), touches=("backups",))
@shows(r"storage -> ")
def data_behind_a_symbolic_link(lab: Lab) -> Iterator[None]:
    """The folder was moved to a larger disk, and a link left in its place: tar archives the link."""
    moved = lab.home / "larger disk"
    lab.layout.storage.rename(moved)
    lab.layout.storage.symlink_to(moved)
    yield
    lab.layout.storage.unlink()
    moved.rename(lab.layout.storage)


@fault(failed=("test_declared_data_is_backed_up", "test_backup_holds_every_file"), touches=("backups",))
def file_missing_in_backup(lab: Lab) -> Iterator[None]:
    """The settings of the application had been moved away while the backup was made."""
    aside, before = lab.home / "env", backups.sets(lab, FILES)
    lab.layout.env.rename(aside)
    try:
        backups.back_up(lab, of=FILES, incomplete=True)
    finally:
        aside.rename(lab.layout.env)
    yield
    _forget(lab, [each for each in backups.sets(lab, FILES) if each not in before])


@fault(failed=(f"test_last_restore_drill_succeeded[{F}]",), touches=("journal", "backups"))
def last_drill_of_files_failed(lab: Lab) -> Iterator[None]:
    """An unpacked file did not match its checksum."""
    kept = lab.layout.journal.with_name("journal.kept")
    shutil.copy2(lab.layout.journal, kept)
    backups.record_drill(lab, outcome="not repaired", of=FILES)
    yield
    kept.replace(lab.layout.journal)


@fault(failed=(f"test_expired_backups_are_pruned[{F}]",), touches=("backups",))
def expired_backups_of_files_kept(lab: Lab) -> Iterator[None]:
    """An archive with settings of a year ago was never pruned."""
    name = backups.clone(lab, backups.newest(lab, FILES), time.time() - 365 * DAY_S)
    yield
    for path in backups.files(lab, name):
        path.unlink()


def _forget(lab: Lab, names: list[str]) -> None:
    for folder in (lab.layout.backups, lab.layout.elsewhere):
        for path in (path for name in names for path in folder.glob(f"{name}.*")):
            path.unlink()
