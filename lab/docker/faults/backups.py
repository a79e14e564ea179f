"""Faults of backups on the server, off-site copies and journaled restore drills."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.backups import DAY_S, append_drill, drill, forget_drills, redated, with_checksum
from lab.docker import DockerLab, backups
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    CONTENT_OF_BACKUP,
    EVERY_BACKUP,
    LISTED_IN_CONTAINER,
    OF_DRILLS,
    OF_NEWEST_BACKUP,
    moved,
)
from lab.docker.layout import BACKUPS, ELSEWHERE
from lab.fault import shows

ASIDE = "/var/backups/aside"
SUDOERS = "/etc/sudoers.d/opsproof-"
NEWEST, LIST, COPIES = "newest backup", "list of backups", "copies of backups"
BACKUPS_ALL = (NEWEST, LIST, COPIES)
"""Touched by faults that change which backup is the newest."""
FLIP = 'perl -e \'my ($file, $at) = @ARGV; open my $f, "+<", $file or die; seek $f, $at, 0; read $f, my $c, 1;'
FLIP += " seek $f, $at, 0; print $f chr(ord($c) ^ 1)' -- "


def _shell(lab: DockerLab, script: str, *words: str) -> None:
    lab.root("sh", "-ec", f'umask 077; cd "$0"; {script}', BACKUPS, *words)


@contextmanager
def _moved_away(lab: DockerLab, names: list[str]) -> Iterator[None]:
    """Moves backups out of the folder."""
    _shell(lab, f'mkdir {ASIDE}; for name; do mv -- "$name".* {ASIDE}; done', *names)
    yield
    _shell(lab, f"mv {ASIDE}/* .; rmdir {ASIDE}")


@contextmanager
def _edited(lab: DockerLab, path: str, script: str) -> Iterator[None]:
    """Changes a file by a shell script, with the path as $1."""
    kept = f"/run/kept{path.replace('/', '-')}"
    _shell(lab, f'cp -a -- "$1" "$2"; {script}', path, kept)
    yield
    _shell(lab, 'cat "$2" > "$1"; rm "$2"', path, kept)


@fault(failed=EVERY_BACKUP, touches=BACKUPS_ALL)
@shows("No such file or directory")
def backup_folder_gone(lab: DockerLab) -> Iterator[None]:
    """The backup disk is not mounted, or the folder was deleted."""
    with moved(lab, BACKUPS):
        yield


@fault(failed=(*OF_NEWEST_BACKUP, "test_backup_count_is_sufficient"), touches=BACKUPS_ALL)
def no_backup(lab: DockerLab) -> Iterator[None]:
    """The folder is empty."""
    with _moved_away(lab, backups.sets(lab)):
        yield


@fault(failed=("test_backup_is_recent", "test_off_site_copy_is_complete"), touches=BACKUPS_ALL)
def backup_two_days_old(lab: DockerLab) -> Iterator[None]:
    """Cron has not run for two days; the backup of three days ago was never copied."""
    with _moved_away(lab, backups.sets(lab)[-2:]):
        yield


@fault(failed=CONTENT_OF_BACKUP, touches=(NEWEST,))
def backup_with_a_flipped_bit(lab: DockerLab) -> Iterator[None]:
    """A bit flipped in the middle of the archive."""
    path = f"{backups.newest(lab)}.dump"
    with _edited(lab, path, f'{FLIP} "$1" 9000000'):
        yield


@fault(failed=CONTENT_OF_BACKUP, touches=(NEWEST,))
def manifest_edited(lab: DockerLab) -> Iterator[None]:
    """Row counts were edited by hand to match."""
    path = f"{backups.newest(lab)}.manifest.json"
    with _edited(lab, path, """sed -i 's/"chunks", 20000/"chunks", 19999/' "$1" """):
        yield


@fault(
    failed=("test_backup_holds_every_table",), touches=(*BACKUPS_ALL, "docker", "sudo", "sshd", "postgres", "journal")
)
def table_missing_in_backup(lab: DockerLab) -> Iterator[None]:
    """A table did not exist when the backup was made."""
    with lab.connect() as admin:
        admin.execute("ALTER TABLE webhooks RENAME TO hooks")
        try:
            backups.act(lab, "backup", undeclared="webhooks")
        finally:
            admin.execute("ALTER TABLE hooks RENAME TO webhooks")
    name = backups.newest(lab)
    yield
    _shell(lab, f'rm -- "$1".* {ELSEWHERE}/"$1".*', name)


@fault(
    failed=("test_backup_is_large_enough", "test_backup_size_is_steady"), touches=(*BACKUPS_ALL, "docker", "postgres")
)
@shows(r" \d{1,6} \S+ \S+ metachat_\w+\.dump")
def backup_too_small(lab: DockerLab) -> Iterator[None]:
    """A dump of the schema without rows, with a valid manifest and off-site copy."""
    source, now = backups.newest(lab), time.time()
    name = backups.clone(lab, source, now)
    where = "user=opsproof_backup dbname=metachat"
    dump = f"docker exec -i meta-chat-postgres pg_dump -Fc --schema-only -d '{where}'"
    _shell(lab, f'rm "$1.dump"; {dump} > "$1.dump"; chown ops:ops "$1.dump"', name)
    said = lab.root("sh", "-c", 'cd "$0" && stat -c %s "$1.dump" && sha256sum "$1.dump"', BACKUPS, name).split()
    text = redated(lab.ops("cat", f"{BACKUPS}/{source}.manifest.json"), source, now)
    head, _, rest = text.partition('"bytes": ')
    text = f'{head}"bytes": {said[0]}, "sha256": "{said[1]}"}}{rest.partition("}")[2]}'
    tables = text.index('"tables": [')
    lab.ops(
        "sh", "-c", 'cat > "$0"', f"{BACKUPS}/{name}.manifest.json", text=with_checksum(f'{text[:tables]}"tables": []')
    )
    _copied(lab, name)
    yield
    _shell(lab, f'rm -- "$1".* {ELSEWHERE}/"$1".*', name)


def _copied(lab: DockerLab, name: str) -> None:
    files = " ".join(f'"$1.{suffix}"' for suffix in ("dump", "globals.sql", "manifest.json"))
    there = f'{ELSEWHERE}/"$1"'
    _shell(lab, f"cp {files} {ELSEWHERE}; sha256sum {files} > {there}.sha256; chown vault:vault {there}.*", name)


@fault(failed=("test_backup_is_private",), touches=(LIST,))
def backup_readable_by_others(lab: DockerLab) -> Iterator[None]:
    """Copied by hand, without preserving the mode."""
    path = f"{backups.sets(lab)[-1]}.dump"
    _shell(lab, 'chmod 0644 "$1"', path)
    yield
    _shell(lab, 'chmod 0600 "$1"', path)


@fault(failed=("test_no_partial_backup_remains",), touches=(LIST,))
def partial_backup_left(lab: DockerLab) -> Iterator[None]:
    """The machine crashed during a backup, two hours ago."""
    path = "metachat_20260101T000000Z.dump.partial"
    _shell(lab, 'touch --date="2 hours ago" "$1"', path)
    yield
    _shell(lab, 'rm "$1"', path)


@fault(failed=("test_expired_backups_are_pruned",), touches=(LIST,))
def expired_backups_kept(lab: DockerLab) -> Iterator[None]:
    """No expired backup was pruned for more than a month."""
    name = backups.clone(lab, backups.newest(lab), time.time() - 40 * DAY_S)
    yield
    _shell(lab, 'rm -- "$1".*', name)


@fault(failed=("test_backup_count_is_sufficient",), touches=BACKUPS_ALL)
def too_few_backups(lab: DockerLab) -> Iterator[None]:
    """Two backups are left."""
    with _moved_away(lab, backups.sets(lab)[:-2]):
        yield


@fault(failed=("test_disk_has_room_for_next_backup",), touches=BACKUPS_ALL)
@shows("^opsproof +72M")
def no_room_for_the_next_backup(lab: DockerLab) -> Iterator[None]:
    """The folder's file system has almost no space beyond the existing backups."""
    mount = f"mount -t tmpfs -o size=72m,mode=0700 opsproof {BACKUPS}"
    _shell(lab, f"cp -a . {ASIDE}; {mount}; cd {BACKUPS}; chown ops:ops .; cp -a {ASIDE}/. .")
    yield
    lab.root("umount", BACKUPS)
    lab.root("rm", "-r", ASIDE)


