"""Declared data that no backup covers."""

import os
import subprocess

import pytest

from opsproof.backup_store import dump_folder
from opsproof.backup_store.dump_folder import DumpFolder, DumpReading, FolderEntry
from opsproof.core.errors import Absent, OutputError
from opsproof.facts import coverage
from opsproof.facts.backups import BackupState
from opsproof.facts.base import Measured
from opsproof.facts.places import DataPlaces, Places
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Answer
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


def uncovered(of, backups, real=(), gone=()):
    return [str(each) for each in coverage.uncovered(of, backups, Places(dict(real), frozenset(gone)))]


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


@pytest.mark.parametrize(
    ("real", "reasons"),
    [
        ({"/app/storage": "/mnt/storage"}, ["/app/storage, which leads to /mnt/storage: in the paths of no backup"]),
        ({"/app/storage": "/srv/app/storage", "/app": "/srv/app", "/app/.env": "/srv/app/.env"}, []),
        ({"/app/.env": "/app/storage/env"}, []),
        ({"/app/storage": "/app/storage", "/app": "/app"}, []),
    ],
    ids=["a link elsewhere", "the folder is a link", "a link into a path", "no link"],
)
def test_place_behind_a_link_counts(real, reasons):
    assert uncovered(host(), measured(host()), real) == reasons


def test_data_below_a_path_behind_a_link_is_in_no_backup():
    of = host(data={"/app/storage/tenants": {}})
    reason = "/app/storage/tenants, which leads to /mnt/tenants: in the paths of no backup"
    assert uncovered(of, measured(of), {"/app/storage/tenants": "/mnt/tenants"}) == [reason]


def test_declared_data_that_does_not_exist_is_a_finding():
    assert uncovered(host(), measured(host()), gone=["/app/.env"]) == ["/app/.env: does not exist"]


def test_places_of_a_host_follow_links(tmp_path):
    (tmp_path / "disk" / "storage").mkdir(parents=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "storage\n").symlink_to(tmp_path / "disk" / "storage")
    (tmp_path / "app" / "lost").symlink_to(tmp_path / "nowhere")
    names = [str(tmp_path / "app" / each) for each in ("storage\n", "lost", "none")]
    of = host(data={each: {} for each in names})
    fact = DataPlaces()
    found = fact.parse(shell.run(of, (fact.command(of),))[0], of)
    assert found.real[names[0]] == str(tmp_path / "disk" / "storage")
    assert {*names[1:]} <= found.gone


@pytest.mark.skipif(os.geteuid() != 0, reason="another user needs root")
def test_place_in_a_closed_folder_is_taken_as_declared(tmp_path):
    tmp_path.chmod(0o700)
    path = str(tmp_path / "data")
    of = host(data={path: {}})
    words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *DataPlaces().command(of).argv]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/")
    found = DataPlaces().parse(Answer(0, done.stdout), of)
    assert (path in found.real, path in found.gone) == (False, False)


def test_list_of_places_cut_short_is_unknown():
    with pytest.raises(OutputError):
        DataPlaces().parse(Answer(0, "place 2f 2f\n"), host())
