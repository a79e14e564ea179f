"""A cluster that pgBackRest restores into a directory of its own, and a server on it that nobody else reaches."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from opsproof.action import Step, progress
from opsproof.action.room import MARGIN, require_room
from opsproof.backup import source
from opsproof.backup_store import wal
from opsproof.backup_store.pgbackrest import ClusterBackup, Stanza
from opsproof.core import scripts
from opsproof.core.errors import Refused, StepFailed
from opsproof.core.units import show
from opsproof.inventory.hosts import Host
from opsproof.postgres.dsn import name_of
from opsproof.restore import contents
from opsproof.restore.cluster import SOCKET_BYTES, Cluster, ClusterFiles, Status, log_end
from opsproof.restore.contents import ContentFindings
from opsproof.restore.moment import Moment
from opsproof.transport.shell import Command

EVERY_S = 0.25
GRACE_S = 5.0
"""A server that was just started may not say anything for so long."""
STEADY = 4
"""A server has the whole log when its place in it is the same so many times."""
_TOO_LATE = "recovery ended before configured recovery target was reached"
_DATABASES = "SELECT json_build_array(datname) FROM pg_database WHERE datallowconn ORDER BY datname;"
_TABLES = """
SELECT format('%s.%s', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p');
"""
_PLACE = "SELECT json_build_array(pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp());"
_INVALID = """
SELECT json_build_array('index', oid::regclass) FROM pg_class JOIN pg_index ON indexrelid = oid
 WHERE relkind = 'i' AND NOT (indisvalid AND indisready AND indislive);
SELECT '["end"]';
"""


@dataclass
class RestoredCluster:
    """The directory `path` that a backup is restored into, up to a moment or to the end of the log.

    `restore_s` is how long that took, the recovery with it, once it is done; `commit` the last one that it holds.
    """

    keeper: ClusterFiles
    host: Host
    stanza: Stanza
    cluster: Cluster
    made: ClusterBackup
    moment: Moment | None
    path: str
    quiet: bool = False
    restore_s: float = 0.0
    commit: str = ""
    _started: float = field(default_factory=time.monotonic)
    _seen: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What is restored, and to which moment, for a reader."""
        age = show(self.stanza.now - self.made.began, "seconds")
        to = f"to {self.moment.shown}" if self.moment else "to the end of the log"
        return f"restore {self.made.label} ({show(self.made.size_bytes, 'bytes')}, {age} old) {to} as {self.path}"

    @property
    def outlook(self) -> str:
        """How large it becomes, and how much room there is."""
        free = show(self.cluster.scratch_bytes, "bytes")
        return f"about {show(self.made.database_bytes, 'bytes')}, {free} are free"

    def guard(self) -> None:
        """Says no to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        require_room("the disk", self.cluster.scratch_bytes, MARGIN * self.made.database_bytes)
        if len(f"{self.keeper.socket(self.path)}/.s.PGSQL.5432") > SOCKET_BYTES:
            raise Refused(f"{self.path} is too long a path for a socket: name a shorter scratch folder")
        if self.cluster.system_id not in (None, self.stanza.system_id):
            raise Refused(f"{self.keeper.data} is another cluster than that of stanza {self.keeper.backup.stanza}")

    def make(self, *more: str) -> None:
        """Restores the files.

        Raises:
            StepFailed: they are not all there.
        """
        self._started = time.monotonic()
        to = self.moment.words if self.moment else ("--type", "default")
        # A restore that was taken back has left a timeline in the archive that is newer than the one that serves.
        along = ("--target-timeline", str(self.cluster.timeline)) if self.cluster.timeline else ()
        spaces = ("--tablespace-map-all", f"{self.path}.tablespaces")
        words = ("--set", self.made.label, "--pg1-path", self.path, *to, *along, *spaces, *more, "restore")
        command = self.keeper.command("run", *self.keeper.pgbackrest(*words), timeout_s=self.keeper.backup.timeout)
        with progress.reporting_bytes(
            "restored", self.made.database_bytes, self.keeper.work.say, quiet=self.quiet
        ) as report:
            progress.watch(lambda: self._do(command), self.size_bytes, report)

    def _do(self, command: Command) -> None:
        self.keeper.work.do(command, "pgbackrest")

    def size_bytes(self) -> float:
        """Bytes of what is there of it.

        Raises:
            MeasurementError: it cannot be told.
        """
        words = ("du", "--summarize", "--block-size=1", "--", self.path)
        (answer,) = self.keeper.work.ask(self.keeper.command("run", *words))
        return float(answer.require("du").stdout.split()[0])

    def recover(self, *, thrown_away: bool) -> None:
        """Starts a server on it that ends its recovery, and archives nothing of that.

        Raises:
            StepFailed: it does not come to the end of its recovery.
        """
        self._serve("hot_standby=off", f"fsync={'off' if thrown_away else 'on'}")
        self._wait(lambda status: status.state == "ready")
        self._note(*self._place())

    def follow(self) -> None:
        """Starts a server on it that has read all of the log, and waits for more: what comes later is not lost.

        Raises:
            StepFailed: it does not come so far.
        """
        self.keeper.do("standby", self.path)
        self._serve("hot_standby=on")
        self._wait(lambda status: status.state == "ready" and self._is_there())

    def _serve(self, *settings: str) -> None:
        fetching = f"restore_command={self.keeper.fetching(self.path)}"
        self.keeper.do("serve", self.path, self.keeper.programs, fetching, *settings)

    def _wait(self, holds: Callable[[Status], bool]) -> None:
        began = time.monotonic()
        while not holds(status := self.keeper.status(self.path)):
            took_s = time.monotonic() - began
            silent = status.state == "down" and took_s > GRACE_S
            if status.ended or silent or took_s > self.keeper.backup.timeout:
                raise StepFailed(self._why(status))
            time.sleep(EVERY_S)

    def _why(self, status: Status) -> str:
        said = status.said.removeprefix("FATAL:  ") or f"it is {status.state}"
        hint = ": nothing that is in the archive was committed later, leave --to out" if _TOO_LATE in said else ""
        return f"the restored cluster does not come up: {said}{hint}"

    def _is_there(self) -> bool:
        position, commit = self._place()
        self._seen = [*self._seen, position][-STEADY:]
        there = position > self._end and len(self._seen) == STEADY and len(set(self._seen)) == 1
        if there:
            self._note(position, commit)
        return there

    def _note(self, position: int, commit: str) -> None:
        self.restore_s = time.monotonic() - self._started
        self.commit, self._seen = commit, [position]

    @property
    def _end(self) -> int:
        return log_end(self.stanza, self.cluster.timeline)

    def _place(self) -> tuple[int, str]:
        (answer,) = self.keeper.work.ask(self.keeper.sql(self.path, _PLACE))
        position, commit = json.loads(answer.require("psql").stdout)
        return wal.position(position), commit or ""

    def shortfall(self) -> list[str]:
        """That the recovery ended before the log does, as it does without a word where a segment lacks."""
        if self.moment is not None or self._seen[-1] > self._end:
            return []
        here, there = (f"{at >> 32:X}/{at % 2**32:X}" for at in (self._seen[-1], self._end))
        return [f"the recovery ended at {here}, and the archive reaches {there}: a segment in between lacks"]

    def databases(self) -> list[str]:
        """The names of its databases that can be looked at.

        Raises:
            MeasurementError: they cannot be told.
        """
        (answer,) = self.keeper.work.ask(self.keeper.sql(self.path, _DATABASES))
        return [json.loads(line)[0] for line in answer.require("psql").stdout.splitlines()]

    def lacks(self) -> list[str]:
        """The declared tables that are not in it.

        Raises:
            MeasurementError: that cannot be told.
        """
        backup = self.keeper.backup
        if not backup.tables:
            return []
        database = name_of(self.host.databases[backup.database].dsn)
        (answer,) = self.keeper.work.ask(self.keeper.sql(self.path, _TABLES, database))
        names = set(answer.require("psql").stdout.splitlines())
        return [f"{each} is not in it" for each in backup.tables if each not in names]

    def glance(self) -> ContentFindings:
        """What is wrong with it by what its catalogs say; nothing can be written in it.

        Raises:
            MeasurementError: it cannot be told.
        """
        findings = ContentFindings([*self.shortfall(), *self.lacks()])
        for database in self.databases():
            (answer,) = self.keeper.work.ask(self.keeper.sql(self.path, _INVALID, database))
            findings.add(contents.soundness(answer))
        return findings

    def findings(self) -> tuple[ContentFindings, int]:
        """What is wrong with it by reading all of it, and how many rows it holds.

        Raises:
            MeasurementError: it cannot be told.
        """
        findings, rows = ContentFindings([*self.shortfall(), *self.lacks()]), 0
        timeout_s = self.keeper.backup.timeout
        counting = f"{contents.SETTINGS}\n{source.contents()[1]}\n\\gexec"
        for database in self.databases():
            counted, sound = self.keeper.work.ask(
                self.keeper.sql(self.path, counting, database, timeout_s),
                self.keeper.sql(self.path, scripts.sql("restore/soundness"), database, timeout_s),
            )
            rows += sum(contents.tables(counted).values())
            findings.add(contents.soundness(sound))
        (checked,) = self.keeper.work.ask(self.keeper.amcheck(self.path, "--install-missing", "--jobs=2"))
        findings.add(contents.amcheck(checked))
        return findings, rows

    def remove(self) -> None:
        """Ends its server, and removes it.

        Raises:
            StepFailed: it may still be there.
        """
        self.keeper.do("remove", self.path, timeout_s=600)


def removing(keeper: ClusterFiles, path: str, why: str) -> Step:
    """The step that removes a directory, with the server that may run on it."""
    return Step(f"remove {path}{why}", lambda: keeper.do("remove", path, timeout_s=600))
