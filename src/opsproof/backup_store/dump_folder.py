"""A folder of dumps or archives: backup sets, leftovers of interrupted backups, and a set read back."""

import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import gmtime, strftime, strptime

from opsproof.backup_store import files_manifest, manifest
from opsproof.backup_store.manifest import Manifest, ManifestError, SetManifest
from opsproof.core import ages, scripts
from opsproof.core.errors import Absent, CommandError, Unusable
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command, argv, labelled

MODE = "0600"
READ_TIMEOUT_S = 120.0
STALE_S = 3600.0
"""A partial file not written to for this long is stale: no running backup owns the file."""
_STAMP = "%Y%m%dT%H%M%SZ"
PARTS = r"dump|dump\.zst|globals\.sql|tar\.zst|contents|manifest\.json"
"""The endings of the files of a set, as a regular expression."""
_SUFFIX = re.compile(rf"\.({PARTS})(\.partial)?$")


@dataclass(frozen=True)
class FolderEntry:
    """A file of the folder; `modified` is in seconds since 1970 by the host's clock."""

    name: str
    size_bytes: int
    mode: str
    owner: str
    modified: float


@dataclass(frozen=True)
class DumpReading:
    """A set as read back: text of the manifest, checksums of the files, and the lines of pg_restore --list.

    `unlisted` is the reason why pg_restore listed nothing; None if pg_restore succeeded.
    """

    name: str
    text: str = ""
    sums: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    unlisted: str | None = None

    @property
    def set_manifest(self) -> SetManifest:
        """The parsed manifest, of a dump or of files.

        Raises:
            Unusable: the set has no manifest.
            ManifestError: the manifest is truncated, edited or of an unknown format.
        """
        if not self.text:
            raise Unusable(f"{self.name} has no manifest")
        return files_manifest.read_any(self.text)

    @property
    def manifest(self) -> Manifest:
        """The parsed manifest of a dump; raises as `set_manifest` does."""
        if not self.text:
            raise Unusable(f"{self.name} has no manifest")
        return manifest.read(self.text)

    def lacks(self, *tables: str) -> list[str]:
        """Tables of the manifest, and of `tables` (as schema.table), that pg_restore does not list in the archive.

        Raises:
            ManifestError: the manifest is invalid, so pg_restore was not run on the archive either.
            CommandError: pg_restore could not be run.
            Unusable: pg_restore rejected the archive, or the archive does not match the manifest.
        """
        dump = self.manifest.dump
        if self.sums.get(dump.name, dump.sha256) != dump.sha256:
            raise Unusable(f"pg_restore --list was not run: {dump.name} does not match its manifest")
        if self.unlisted is not None:
            # Messages of pg_restore concern the archive; messages of sudo, docker or the kernel do not.
            from_pg_restore = self.unlisted.startswith("pg_restore: ")
            raise (Unusable if from_pg_restore else CommandError)(f"pg_restore --list failed: {self.unlisted}")
        with_rows = self.manifest.tables
        declared = [tuple(each.split(".", 1)) for each in tables]
        # The list is in the encoding of the database; every other encoding has the same ASCII characters.
        other = "(?!)" if self.manifest.server["encoding"] == "UTF8" else "[^\0-\x7f]+"
        entries = re.sub(other, "?", "\n".join(self.listed))
        # A partitioned table holds no rows, so pg_restore lists the definition only.
        wanted = {each: "TABLE DATA" if each in with_rows else "TABLE" for each in [*with_rows, *declared]}
        return [
            ".".join(each)
            for each, kind in wanted.items()
            if f" {kind} {re.sub(other, '?', _listed(each))} " not in entries
        ]

    def flaws(self) -> list[str]:
        """Missing files and checksum mismatches by the manifest; empty if the set is intact."""
        try:
            files = self.set_manifest.files.values()
        except (ManifestError, Absent) as error:
            return [str(error)]
        missing = [f"{file.name} is missing" for file in files if file.name not in self.sums]
        wrong = [file.name for file in files if self.sums.get(file.name, file.sha256) != file.sha256]
        return [*missing, *(f"{name}: checksum mismatch" for name in wrong)]


def _listed(table: tuple[str, ...]) -> str:
    return " ".join(table).translate({10: " ", 13: " "})


