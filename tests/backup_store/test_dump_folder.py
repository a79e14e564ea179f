"""Listing a backup folder with perl, and reading a set back."""

import hashlib
import os
import time

import pytest

from opsproof.backup_store import dump_folder
from opsproof.backup_store.manifest import ManifestError
from opsproof.core.errors import Absent, CommandError, MeasurementError, OutputError
from opsproof.facts.backups import Backups, BackupState
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, run
from tests.backup_store.manifests import content, sealed

HOST = Host.model_validate({"transport": "local://"}).placed("vps", ())
SETS = ("db_20261123T020000Z", "db_20261124T020000Z")


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(SETS):
        files = {"dump": f"{name}.dump", "globals": f"{name}.globals.sql"}
        for each in files.values():
            put(tmp_path / each, b"x" * (number + 1))
        said = {each: described(tmp_path / path) for each, path in files.items()}
        put(tmp_path / f"{name}.manifest.json", manifest(name, said).encode())
    return tmp_path


def put(path, content):
    path.touch(mode=0o600)
    path.write_bytes(content)


def described(path):
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def manifest(name, files):
    return sealed(content(name, files=files, tables=[["public", "t", 1]]))


@pytest.fixture
def read_folder(folder, tmp_path_factory):
    bin_folder = tmp_path_factory.mktemp("bin")

    def read_folder(listed="echo '1; 0 2 TABLE DATA public t owner'", read="newest"):
        tool = bin_folder / "pg_restore"
        tool.write_text(f"#!/bin/sh\n{listed}\n")
        tool.chmod(0o755)
        host = HOST.model_copy(update={"path": [str(bin_folder)]}).placed("vps", ())
        backup = declared(folder)
        return dump_folder.parse(run(host, (dump_folder.command(backup, "db", read, ()),))[0], "db", str(folder))

    return read_folder


def declared(folder, **more):
    return Backup.model_validate({"database": "d", "folder": str(folder), "user": "u", **more})


def test_only_sets_with_a_manifest_are_backups(read_folder, folder):
    (folder / "db_20261125T020000Z.dump").touch()
    (folder / "db_20261125T020000Z.manifest.json.partial").touch()
    (folder / "db-2_20261125T020000Z.manifest.json").touch()
    found = read_folder()
    assert found.sets == list(SETS)
    assert {each.name for each in found.leftovers} == {
        "db_20261125T020000Z.dump",
        "db_20261125T020000Z.manifest.json.partial",
    }
    assert found.stale == []
    assert found.reading.flaws() == found.reading.lacks("public.t") == []
    assert found.size(SETS[1]) == 4 + (folder / f"{SETS[1]}.manifest.json").stat().st_size
    assert found.free_bytes > 0


def test_files_without_manifest_and_mark_are_no_leftovers(read_folder, folder):
    path = folder / "db_20261125T020000Z.dump"
    path.touch()
    found = read_folder()
    assert (found.leftovers, [each.name for each in found.strays], found.stale) == ([], [path.name], [])
    os.utime(path, 2 * (path.stat().st_mtime - 3700,))
    assert [each.name for each in read_folder().stale] == [path.name]


