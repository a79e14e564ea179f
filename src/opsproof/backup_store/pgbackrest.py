"""One pgBackRest repository of a stanza: its backups and its WAL archive.

The data comes from pgBackRest's own commands on the host, mainly from the JSON output of `info`:
https://pgbackrest.org/command.html#command-info.
"""

import json
from dataclasses import dataclass
from typing import Any

from opsproof.backup_store import wal
from opsproof.backup_store.wal import SegmentRun, WalArchive
from opsproof.core import scripts
from opsproof.core.ages import age
from opsproof.core.errors import Absent, MeasurementError, Unusable
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import Answer, Command, argv, labelled

READ_TIMEOUT_S = 120.0
NO_BACKUP, UNREADABLE = 2, 99
"""Status codes of `pgbackrest info`: stanza without backups, and unreadable repository."""


@dataclass(frozen=True)
class ClusterBackup:
    """A backup of a cluster as listed by pgBackRest: times in seconds since 1970, sizes in bytes.

    `kind` is full, diff or incr. `size_bytes` is the repository data needed for a restore, `own_bytes` the data added
    to the repository by this backup, `database_bytes` the size of the cluster. `needs` are the labels of the backups
    that a restore depends on. `damaged` is true if pages failed their checksum during the backup. `span` is the WAL
    needed to make the backup consistent.
    """

    label: str
    kind: str
    began: float
    ended: float
    size_bytes: int
    own_bytes: int
    database_bytes: int
    damaged: bool
    needs: tuple[str, ...]
    span: SegmentRun


@dataclass(frozen=True)
class Stanza:
    """One repository of a stanza; times in seconds since 1970 by the host's clock.

    `now` is the time of the query, `log_came` the arrival of the newest WAL segment in the archive. `version` is the
    major version of PostgreSQL, `system_id` the system identifier of the cluster. `done_bytes` is the progress of a
    `running` backup, None if an older pgBackRest does not report it. `folders` are the backup directories, complete or
    not. `free_bytes` is None if no folder is declared.
    """

    name: str
    now: float
    version: str
    system_id: int
    backups: tuple[ClusterBackup, ...]
    segment_bytes: int
    archive: WalArchive
    log_came: float | None
    running: bool
    done_bytes: int | None
    folders: frozenset[str]
    free_bytes: int | None

    @property
    def newest(self) -> ClusterBackup:
        """The newest backup.

        Raises:
            Unusable: the stanza has no backup.
        """
        if not self.backups:
            raise Unusable(f"stanza {self.name} has no backup")
        return self.backups[-1]

    @property
    def newest_full(self) -> ClusterBackup | None:
        """The newest full backup; None without a full backup."""
        return next((each for each in reversed(self.backups) if each.kind == "full"), None)

    @property
    def interrupted(self) -> list[str]:
        """Directories of interrupted backups; empty while a backup runs."""
        return [] if self.running else sorted(self.folders - {each.label for each in self.backups})

    def flaws(self, backup: ClusterBackup) -> list[str]:
        """Problems of a backup that are known without reading the repository."""
        lost = [f"{each} is in the backup list, but missing from the repository" for each in self._lost(backup)]
        damaged = f"{backup.label} contains pages that failed their checksum in the cluster"
        return [*lost, *([damaged] if backup.damaged else [])]

    def _lost(self, backup: ClusterBackup) -> list[str]:
        return [each for each in (*backup.needs, backup.label) if each not in self.folders]

    def missing(self) -> list[str]:
        """WAL segments missing from the archive: one name, or `FIRST to LAST`, for each gap."""
        return [self._named(gap) for gap in self.archive.missing()]

    def _named(self, gap: SegmentRun) -> str:
        first, last = (wal.name(gap.timeline, number, self.segment_bytes) for number in (gap.first, gap.last))
        return first if first == last else f"{first} to {last}"

    @property
    def missing_count(self) -> int:
        """Number of missing WAL segments."""
        return sum(gap.count for gap in self.archive.missing())

    @property
    def age_s(self) -> float:
        """Seconds since the newest backup began.

        Raises:
            Unusable: the stanza has no backup.
            OutputError: the backup is dated in the future.
        """
        return age(self.newest.began, self.now, self.newest.label)

    @property
    def window_s(self) -> float:
        """Length of the point-in-time recovery window in seconds; 0 if WAL is missing after the newest backup."""
        index = self.archive.whole_since()
        older = len(self.backups) - len(self.archive.spans)  # backups from before a pg_upgrade come first
        return self.now - self.backups[older + index].ended if index is not None else 0.0

    @property
    def log_age_s(self) -> float:
        """Seconds since the newest WAL segment was archived.

        Raises:
            Unusable: the archive is empty.
            OutputError: the segment is dated in the future.
        """
        if self.log_came is None:
            raise Unusable(f"the WAL archive of stanza {self.name} is empty")
        return age(self.log_came, self.now, "the newest WAL segment")


