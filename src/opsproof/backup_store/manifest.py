"""The manifest of a backup: its files with checksums, its tables with row counts, and its server.

A JSON object of format 1::

    {"format": 1,
     "name": "metachat_20261125T021500Z",     name of the set
     "began": 1795572900, "duration_s": 4.1,  seconds since 1970, by the host's clock; seconds
     "tools": {"pg_dump": "pg_dump (PostgreSQL) 17.5", "compression": "zstd"},
     "files": {"dump": {"name": "….dump", "bytes": 123, "sha256": "…"}, "globals": {…}},
     "server": {"version": "17.5", "version_num": 170005, "lsn": "0/1A2B3C", "database": "metachat",
                "owner": "metachat", "bootstrap": "metachat", "bytes": 363000000, "encoding": "UTF8",
                "collate": "C", "ctype": "C", "provider": "c", "locale": null, "large_objects": 0,
                "schema_sha256": "…", "grants_sha256": "…"},
     "tables": [["public", "chunks", 20000], …],
     "checksum": "…"}

`server` and `tables` are read in the snapshot that pg_dump used. Tables are ordinary tables and leaf partitions,
without tables of extensions. `bootstrap` is the role created by initdb. `compression` is "zstd" if pg_dump
compressed the archive, "wrapped" if the whole file is a zstd stream. The checksum is the SHA-256 of all text before
the key "checksum".
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
    """A manifest is truncated, edited or of an unknown format."""


@dataclass(frozen=True)
class ManifestFile:
    """A file of a backup, with its size and checksum at the time of the backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Contents of a backup; `tables` maps (schema, table) to rows, `server` and `tools` are the raw JSON objects."""

    name: str
    began: float
    duration_s: float
    files: dict[str, ManifestFile]
    tables: dict[tuple[str, str], int]
    server: dict[str, Any]
    tools: dict[str, str]

    @property
    def dump(self) -> ManifestFile:
        """The pg_dump archive."""
        return self.files["dump"]

    @property
    def globals(self) -> ManifestFile:
        """The output of pg_dumpall --globals-only: roles, memberships and settings."""
        return self.files["globals"]

    @property
    def wrapped(self) -> bool:
        """Whether the archive must go through `zstd -d` before pg_restore reads it."""
        return self.tools["compression"] == "wrapped"

    @property
    def size_bytes(self) -> int:
        """Total size of all files without the manifest, in bytes."""
        return sum(file.size_bytes for file in self.files.values())


def read(text: str) -> Manifest:
    """Parses the text of a manifest and checks its checksum.

    Raises:
        ManifestError: the text is cut short, was edited, or has an unknown format.
    """
    found = _CHECKSUM.search(text)
    if found is None:
        raise ManifestError("the manifest is cut short or was not written by opsproof")
    if hashlib.sha256(text[: found.start()].encode()).hexdigest() != found[1]:
        raise ManifestError("the manifest was edited: checksum mismatch")
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
