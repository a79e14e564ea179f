"""A cluster restored by pgBackRest into a new directory, and a private server on that directory."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from opsproof.action import Step, progress
from opsproof.action.room import MARGIN, require_room
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
"""Seconds in which a server just started may have no postmaster.pid yet."""
STEADY = 4
"""Replay counts as complete when the replay position is equal in this many queries."""
_TOO_LATE = "recovery ended before configured recovery target was reached"
_DATABASES = "SELECT json_build_array(datname) FROM pg_database WHERE datallowconn ORDER BY datname;"
_TABLES = """
SELECT format('%s.%s', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'p');
"""
_REPLAY_POSITION = "SELECT json_build_array(pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp());"
_INVALID = """
SELECT json_build_array('index', oid::regclass) FROM pg_class JOIN pg_index ON indexrelid = oid
 WHERE relkind = 'i' AND NOT (indisvalid AND indisready AND indislive);
SELECT '["end"]';
"""


@dataclass
class RestoredCluster:
    """The new directory `path`, restored from the backup `made` to `moment` or to the end of WAL.

    `restore_s` is the duration of restore and recovery in seconds; `commit` is the time of the last replayed commit.
    """

    files: ClusterFiles
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
    _positions: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Backup label, size, age and recovery target, for the plan."""
        age = show(self.stanza.now - self.made.began, "seconds")
        to = f"to {self.moment.shown}" if self.moment else "to the end of WAL"
        return f"restore {self.made.label} ({show(self.made.size_bytes, 'bytes')}, {age} old) {to} as {self.path}"

    @property
    def estimate(self) -> str:
        """Expected size and free space, for the plan."""
        free = show(self.cluster.scratch_bytes, "bytes")
        return f"about {show(self.made.database_bytes, 'bytes')} ({free} free)"

    def guard(self) -> None:
        """Refuses a restore that cannot complete.

        Raises:
            Refused: space is short, the socket path is too long, or the stanza belongs to another cluster.
        """
        require_room(f"the disk of {self.path}", self.cluster.scratch_bytes, MARGIN * self.made.database_bytes)
        if len(f"{self.files.socket(self.path)}/.s.PGSQL.5432") > SOCKET_BYTES:
            raise Refused(f"the socket path of {self.path} is too long (limit {SOCKET_BYTES} bytes): shorten `scratch`")
        if self.cluster.system_id not in (None, self.stanza.system_id):
            raise Refused(f"{self.files.data} and stanza {self.files.backup.stanza} differ in system identifier")

    def make(self, *more: str) -> None:
        """Restores the files by pgbackrest restore, with the options `more`.

        Raises:
            StepFailed: pgBackRest failed; the directory may be incomplete.
        """
        self._started = time.monotonic()
        to = self.moment.words if self.moment else ("--type", "default")
        # The archive may have a newer timeline, left by a restore that was rolled back.
        timeline = ("--target-timeline", str(self.cluster.timeline)) if self.cluster.timeline else ()
        tablespaces = ("--tablespace-map-all", f"{self.path}.tablespaces")
        words = ("--set", self.made.label, "--pg1-path", self.path, *to, *timeline, *tablespaces, *more, "restore")
        command = self.files.command("run", *self.files.pgbackrest(*words), timeout_s=self.files.backup.timeout)
        with progress.reporting_bytes(
            "restored", self.made.database_bytes, self.files.work.say, quiet=self.quiet
        ) as report:
            progress.watch(lambda: self._do(command), self.size_bytes, report)

    def _do(self, command: Command) -> None:
        self.files.work.do(command, "pgbackrest")

    def size_bytes(self) -> float:
        """Current size of the directory.

        Raises:
            MeasurementError: du failed.
        """
        words = ("du", "--summarize", "--block-size=1", "--", self.path)
        (answer,) = self.files.work.ask(self.files.command("run", *words))
        return float(answer.require("du").stdout.split()[0])

    def recover(self, *, thrown_away: bool) -> None:
        """Starts a server that completes recovery without archiving; `thrown_away` turns fsync off.

        Raises:
            StepFailed: recovery does not complete.
        """
        self._serve("hot_standby=off", f"fsync={'off' if thrown_away else 'on'}")
        self._wait(lambda status: status.state == "ready")
        self._record(*self._replay_position())

    def follow(self) -> None:
        """Starts a standby and waits until all archived WAL is replayed; WAL archived later can still be replayed.

        Raises:
            StepFailed: the standby does not reach the end of the archive.
        """
        self.files.do("standby", self.path)
        self._serve("hot_standby=on")
        self._wait(lambda status: status.state == "ready" and self._has_whole_log())

    def _serve(self, *settings: str) -> None:
        fetching = f"restore_command={self.files.fetching(self.path)}"
        self.files.do("serve", self.path, self.files.programs, fetching, *settings)

    def _wait(self, holds: Callable[[Status], bool]) -> None:
        began = time.monotonic()
        while not holds(status := self.files.status(self.path)):
            took_s = time.monotonic() - began
            silent = status.state == "down" and took_s > GRACE_S
            if status.ended or silent or took_s > self.files.backup.timeout:
                raise StepFailed(self._failure(status))
            time.sleep(EVERY_S)

    def _failure(self, status: Status) -> str:
        reason = status.error.removeprefix("FATAL:  ") or f"state {status.state}"
        hint = "; the archive has no commit after --to: omit --to" if _TOO_LATE in reason else ""
        return f"the restored cluster does not start: {reason}{hint}"

    def _has_whole_log(self) -> bool:
        position, commit = self._replay_position()
        self._positions = [*self._positions, position][-STEADY:]
        complete = position > self._archive_end and len(self._positions) == STEADY and len(set(self._positions)) == 1
        if complete:
            self._record(position, commit)
        return complete

    def _record(self, position: int, commit: str) -> None:
        self.restore_s = time.monotonic() - self._started
        self.commit, self._positions = commit, [position]

    @property
    def _archive_end(self) -> int:
        return log_end(self.stanza, self.cluster.timeline)

    def _replay_position(self) -> tuple[int, str]:
        (answer,) = self.files.work.ask(self.files.sql(self.path, _REPLAY_POSITION))
        position, commit = json.loads(answer.require("psql").stdout)
        return wal.position(position), commit or ""

    def shortfall(self) -> list[str]:
        """A flaw if recovery stopped before the end of the archive: PostgreSQL silently stops at a missing segment."""
        if self.moment is not None or self._positions[-1] > self._archive_end:
            return []
        stop, end = (f"{at >> 32:X}/{at % 2**32:X}" for at in (self._positions[-1], self._archive_end))
        return [f"recovery stopped at {stop}, but the archive ends at {end}: a WAL segment in between is missing"]

    def databases(self) -> list[str]:
        """The names of all connectable databases.

        Raises:
            MeasurementError: the query failed.
        """
        (answer,) = self.files.work.ask(self.files.sql(self.path, _DATABASES))
        return [json.loads(line)[0] for line in answer.require("psql").stdout.splitlines()]

    def missing_tables(self) -> list[str]:
        """A sentence for each declared table that is missing in the cluster.

        Raises:
            MeasurementError: the query failed.
        """
        backup = self.files.backup
        if not backup.tables:
            return []
        database = name_of(self.host.databases[backup.database].dsn)
        (answer,) = self.files.work.ask(self.files.sql(self.path, _TABLES, database))
        names = set(answer.require("psql").stdout.splitlines())
        return [f"table {each} is missing" for each in backup.tables if each not in names]

    def catalog_findings(self) -> ContentFindings:
        """Flaws visible in the catalogs; also works on a standby.

        Raises:
            MeasurementError: a query failed.
        """
        findings = ContentFindings([*self.shortfall(), *self.missing_tables()])
        for database in self.databases():
            (answer,) = self.files.work.ask(self.files.sql(self.path, _INVALID, database))
            findings.add(contents.parse_soundness(answer))
        return findings

    def findings(self) -> tuple[ContentFindings, int]:
        """Flaws found by reading all data, and the number of rows.

        Raises:
            MeasurementError: a query failed.
        """
        findings, rows = ContentFindings([*self.shortfall(), *self.missing_tables()]), 0
        timeout_s = self.files.backup.timeout
        for database in self.databases():
            counted, sound = self.files.work.ask(
                self.files.sql(self.path, contents.counting_script(), database, timeout_s),
                self.files.sql(self.path, scripts.sql("restore/soundness"), database, timeout_s),
            )
            rows += sum(contents.parse_counted(counted).values())
            findings.add(contents.parse_soundness(sound))
        (checked,) = self.files.work.ask(self.files.amcheck(self.path, "--install-missing", "--jobs=2"))
        findings.add(contents.parse_amcheck(checked))
        return findings, rows

    def remove(self) -> None:
        """Stops the server and removes the directory.

        Raises:
            StepFailed: the directory may still exist.
        """
        self.files.do("remove", self.path, timeout_s=600)


def removing(files: ClusterFiles, path: str, why: str) -> Step:
    """The step that stops a server on a directory, if any, and removes the directory; `why` extends the title."""
    return Step(f"remove {path}{why}", lambda: files.do("remove", path, timeout_s=600))
