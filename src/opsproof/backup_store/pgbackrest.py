"""What pgBackRest has of a cluster in one repository of a stanza: its backups, and the archive of the log.

It is asked on the host by its own commands, `info` above all, whose JSON is meant for programs:
https://pgbackrest.org/command.html#command-info.
"""

import json
from dataclasses import dataclass
from typing import Any

from opsproof.backup_store import wal
from opsproof.backup_store.wal import SegmentRun, WalArchive
from opsproof.core import scripts
from opsproof.core.errors import Absent, MeasurementError
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer, Command, argv, labelled

READ_TIMEOUT_S = 120.0
NO_BACKUP, UNREADABLE = 2, 99
"""Codes of pgBackRest for a stanza without backups, and for a repository that it cannot read."""


@dataclass(frozen=True)
class ClusterBackup:
    """A backup as pgBackRest knows it: times in seconds since 1970, sizes in bytes.

    `size_bytes` is what a restore of it needs of the repository, `own_bytes` what it added to it, `database_bytes`
    the cluster's; `kind` is full, diff or incr; `needs` are the backups without which it is none. `damaged` says that
    pages had wrong checksums when they were backed up; `span` is what of the log it needs for itself.
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
    """One repository of a stanza; `now` is the host's clock, `log_came` when the newest segment came to the archive.

    `version` is PostgreSQL's major one, `system_id` the cluster's; `running` says that a backup runs, and `done_bytes`
    how far it is, which older versions do not tell: None; `folders` are those of backups, whole or not; `free_bytes` is
    None where no folder is declared.
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
            Absent: there is none.
        """
        if not self.backups:
            raise Absent(f"there is no backup of stanza {self.name}")
        return self.backups[-1]

    @property
    def newest_full(self) -> ClusterBackup | None:
        """The newest full backup, if there is one."""
        return next((each for each in reversed(self.backups) if each.kind == "full"), None)

    @property
    def interrupted(self) -> list[str]:
        """Folders of backups that did not come to their end, and that none is at work on."""
        return [] if self.running else sorted(self.folders - {each.label for each in self.backups})

    def flaws(self, of: ClusterBackup) -> list[str]:
        """What is wrong with a backup by what is known of it without reading it."""
        flaws = [f"{each} is in the list of backups, and not in the repository" for each in self._lost(of)]
        return [*flaws, *([f"{of.label} holds pages whose checksums were wrong in the cluster"] if of.damaged else [])]

    def _lost(self, of: ClusterBackup) -> list[str]:
        return [each for each in (*of.needs, of.label) if each not in self.folders]

    def missing(self) -> list[str]:
        """Segments of the log that should be in the archive, and are not: a word for each row of them."""
        return [self._called(gap) for gap in self.archive.missing()]

    def _called(self, gap: SegmentRun) -> str:
        first, last = (wal.name(gap.timeline, place, self.segment_bytes) for place in (gap.first, gap.last))
        return first if first == last else f"{first} to {last}"

    @property
    def missing_count(self) -> int:
        """How many they are."""
        return sum(gap.count for gap in self.archive.missing())

    @property
    def window_s(self) -> float:
        """How far back any moment can be restored, in seconds; 0 where the log has a gap after the newest backup."""
        number = self.archive.whole_since()
        of_others = len(self.backups) - len(self.archive.spans)  # of the cluster before an upgrade: they come first
        return self.now - self.backups[of_others + number].ended if number is not None else 0.0

    @property
    def log_age_s(self) -> float:
        """Time since the newest segment came, in seconds.

        Raises:
            Absent: there is none.
        """
        if self.log_came is None:
            raise Absent(f"no log of stanza {self.name} is in the archive")
        return self.now - self.log_came


def pgbackrest(backup: Backup, *words: str) -> tuple[str, ...]:
    """The words of a command of pgBackRest for a declared backup, by the user who may run it.

    None of them holds what sudo would want quoted, so that a line of sudoers is one of these to the letter.
    """
    sudo = ("sudo", "-n", "-u", backup.run_as, "--") if backup.run_as else ()
    config = ("--config", backup.config) if backup.config else ()
    return (*sudo, "pgbackrest", *config, "--stanza", backup.stanza, *words)


def in_repository(backup: Backup, *words: str) -> tuple[str, ...]:
    """The same, for what is done in one repository."""
    return pgbackrest(backup, "--repo", str(backup.repo), *words)


def stanza_command(backup: Backup, timeout_s: float = READ_TIMEOUT_S) -> Command:
    """The command that asks for a `Stanza`."""
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
    """The stanza that an answer to `stanza_command` tells of.

    Raises:
        Absent: there is no such stanza.
        MeasurementError: it tells of none.
    """
    said = labelled(answer.require("pgbackrest").stdout, "the look at the stanza")
    (info,) = json.loads(said["info"][0])
    _require_readable(info, backup)
    return _stanza(info, said, answer.now)


def _require_readable(info: dict[str, Any], backup: Backup) -> None:
    code = info["status"]["code"]
    reason = "; ".join(each["status"]["message"] for each in info["repo"]) or info["status"]["message"]
    if code == UNREADABLE:
        raise MeasurementError(f"pgBackRest cannot read repository {backup.repo}: {reason.splitlines()[0]}")
    if code not in (0, NO_BACKUP):
        raise Absent(f"stanza {backup.stanza} is declared, and pgBackRest says: {reason}")


def _stanza(info: dict[str, Any], said: dict[str, list[str]], now: float) -> Stanza:
    database = info["db"][-1]
    ours = f"{database['version']}-{database['id']}"
    size = wal.size_of((each["lsn"][end], each["archive"][end]) for each in info["backup"] for end in ("start", "stop"))
    backups = tuple(_backup(each, size) for each in info["backup"])
    current = [
        made.span
        for made, each in zip(backups, info["backup"], strict=True)
        if each["database"]["id"] == database["id"]
    ]
    rows = [line.split(" ") for line in said.get("wal", []) if line.startswith(f"{ours} ")]
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
        # Where blocks are backed up, pgBackRest does not know what of the repository a set takes.
        size_bytes=int(repository.get("size", said["info"]["size"])),
        own_bytes=int(repository["delta"]),
        database_bytes=int(said["info"]["size"]),
        damaged=bool(said["error"]),
        needs=tuple(said["reference"] or ()),
        span=SegmentRun(wal.timeline_of(last), wal.place(first, size), wal.place(last, size)),
    )


def _run(row: list[str], size: int) -> SegmentRun:
    _, start, first, last, _ = row
    return SegmentRun(wal.timeline_of(start), wal.place(start + first, size), wal.place(start + last, size))
