"""The new database that a restore makes of an archive, and how it is compared."""

import secrets
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from opsproof.action import Work, progress
from opsproof.action.lock import stepwise
from opsproof.action.room import MARGIN, require_room
from opsproof.core import scripts
from opsproof.core.errors import Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import contents
from opsproof.restore.archive import DumpArchive
from opsproof.restore.contents import ContentFindings
from opsproof.restore.server import NAME_BYTES, SUFFIX_BYTES, RestoreClient, RestoreServer, server
from opsproof.transport.shell import Answer, Command, argv

MOST_JOBS = 8
MEMORY_SHARE = 8
LEAST_MEMORY_MB, MOST_MEMORY_MB = 64, 1024
"""What a session may take to build an index: an eighth of what is available, shared by the sessions, within bounds."""
_STAGE = 'umask 077; rm -f -- "$0"; set -C; cat > "$0"'
_ONE_LINE = """
said=$("$0" "$@" 2>&1 >/dev/null) && exit
status=$?
printf '%s\\n' "$said" | grep -i -m 1 error: >&2 || printf '%s\\n' "$said" | head -n 1 >&2
exit $status
"""
"""Of what is said to a failure, the line that names it: the lines behind it may quote rows."""
STAGING = "/tmp"  # noqa: S108  # of a container
_STAGED = PurePosixPath(f"{STAGING}/opsproof.restore")
"""It is made anew, for its owner alone, and never a link."""
HAS_PERL = ("perl", "-e", "print 1")
"""Prints 1 where there is one."""


