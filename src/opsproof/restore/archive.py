"""The archive to restore: name, age, and whether pg_restore may safely read the file."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from opsproof.action import Work
from opsproof.backup_store import dump_folder, manifest
from opsproof.backup_store.manifest import Manifest, ManifestError, ManifestFile, SetManifest
from opsproof.core.errors import InventoryError, OutputError, Refused, StepFailed
from opsproof.transport.shell import argv

SetManifestT = TypeVar("SetManifestT", bound=SetManifest)
FIXED_MINORS = {14: 25, 15: 20, 16: 16, 17: 12, 18: 7}
"""By major version, the first minor version that fixes CVE-2026-116314: a crafted archive makes pg_restore run code.

Fixed in 18.7, 17.12, 16.16, 15.20 and 14.25: https://www.postgresql.org/support/security/CVE-2026-116314/. Older
major versions are out of support and stay vulnerable; newer major versions were released with the fix.
"""
_NEW_FORMATS = (17, 16)
"""Major versions whose pg_dump writes archives that an older pg_restore cannot read: formats 1.16 and 1.15."""
_UNPACKERS = {".zst": "zstd", ".gz": "gzip"}
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class DumpArchive:
    """A pg_dump archive on the host, perhaps compressed; `manifest` is None if opsproof did not make the archive.

    `age_s` is by the host's clock.
    """

    name: str
    path: str
    size_bytes: int
    age_s: float
    manifest: Manifest | None = None

    @property
    def sha256(self) -> str:
        """The checksum in the manifest; empty without a manifest."""
        return self.manifest.dump.sha256 if self.manifest else ""

    @property
    def unpack(self) -> str:
        """The decompression program; empty if pg_restore can read the file as is."""
        return _UNPACKERS.get(PurePosixPath(self.path.removesuffix(".partial")).suffix, "")

    @property
    def roles(self) -> str:
        """The path of the file with the roles, in the same folder; empty without a manifest."""
        if self.manifest is None:
            return ""
        ending = ".partial" if self.path.endswith(".partial") else ""
        return str(PurePosixPath(self.path).with_name(f"{self.manifest.globals.name}{ending}"))

    def require_trust(self, client: str, *, allowed: bool) -> None:
        """Requires a manifest, or else `allowed` and a fixed pg_restore; `client` is what pg_restore --version prints.

        Raises:
            Refused: the archive has no manifest, and pg_restore is vulnerable or --untrusted is missing.
        """
        if self.manifest is not None:
            return
        if is_vulnerable(client):
            raise Refused(
                f"{self.name} has no manifest, and {client} can be made to run code by a crafted archive "
                "(CVE-2026-116314): update the client first"
            )
        if not allowed:
            raise Refused(f"{self.name} has no manifest, so the contents are unknown: add --untrusted to go on")

    def require_reader(self, client: str) -> None:
        """Requires a client that can read the format of the archive; `client` is what pg_restore --version prints.

        Raises:
            Refused: the archive was made by a pg_dump with a newer format.
        """
        maker = str(self.manifest.tools.get("pg_dump", "")) if self.manifest else ""
        made, reads = _VERSION.search(maker), _VERSION.search(client)
        if not made or not reads:
            return
        needed = next((each for each in _NEW_FORMATS if int(reads[1]) < each <= int(made[1])), None)
        if needed:
            raise Refused(f"{client} cannot read archives of {maker}: install client {needed} or newer")


def is_vulnerable(client: str) -> bool:
    """Whether a crafted archive can make this pg_restore run code; `client` is the output of pg_restore --version.

    Raises:
        OutputError: the output has no version.
    """
    found = _VERSION.search(client)
    if found is None:
        raise OutputError(f"pg_restore --version printed no version: {client[:80]!r}")
    major, minor = int(found[1]), int(found[2] or 0)
    if major in FIXED_MINORS:
        return minor < FIXED_MINORS[major]
    return major < min(FIXED_MINORS)


def choose(sets: list[str], wanted: str | None, backup_name: str, where: str) -> str:
    """The set called `wanted`, or the newest if `wanted` is None; `sets` is sorted oldest first.

    Raises:
        InventoryError: no set has the name `wanted`.
        Refused: `sets` is empty.
    """
    if not sets:
        raise Refused(f"no backup of {backup_name} in {where}")
    if wanted and wanted not in sets:
        raise InventoryError(f"--set: unknown set {wanted!r}; choose one of {', '.join(sets)}")
    return wanted or sets[-1]


def of_set(work: Work, folder: str, name: str, *, whole: bool) -> DumpArchive:
    """The archive of the set `name` in a folder on the host; with `whole`, the file of roles must be there too.

    Raises:
        Refused: the manifest is damaged, or a file is missing or has another size than in the manifest.
        MeasurementError: the manifest cannot be read.
    """
    found, sizes, now = read_set(work, folder, name, ("dump", "dump.zst", "globals.sql"), manifest.read)
    for file in found.files.values() if whole else [found.dump]:
        require_size(file, sizes.get(file.name))
    age = now - dump_folder.began(name)
    return DumpArchive(name, f"{folder}/{found.dump.name}", found.dump.size_bytes, age, found)


def read_set(
    work: Work, folder: str, name: str, endings: Iterable[str], read: Callable[[str], SetManifestT]
) -> tuple[SetManifestT, dict[str, int], float]:
    """The manifest of a set in a folder on the host, the sizes of its files by name, and the time on the host.

    Files are measured whose names are that of the set and one of `endings`.

    Raises:
        Refused: the manifest is damaged, or belongs to another set.
        MeasurementError: the manifest or the sizes cannot be read.
    """
    sizes = argv("stat", "-L", "-c", "%s %n", "--", *(f"{folder}/{name}.{each}" for each in endings))
    answer, measured = work.ask(argv("cat", "--", f"{folder}/{name}.manifest.json"), sizes)
    try:
        found = read(answer.require("cat").stdout)
    except ManifestError as error:
        raise Refused(f"{name}: {error}") from error
    if found.name != name:
        raise Refused(f"{name}: the manifest belongs to {found.name}")
    lines = (line.split(" ", 1) for line in measured.require("stat", 0, 1).stdout.splitlines())
    return found, {path.removeprefix(f"{folder}/"): int(size) for size, path in lines}, answer.now


def require_size(file: ManifestFile, size_bytes: int | None) -> None:
    """Refuses a file of a backup whose size is not in accordance with the manifest; None is a missing file.

    Raises:
        Refused: the file is missing, cut short or too long.
    """
    if size_bytes is None:
        raise Refused(f"{file.name} is missing")
    if size_bytes != file.size_bytes:
        raise Refused(f"{file.name} has {size_bytes} bytes (the manifest says {file.size_bytes})")


def of_file(work: Work, path: str) -> DumpArchive:
    """The archive in an arbitrary file on the host, without a manifest; the age is that of the file.

    Raises:
        Refused: the path names no file.
        MeasurementError: the file cannot be read.
    """
    (answer,) = work.ask(argv("stat", "-L", "-c", "%s %Y %F", "--", path))
    size, modified, kind = answer.require(path).stdout.strip().split(" ", 2)
    if not kind.startswith("regular"):
        raise Refused(f"{path} is no file, but a {kind}")
    return DumpArchive(PurePosixPath(path).name, path, int(size), answer.now - float(modified))


def require_checksum(work: Work, path: str, sha256: str, timeout_s: float) -> None:
    """Compares the checksum of a file with the checksum in the manifest.

    Raises:
        StepFailed: checksum mismatch, or the file cannot be read.
    """
    found = work.do(argv("sha256sum", "--", path, timeout_s=timeout_s), "sha256sum").stdout
    if found.removeprefix("\\").split(" ")[0] != sha256:
        raise StepFailed(f"{path}: checksum mismatch, the file changed since the backup was made")
