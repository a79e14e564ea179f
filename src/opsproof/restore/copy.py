"""The new database that a restore makes from an archive, and the checks of that database."""

import re
import secrets
import shlex
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from opsproof.action import Work, progress
from opsproof.action.lock import stepwise
from opsproof.action.room import MARGIN, require_room
from opsproof.core import scripts
from opsproof.core.errors import OutputError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.postgres.psql import LATER, LATER_FROM, later_options
from opsproof.postgres.quoting import identifier
from opsproof.restore import contents, schema
from opsproof.restore.archive import DumpArchive
from opsproof.restore.contents import ContentFindings
from opsproof.restore.loading import loading
from opsproof.restore.server import (
    MADE,
    MAINTENANCE,
    NAME_BYTES,
    SUFFIX_BYTES,
    RestoreClient,
    RestoreServer,
    drop,
    parse_server,
)
from opsproof.transport.shell import Answer, Command, argv

MOST_JOBS = 8
MEMORY_SHARE = 8
LEAST_MEMORY_MB, MOST_MEMORY_MB = 64, 1024
"""Bounds of maintenance_work_mem: all sessions together get an eighth of the available memory."""
_STAGE = 'umask 077; rm -f -- "$0"; set -C; cat > "$0"'
_ONE_LINE = """
exec 3>&1
errors=$("$0" "$@" 2>&1 >&3 3>&-)
status=$?
if [ $status = 0 ]; then printf '%s\\n' "$errors" | grep -i 'warning: ' >&2; exit 0; fi
printf '%s\\n' "$errors" | grep -i -m 1 error: >&2 || printf '%s\\n' "$errors" | tail -n 1 >&2
exit $status
"""
"""Prints only the first error line of a failed program, and warnings otherwise: further lines may quote rows."""
STAGING = "/tmp"  # noqa: S108  # in a container
_STAGED = PurePosixPath(f"{STAGING}/opsproof.restore")
"""Path of the staged archive; _STAGE removes an old file or link first, and creates the file with mode 0600."""
HAS_PERL = ("perl", "-e", "print 1")
"""Prints 1 if perl exists."""


