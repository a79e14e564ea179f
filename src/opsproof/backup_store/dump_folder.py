"""What lies in a folder of backups: the sets, what is left over, and the one that was read back."""

import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import gmtime, strftime, strptime

from opsproof.backup_store import manifest
from opsproof.backup_store.manifest import Manifest, ManifestError
from opsproof.core import scripts
from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer, Command, argv, labelled

MODE = "0600"
READ_TIMEOUT_S = 120.0
AHEAD_S = 3600.0
"""What began so much later than now was called after a clock that was wrong, or is wrong now: its age is not known."""
STALE_S = 3600.0
"""What is not complete and has not been written for so long is left over: no backup is at work on it."""
_STAMP = "%Y%m%dT%H%M%SZ"
_SUFFIX = re.compile(r"\.(dump|dump\.zst|globals\.sql|manifest\.json)(\.partial)?$")


@dataclass(frozen=True)
class FolderEntry:
    """A file as it lies there; `modified` in seconds since 1970, by the host's clock."""

    name: str
    size_bytes: int
    mode: str
    owner: str
    modified: float


@dataclass(frozen=True)
class DumpReading:
    """One set as it was read back: its manifest's text, its files' checksums, what pg_restore lists."""

    name: str
    text: str = ""
    sums: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    unlisted: str | None = None

    @property
    def manifest(self) -> Manifest:
        """Its manifest.

        Raises:
            Absent: it has none.
            ManifestError: it cannot be believed.
        """
        if not self.text:
            raise Absent(f"{self.name} has no manifest")
        return manifest.read(self.text)

    def lacks(self, *tables: str) -> list[str]:
        """Those of `tables`, by schema.table, and of its manifest, that the archive does not list.

        Raises:
            ManifestError: the manifest cannot be believed, so that pg_restore is not given the archive either.
            CommandError: pg_restore cannot be run.
            Absent: it runs, and finds no archive; or what lies there is not the archive of the manifest.
        """
        dump = self.manifest.dump
        if self.sums.get(dump.name, dump.sha256) != dump.sha256:
            raise Absent(f"pg_restore does not list it: {dump.name} is not that of its manifest")
        if self.unlisted is not None:
            # What pg_restore says itself is of the archive; what sudo, docker or the kernel say is not.
            its_own = self.unlisted.startswith("pg_restore: ")
            raise (Absent if its_own else CommandError)(f"pg_restore does not list it: {self.unlisted}")
        with_rows = self.manifest.tables
        declared = [tuple(each.split(".", 1)) for each in tables]
        entries = "\n".join(self.listed)
        # A table by partitions has no rows of its own, so that it is listed alone.
        wanted = {each: "TABLE DATA" if each in with_rows else "TABLE" for each in [*with_rows, *declared]}
        return [".".join(each) for each, kind in wanted.items() if f" {kind} {_listed(each)} " not in entries]

    def flaws(self) -> list[str]:
        """What is wrong with its files, by its manifest; none where all are what they were."""
        try:
            files = self.manifest.files.values()
        except (ManifestError, Absent) as error:
            return [str(error)]
        missing = [f"{file.name} is not there" for file in files if file.name not in self.sums]
        wrong = [file.name for file in files if self.sums.get(file.name, file.sha256) != file.sha256]
        return [*missing, *(f"{name} is not what it was: its checksum is another one" for name in wrong)]


def _listed(table: tuple[str, ...]) -> str:
    return " ".join(table).translate({10: " ", 13: " "})