MAKE = {
    "fifo": os.mkfifo,
    "directory": os.mkdir,
    "broken link": lambda path: path.symlink_to("nowhere"),
    "link to a FIFO": lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("ending", ["dump.partial", "manifest.json", "dump.zst"])
def test_entry_that_is_no_file_is_reported_and_in_nobody_s_way(read_folder, folder, make, ending):
    name = f"db_20261125T020000Z.{ending}"
    make(folder / name)
    found = read_folder()
    assert (found.sets, found.leftovers, found.newest) == (list(SETS), [], SETS[1])
    (odd,) = found.odd
    assert odd.startswith(f"{name} is no file, but a ")
    assert BackupState(found, declared(folder)).stale == [f"{odd}: remove it by hand"]
    assert found.reading.flaws() == []


def test_part_of_the_newest_set_that_is_no_file_is_missing(read_folder, folder):
    (folder / f"{SETS[1]}.globals.sql").unlink()
    os.mkfifo(folder / f"{SETS[1]}.globals.sql")
    assert read_folder().reading.flaws() == [f"{SETS[1]}.globals.sql is missing"]


def test_partial_file_unwritten_for_an_hour_is_stale(read_folder, folder):
    path = folder / "db_20261125T020000Z.dump.partial"
    path.touch()
    os.utime(path, 2 * (path.stat().st_mtime - 3700,))
    assert [each.name for each in read_folder().stale] == [path.name]


def test_backup_dated_in_the_future_is_not_the_newest(read_folder, folder):
    """Neither in Python nor in the Perl program, which reads the newest set back."""
    ahead = "db_21001123T020000Z"
    for path in folder.glob(f"{SETS[0]}.*"):
        put(folder / path.name.replace(SETS[0], ahead), path.read_bytes())
    found = read_folder()
    assert (found.sets, found.newest, found.reading.name) == ([ahead, *SETS], SETS[1], SETS[1])
    assert found.leftovers == []
    assert found.fresh_name == dump_folder.set_name_at("db", found.now)
    with pytest.raises(OutputError, match=f"{ahead} is dated in the future"):
        found.age(ahead)
    for name in SETS:
        for path in folder.glob(f"{name}.*"):
            path.unlink()
    found = read_folder()
    assert (found.newest, found.reading.name) == (ahead, ahead)
    with pytest.raises(MeasurementError, match="dated in the future"):
        _ = BackupState(found, declared(folder)).age_s


def test_new_backup_sorts_last_after_a_small_clock_setback(read_folder, folder):
    soon = dump_folder.set_name_at("db", time.time() + 1000)
    for path in folder.glob(f"{SETS[1]}.*"):
        put(folder / path.name.replace(SETS[1], soon), path.read_bytes())
    assert read_folder().fresh_name == dump_folder.set_name_at("db", dump_folder.began(soon) + 1)


def test_file_with_invalid_time_in_name_is_ignored(read_folder, folder):
    put(folder / "db_20261399T020000Z.manifest.json", b"")
    assert read_folder().sets == list(SETS)


@pytest.mark.parametrize(("mode", "is_open"), [(0o700, False), (0o755, False), (0o775, True), (0o757, True)])
def test_folder_writable_by_others_is_exposed(read_folder, folder, mode, is_open):
    folder.chmod(mode)
    found = read_folder()
    exposed = BackupState(found, declared(folder)).exposed
    assert exposed == ([f"{folder} has owner {found.me} and mode {mode:04o}"] if is_open else [])


def test_file_readable_by_others_is_exposed(read_folder, folder):
    (folder / f"{SETS[0]}.dump").chmod(0o640)
    found = read_folder()
    assert found.exposed(SETS[0]) == [
        f"{SETS[0]}.dump has owner {found.me} and mode 0640 (expected {found.me} and 0600)"
    ]
    assert found.exposed(SETS[1]) == []


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        ("echo 'pg_restore: error: input file is too short'; exit 1", Absent),
        ("exit 127", CommandError),
        ("kill -9 $$", CommandError),
        ("echo 'sudo: a password is required'; exit 1", CommandError),
        ("echo 'Cannot connect to the Docker daemon'; exit 1", CommandError),
    ],
)
def test_failing_pg_restore_raises_instead_of_listing_nothing(read_folder, listed, error):
    with pytest.raises(error, match="pg_restore --list failed"):
        read_folder(listed).reading.lacks()


def test_tables_are_matched_by_full_name(read_folder):
    reading = read_folder("echo '1; 0 2 TABLE DATA public t owner'; echo '2; 0 3 TABLE public messages owner'").reading
    assert reading.lacks("public.messages", "public.message", "public.t2") == ["public.message", "public.t2"]
    assert read_folder("echo '2; 0 3 TABLE public t owner'").reading.lacks() == ["public.t"]


def crafted(folder):
    (folder / f"{SETS[1]}.dump").write_bytes(b"takes over its reader")


def crafted_and_written_into_the_manifest(folder):
    path = folder / f"{SETS[1]}.manifest.json"
    before = described(folder / f"{SETS[1]}.dump")["sha256"]
    crafted(folder)
    path.write_text(path.read_text().replace(before, described(folder / f"{SETS[1]}.dump")["sha256"]))