def pgbackrest(backup: Backup, *words: str) -> tuple[str, ...]:
    """The words of a pgBackRest command for a declared backup, run through sudo if `run_as` is set.

    No word contains a character that sudoers requires to be escaped, so a sudoers line matches a command literally.
    """
    sudo = ("sudo", "-n", "-u", backup.run_as, "--") if backup.run_as else ()
    config = ("--config", backup.config) if backup.config else ()
    return (*sudo, "pgbackrest", *config, "--stanza", backup.stanza, *words)


def in_repository(backup: Backup, *words: str) -> tuple[str, ...]:
    """Like `pgbackrest`, limited to the declared repository."""
    return pgbackrest(backup, "--repo", str(backup.repo), *words)


def stanza_command(backup: Backup, timeout_s: float = READ_TIMEOUT_S) -> Command:
    """The command whose answer `parse` turns into a `Stanza`."""
    words = (
        "perl",
        "-e",
        scripts.perl("backup_store/stanza"),
        "--",
        backup.stanza,
        backup.folder,
        *in_repository(backup),
    )
    return argv(*words, timeout_s=timeout_s)


def parse(answer: Answer, backup: Backup) -> Stanza:
    """The stanza described by the answer to `stanza_command`.

    Raises:
        Absent: the stanza does not exist.
        MeasurementError: the command failed, or the repository is unreadable.
    """
    said = labelled(answer.require("pgbackrest").stdout, "the description of the stanza")
    (info,) = json.loads(said["info"][0])
    _require_readable(info, backup)
    return _stanza(info, said, answer.now)


def _require_readable(info: dict[str, Any], backup: Backup) -> None:
    code = info["status"]["code"]
    reason = "; ".join(each["status"]["message"] for each in info["repo"]) or info["status"]["message"]
    if code == UNREADABLE:
        raise MeasurementError(f"pgBackRest cannot read repository {backup.repo}: {reason.splitlines()[0]}")
    if code not in (0, NO_BACKUP):
        raise Absent(f"declared stanza {backup.stanza}: pgBackRest reports: {reason}")


def _stanza(info: dict[str, Any], said: dict[str, list[str]], now: float) -> Stanza:
    database = info["db"][-1]
    archive_id = f"{database['version']}-{database['id']}"
    size = wal.size_of((each["lsn"][end], each["archive"][end]) for each in info["backup"] for end in ("start", "stop"))
    backups = tuple(_backup(each, size) for each in info["backup"])
    current = [
        made.span
        for made, each in zip(backups, info["backup"], strict=True)
        if each["database"]["id"] == database["id"]
    ]
    rows = [line.split(" ") for line in said.get("wal", []) if line.startswith(f"{archive_id} ")]
    lock = info["status"]["lock"]["backup"]
    return Stanza(
        name=info["name"],
        now=now,
        version=database["version"],
        system_id=int(database["system-id"]),
        backups=backups,
        segment_bytes=size,
        archive=WalArchive(wal.joined(_run(row, size) for row in rows), current),
        log_came=max((float(row[4]) for row in rows), default=None),
        running=bool(lock["held"]),
        done_bytes=lock.get("size-cplt"),
        folders=frozenset(said.get("folder", [])),
        free_bytes=next((int(each) for each in said.get("free", [])), None),
    )


def _backup(said: dict[str, Any], size: int) -> ClusterBackup:
    repository = said["info"]["repository"]
    first, last = said["archive"]["start"], said["archive"]["stop"]
    return ClusterBackup(
        label=said["label"],
        kind=said["type"],
        began=float(said["timestamp"]["start"]),
        ended=float(said["timestamp"]["stop"]),
        # With block incremental backup, pgBackRest does not report the repository size of a set.
        size_bytes=int(repository.get("size", said["info"]["size"])),
        own_bytes=int(repository["delta"]),
        database_bytes=int(said["info"]["size"]),
        damaged=bool(said["error"]),
        needs=tuple(said["reference"] or ()),
        span=SegmentRun(wal.timeline_of(last), wal.number(first, size), wal.number(last, size)),
    )


def _run(row: list[str], size: int) -> SegmentRun:
    _, start, first, last, _ = row
    return SegmentRun(wal.timeline_of(start), wal.number(start + first, size), wal.number(start + last, size))
