"""Manifests of backups of files."""

import pytest

from opsproof.backup_store import files_manifest, manifest
from opsproof.backup_store.manifest import Manifest, ManifestError
from tests.backup_store.manifests import content, sealed, set_of_files

NAME = "files_20261125T021500Z"


def test_manifest_is_read():
    found = files_manifest.read(sealed(set_of_files(NAME)))
    assert (found.name, found.entries, found.content_bytes, found.size_bytes) == (NAME, 3, 400, 130)
    assert (found.archive.name, found.contents.name) == (f"{NAME}.tar.zst", f"{NAME}.contents")
    assert found.lacks(["/app/.env", "/app/new"]) == ["/app/new: declared after the backup"]


def test_each_kind_of_manifest_is_recognised():
    dump = "db_20261125T021500Z"
    assert isinstance(files_manifest.read_any(sealed(content(dump))), Manifest)
    assert files_manifest.read_any(sealed(set_of_files(NAME))).name == NAME
    deceiving = content(dump, tables=[["public", '"files": {"archive": ', 1]])
    assert isinstance(files_manifest.read_any(sealed(deceiving)), Manifest)


@pytest.mark.parametrize(
    "changes",
    [{"entries": -1}, {"paths": None}, {"lacking": [1]}, {"files": {}}, {"name": "../x_20261125T021500Z"}],
    ids=["negative", "no paths", "no text", "no files", "a path as name"],
)
def test_damaged_manifest_is_refused(changes):
    with pytest.raises(ManifestError):
        files_manifest.read(sealed(set_of_files(NAME, **changes)))


def test_file_of_another_set_is_refused():
    files = set_of_files("other_20261125T021500Z")["files"]
    with pytest.raises(ManifestError, match="names 'other_"):
        files_manifest.read(sealed(set_of_files(NAME, files=files)))


def test_edited_manifest_is_refused():
    with pytest.raises(ManifestError, match="checksum mismatch"):
        files_manifest.read(sealed(set_of_files(NAME)).replace('"entries": 3', '"entries": 4'))
    with pytest.raises(ManifestError):
        manifest.read(sealed(set_of_files(NAME)))


@pytest.mark.parametrize("path", ["/a b", "/new\nline", "/back\\slash", "/\udcff", "/käse"])
def test_paths_survive_their_escapes(path):
    text = files_manifest.escaped(path)
    assert (text.isascii(), text.isprintable(), " " in text) == (True, True, False)
    assert files_manifest.unescaped(text) == path