def crafted_and_without_a_manifest(folder):
    crafted(folder)
    (folder / f"{SETS[1]}.manifest.json").unlink()


def crafted_and_with_an_empty_manifest(folder):
    crafted(folder)
    (folder / f"{SETS[1]}.manifest.json").write_text("")


def with_the_archive_and_the_manifest_of_another_set(folder):
    (folder / f"{SETS[1]}.dump").write_bytes((folder / f"{SETS[0]}.dump").read_bytes())
    (folder / f"{SETS[1]}.manifest.json").write_bytes((folder / f"{SETS[0]}.manifest.json").read_bytes())


def with_the_archive_under_another_name(folder):
    (folder / f"{SETS[1]}.dump").rename(folder / f"{SETS[1]}.dump.zst")


@pytest.mark.parametrize(
    "change",
    [
        crafted,
        crafted_and_written_into_the_manifest,
        crafted_and_without_a_manifest,
        crafted_and_with_an_empty_manifest,
        with_the_archive_and_the_manifest_of_another_set,
        with_the_archive_under_another_name,
    ],
)
def test_pg_restore_never_reads_an_archive_that_differs_from_its_manifest(
    read_folder, folder, tmp_path_factory, change
):
    trace = tmp_path_factory.mktemp("trace") / "ran"
    change(folder)
    reading = read_folder(f"touch {trace}", read=SETS[1]).reading
    assert (trace.exists(), reading.listed) == (False, ())
    with pytest.raises((Absent, ManifestError, CommandError)):
        reading.lacks()


def test_pg_restore_reads_an_archive_that_matches_its_manifest(read_folder, tmp_path_factory):
    trace = tmp_path_factory.mktemp("trace") / "ran"
    read_folder(f"touch {trace}")
    assert trace.exists()


def test_requested_set_is_read_back_or_reported_missing(read_folder):
    assert read_folder(read=SETS[0]).reading.name == SETS[0]
    assert read_folder(read="none").reading is None
    lost = read_folder(read="db_20200101T000000Z").reading
    assert lost.flaws() == ["db_20200101T000000Z has no manifest"]


def test_missing_folder_is_absent_and_unreadable_folder_unknown(tmp_path):
    def ask(path):
        return dump_folder.parse(
            run(HOST, (dump_folder.command(declared(path), "db", "newest", ()),))[0], "db", str(path)
        )

    with pytest.raises(Absent, match="nowhere does not exist"):
        ask(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(MeasurementError):
        ask(tmp_path / "file")


def test_truncated_answer_raises_output_error():
    with pytest.raises(OutputError, match="cut short"):
        dump_folder.parse(Answer(0, "me root\nfolder 1 0700 root\nfree 1\n"), "db", "/b")


def test_size_change_is_relative_to_median_of_seven_previous_backups():
    lines = [
        f"file {size} 0600 root 0 db_202611{day:02}T000000Z.dump" for day, size in enumerate([1, *[100] * 7, 150], 1)
    ]
    lines += [f"file 0 0600 root 0 db_202611{day:02}T000000Z.manifest.json" for day in range(1, 10)]
    state = Backups().parse(
        Answer(0, "\n".join(["me root", "folder 1 0700 root", "free 300", *lines, "end", ""])),
        "db",
        declared("/b"),
    )
    assert state.size_change == 50
    assert state.room == 200


def test_first_backup_has_no_size_change():
    text = "me root\nfolder 1 0700 root\nfree 1\nfile 5 0600 root 0 db_20261101T000000Z.manifest.json\nend\n"
    assert Backups().parse(Answer(0, text), "db", declared("/b")).size_change == 0


def test_client_in_a_container_runs_through_docker_exec():
    host = Host.model_validate(
        {
            "transport": "local://",
            "docker_as": "root",
            "containers": {"pg": {}},
            "databases": {"d": {"dsn": "dbname=d", "container": "pg"}},
        }
    )
    assert dump_folder.client(host, declared("/b")) == ("sudo", "-n", "-u", "root", "--", "docker", "exec", "-i", "pg")
