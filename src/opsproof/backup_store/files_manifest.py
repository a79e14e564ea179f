"""The manifest of a backup of files: its archive, the list of its contents, and what is missing from it.

A JSON object of format 1, with the keys `format`, `name`, `began`, `duration_s` and `checksum` of `manifest`, and::

    {"tools": {"tar": "tar (GNU tar) 1.34", "compression": "zstd"},
     "files": {"archive": {"name": "….tar.zst", "bytes": 123, "sha256": "…"}, "contents": {…}},
     "entries": 56, "bytes": 363000000,      files, folders and links; bytes of the files
     "paths": ["/home/deploy/app/.env", …],  as declared
     "lacking": ["/home/deploy/app/.env: does not exist", …],
     "skipped": ["/home/deploy/app/app.sock: socket", …]}

A line of `contents` describes an entry of the archive, in its order: kind, mode, owner, group, bytes, time of the last
write, SHA-256, identity of a file with several names, path, target of a link; `-` where a field does not apply. Of a
file that changed while tar read it, only identity and path are known. Names have octal escapes, as in fstab(5), also
in `lacking` and `skipped`.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.backup_store import manifest
from opsproof.backup_store.manifest import Count, File, ManifestFile, Part, SetDocument, SetManifest

_ARCHIVE = '"files": {"archive": '
"""Only in manifests of files: within strings of JSON, the quotes have backslashes."""


class _ArchiveParts(Part):
    archive: File
    contents: File


class _FilesDocument(SetDocument):
    files: _ArchiveParts
    entries: Count
    bytes: Count
    paths: list[str]
    lacking: list[str]
    skipped: list[str]


@dataclass(frozen=True)
class FilesManifest(SetManifest):
    """Contents of a backup of files; `content_bytes` is their size before compression."""

    entries: int
    content_bytes: int
    paths: tuple[str, ...]
    lacking: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def archive(self) -> ManifestFile:
        """The archive, made by tar and zstd."""
        return self.files["archive"]

    @property
    def contents(self) -> ManifestFile:
        """The list of the entries of the archive."""
        return self.files["contents"]

    def holds(self, path: str) -> bool:
        """Whether the backup has the declared `path`, perhaps without some files below."""
        missing = [unescaped(each.partition(": ")[0]) for each in self.lacking]
        return path in self.paths and not any(f"/{each}".endswith(f"/{path}") for each in missing)

    @property
    def absent(self) -> set[str]:
        """Absolute paths that were missing or closed, so that the archive has nothing of them."""
        known = (each.split(": ", 1) for each in self.lacking)
        return {unescaped(name) for name, *why in known if re.match("does not exist|cannot be read: ", "".join(why))}

    def lacks(self, paths: Iterable[str]) -> list[str]:
        """What the backup has not of the declared `paths`, with the reason."""
        return [*(f"{each}: declared after the backup" for each in paths if each not in self.paths), *self.lacking]


def escaped(path: str) -> str:
    """A path with the octal escapes of the list of contents."""
    parts = (chr(each) if 0x21 <= each <= 0x7E and each != 0x5C else f"\\{each:03o}" for each in os.fsencode(path))
    return "".join(parts)


def unescaped(text: str) -> str:
    """The path that `escaped` made `text` of."""
    return os.fsdecode(re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1], 8)]), os.fsencode(text)))


def read(text: str) -> FilesManifest:
    """Parses the text of the manifest of a backup of files and checks its checksum.

    Raises:
        ManifestError: the text is cut short, was edited, has an unknown format, or lacks a key.
    """
    said = manifest.parsed(text, _FilesDocument)
    files = {"archive": said.files.archive, "contents": said.files.contents}
    return FilesManifest(
        name=said.name,
        began=said.began,
        duration_s=said.duration_s,
        files=manifest.named_files(said.name, files, {"archive": ("tar.zst",), "contents": ("contents",)}),
        entries=said.entries,
        content_bytes=said.bytes,
        paths=tuple(said.paths),
        lacking=tuple(said.lacking),
        skipped=tuple(said.skipped),
    )


def read_any(text: str) -> SetManifest:
    """Parses the text of a manifest, of a dump or of files; raises as `read` does."""
    return read(text) if _ARCHIVE in text else manifest.read(text)
