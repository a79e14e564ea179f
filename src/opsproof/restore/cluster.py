"""The data directories of a cluster on its host: the one that serves, and those that restores and drills make.

::

    /var/lib/postgresql/15/main                              serves
    /var/lib/postgresql/15/main_drill_20261125T021500Z       of a drill; thrown away
    /var/lib/postgresql/15/main_restoring_20261125T021500Z   of a restore, until it takes the other's place
    /var/lib/postgresql/15/main_before_20261125T021500Z      the one that served before, kept until it is dropped

A `ClusterMark` in the directory itself says how far a restore has come, and stays with it under its next name: the
next run reads off the host what a killed one left. All is done by programs that run as the owner of the directories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opsproof.action import Work
from opsproof.backup_store import pgbackrest
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.core import scripts
from opsproof.inventory.resources import Backup
from opsproof.restore.server import FEED, PSQL
from opsproof.transport.shell import Answer, Command, argv, labelled

MAINTENANCE = "template1"
PORT = "5432"
SOCKET_BYTES = 107
"""How long the path of a socket may be: https://www.man7.org/linux/man-pages/man7/unix.7.html."""

Kind = Literal["drill", "restoring", "before"]

VERIFIED = "verified"
"""It was restored and looked at, and has not served."""
SWAPPING = "swapping"
"""The same, and the cluster may have been stopped for it; in the place of the one that serves: it may not run yet."""
RETURNING = "returning"
"""It is to give its place back to the one that served before."""
TRIED = "tried"
"""It served until the other one was put back."""


@dataclass(frozen=True)
class ClusterMark:
    """How far a restore has come: a word, its time as it stands in names, the backup, and the moment or nothing."""

    word: str = ""
    stamp: str = ""
    label: str = ""
    moment: str = ""

    def __str__(self) -> str:
        return f"{self.word} {self.stamp} {self.label} {self.moment}".strip()


def mark(said: str) -> ClusterMark:
    """The mark that a text is."""
    return ClusterMark(*[*said.split(" ", 3), "", "", "", ""][:4])


@dataclass(frozen=True)
class SiblingDirectory:
    """A directory beside the one that serves; `state` as in `Cluster`, the size known of what served before alone."""

    kind: str
    state: str
    size_bytes: int
    path: str
    mark: ClusterMark = ClusterMark()


@dataclass(frozen=True)
class Cluster:
    """The directory that serves, and what is beside it.

    `state` is what its server says: starting, ready or stopping; or down, or none where there is no directory. Its
    identifier and its timeline are None where they cannot be read. Bytes are free beside it, and where copies are made.
    """

    state: str
    tablespaces: int
    system_id: int | None
    timeline: int | None
    mark: ClusterMark
    others: tuple[SiblingDirectory, ...]
    free_bytes: int
    scratch_bytes: int

    def beside(self, kind: Kind) -> list[SiblingDirectory]:
        """What is beside it of a kind, oldest first."""
        return [each for each in self.others if each.kind == kind]


def seen(answer: Answer) -> Cluster:
    """The cluster that an answer to `look` tells of.

    Raises:
        MeasurementError: it tells of none.
    """
    said = labelled(answer.require("the look at the data directory").stdout, "the look at the data directory")
    marks = dict(line.split(" ", 1) for line in said.get("marked", []))
    control = {key: value.strip() for key, _, value in (line.partition(":") for line in said.get("control:", []))}
    system_id, timeline = (control.get(key) for key in ("Database system identifier", "Latest checkpoint's TimeLineID"))
    return Cluster(
        state=said["live"][0],
        tablespaces=int(said.get("tablespaces", ["0"])[0]),
        system_id=int(system_id) if system_id else None,
        timeline=int(timeline) if timeline else None,
        mark=mark(said.get("mark", [""])[0]),
        others=tuple(_beside(line, marks) for line in said.get("beside", [])),
        free_bytes=int(said["free"][0]),
        scratch_bytes=int(said["scratch"][0]),
    )


def _beside(line: str, marks: dict[str, str]) -> SiblingDirectory:
    kind, state, size, path = line.split(" ", 3)
    return SiblingDirectory(kind, state, int(size), path, mark(marks.get(path, "")))


