"""One declared pgBackRest backup: back up the cluster, verify the repository, expire old backups."""

from opsproof.action import Action, Step, progress, readings
from opsproof.action.room import MARGIN, require_room
from opsproof.backup import expiry, verification
from opsproof.backup.expiry import Expiry
from opsproof.backup.stanza import fetch_stanza
from opsproof.backup_store import pgbackrest
from opsproof.backup_store.pgbackrest import ClusterBackup
from opsproof.core.ages import is_ahead
from opsproof.core.errors import MeasurementError, NotRepaired, Refused, StepFailed
from opsproof.core.units import show
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import Command, argv

EARLY_S = 2 * 3600.0
"""A full backup may run this much early, so that a nightly schedule never makes a full backup a day late."""
CHECK_TIMEOUT_S = 300.0


class ClusterBackupJob:
    """A new backup of one cluster by pgBackRest."""

    def __init__(self, action: Action, name: str) -> None:
        self.action, self.work, self.name = action, action.work, name
        self.backup: Backup = action.host.backups[name]
        self.stanza = fetch_stanza(self.work, self.backup)
        self.made: ClusterBackup | None = None

    @property
    def kind(self) -> str:
        """Type of the next backup: full, diff or incr."""
        full = self.stanza.newest_full
        now = self.stanza.now
        due = full is None or is_ahead(full.began, now) or now - full.began > self.backup.full_every - EARLY_S
        return "full" if due else self.backup.between

    @property
    def expected_bytes(self) -> int:
        """Bytes added to the repository by the last backup of the same type; 0 if unknown."""
        sizes = [each.own_bytes for each in self.stanza.backups if each.kind == self.kind]
        return sizes[-1] if sizes else 0

    def _fetch_expiry(self) -> Expiry:
        (answer,) = self.work.ask(expiry.dry_run_command(self.backup))
        return expiry.parse(answer, self.backup)

    def steps(self) -> list[Step]:
        """Back up, verify the repository, and only then expire old backups.

        Raises:
            MeasurementError: pgBackRest does not report which backups would expire.
        """
        steps = [
            Step(
                f"make a {self.kind} backup of stanza {self.backup.stanza}: {self._outlook()}",
                self._back_up,
                (self.name,),
            )
        ]
        reading = f"read repository {self.backup.repo} back: {len(self.stanza.backups) + 1} backups and the WAL archive"
        steps.append(Step(reading, self._read_back, (self.name,)))
        if self.stanza.running:  # pgBackRest then refuses the dry run of expire, and `guard` refuses the action
            return steps
        retention = self._fetch_expiry()
        self.due = retention.after(self.stanza, self.kind)
        due = ", ".join(self.due) or "nothing"
        title = f"expire by pgBackRest's own retention ({retention.policy}): {due}"
        return [*steps, Step(title, self._expire, (self.name,))]

    def _outlook(self) -> str:
        known = f"about {show(self.expected_bytes, 'bytes')}" if self.expected_bytes else "size not known yet"
        free = self.stanza.free_bytes
        room = [] if free is None else [f"{show(free, 'bytes')} free"]
        left = [f"interrupted backup {each} is resumed or removed" for each in self.stanza.interrupted]
        return ", ".join([known, *room, *left])

    def guard(self) -> None:
        """Refuses a backup that would fail; `pgbackrest check` archives a WAL segment as a test.

        Raises:
            Refused: a backup is running, WAL archiving fails, or the disk space does not suffice.
        """
        if self.stanza.running:
            raise Refused(f"a backup of stanza {self.backup.stanza} is already running")
        if self.stanza.free_bytes is not None:
            require_room(self.backup.folder, self.stanza.free_bytes, MARGIN * self.expected_bytes)
        (answer,) = self.work.ask(argv(*pgbackrest.pgbackrest(self.backup, "check"), timeout_s=CHECK_TIMEOUT_S))
        if answer.status or answer.flag != "-":
            raise Refused(f"pgbackrest check: {_first_error(answer.stdout + answer.stderr)}")

    def _back_up(self) -> None:
        words = ("--type", self.kind, "--no-expire-auto", "backup")
        command = argv(*pgbackrest.in_repository(self.backup, *words), timeout_s=self.backup.timeout)
        quiet = self.action.options.json
        with progress.reporting_bytes("backed up", self._whole_bytes(), self.work.say, quiet=quiet) as report:
            progress.watch(lambda: self._do(command), self._done_bytes, report)
        self.made = self._new()

    def _whole_bytes(self) -> float:
        return float(self.stanza.backups[-1].database_bytes if self.stanza.backups else 0)

    def _done_bytes(self) -> float:
        done = fetch_stanza(self.work, self.backup).done_bytes
        if done is None:
            raise MeasurementError("this version of pgBackRest does not report progress")
        return float(done)

    def _do(self, command: Command) -> None:
        self.work.do(command, "pgbackrest")

    def _new(self) -> ClusterBackup:
        """The new backup in the stanza.

        Raises:
            StepFailed: the stanza has no new backup.
        """
        known = {each.label for each in self.stanza.backups}
        new = [each for each in fetch_stanza(self.work, self.backup).backups if each.label not in known]
        if not new:
            raise StepFailed(f"pgBackRest reported success, but stanza {self.backup.stanza} has no new backup")
        self.action.measured |= {"backup": self.name, "set": new[-1].label, "size_bytes": new[-1].size_bytes}
        return new[-1]

    def _read_back(self) -> None:
        found = read_back(self.action, self.name)
        if found:
            raise StepFailed(f"stanza {self.backup.stanza}: {'; '.join(found[:3])}")

    def _expire(self) -> None:
        self._do(expiry.expire_command(self.backup))

    def prove(self) -> None:
        """Proves that the new backup exists without damaged pages, and that expired backups are gone.

        Raises:
            NotRepaired: the new backup is missing or damaged, or an expired or interrupted backup remains.
        """
        assert self.made is not None
        now = fetch_stanza(self.work, self.backup)
        labels = {each.label for each in now.backups}
        if self.made.label not in labels:
            raise NotRepaired(f"backup {self.made.label} is missing")
        if flaws := now.flaws(self.made):
            raise NotRepaired("; ".join(flaws))
        if left := [*(each for each in self.due if each in labels), *now.interrupted]:
            raise NotRepaired(f"not removed: {', '.join(left)}")


def read_back(action: Action, name: str) -> list[str]:
    """Verifies the whole repository of a declared backup, records the result, and returns the problems found.

    Raises:
        MeasurementError: the repository cannot be read.
    """
    backup = action.host.backups[name]
    (answer,) = action.work.ask(verification.command(backup))
    now = fetch_stanza(action.work, backup)
    found = verification.parse(answer, now)
    found += now.flaws(now.backups[-1]) if now.backups else [f"stanza {backup.stanza} has no backup"]
    readings.noted(action.measured, name, found)
    return found


def _first_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    return (errors or lines or ["no output"])[0][:300]
