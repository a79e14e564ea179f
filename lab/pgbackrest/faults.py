"""Faults of a cluster's WAL archive and pgBackRest backups. Healing restores the saved state of the site."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.fault import EVERYTHING, Registry, shows
from lab.pgbackrest import Site, history
from lab.waiting import wait_until

_REGISTRY: Registry[Site] = Registry(touches=(EVERYTHING,))
FAULTS = _REGISTRY.faults
"""All faults."""
fault = _REGISTRY.fault

OF_THE_NEWEST = (
    "test_backup_is_recent",
    "test_backup_is_large_enough",
    "test_backup_size_is_steady",
    "test_backup_checksums_match",
    "test_disk_has_room_for_next_backup",
)
OF_THE_ARCHIVE = ("test_wal_archive_has_no_gap", "test_recovery_window_reaches_back", "test_wal_archive_is_recent")
EVERY = (*OF_THE_NEWEST, *OF_THE_ARCHIVE, "test_no_partial_backup_remains", "test_backup_count_is_sufficient")


def _segments(site: Site) -> list[Path]:
    """The WAL segments in the archive, oldest first."""
    return sorted(site.repo.glob("archive/metachat/*-1/0*/0*-*"))


def _largest_file(site: Site, label: str, pattern: str) -> Path:
    """The largest file of a backup matching a pattern."""
    return max((site.repo / "backup" / "metachat" / label).glob(pattern), key=lambda path: path.stat().st_size)


def _newest(site: Site) -> str:
    """The name of the newest backup's folder."""
    return max(path.name for path in (site.repo / "backup" / "metachat").glob("2*"))


@fault(failed=EVERY)
@shows("missing stanza path")
def stanza_gone(site: Site) -> Iterator[None]:
    """The repository's disk is not mounted: the folder exists and is empty."""
    site.run("mv", site.repo, site.home / "aside")
    site.run("mkdir", site.repo)
    yield
    site.run("rm", "-rf", site.home / "aside")
    site.reset()


@fault(unknown=EVERY)
def repository_unreadable(site: Site) -> Iterator[None]:
    """A folder of the repository is unreadable: the state of the backups is unknown."""
    (site.repo / "backup").chmod(0)
    yield
    (site.repo / "backup").chmod(0o750)


@fault(unknown=EVERY)
def pgbackrest_misconfigured(site: Site) -> Iterator[None]:
    """The repository path in the configuration is relative."""
    path = site.home / "pgbackrest.conf"
    text = path.read_text()
    path.write_text(text.replace("repo1-path=", "repo1-path=relative"))
    yield
    path.write_text(text)


@fault(
    failed=(*OF_THE_NEWEST, "test_backup_count_is_sufficient", "test_recovery_window_reaches_back"),
    may_change=("test_wal_archive_is_recent",),
)
def no_backup(site: Site) -> Iterator[None]:
    """The stanza was created, but no backup made."""
    site.run("rm", "-rf", site.repo)
    site.run("mkdir", site.repo)
    site.pgbackrest("stanza-create")
    site.archive()
    yield
    site.reset()


@fault(failed=("test_backup_is_recent",))
def backup_two_days_old(site: Site) -> Iterator[None]:
    """Cron has not run for two days."""
    history.set_ages(site.repo, [86400.0 * days for days in (4, 3, 2)])
    yield
    site.reset()


@fault(failed=("test_backup_count_is_sufficient", "test_recovery_window_reaches_back"))
def one_backup_left(site: Site) -> Iterator[None]:
    """Old backups were expired to free space."""
    site.pgbackrest("--type", "full", "backup")
    site.pgbackrest("--repo1-retention-full", 1, "expire")
    yield
    site.reset()


@fault(failed=("test_backup_is_large_enough", "test_backup_size_is_steady"))
@shows(r"database size: 2\d(?:\.\d)?MB")
def database_gone(site: Site) -> Iterator[None]:
    """The backup succeeded, but the database in the cluster is empty."""
    site.sql("ALTER DATABASE metachat RENAME TO kept", "postgres")
    site.sql("CREATE DATABASE metachat", "postgres")
    site.sql("DROP DATABASE kept WITH (FORCE)", "postgres")
    site.pgbackrest("--type", "full", "backup")
    yield
    site.reset()


@fault(failed=("test_backup_checksums_match",))
def page_damaged(site: Site) -> Iterator[None]:
    """A page of the cluster has a checksum mismatch: pgBackRest backs up the page, warns and exits with 0."""
    path = site.data / site.sql("SELECT pg_relation_filepath('messages')")
    site.stop("fast")
    _flip(path, 9000)
    site.start()
    site.run("sh", "-c", f"pgbackrest --config {site.home}/pgbackrest.conf --stanza metachat --type full backup")
    yield
    site.reset()


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@fault(failed=("test_backup_checksums_match",), may_change=("test_repository_verification_is_recent",))
def full_backup_folder_gone(site: Site) -> Iterator[None]:
    """The folder of the full backup is missing, which makes the newest backup useless."""
    folder = site.repo / "backup" / "metachat" / _newest(site).partition("_")[0]
    site.run("mv", folder, site.home / "aside")
    yield
    site.run("mv", site.home / "aside", folder)