@dataclass(frozen=True)
class Status:
    """How far a server on a restored directory is: its state, and its last error."""

    state: str
    said: str

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.state == "down" and bool(self.said)


def status(answer: Answer) -> Status:
    """The status that an answer tells.

    Raises:
        MeasurementError: it tells none.
    """
    state, *more = answer.require("the look at the server").stdout.splitlines() or [""]
    said = [line.removeprefix("said ") for line in more if line.startswith("said ")]
    return Status(state, said[0] if said else "")


@dataclass(frozen=True)
class ClusterFiles:
    """The programs that work with the directories of one declared backup, as their owner."""

    work: Work
    backup: Backup
    version: str = ""

    @property
    def programs(self) -> str:
        """The folder of the server's programs; empty where nothing tells."""
        return self.backup.programs or (f"/usr/lib/postgresql/{self.version}/bin" if self.version else "")

    @property
    def data(self) -> str:
        """The directory that serves."""
        return self.backup.data

    @property
    def superuser(self) -> str:
        """The role that looks at a restored cluster."""
        return self.backup.restore_user or self.backup.run_as or "postgres"

    def command(self, *words: str, timeout_s: float = 60.0) -> Command:
        """One of the verbs of cluster.pl, with its words."""
        return argv(
            "perl", "-e", scripts.perl("restore/cluster"), "--", *words, timeout_s=timeout_s, user=self.backup.run_as
        )

    def do(self, *words: str, timeout_s: float = 60.0) -> None:
        """Does it.

        Raises:
            StepFailed: it did not end well.
        """
        self.work.do(self.command(*words, timeout_s=timeout_s), words[0])

    def look(self, prefix: str, data: str = "") -> Cluster:
        """What there is now, with the directories whose names begin with `prefix`.

        Raises:
            MeasurementError: it cannot be told.
        """
        (answer,) = self.work.ask(self.command("look", data or self.data, prefix, self.programs))
        return seen(answer)

    def status(self, path: str) -> Status:
        """How far the server on a restored directory is.

        Raises:
            MeasurementError: it cannot be told.
        """
        (answer,) = self.work.ask(self.command("status", path))
        return status(answer)

    def pgbackrest(self, *words: str) -> tuple[str, ...]:
        """The words of a command of pgBackRest for the repository, for whoever is its user already."""
        return pgbackrest.in_repository(self.backup.model_copy(update={"run_as": ""}), *words)

    def fetching(self, path: str) -> str:
        """The setting by which a server gets the log for a directory from the archive."""
        return " ".join([*self.pgbackrest("--pg1-path", path, "archive-get"), "%f", '"%p"'])

    def socket(self, path: str) -> str:
        """The folder of the socket of the server on a restored directory."""
        return f"{path}.server"

    def sql(self, path: str, script: str, database: str = MAINTENANCE, timeout_s: float = 60.0) -> Command:
        """What psql makes of a script, on a restored directory whose server runs."""
        psql = (f"{self.programs}/psql", *PSQL, *self._where(path), "-d", _conninfo(database))
        return self.command("run", "sh", "-c", FEED, script, *psql, timeout_s=timeout_s)

    def amcheck(self, path: str, *options: str) -> Command:
        """pg_amcheck of all its databases."""
        words = (f"{self.programs}/pg_amcheck", "--all", "--no-password", *options, *self._where(path))
        return self.command("run", *words, timeout_s=self.backup.timeout)

    def _where(self, path: str) -> Sequence[str]:
        return ("-h", self.socket(path), "-p", PORT, "-U", self.superuser)


def _conninfo(database: str) -> str:
    """A database's name, which may look like something else to psql."""
    escaped = database.replace("\\", r"\\").replace("'", r"\'")
    return f"dbname='{escaped}'"


def log_end(found: Stanza, timeline: int | None) -> int:
    """Where the newest segment in the archive begins, in bytes of the log; of a timeline, where one is given."""
    runs = [run for run in found.archive.runs if timeline in (None, run.timeline)]
    return max((run.last for run in runs), default=0) * found.segment_bytes
