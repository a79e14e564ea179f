"""The data directories of a cluster on the host: the live directory, and those of restores and drills.

::

    /var/lib/postgresql/15/main                              live
    /var/lib/postgresql/15/main_drill_20261125T021500Z       made by a drill, then removed
    /var/lib/postgresql/15/main_restoring_20261125T021500Z   made by a restore, until the swap renames it to main
    /var/lib/postgresql/15/main_before_20261125T021500Z      live before the swap; kept until --drop-old

Progress is stored inside each directory as a `ClusterMark`, and so survives renames: the next run reads from the host
how far a killed run came. All programs run as the owner of the directories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opsproof.action import Work
from opsproof.backup_store import pgbackrest
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.core import scripts
from opsproof.inventory.backups import Backup
from opsproof.postgres.dsn import session_options
from opsproof.postgres.psql import fed
from opsproof.restore.server import PSQL
from opsproof.transport.shell import Answer, Command, argv, labelled

MAINTENANCE = "template1"
PORT = "5432"
SOCKET_BYTES = 107
"""Longest path of a Unix socket: https://www.man7.org/linux/man-pages/man7/unix.7.html."""

Kind = Literal["drill", "restoring", "before"]

VERIFIED = "verified"
"""Restored and checked, never live."""
SWAPPING = "swapping"
"""Verified, and the cluster may be stopped for the swap; on the live directory: the server may not run yet."""
RETURNING = "returning"
"""In a rollback: the old directory is about to become live again."""
TRIED = "tried"
"""Live for a while, then swapped back."""


@dataclass(frozen=True)
class ClusterMark:
    """Progress of a restore: state, time stamp as in directory names, backup label, target time or empty."""

    word: str = ""
    stamp: str = ""
    label: str = ""
    moment: str = ""

    def __str__(self) -> str:
        return f"{self.word} {self.stamp} {self.label} {self.moment}".strip()


def parse_mark(text: str) -> ClusterMark:
    """The mark written as `text`; missing parts are empty."""
    return ClusterMark(*[*text.split(" ", 3), "", "", "", ""][:4])


@dataclass(frozen=True)
class SiblingDirectory:
    """A directory beside the live one; `state` as in `Cluster`; `size_bytes` is 0 unless `kind` is before."""

    kind: str
    state: str
    size_bytes: int
    path: str
    mark: ClusterMark = ClusterMark()


@dataclass(frozen=True)
class Cluster:
    """The live directory and the directories beside the live one.

    `state` is starting, ready or stopping as in postmaster.pid, down without a server, or none without a directory.
    `system_id` and `timeline` are None if pg_controldata cannot read them. `free_bytes` are available beside the live
    directory, `scratch_bytes` where new directories are made.
    """

    state: str
    tablespaces: int
    system_id: int | None
    timeline: int | None
    mark: ClusterMark
    siblings: tuple[SiblingDirectory, ...]
    free_bytes: int
    scratch_bytes: int

    def beside(self, kind: Kind) -> list[SiblingDirectory]:
        """The sibling directories of a kind, oldest first."""
        return [each for each in self.siblings if each.kind == kind]


def parse_state(answer: Answer) -> Cluster:
    """The cluster described by the output of `cluster.pl look`.

    Raises:
        MeasurementError: the command failed, or the output is incomplete.
    """
    label = "reading the data directory"
    lines = labelled(answer.require(label).stdout, label)
    marks = dict(line.split(" ", 1) for line in lines.get("marked", []))
    control = {key: value.strip() for key, _, value in (line.partition(":") for line in lines.get("control:", []))}
    system_id, timeline = (control.get(key) for key in ("Database system identifier", "Latest checkpoint's TimeLineID"))
    return Cluster(
        state=lines["live"][0],
        tablespaces=int(lines.get("tablespaces", ["0"])[0]),
        system_id=int(system_id) if system_id else None,
        timeline=int(timeline) if timeline else None,
        mark=parse_mark(lines.get("mark", [""])[0]),
        siblings=tuple(_sibling(line, marks) for line in lines.get("beside", [])),
        free_bytes=int(lines["free"][0]),
        scratch_bytes=int(lines["scratch"][0]),
    )


def _sibling(line: str, marks: dict[str, str]) -> SiblingDirectory:
    kind, state, size, path = line.split(" ", 3)
    return SiblingDirectory(kind, state, int(size), path, parse_mark(marks.get(path, "")))