@fault(failed=("test_repository_verification_is_recent",))
def file_with_a_flipped_bit(site: Site) -> Iterator[None]:
    """A bit flipped in the full backup; verify_backup found the damage and journaled the result."""
    path = _largest_file(site, _newest(site).partition("_")[0], "pg_data/base/*/*.zst")
    _flip(path, path.stat().st_size // 2)
    _verify(site, 5)
    yield
    site.reset()
    _verify(site, 0)


def _verify(site: Site, status: int) -> None:
    done = site.action("verify_backup", "--apply")
    if done.returncode != status:
        raise LabError(f"verify_backup exited with {done.returncode}: {done.stderr}")


@fault(failed=("test_repository_verification_is_recent",))
def backup_never_verified(site: Site) -> Iterator[None]:
    """The journal has no verification."""
    with _journal(site, lambda: history.forget(site.reports, "verify_backup", "backup")):
        yield


@fault(failed=("test_repository_verification_is_recent", "test_restore_drill_is_recent"))
def verification_and_drill_overdue(site: Site) -> Iterator[None]:
    """No verification and no restore drill for forty days."""
    with _journal(site, lambda: history.backdate(site.reports / "journal.jsonl", 40 * 86400.0)):
        yield


@contextmanager
def _journal(site: Site, change: Callable[[], None]) -> Iterator[None]:
    """Changes the journal; restores the original at the end."""
    path = site.reports / "journal.jsonl"
    text = path.read_text()
    change()
    yield
    path.write_text(text)


@fault(failed=("test_no_partial_backup_remains",))
def backup_interrupted(site: Site) -> Iterator[None]:
    """A backup was killed halfway."""
    with backing_up(site) as backup:
        for pid in working(site):
            os.kill(pid, signal.SIGKILL)
        backup.wait()
    yield
    site.reset()


@contextmanager
def backing_up(site: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """A slow backup that has begun to copy files."""
    site.sql("CREATE TABLE bulk AS SELECT n, repeat(md5(n::text), 50) AS b FROM generate_series(1, 40000) n")
    folder = site.repo / "backup" / "metachat"
    before = set(folder.iterdir())
    slowly = ("--type", "full", "--compress-type", "bz2", "--compress-level", 9, "backup")
    words = site.words("pgbackrest", "--config", site.home / "pgbackrest.conf", "--stanza", "metachat", *slowly)
    with subprocess.Popen(words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as backup:
        wait_until(
            lambda: any((each / "pg_data").exists() for each in set(folder.iterdir()) - before),
            "the backup begins",
            process=backup,
        )
        yield backup


def working(site: Site) -> list[int]:
    """Processes of pgBackRest with the site's configuration, except archive-push."""
    lines = {pid: processes.command(pid) for pid in processes.pids()}
    found = {pid: line.split() for pid, line in lines.items() if f"{site.home}/pgbackrest.conf" in line}
    return [pid for pid, words in found.items() if words[0].endswith("pgbackrest") and "archive-push" not in words]


@fault(failed=("test_wal_archive_has_no_gap",))
def wal_gap_before_newest_backup(site: Site) -> Iterator[None]:
    """A WAL segment between the two older backups is missing: newer backups still restore up to the latest commit."""
    _segments(site)[6].unlink()
    yield
    site.reset()


@fault(failed=("test_wal_archive_has_no_gap", "test_recovery_window_reaches_back"))
def wal_gap_after_newest_backup(site: Site) -> Iterator[None]:
    """A WAL segment after the newest backup is missing: later commits cannot be restored."""
    archived = []
    for body in ("one", "two", "three"):
        site.write(body)
        archived.append(site.archive())
    archived[1].unlink()
    yield
    site.reset()


@fault(failed=("test_wal_archive_is_recent",))
@shows(r"\| on +\| /bin/true")
def archive_command_does_nothing(site: Site) -> Iterator[None]:
    """archive_command reports success without archiving."""
    site.sql("ALTER SYSTEM SET archive_command = '/bin/true'", "postgres")
    site.sql("SELECT pg_reload_conf()", "postgres")
    for path in _segments(site):
        os.utime(path, 2 * (time.time() - 3 * 86400,))
    yield
    site.reset()


@fault(failed=("test_finished_segments_are_archived",))
@shows(r"\| on +\| /bin/false")
def archive_command_fails(site: Site) -> Iterator[None]:
    """archive_command has failed for two hours."""
    site.sql("ALTER SYSTEM SET archive_command = '/bin/false'", "postgres")
    site.sql("SELECT pg_reload_conf()", "postgres")
    site.write("unarchived")
    site.sql("SELECT pg_switch_wal()")
    waiting = site.data / "pg_wal" / "archive_status"
    wait_until(lambda: bool(list(waiting.glob("*.ready"))), "a segment is finished")
    for path in waiting.glob("*.ready"):
        os.utime(path, 2 * (time.time() - 7200,))
    yield
    site.reset()


@fault(failed=("test_finished_segments_are_archived",))
@shows(r"\| off +\|")
def archiving_switched_off(site: Site) -> Iterator[None]:
    """archive_mode was switched off to save I/O."""
    site.sql("ALTER SYSTEM SET archive_mode = off", "postgres")
    site.stop("fast")
    site.start()
    yield
    site.reset()


@fault(failed=("test_archive_timeout_is_set",))
@shows("^ 0$")
def archive_timeout_not_set(site: Site) -> Iterator[None]:
    """archive_timeout has PostgreSQL's default, 0."""
    site.sql("ALTER SYSTEM SET archive_timeout = 0", "postgres")
    site.sql("SELECT pg_reload_conf()", "postgres")
    yield
    site.sql("ALTER SYSTEM RESET archive_timeout", "postgres")
    site.sql("SELECT pg_reload_conf()", "postgres")