@dataclass(frozen=True)
class DumpFolder:
    """A folder of backups; `me` is the login user, `now` the host's clock in seconds since 1970.

    `folder` has the mode and the owner of the directory; folders with the same `device` share a file system.
    """

    name: str
    me: str
    now: float
    free_bytes: int
    entries: dict[str, FolderEntry]
    folder: FolderEntry
    device: str
    reading: DumpReading | None = None
    odd: tuple[str, ...] = ()
    """Messages on entries with the name of a backup file that are no files; no action touches them."""

    @property
    def sets(self) -> list[str]:
        """Names of the sets with a manifest, oldest first; sets dated in the future come before all others."""
        names = (each.removesuffix(".manifest.json") for each in self.entries if each.endswith(".manifest.json"))
        return in_order(names, self.now)

    @property
    def newest(self) -> str:
        """Name of the newest set.

        Raises:
            Unusable: the folder has no backup.
        """
        if not self.sets:
            raise Unusable(f"{self.name} has no backup")
        return self.sets[-1]

    @property
    def fresh_name(self) -> str:
        """Name of a set that begins now, later than any existing set that is not dated in the future."""
        before = [began(each) for each in self.sets if not is_ahead(each, self.now)]
        return set_name_at(self.name, max(self.now, *(each + 1 for each in before)) if before else self.now)

    @property
    def leftovers(self) -> list[FolderEntry]:
        """Partial files, and files of sets without a manifest that a run began: the manifest is a partial file."""
        left = self._begun - {*self.sets}
        return [each for each in self.entries.values() if each.name.endswith(".partial") or set_of(each) in left]

    @property
    def _begun(self) -> set[str]:
        return {set_of(each) for each in self.entries.values() if each.name.endswith(".manifest.json.partial")}

    @property
    def strays(self) -> list[FolderEntry]:
        """Complete files without a manifest that no run has marked as begun: no action removes them."""
        owned = {*self.sets, *(set_of(each) for each in self.leftovers)}
        return [each for each in self.entries.values() if set_of(each) not in owned]

    @property
    def stale(self) -> list[FolderEntry]:
        """Leftovers and strays that no running backup owns."""
        return [each for each in (*self.leftovers, *self.strays) if self.now - each.modified > STALE_S]

    def files(self, name: str) -> list[FolderEntry]:
        """The complete files of a set."""
        return [each for each in self.entries.values() if set_of(each) == name and not each.name.endswith(".partial")]

    def size(self, name: str) -> int:
        """Total size of the files of a set, in bytes."""
        return sum(each.size_bytes for each in self.files(name))

    def age(self, name: str) -> float:
        """Seconds since a backup began.

        Raises:
            OutputError: the backup is dated in the future.
        """
        return ages.age(began(name), self.now, name)

    def exposed(self, name: str) -> list[str]:
        """Files of a set that have another mode than 0600, or another owner than the login user."""
        return [
            f"{each.name} has owner {each.owner} and mode {each.mode} (expected {self.me} and {MODE})"
            for each in self.files(name)
            if (each.mode, each.owner) != (MODE, self.me)
        ]

    @property
    def open_to_others(self) -> str:
        """Owner and mode of the folder if other users can add or remove files, else an empty string."""
        if self.folder.owner in (self.me, "root") and not int(self.folder.mode, 8) & 0o022:
            return ""
        return f"{self.folder.name} has owner {self.folder.owner} and mode {self.folder.mode}"


def set_of(entry: FolderEntry) -> str:
    """The name of the set that a file belongs to."""
    return _SUFFIX.sub("", entry.name)


def set_name_at(name: str, moment: float) -> str:
    """Name of a set that begins at `moment`, in seconds since 1970."""
    return f"{name}_{strftime(_STAMP, gmtime(moment))}"


def began(set_name: str) -> float:
    """Start of a backup in seconds since 1970, taken from the name of the set."""
    return float(timegm(strptime(set_name.rpartition("_")[2], _STAMP)))


def is_ahead(set_name: str, now: float) -> bool:
    """Whether a backup is dated in the future at `now`, in seconds since 1970, beyond clock skew."""
    return ages.is_ahead(began(set_name), now)


def in_order(sets: Iterable[str], now: float) -> list[str]:
    """The `sets`, oldest first; sets dated in the future come first, because their age is unknown."""
    return sorted(sets, key=lambda each: (not is_ahead(each, now), began(each)))


def is_dated(set_name: str) -> bool:
    """Whether the name of a set ends in a valid time."""
    try:
        began(set_name)
    except ValueError:
        return False
    return True


def command(
    backup: Backup, name: str, read: str, client: tuple[str, ...], timeout_s: float = READ_TIMEOUT_S
) -> Command:
    """The command that lists a folder and reads back the set `read`: a set name, "newest" or "none"."""
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
    """The words that run a client program in the database's container; empty without a container, and for files."""
    container = host.databases[backup.database].container if backup.database else ""
    sudo = ("sudo", "-n", "-u", host.docker_as, "--") if container and host.docker_as else ()
    return (*sudo, "docker", "exec", "-i", container) if container else ()


def parse(answer: Answer, name: str, folder: str) -> DumpFolder:
    """The folder described by the answer to `command`.

    Raises:
        Absent: the folder does not exist.
        MeasurementError: the command failed or its output was cut short.
    """
    if answer.status == 3 and "No such file" in answer.stderr:
        raise Absent(f"backup folder {folder} does not exist")
    said = labelled(answer.require("listing the backup folder").stdout, "the listing of the backup folder")
    entries = [_entry(*line.split(" ", 4)) for line in said.get("file", [])]
    (me,), (free,), (folder_line,) = said["me"], said["free"], said["folder"]
    device, mode, owner = folder_line.split(" ", 2)
    return DumpFolder(
        name,
        me,
        answer.now,
        int(free),
        {each.name: each for each in entries if is_dated(set_of(each))},
        FolderEntry(folder, 0, mode, owner, 0.0),
        device,
        _reading(said),
        tuple("{1} is no file, but a {0}".format(*line.split(" ", 1)) for line in said.get("odd", [])),
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