@dataclass(frozen=True)
class RestoreMachine:
    """Resources for a restore: processors, memory, version of pg_restore, state of the server.

    `perl` tells whether perl exists where the client programs run: a container may lack perl.
    """

    processors: int
    memory_mb: int
    version: str
    perl: bool
    server: RestoreServer
    free_bytes: int
    staging_bytes: int
    """Free bytes in the container folder where the archive is staged."""

    @property
    def jobs(self) -> int:
        """Number of parallel restore sessions."""
        return min(self.processors, MOST_JOBS)

    @property
    def session_memory_mb(self) -> int:
        """maintenance_work_mem of each session."""
        return max(LEAST_MEMORY_MB, min(MOST_MEMORY_MB, self.memory_mb // MEMORY_SHARE // self.jobs))


def machine(work: Work, client: RestoreClient) -> RestoreMachine:
    """The machine as it is now; a container's memory limit caps `memory_mb`.

    Raises:
        MeasurementError: a command failed.
    """
    of_host = (argv("nproc"), argv("cat", "/proc/meminfo"))
    of_client = (client.program("pg_restore", "--version"), client.program(*HAS_PERL), client.server())
    nproc, memory, version, perl, databases, *inspected = work.ask(*of_host, *of_client, *client.inspection())
    found = parse_server(databases, client.live)
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
    """MemAvailable of /proc/meminfo, in MB."""
    kilobytes = dict(line.split(":", 1) for line in answer.require("cat /proc/meminfo").stdout.splitlines())
    return int(kilobytes["MemAvailable"].split()[0]) // 1024


@dataclass
class RestoredDatabase:
    """The new database `name`, made from an archive; `restore_s` is the duration of the restore, in seconds.

    `by_loader` tells whether `load_user` loads the archive instead of the superuser. `reached_bytes` is the largest
    size so far: temporary tables of the load make the database larger for a moment.
    """

    work: Work
    client: RestoreClient
    archive: DumpArchive
    machine: RestoreMachine
    name: str
    quiet: bool = False
    by_loader: bool = False
    restore_s: float = 0.0
    reached_bytes: float = 0.0

    @property
    def inside(self) -> RestoreClient:
        """The client for sessions in the new database, whose event triggers would write rows."""
        return replace(self.client, options=self.machine.server.quiet)

    @property
    def scratch(self) -> str:
        """The name of the database for definitions of the archive."""
        return f"{self.client.live}_comparing_{self.name.rpartition('_')[2]}"

    @property
    def renaming(self) -> str:
        """The command that makes the new database live, for a person to run while the processes are stopped."""
        name, live = identifier(self.name), identifier(self.client.live)
        aside = identifier(self.name.replace("_restoring_", "_before_"))
        old = [f"ALTER DATABASE {live} RENAME TO {aside}"] if self.machine.server.serving else []
        owner = f"ALTER DATABASE {live} OWNER TO {identifier(self.traits['owner'])}"
        granted = f"GRANT CONNECT, TEMPORARY ON DATABASE {live} TO PUBLIC"
        new = [f"ALTER DATABASE {name} RENAME TO {live}", owner, granted]
        words = (word for each in (*old, *new) for word in ("-c", each))
        return shlex.join(self.client.program("psql", "-d", self.client.conninfo(MAINTENANCE), *words).argv)

    @property
    def expected_bytes(self) -> int:
        """The size in the manifest; without one, the larger of the live database and the archive."""
        if self.archive.manifest is not None:
            return int(self.archive.manifest.server["bytes"])
        serving = self.machine.server.serving
        return max(serving.size_bytes if serving else 0, self.archive.size_bytes)

    @property
    def estimate(self) -> str:
        """Expected size, free space and number of jobs, for the plan."""
        free = show(self.machine.free_bytes, "bytes")
        return f"about {show(self.expected_bytes, 'bytes')} ({free} free), {self.machine.jobs} jobs"

    def guard(self) -> None:
        """Refuses a restore that cannot complete.

        Raises:
            Refused: the role is no superuser, pg_restore is too new for the server or too old for the archive, space is
                short, or the name would be too long.
        """
        staged = self.archive.size_bytes if self.client.container else 0
        needed = MARGIN * self.expected_bytes + staged
        if not self.machine.server.superuser:
            raise Refused(
                f"{self.client.user} is not a superuser, so owners and extensions cannot be restored: set restore_user"
            )
        self._require_client()
        require_room("the server's disk", self.machine.free_bytes, needed)
        if self.machine.staging_bytes < staged:
            free, size = show(self.machine.staging_bytes, "bytes"), show(staged, "bytes")
            raise Refused(f"{STAGING} of {self.client.container} has {free} free ({size} needed for the archive)")
        if self.by_loader and self.client.container and not self.machine.perl:
            raise Refused(f"{self.client.container} has no perl, which load_user needs")
        if len(self.client.live.encode()) + SUFFIX_BYTES > NAME_BYTES:
            raise Refused(f"the name {self.client.live} is too long (limit {NAME_BYTES - SUFFIX_BYTES} bytes)")

    def _require_client(self) -> None:
        """Refuses a pg_restore that cannot read the archive, or whose settings an older server does not know."""
        self.archive.require_reader(self.machine.version)
        server, client = self.machine.server.version_num, self.machine.version
        if server < LATER_FROM and re.search(r"\) (?:1[7-9]|[2-9]\d)", client):
            raise Refused(
                f"{client} sets {' and '.join(LATER)}, unknown to the server: install client {server // 10000}"
            )

    def make(self) -> None:
        """Creates the database, compares the checksum of the archive, and restores the archive.

        Raises:
            StepFailed: the restore failed; the database may be incomplete.
        """
        started = time.monotonic()
        self._create(self.name)
        with progress.reporting_bytes("restored", self.expected_bytes, self.work.say, quiet=self.quiet) as report:
            progress.watch(partial(self._load, self.name), self._size, report)
        self.restore_s = time.monotonic() - started

    @property
    def traits(self) -> dict[str, Any]:
        """Owner, encoding and locale of the backed-up database; without a manifest, of the live database.

        Raises:
            StepFailed: there is neither a manifest nor a live database.
        """
        serving, manifest = self.machine.server.serving, self.archive.manifest
        traits = manifest.server if manifest else serving.traits if serving else None
        if traits is None:
            raise StepFailed("encoding and locale are unknown: no manifest and no live database")
        return traits

    def _create(self, name: str) -> None:
        keys = ("encoding", "collate", "ctype", "provider", "locale", "rules")
        values = {key: self.traits.get(key) or "" for key in keys}
        self.do("create", fresh=name, live=self.client.live, mark=f"{MADE} {self.archive.name}", **values)

    def _load(self, name: str, *options: str) -> None:
        as_loader = loading(self.work, self.client, self.archive, name) if self.by_loader else nullcontext()
        with as_loader:
            self._restore(name, *options)

    def _restore(self, name: str, *options: str) -> None:
        """Restores from an uncompressed file, which parallel sessions need: in place, or from a staged copy."""
        token = secrets.token_hex(16)
        if not self.client.container and not self.archive.unpack:
            self._feed("")
            self._do(self._loading(self.archive.path, "", name, *options))
        elif self.machine.perl:
            folder = _STAGED.parent if self.client.container else self.client.backup.folder
            self._feed(token, *_in_one_line(self._loading(str(folder), token, name, *options)))
        else:
            self._staged()

    def _feed(self, token: str, *command: str) -> None:
        """Compares the checksum of the archive; pipes the archive to `command`, if `command` is given."""
        about = (self.archive.path, self.archive.sha256, self.archive.unpack, token)
        words = ("perl", "-e", scripts.perl("restore/feed"), "--", *about)
        self.work.do(argv(*words, *command, timeout_s=self.client.backup.timeout), "pg_restore")

    def _loading(self, source: str, token: str, name: str, *options: str) -> Command:
        """The load.pl command; rows are split over sessions only for archives with a manifest, known to use COPY."""
        deal = self.archive.manifest is not None and self.machine.jobs > 1 and not options
        part = "own" if self.by_loader else "all"
        words = (source, token, str(self.machine.jobs), str(int(deal)), part, self._target(name), *options)
        return self.client.program("perl", "-e", scripts.perl("restore/load"), "--", *words)

    def _staged(self) -> None:
        """Restores in a container without perl, from a staged copy."""
        try:
            self._feed("", *self.client.program("sh", "-c", _STAGE, str(_STAGED)).argv)
            words = ("pg_restore", "--exit-on-error", "--no-password", "--verbose", f"--jobs={self.machine.jobs}")
            self._do(self.client.program(*words, f"--dbname={self._target(self.name)}", "--", str(_STAGED)))
        finally:
            self.work.ask(self.client.program("rm", "-f", "--", str(_STAGED)))

    def _do(self, command: Command) -> None:
        self.work.do(argv(*_in_one_line(command), timeout_s=self.client.backup.timeout), "pg_restore")

    def _target(self, name: str) -> str:
        """The connection string of a new database for the load, with session settings for a fast restore."""
        settings = {
            "synchronous_commit": "off",
            "maintenance_work_mem": f"{self.machine.session_memory_mb}MB",
            # Parallel index builds need shared memory, and a container has 64 MB by default.
            "max_parallel_maintenance_workers": "0" if self.client.container else "2",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        conninfo = self.client.load_conninfo if self.by_loader else self.client.conninfo
        return conninfo(name, options=options, **self._encoding)

    @property
    def _encoding(self) -> dict[str, str]:
        """The encoding of the archive, as a parameter of connections."""
        manifest = self.archive.manifest
        return {"client_encoding": manifest.server["encoding"]} if manifest else {}

    def _size(self) -> float:
        (answer,) = self.work.ask(self.client.sql("SELECT pg_database_size(:'name');", name=self.name))
        printed = answer.require("psql").stdout
        if not re.fullmatch(r"\d{1,18}\n?", printed):
            raise OutputError("psql printed no size of the database")
        self.reached_bytes = max(self.reached_bytes, float(printed))
        return self.reached_bytes

    def findings(self, *, keep: bool) -> ContentFindings:
        """Flaws of the new database: comparison with the manifest, indexes, pg_amcheck.

        With `keep`, ANALYZE runs too, as archives hold no planner statistics. Otherwise amcheck is installed if
        missing, after the digest of the schema.

        Raises:
            MeasurementError: a query or ANALYZE failed.
        """
        timeout_s, properties = self.client.backup.timeout, contents.properties(self.inside, self.name)
        findings = ContentFindings(differences=self.schema_differences())
        soundness = self.inside.sql(scripts.sql("restore/soundness"), self.name, timeout_s)
        server, sound, counted = self.work.ask(properties, soundness, contents.counting(self.inside, self.name))
        analyze = [stepwise(self.inside.sql(scripts.sql("restore/analyze"), self.name, timeout_s))] if keep else []
        # Later than the count: CREATE EXTENSION may fire event triggers of the restored database, which write rows.
        checked, *analyzed = self.work.ask(self._amcheck() if keep else self._amcheck("--install-missing"), *analyze)
        for each in analyzed:
            each.require("ANALYZE")
        findings.add(contents.parse_soundness(sound))
        findings.add(contents.parse_amcheck(checked))
        findings.add(self._compared(contents.parse_server(server), contents.parse_counted(counted)))
        return findings

    def schema_differences(self) -> list[str]:
        """The definitions that differ from the archive, also after a reload of the archive's definitions."""
        restored = self.inside.conninfo(self.name, **self._encoding)
        (answer,) = self.work.ask(schema.command(self.client, self.archive, restored))
        if not schema.parse(answer):
            return []
        scratch = self.scratch
        try:
            self._create(scratch)
            if self.by_loader:
                self._load(scratch, "--schema-only", "--no-subscriptions")
            again = schema.command(
                self.client,
                self.archive,
                restored,
                self.client.conninfo(scratch, **self._encoding),
                loaded=self.by_loader,
            )
            return schema.parse(self.work.attempt(again))
        finally:
            self._drop(scratch)

    def _amcheck(self, *options: str) -> Command:
        words = ("pg_amcheck", "--no-password", f"--jobs={self.machine.jobs}", *options)
        where = self.inside.conninfo(self.name, options=later_options(self.machine.server.version_num))
        return self.client.program(*words, where, timeout_s=self.client.backup.timeout)

    def _compared(self, server: dict[str, Any], tables: contents.Tables) -> ContentFindings:
        if self.archive.manifest is None:
            return ContentFindings([], ["rows and owners not compared: no manifest"])
        return contents.compare(self.archive.manifest, server, tables)

    def size_bytes(self) -> int:
        """The current size of the database.

        Raises:
            MeasurementError: the query failed.
        """
        return int(self._size())

    def drop(self) -> None:
        """Drops the database, with FORCE: open sessions are ended.

        Raises:
            StepFailed: the database may still exist.
        """
        self._drop(self.name)

    def _drop(self, name: str) -> None:
        drop_all(self.work, self.client, self.machine.server, [name])

    def do(self, script: str, **values: str) -> None:
        """Runs restore/sql/SCRIPT.sql, which changes the server.

        Raises:
            StepFailed: psql failed.
        """
        self.work.do(self.client.sql(scripts.sql(f"restore/{script}"), timeout_s=300, **values), f"psql ({script}.sql)")


def _in_one_line(command: Command) -> tuple[str, ...]:
    return ("sh", "-c", _ONE_LINE, *command.argv)


def drop_all(work: Work, client: RestoreClient, server: RestoreServer, names: list[str]) -> None:
    """Drops databases.

    Raises:
        StepFailed: a database may still exist.
    """
    for name in names:
        work.do(drop(client, server, name), f"psql (drop {name})")