@dataclass(frozen=True)
class Status:
    """State of the server on a restored directory, and the last ERROR, FATAL or PANIC line in the server's log."""

    state: str
    error: str

    @property
    def ended(self) -> bool:
        """Whether the server exited with an error."""
        return self.state == "down" and bool(self.error)


def parse_status(answer: Answer) -> Status:
    """The status described by the output of `cluster.pl status`.

    Raises:
        MeasurementError: the command failed.
    """
    state, *more = answer.require("reading the server's status").stdout.splitlines() or [""]
    errors = [line.removeprefix("said ") for line in more if line.startswith("said ")]
    return Status(state, errors[0] if errors else "")


@dataclass(frozen=True)
class ClusterFiles:
    """Commands on the data directories of a declared backup, run as the owner of the directories."""

    work: Work
    backup: Backup
    version: str = ""

    @property
    def programs(self) -> str:
        """The folder of the server's programs; empty if neither the inventory nor the version tells."""
        return self.backup.programs or (f"/usr/lib/postgresql/{self.version}/bin" if self.version else "")

    @property
    def data(self) -> str:
        """The live data directory."""
        return self.backup.data

    @property
    def superuser(self) -> str:
        """The role that queries a restored cluster."""
        return self.backup.restore_user or self.backup.run_as or "postgres"

    def command(self, *words: str, timeout_s: float = 60.0) -> Command:
        """A verb of cluster.pl with arguments."""
        return argv(
            "perl", "-e", scripts.perl("restore/cluster"), "--", *words, timeout_s=timeout_s, user=self.backup.run_as
        )

    def do(self, *words: str, timeout_s: float = 60.0) -> None:
        """Runs a verb of cluster.pl.

        Raises:
            StepFailed: the command failed.
        """
        self.work.do(self.command(*words, timeout_s=timeout_s), words[0])

    def read_state(self, prefix: str, data: str = "") -> Cluster:
        """The current state of `data` (default: the live directory), with siblings whose paths begin with `prefix`.

        Raises:
            MeasurementError: the state cannot be read.
        """
        (answer,) = self.work.ask(self.command("look", data or self.data, prefix, self.programs))
        return parse_state(answer)

    def status(self, path: str) -> Status:
        """The status of the PostgreSQL server that runs on a restored directory.

        Raises:
            MeasurementError: the status cannot be read.
        """
        (answer,) = self.work.ask(self.command("status", path))
        return parse_status(answer)

    def pgbackrest(self, *words: str) -> tuple[str, ...]:
        """The words of a pgBackRest command on the repository, without a change of user."""
        return pgbackrest.in_repository(self.backup.model_copy(update={"run_as": ""}), *words)

    def fetching(self, path: str) -> str:
        """The restore_command that fetches WAL from the archive for a directory."""
        return " ".join([*self.pgbackrest("--pg1-path", path, "archive-get"), "%f", '"%p"'])

    def socket(self, path: str) -> str:
        """The socket directory of the server on a restored directory."""
        return f"{path}.server"

    def sql(self, path: str, script: str, database: str = MAINTENANCE, timeout_s: float = 60.0) -> Command:
        """The psql command that runs a script on the server of a restored directory."""
        psql = (f"{self.programs}/psql", *PSQL, *self._where(path), "-d", _conninfo(database))
        return self.command("run", *fed(script), *psql, timeout_s=timeout_s)

    def amcheck(self, path: str, *options: str) -> Command:
        """The pg_amcheck command for all databases of a restored directory."""
        words = (f"{self.programs}/pg_amcheck", "--all", "--no-password", *options, *self._where(path))
        return self.command("run", *words, timeout_s=self.backup.timeout)

    def _where(self, path: str) -> Sequence[str]:
        return ("-h", self.socket(path), "-p", PORT, "-U", self.superuser)


def _conninfo(database: str) -> str:
    """A connection string: psql would take a bare name with = or :// for a connection string."""
    name, options = (each.replace("\\", r"\\").replace("'", r"\'") for each in (database, session_options()))
    return f"dbname='{name}' options='{options}'"


def log_end(found: Stanza, timeline: int | None) -> int:
    """The WAL position, in bytes, where the newest archived segment begins; of `timeline` only, unless None."""
    runs = [run for run in found.archive.runs if timeline in (None, run.timeline)]
    return max((run.last for run in runs), default=0) * found.segment_bytes
