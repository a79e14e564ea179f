"""The archive that is restored: which one, how old, and whether pg_restore may read it."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from opsproof.action import Work
from opsproof.backup_store import dump_folder, manifest
from opsproof.backup_store.manifest import Manifest, ManifestError
from opsproof.core.errors import InventoryError, OutputError, Refused, StepFailed
from opsproof.transport.shell import argv

TAKEN_OVER_BEFORE = {14: 25, 15: 20, 16: 16, 17: 12, 18: 7}
"""The first minor version of each major one whose pg_restore a crafted archive cannot make run code: CVE-2026-116314.

Fixed in 18.7, 17.12, 16.16, 15.20 and 14.25: https://www.postgresql.org/support/security/CVE-2026-116314/. Older
major versions get no fixes any more, newer ones came after it.
"""
_UNPACKERS = {".zst": "zstd", ".gz": "gzip"}
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class DumpArchive:
    """A file that pg_restore reads once `unpack` has unpacked it, with its manifest if it has one of ours.

    `age_s` is in seconds, by the host's clock.
    """

    name: str
    path: str
    size_bytes: int
    age_s: float
    manifest: Manifest | None = None

    @property
    def sha256(self) -> str:
        """Its checksum by its manifest; empty where nobody knows it."""
        return self.manifest.dump.sha256 if self.manifest else ""

    @property
    def unpack(self) -> str:
        """The program that unpacks it; empty where it is as pg_restore reads it."""
        return _UNPACKERS.get(PurePosixPath(self.path.removesuffix(".partial")).suffix, "")

    @property
    def roles(self) -> str:
        """The file with its roles, beside it; empty where it has no manifest."""
        if self.manifest is None:
            return ""
        ending = ".partial" if self.path.endswith(".partial") else ""
        return str(PurePosixPath(self.path).with_name(f"{self.manifest.globals.name}{ending}"))

    def require_trust(self, client: str, *, allowed: bool) -> None:
        """Says no to what nobody vouches for, where it could take over its reader or nobody said to go on.

        Raises:
            Refused: why, and what to do.
        """
        if self.manifest is not None:
            return
        if can_be_taken_over(client):
            raise Refused(
                f"{self.name} has no manifest, and {client} runs code that is hidden in an archive "
                "(CVE-2026-116314): update the client first"
            )
        if not allowed:
            raise Refused(f"{self.name} has no manifest, so that nobody knows what is in it: --untrusted takes it")


def can_be_taken_over(client: str) -> bool:
    """Whether a crafted archive makes this pg_restore, by what it says of its version, run code.

    Raises:
        OutputError: it says nothing of its version.
    """
    found = _VERSION.search(client)
    if found is None:
        raise OutputError(f"pg_restore does not tell its version: {client[:80]!r}")
    major, minor = int(found[1]), int(found[2] or 0)
    if major in TAKEN_OVER_BEFORE:
        return minor < TAKEN_OVER_BEFORE[major]
    return major < min(TAKEN_OVER_BEFORE)


def choose(sets: list[str], wanted: str, backup_name: str, where: str) -> str:
    """The one of `sets`, oldest first, that is called `wanted`, or the newest.

    Raises:
        InventoryError: there is none of this name.
        Refused: there is none at all.
    """
    if not sets:
        raise Refused(f"there is no backup of {backup_name} in {where}")
    if wanted and wanted not in sets:
        raise InventoryError(f"--set: {wanted!r} is none of {', '.join(sets)}")
    return wanted or sets[-1]


def of_set(work: Work, folder: str, name: str) -> DumpArchive:
    """The archive of a backup that lies in a folder of the host.

    Raises:
        Refused: its manifest cannot be believed.
        MeasurementError: it cannot be read.
    """
    (answer,) = work.ask(argv("cat", "--", f"{folder}/{name}.manifest.json"))
    try:
        said = manifest.read(answer.require("cat").stdout)
    except ManifestError as error:
        raise Refused(f"{name}: {error}") from error
    if said.name != name or "/" in said.dump.name:
        raise Refused(f"{name}: the manifest is that of {said.name}")
    age = answer.now - dump_folder.began(name)
    return DumpArchive(name, f"{folder}/{said.dump.name}", said.dump.size_bytes, age, said)


def of_file(work: Work, path: str) -> DumpArchive:
    """The archive that any file is.

    Raises:
        MeasurementError: it cannot be read.
    """
    (answer,) = work.ask(argv("stat", "-L", "-c", "%s %Y", "--", path))
    size, modified = answer.require(path).stdout.split()
    return DumpArchive(PurePosixPath(path).name, path, int(size), answer.now - float(modified))


def require_sum(work: Work, path: str, sha256: str, timeout_s: float) -> None:
    """Reads a file of a backup, and compares its checksum.

    Raises:
        StepFailed: it is not what it was.
    """
    found = work.do(argv("sha256sum", "--", path, timeout_s=timeout_s), "sha256sum").stdout
    if found.removeprefix("\\").split(" ")[0] != sha256:
        raise StepFailed(f"{path} is not what it was when the backup was made: its checksum is another one")