@fault(failed=("test_off_site_copy_is_complete",), touches=(COPIES,))
def off_site_copy_with_a_flipped_bit(lab: DockerLab) -> Iterator[None]:
    """The off-site copy was corrupted on disk."""
    path = f"{ELSEWHERE}/{backups.newest(lab)}.dump"
    with _edited(lab, path, f'{FLIP} "$1" 9000000'):
        yield


@fault(failed=("test_off_site_copy_is_complete",), touches=(COPIES,))
def off_site_copy_missing(lab: DockerLab) -> Iterator[None]:
    """The checksum file of the off-site copy was deleted."""
    with moved(lab, f"{ELSEWHERE}/{backups.newest(lab)}.sha256"):
        yield


@fault(
    unknown=("test_off_site_copy_is_complete", "test_copies_cannot_be_deleted"),
    reported_once={"passed": ("test_sshd_accepts_connections",)},  # the next round opens a new connection
    touches=(COPIES, "sshd"),
)
def off_site_host_refuses_login(lab: DockerLab) -> Iterator[None]:
    """The off-site host refuses the login: the state of the copies is unknown."""
    with moved(lab, "/home/vault/.ssh/authorized_keys"):
        lab.root("sh", "-c", "pkill -KILL -u vault -x sshd || true")
        yield


