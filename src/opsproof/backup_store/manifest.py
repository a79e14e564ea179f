"""The manifest of a backup: what its files hold, and how to tell that they still do.

A JSON object of format 1::

    {"format": 1,
     "name": "metachat_20261125T021500Z",     the set's name
     "began": 1795572900, "duration_s": 4.1,  seconds since 1970, by the host's clock; seconds
     "tools": {"pg_dump": "pg_dump (PostgreSQL) 17.5", "compression": "zstd"},
     "files": {"dump": {"name": "….dump", "bytes": 123, "sha256": "…"}, "globals": {…}},
     "server": {"version": "17.5", "version_num": 170005, "lsn": "0/1A2B3C", "database": "metachat",
                "owner": "metachat", "bootstrap": "metachat", "bytes": 363000000, "encoding": "UTF8",
                "collate": "C", "ctype": "C", "provider": "c", "locale": null, "large_objects": 0,
                "schema_sha256": "…", "grants_sha256": "…"},
     "tables": [["public", "chunks", 20000], …],
     "checksum": "…"}

All of `server` and `tables` is of the one snapshot that pg_dump read as well. Tables are ordinary ones and
leaves of partitioned ones, without those of extensions. `bootstrap` is the role that the server was made with.
`compression` is "zstd" where pg_dump compressed, and
"wrapped" where the file as a whole is a zstd stream. The checksum is the SHA-256 of everything before its own key.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from opsproof.core.errors import OpsproofError

FORMAT = 1
_CHECKSUM = re.compile(r',\s*"checksum": "([0-9a-f]{64})"}\s*\Z')


class ManifestError(OpsproofError):
    """A manifest does not say what it said when it was written."""


@dataclass(frozen=True)
class ManifestFile:
    """A file of a backup, as it was when the backup was made."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds; `tables` has the rows by schema and name, `server` and `tools` are as they were told."""

    name: str
    began: float
    duration_s: float
    files: dict[str, ManifestFile]
    tables: dict[tuple[str, str], int]
    server: dict[str, Any]
    tools: dict[str, str]

    @property
    def dump(self) -> ManifestFile:
        """The archive."""
        return self.files["dump"]

    @property
    def globals(self) -> ManifestFile:
        """Roles, their memberships and settings."""
        return self.files["globals"]

    @property
    def wrapped(self) -> bool:
        """Whether the archive must go through `zstd -d` before pg_restore reads it."""
        return self.tools["compression"] == "wrapped"

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest itself."""
        return sum(file.size_bytes for file in self.files.values())


def read(text: str) -> Manifest:
    """The manifest that `text` is.

    Raises:
        ManifestError: it was cut short, edited, or is of another format.
    """
    found = _CHECKSUM.search(text)
    if found is None:
        raise ManifestError("the manifest is cut short, or none of opsproof's")
    if hashlib.sha256(text[: found.start()].encode()).hexdigest() != found[1]:
        raise ManifestError("the manifest was edited: its checksum is another one")
    try:
        return _manifest(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"the manifest cannot be read: {type(error).__name__} {error}") from error


def _manifest(said: dict[str, Any]) -> Manifest:
    if said["format"] != FORMAT:
        raise ManifestError(f"the manifest has format {said['format']}, not {FORMAT}")
    return Manifest(
        name=str(said["name"]),
        began=float(said["began"]),
        duration_s=float(said["duration_s"]),
        files={
            each: ManifestFile(file["name"], int(file["bytes"]), file["sha256"]) for each, file in said["files"].items()
        },
        tables={(schema, table): int(rows) for schema, table, rows in said["tables"]},
        server=dict(said["server"]),
        tools=dict(said["tools"]),
    )