@dataclass(frozen=True)
class RestoreMachine:
    """What the host and its client give a restore: processors, memory, pg_restore's version, the server as it is.

    `perl` is whether there is one where the client's programs run: a container may have none.
    """

    processors: int
    memory_mb: int
    version: str
    perl: bool
    server: RestoreServer
    free_bytes: int
    staging_bytes: int
    """Free where the archive is put for several sessions to read it, in a container."""

    @property
    def jobs(self) -> int:
        """Sessions that restore at the same time."""
        return min(self.processors, MOST_JOBS)

    @property
    def session_memory_mb(self) -> int:
        """For building an index, in each session."""
        return max(LEAST_MEMORY_MB, min(MOST_MEMORY_MB, self.memory_mb // MEMORY_SHARE // self.jobs))


def machine(work: Work, client: RestoreClient) -> RestoreMachine:
    """The machine as it is now; what a container may take of its memory is all there is for a server in it.

    Raises:
        MeasurementError: it cannot be told.
    """
    of_host = (argv("nproc"), argv("cat", "/proc/meminfo"))
    of_client = (client.program("pg_restore", "--version"), client.program(*HAS_PERL), client.server())
    nproc, memory, version, perl, databases, *inspected = work.ask(*of_host, *of_client, *client.inspection())
    found = server(databases, client.live)
    folders = (found.folder, *([STAGING] if client.container else []))
    (room,) = work.ask(client.program("df", "--block-size=1", "--output=avail", "--", *folders))
    free = [int(each) for each in room.require("df").stdout.split()[1:]]
    limits = [limit >> 20 for each in inspected if (limit := client.inspected(each).memory_bytes)]
    return RestoreMachine(
        processors=int(nproc.require("nproc").stdout),
        memory_mb=min([available_mb(memory), *limits]),
        version=version.require("pg_restore --version").stdout.strip(),
        perl=perl.stdout == "1",
        server=found,
        free_bytes=free[0],
        staging_bytes=free[-1],
    )


def available_mb(answer: Answer) -> int:
    """Memory that programs may still take, by what /proc/meminfo says."""
    kilobytes = dict(line.split(":", 1) for line in answer.require("cat /proc/meminfo").stdout.splitlines())
    return int(kilobytes["MemAvailable"].split()[0]) // 1024


@dataclass
class RestoredDatabase:
    """A database called `name` that is made of an archive; `restore_s` is how long that took, once it is done."""

    work: Work
    client: RestoreClient
    archive: DumpArchive
    machine: RestoreMachine
    name: str
    quiet: bool = False
    restore_s: float = 0.0

    @property
    def expected_bytes(self) -> int:
        """The size of the database that was backed up, else that of the one that serves, else of the archive."""
        if self.archive.manifest is not None:
            return int(self.archive.manifest.server["bytes"])
        serving = self.machine.server.serving
        return max(serving.size_bytes if serving else 0, self.archive.size_bytes)

    @property
    def outlook(self) -> str:
        """How large it becomes, and how much room there is."""
        free = show(self.machine.free_bytes, "bytes")
        return f"about {show(self.expected_bytes, 'bytes')}, {free} are free, {self.machine.jobs} jobs"

    def guard(self) -> None:
        """Says no to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        staged = self.archive.size_bytes if self.client.container else 0
        needed = MARGIN * self.expected_bytes + staged
        if not self.machine.server.superuser:
            raise Refused(
                f"{self.client.user} is no superuser, and only one restores owners and extensions: name a restore_user"
            )
        require_room("the server's disk", self.machine.free_bytes, needed)
        if self.machine.staging_bytes < staged:
            free, room = show(self.machine.staging_bytes, "bytes"), show(staged, "bytes")
            raise Refused(f"{STAGING} of {self.client.container} has {free} left, and the archive has {room}")
        if len(self.client.live.encode()) + SUFFIX_BYTES > NAME_BYTES:
            raise Refused(f"{self.client.live} is too long a name for a database beside it")

    def make(self) -> None:
        """Makes the database, and restores the archive into it once its checksum is that of its manifest.

        Raises:
            StepFailed: it is not there whole.
        """
        started = time.monotonic()
        self._create()
        with progress.reporting_bytes("restored", self.expected_bytes, self.work.say, quiet=self.quiet) as report:
            progress.watch(self._restore, self._size, report)
        self.restore_s = time.monotonic() - started

    def _create(self) -> None:
        serving = self.machine.server.serving
        manifest = self.archive.manifest
        traits = manifest.server if manifest else serving.traits if serving else None
        if traits is None:
            raise StepFailed("nothing says with which encoding and locale the database was made")
        keys = ("owner", "encoding", "collate", "ctype", "provider", "locale")
        values = {key: traits[key] or "" for key in keys}
        self.do("create", fresh=self.name, live=self.client.live, **values)

    def _restore(self) -> None:
        """Several sessions read a file, no pipe and no packed one: where it lies, or where it is put for them."""
        token = secrets.token_hex(16)
        if not self.client.container and not self.archive.unpack:
            self._feed("")
            self._do(self._loading(self.archive.path, ""))
        elif self.machine.perl:
            folder = _STAGED.parent if self.client.container else self.client.backup.folder
            self._feed(token, *_in_one_line(self._loading(str(folder), token)))
        else:
            self._staged()

    def _feed(self, token: str, *command: str) -> None:
        """Compares the archive with its checksum, and feeds it to a command; without one, that is all."""
        about = (self.archive.path, self.archive.sha256, self.archive.unpack, token)
        words = ("perl", "-e", scripts.perl("restore/feed"), "--", *about)
        self.work.do(argv(*words, *command, timeout_s=self.client.backup.timeout), "pg_restore")

    def _loading(self, source: str, token: str) -> Command:
        """The command that loads the archive; rows are dealt out only of one that is ours, as pg_dump wrote it."""
        deal = self.archive.manifest is not None and self.machine.jobs > 1
        words = (source, token, str(self.machine.jobs), str(int(deal)), self._target)
        return self.client.program("perl", "-e", scripts.perl("restore/load"), "--", *words)

    def _staged(self) -> None:
        """In a container without perl."""
        try:
            self._feed("", *self.client.program("sh", "-c", _STAGE, str(_STAGED)).argv)
            words = ("pg_restore", "--exit-on-error", "--no-password", f"--jobs={self.machine.jobs}")
            self._do(self.client.program(*words, f"--dbname={self._target}", "--", str(_STAGED)))
        finally:
            self.work.ask(self.client.program("rm", "-f", "--", str(_STAGED)))

    def _do(self, command: Command) -> None:
        self.work.do(argv(*_in_one_line(command), timeout_s=self.client.backup.timeout), "pg_restore")

    @property
    def _target(self) -> str:
        """The database, in sessions as a restore needs them."""
        settings = {
            "synchronous_commit": "off",
            "maintenance_work_mem": f"{self.machine.session_memory_mb}MB",
            # The shared memory of a container is 64 MB unless somebody thought of it.
            "max_parallel_maintenance_workers": "0" if self.client.container else "2",
            "statement_timeout": "0",
            "lock_timeout": "0",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return self.client.conninfo(self.name, options=options)

    def _size(self) -> float:
        (answer,) = self.work.ask(self.client.sql("SELECT pg_database_size(:'name');", name=self.name))
        return float(answer.require("psql").stdout)

    def findings(self, *, spare: bool) -> ContentFindings:
        """What is wrong with it. One to `spare` gets the planner's statistics meanwhile, which no archive holds.

        Into one that is thrown away anyway goes amcheck, if it lacks that: after its schema was digested.

        Raises:
            MeasurementError: it cannot be told, or there are no statistics.
        """
        timeout_s, digest, count = self.client.backup.timeout, *contents.questions(self.client, self.name)
        server, sound = self.work.ask(digest, self.client.sql(scripts.sql("restore/soundness"), self.name, timeout_s))
        analyze = [stepwise(self.client.sql("ANALYZE;", self.name, timeout_s))] if spare else []
        check = self._amcheck() if spare else self._amcheck("--install-missing")
        counted, checked, *analyzed = self.work.ask(count, check, *analyze)
        for each in analyzed:
            each.require("ANALYZE")
        findings = contents.soundness(sound)
        findings.add(contents.amcheck(checked))
        findings.add(self._compared(contents.server(server), contents.tables(counted)))
        return findings

    def _amcheck(self, *options: str) -> Command:
        words = ("pg_amcheck", "--no-password", f"--jobs={self.machine.jobs}", *options)
        return self.client.program(*words, self.client.conninfo(self.name), timeout_s=self.client.backup.timeout)

    def _compared(self, server: dict[str, Any], tables: contents.Tables) -> ContentFindings:
        if self.archive.manifest is None:
            return ContentFindings([], ["rows and schema are not compared: there is no manifest"])
        return contents.compared(self.archive.manifest, server, tables)

    def size_bytes(self) -> int:
        """Its size now.

        Raises:
            MeasurementError: it cannot be told.
        """
        return int(self._size())

    def drop(self) -> None:
        """Drops it, whoever uses it.

        Raises:
            StepFailed: it may still be there.
        """
        self.do("drop", name=self.name)

    def do(self, script: str, **values: str) -> None:
        """Runs one of our scripts, which changes the server.

        Raises:
            StepFailed: it did not end well.
        """
        self.work.do(self.client.sql(scripts.sql(f"restore/{script}"), timeout_s=300, **values), f"psql ({script}.sql)")


def _in_one_line(command: Command) -> tuple[str, ...]:
    return ("sh", "-c", _ONE_LINE, *command.argv)


def drop_all(work: Work, client: RestoreClient, names: list[str]) -> None:
    """Drops databases that earlier runs left.

    Raises:
        StepFailed: one of them may still be there.
    """
    for name in names:
        work.do(client.sql(scripts.sql("restore/drop"), timeout_s=300, name=name), f"psql (drop {name})")