@fault(unknown=LISTED_IN_CONTAINER, touches=("sudo",))
def sudo_refused_for_backups(lab: DockerLab) -> Iterator[None]:
    """The sudoers rule for pg_restore in the container is missing: the archive's content is unknown."""
    with moved(lab, f"{SUDOERS}backup"), moved(lab, f"{SUDOERS}restore"):
        yield


@contextmanager
def _journal(lab: DockerLab) -> Iterator[None]:
    path = lab.layout.journal
    kept = path.with_name("journal.kept")
    shutil.copy2(path, kept)
    yield
    kept.replace(path)


@fault(failed=(*OF_DRILLS, "test_restored_definitions_match_backup"), touches=("journal",))
def no_restore_drill(lab: DockerLab) -> Iterator[None]:
    """The journal has no drill."""
    with _journal(lab):
        forget_drills(lab.layout.journal)
        yield


@fault(failed=OF_DRILLS, unknown=("test_restored_definitions_match_backup",), touches=("journal",))
def last_drill_old_failed_and_slow(lab: DockerLab) -> Iterator[None]:
    """The last drill was 40 days ago, took two hours, and the restored data did not match the manifest."""
    with _journal(lab):
        forget_drills(lab.layout.journal)
        long_ago = drill(backups.newest(lab), "not repaired", 40 * DAY_S, 7200)
        append_drill(lab.layout.journal, backups.HOST, long_ago)
        yield


@fault(warned=("test_database_size_is_within_limit",), touches=("postgres",))
@shows(r"\bpile\b")
def database_grown(lab: DockerLab) -> Iterator[None]:
    """A table grows because old rows are never deleted."""
    with lab.connect() as admin:
        admin.execute("CREATE TABLE pile (text text STORAGE EXTERNAL)")
        admin.execute("INSERT INTO pile SELECT repeat(md5(n::text), 200) FROM generate_series(1, 12000) n")
        yield
        admin.execute("DROP TABLE pile")
