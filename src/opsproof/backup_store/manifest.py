"""The manifest of a dump: its files with checksums, its tables with row counts, and its server.

A JSON object of format 1::

    {"format": 1,
     "name": "metachat_20261125T021500Z",     name of the set
     "began": 1795572900, "duration_s": 4.1,  seconds since 1970, by the host's clock; seconds
     "tools": {"pg_dump": "pg_dump (PostgreSQL) 17.5", "compression": "zstd"},
     "files": {"dump": {"name": "….dump", "bytes": 123, "sha256": "…"}, "globals": {…}},
     "server": {"version": "17.5", "version_num": 170005, "lsn": "0/1A2B3C", "database": "metachat",
                "owner": "metachat", "bootstrap": "metachat", "bytes": 363000000, "encoding": "UTF8",
                "collate": "C", "ctype": "C", "provider": "c", "locale": null, "rules": null, "large_objects": 0,
                "objects": {"table": [56, "…"], …}, "grants": {"table": [56, "…"], …}},
     "not_dumped": [["subscription", "orders"], …],
     "tables": [["public", "chunks", 20000], …],
     "checksum": "…"}

`server`, `not_dumped` and `tables` are read in the snapshot that pg_dump used. `provider` is null before PostgreSQL 15.
Tables are ordinary tables and leaf partitions, without tables of extensions. `objects` and `grants` have, by type of
object, the number and the SHA-256 of names, and of owners and privileges. `not_dumped` has what pg_dump left out.
`bootstrap` is the role created by initdb. `compression` is "zstd" if pg_dump compressed the archive, "wrapped" if the
whole file is a zstd stream. The checksum is the SHA-256 of all text before the key "checksum".
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsproof.backup_store.omission import Omission, omissions
from opsproof.core.errors import OpsproofError

MOST_BYTES = 2**63 - 1
_CHECKSUM = re.compile(r',\s*"checksum": "([0-9a-f]{64})"}\s*\Z')
_NAME = r"\A[^/\x00-\x1f]+_\d{8}T\d{6}Z\z"
Count = Annotated[int, Field(ge=0, le=MOST_BYTES)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


DocumentT = TypeVar("DocumentT", bound=BaseModel)


class ManifestError(OpsproofError):
    """A manifest is truncated, edited, of an unknown format, or lacks a key."""


class Part(BaseModel):
    """An object of the manifest. Unknown keys are kept: a later opsproof may write more."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)


class File(Part):
    """A file of a set."""

    name: str
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class _Files(Part):
    dump: File
    globals: File


class _Tools(Part):
    compression: Literal["zstd", "wrapped"]


class _Server(Part):
    version: str
    version_num: Count
    database: str
    owner: str
    bytes: Count
    encoding: str
    collate: str
    ctype: str
    provider: str | None
    locale: str | None


class SetDocument(Part):
    """The keys of the manifests of all engines."""

    format: Literal[1]
    name: Annotated[str, Field(pattern=_NAME)]
    began: _Seconds
    duration_s: _Seconds


class _Document(SetDocument):
    tools: _Tools
    files: _Files
    server: _Server
    not_dumped: list[tuple[str, str]] = Field(default_factory=list)
    tables: list[tuple[str, str, Count]]


@dataclass(frozen=True)
class ManifestFile:
    """A file of a backup, with its size and checksum at the time of the backup."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class SetManifest:
    """What the manifests of all engines hold: name, start, duration, and files by their part in the set."""

    name: str
    began: float
    duration_s: float
    files: dict[str, ManifestFile]

    @property
    def size_bytes(self) -> int:
        """Total size of all files without the manifest, in bytes."""
        return sum(file.size_bytes for file in self.files.values())


@dataclass(frozen=True)
class Manifest(SetManifest):
    """Contents of a dump; `tables` maps (schema, table) to rows, `server` and `tools` are the JSON objects."""

    tables: dict[tuple[str, str], int]
    server: dict[str, Any]
    tools: dict[str, str]
    not_dumped: tuple[Omission, ...] = ()

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


def read(text: str) -> Manifest:
    """Parses the text of the manifest of a dump and checks its checksum.

    Raises:
        ManifestError: the text is cut short, was edited, has an unknown format, or lacks a key.
    """
    return _manifest(parsed(text, _Document))


def parsed(text: str, model: type[DocumentT]) -> DocumentT:
    """The text of a manifest as a document of a `model`, after a comparison with its checksum.

    Raises:
        ManifestError: as for `read`.
    """
    found = _CHECKSUM.search(text)
    if found is None:
        raise ManifestError("the manifest is cut short or was not written by opsproof")
    if hashlib.sha256(text[: found.start()].encode()).hexdigest() != found[1]:
        raise ManifestError("the manifest was edited: checksum mismatch")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = ".".join(map(str, detail["loc"])) or "top level"
        raise ManifestError(f"the manifest cannot be read: {where}: {detail['msg']}") from error


def named_files(name: str, files: dict[str, File], endings: dict[str, tuple[str, ...]]) -> dict[str, ManifestFile]:
    """The files of the set `name` by their part; `endings` are the valid endings of each part's file.

    Raises:
        ManifestError: a file has another name.
    """
    for each, file in files.items():
        if file.name not in [f"{name}.{ending}" for ending in endings[each]]:
            raise ManifestError(f"the manifest of {name} names {file.name!r} as its {each} file")
    return {each: ManifestFile(file.name, file.bytes, file.sha256) for each, file in files.items()}


def _manifest(said: _Document) -> Manifest:
    files = {"dump": said.files.dump, "globals": said.files.globals}
    return Manifest(
        name=said.name,
        began=said.began,
        duration_s=said.duration_s,
        files=named_files(said.name, files, {"dump": ("dump", "dump.zst"), "globals": ("globals.sql",)}),
        tables={(schema, table): rows for schema, table, rows in said.tables},
        server=said.server.model_dump(),
        tools=said.tools.model_dump(),
        not_dumped=omissions(said.not_dumped),
    )
