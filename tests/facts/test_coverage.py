"""Declared data that no backup covers."""

import pytest

from opsproof.backup_store import dump_folder
from opsproof.backup_store.dump_folder import DumpFolder, DumpReading, FolderEntry
from opsproof.core.errors import Absent, OutputError
from opsproof.facts.backups import BackupState
from opsproof.facts.base import Measured
from opsproof.facts.coverage import uncovered
from opsproof.inventory.hosts import Host
from tests.backup_store.manifests import sealed, set_of_files

NAME = "files_20261125T021500Z"
DSN = "host=127.0.0.1 dbname=db user=opsproof_monitor"


def host(**declared):
    files = {"engine": "files", "folder": "/b", "paths": ["/app/storage", "/app/.env"]}
    tables = {"backups": {"files": files}, "data": {"/app/storage": {}, "/app/.env": {}}, **declared}
    return Host.model_validate({"transport": "local://", **tables}).placed("vps", ())


def measured(of, **changes):
    text = sealed(set_of_files(NAME, **changes))
    entry = FolderEntry(f"{NAME}.manifest.json", 1, "0600", "ops", 0.0)
    now = dump_folder.began(NAME) + 60
    folder = DumpFolder("files", "ops", now, 1, {entry.name: entry}, entry, "1", DumpReading(NAME, text))
    return Measured({"files": BackupState(folder, of.backups["files"])})


def test_data_in_the_newest_backup_is_covered():
    assert uncovered(host(), measured(host())) == []


@pytest.mark.parametrize(
    ("data", "changes", "reason"),
    [
        ({"/app/uploads": {}}, {}, "/app/uploads: in the paths of no backup"),
        ({"/app": {}}, {}, "/app: in the paths of no backup"),
        ({"/app/.env": {}}, {"paths": ["/app/storage"]}, f"/app/.env: not in {NAME}, the newest backup"),
        ({"/app/.env": {}}, {"lacking": ["/app/.env: does not exist"]}, f"/app/.env: not in {NAME}, the newest backup"),
    ],
    ids=["undeclared", "only a part", "declared later", "missing"],
)
def test_data_in_no_backup_is_named(data, changes, reason):
    of = host(data=data)
    assert uncovered(of, measured(of, **changes)) == [reason]


def test_data_below_a_path_is_covered_unless_excluded():
    data = {"/app/storage/tenants": {}}
    of = host(data=data)
    assert uncovered(of, measured(of)) == []
    files = {"engine": "files", "folder": "/b", "paths": ["/app/storage"], "exclude": {"/app/storage/*": "x"}}
    of = host(data=data, backups={"files": files})
    assert uncovered(of, measured(of)) == ["/app/storage/tenants: in the paths of no backup"]


def test_file_missing_below_a_path_leaves_the_path_covered():
    of = host()
    assert uncovered(of, measured(of, lacking=["/app/storage/x: vanished while it was read"])) == []


def test_reason_excuses_data_and_databases():
    of = host(
        data={"/app/logs": {"no_backup": "rotated"}},
        databases={"a": {"dsn": DSN, "no_backup": "made anew"}, "b": {"dsn": DSN}},
    )
    assert uncovered(of, measured(of)) == ["database b: no backup is declared"]


def test_missing_folder_is_a_finding_and_an_unreadable_one_unknown():
    of = host(data={"/app/.env": {}})
    assert uncovered(of, Measured({"files": Absent("backup folder /b does not exist")})) == [
        "/app/.env: backup folder /b does not exist"
    ]
    with pytest.raises(OutputError):
        uncovered(of, Measured({"files": OutputError("cut short")}))