@dataclass(frozen=True)
class DumpFolder:
    """A folder of backups; `me` is who looked, `now` the host's clock in seconds since 1970.

    `folder` is it itself; what `device` is the same for lies on the same file system.
    """

    name: str
    me: str
    now: float
    free_bytes: int
    entries: dict[str, FolderEntry]
    folder: FolderEntry
    device: str
    reading: DumpReading | None = None

    @property
    def sets(self) -> list[str]:
        """The backups, oldest first: what has a manifest. Those from the future stand before all others."""
        names = (each.removesuffix(".manifest.json") for each in self.entries if each.endswith(".manifest.json"))
        return in_order(names, self.now)

    @property
    def newest(self) -> str:
        """The newest backup.

        Raises:
            Absent: there is none.
        """
        if not self.sets:
            raise Absent(f"there is no backup of {self.name}")
        return self.sets[-1]

    @property
    def fresh_name(self) -> str:
        """What a backup is called that begins now: after all that are there, but for those from the future."""
        before = [began(each) for each in self.sets if not is_ahead(each, self.now)]
        return set_name_at(self.name, max(self.now, *(each + 1 for each in before)) if before else self.now)

    @property
    def leftovers(self) -> list[FolderEntry]:
        """Files of backups that did not come to their end, or went halfway."""
        whole = set(self.sets)
        return [each for each in self.entries.values() if each.name.endswith(".partial") or set_of(each) not in whole]

    @property
    def stale(self) -> list[FolderEntry]:
        """The leftovers that no backup is at work on."""
        return [each for each in self.leftovers if self.now - each.modified > STALE_S]

    def files(self, name: str) -> list[FolderEntry]:
        """The files of a set."""
        return [each for each in self.entries.values() if set_of(each) == name and not each.name.endswith(".partial")]

    def size(self, name: str) -> int:
        """Bytes of a set's files."""
        return sum(each.size_bytes for each in self.files(name))

    def age(self, name: str) -> float:
        """Seconds since a backup began.

        Raises:
            OutputError: it is from the future.
        """
        if is_ahead(name, self.now):
            raise OutputError(f"{name} is from the future: the host's clock is wrong, or was")
        return self.now - began(name)

    def exposed(self, name: str) -> list[str]:
        """What of a set is not for its owner alone, or belongs to somebody else."""
        return [
            f"{each.name} belongs to {each.owner} and has mode {each.mode}"
            for each in self.files(name)
            if (each.mode, each.owner) != (MODE, self.me)
        ]

    @property
    def open_to_others(self) -> str:
        """That others may put files into the folder, or take some away; empty where they may not."""
        if self.folder.owner in (self.me, "root") and not int(self.folder.mode, 8) & 0o022:
            return ""
        return f"{self.folder.name} belongs to {self.folder.owner} and has mode {self.folder.mode}"


def set_of(entry: FolderEntry) -> str:
    """The name of the set that a file belongs to."""
    return _SUFFIX.sub("", entry.name)


def set_name_at(name: str, moment: float) -> str:
    """The set's name of a backup that begins at `moment`, in seconds since 1970."""
    return f"{name}_{strftime(_STAMP, gmtime(moment))}"


def began(set_name: str) -> float:
    """When a backup began, in seconds since 1970, by its set's name."""
    return float(timegm(strptime(set_name.rpartition("_")[2], _STAMP)))


def is_ahead(set_name: str, now: float) -> bool:
    """Whether a backup is from the future, at `now` in seconds since 1970."""
    return began(set_name) > now + AHEAD_S


def in_order(sets: Iterable[str], now: float) -> list[str]:
    """The `sets`, oldest first; those from the future stand before all others, because nobody knows their age."""
    return sorted(sets, key=lambda each: (not is_ahead(each, now), began(each)))


def is_dated(set_name: str) -> bool:
    """Whether a set's name tells when it began."""
    try:
        began(set_name)
    except ValueError:
        return False
    return True


def command(
    backup: Backup, name: str, read: str, client: tuple[str, ...], timeout_s: float = READ_TIMEOUT_S
) -> Command:
    """The command that looks at a folder, and reads one set of it back: its name, "newest" or "none"."""
    return argv(
        "perl",
        "-e",
        scripts.perl("backup_store/dump_folder"),
        "--",
        backup.folder,
        name,
        read,
        *client,
        timeout_s=timeout_s,
    )


def client(host: Host, backup: Backup) -> tuple[str, ...]:
    """The words in front of a client's program: those that lead into the database's container, or none."""
    container = host.databases[backup.database].container
    sudo = ("sudo", "-n", "-u", host.docker_as, "--") if container and host.docker_as else ()
    return (*sudo, "docker", "exec", "-i", container) if container else ()


def parse(answer: Answer, name: str, folder: str) -> DumpFolder:
    """The folder that an answer to `command` tells of.

    Raises:
        Absent: there is no such folder.
        MeasurementError: it tells of none.
    """
    if answer.status == 3 and "No such file" in answer.stderr:
        raise Absent(f"{folder} is declared, but there is no such folder")
    said = labelled(answer.require("the look at the backups").stdout, "the look at the backups")
    entries = [_entry(*line.split(" ", 4)) for line in said.get("file", [])]
    (me,), (free,), (place,) = said["me"], said["free"], said["folder"]
    device, mode, owner = place.split(" ", 2)
    return DumpFolder(
        name,
        me,
        answer.now,
        int(free),
        {each.name: each for each in entries if is_dated(set_of(each))},
        FolderEntry(folder, 0, mode, owner, 0.0),
        device,
        _reading(said),
    )


def _entry(size: str, mode: str, owner: str, modified: str, name: str) -> FolderEntry:
    return FolderEntry(name, int(size), mode, owner, float(modified))


def _reading(said: dict[str, list[str]]) -> DumpReading | None:
    if "read" not in said:
        return None
    (set_name,) = said["read"]
    sums = {name: sha256 for sha256, name in (line.split(" ", 1) for line in said.get("sum", []))}
    text = "\n".join([*said.get("manifest:", []), ""]) if "manifest:" in said else ""
    refusal = next(iter(said.get("unlisted", [])), None)
    return DumpReading(set_name, text, sums, tuple(said.get("listed:", [])), refusal)
