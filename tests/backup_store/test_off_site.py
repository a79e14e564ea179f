"""Stores of off-site copies: folders through perl, and buckets on a real S3 server."""

import hashlib
import io
import os
import subprocess

import pytest

from opsproof.backup_store import folder, off_site
from opsproof.backup_store.folder import HostFolder
from opsproof.backup_store.off_site import Copies
from opsproof.backup_store.s3 import PART_BYTES, Bucket, part_bytes
from opsproof.core.errors import MeasurementError
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import run
from tests.harness.s3 import PAGE

OLD, NEW = "db_20261124T020000Z", "db_20261125T020000Z"
NOW = 1795572900.0  # after both
PARTS = (".dump.age", ".globals.sql.age", ".manifest.json.age", ".sha256")


@pytest.fixture
def host():
    return Host.model_validate({"transport": "local://"}).placed("vps", ())


@pytest.fixture(params=["folder", "folder over ssh", "bucket", "bucket with a prefix"])
def there(request, host, tmp_path):
    if request.param.startswith("bucket"):
        request.getfixturevalue("s3")
        return Bucket("copies", "/some/where/" if "prefix" in request.param else "")
    if request.param == "folder":
        return HostFolder(host, str(tmp_path))
    sshd = request.getfixturevalue("sshd")
    return off_site.copy_store(host, sshd.replace("?", f"{tmp_path}?", 1))


def put(there, name, content=b"x"):
    assert there.put(name, io.BytesIO(content), len(content)) == hashlib.sha256(content).hexdigest()
    there.commit(name)


def test_stored_files_are_listed_read_and_removed(there, monkeypatch):
    for each in (
        *(f"{NEW}{part}" for part in PARTS),
        "db-2_20261125T020000Z.sha256",
        "notes",
        f"{OLD}.dump",
        "db_x.sha256",
    ):
        put(there, each)
    found = off_site.fetch_copies(there, "db", NOW)
    assert found.sets == [NEW]
    assert set(found.files([NEW])) == {f"{NEW}{part}" for part in PARTS}
    assert found.stale == []
    monkeypatch.setattr(off_site, "STALE_S", -10.0)
    assert found.stale == []  # no mark: another tool's file, or a backup
    put(there, f"{OLD}.copying", b"")
    found = off_site.fetch_copies(there, "db", NOW)
    assert found.stale == [f"{OLD}.copying", f"{OLD}.dump"]
    with there.read(f"{NEW}.sha256") as content:
        assert content.read() == b"x"
    there.remove(found.files([NEW]))
    assert set(there.ages("db_")) == {f"{OLD}.copying", f"{OLD}.dump", "db_x.sha256"}
    there.remove(found.files([NEW]))  # removing a missing file is no error


def test_reading_a_missing_file_raises(there):
    with pytest.raises(MeasurementError, match=r"No such file|NoSuchKey"), there.read("nothing") as content:
        content.read()


def test_sets_with_a_list_are_copies_sorted_oldest_first():
    ages = dict.fromkeys(
        (f"{NEW}.sha256", f"{OLD}.sha256", f"{NEW}.dump", f"{OLD}.dump", "db_20261123T020000Z.dump"), 1e6
    )
    ages |= {"db_20261122T020000Z.dump.partial": 1e6, f"{NEW}.sha256.partial": 10.0, "db_20301122T020000Z.sha256": 1.0}
    found = Copies(ages, NOW)
    assert found.sets == ["db_20301122T020000Z", OLD, NEW]  # a set dated in the future is not the newest
    assert found.stale == ["db_20261122T020000Z.dump.partial"]


@pytest.mark.parametrize(
    ("ages", "stale"),
    [
        ({"dump": 1e6, "copying": 1e6}, ["copying", "dump"]),
        ({"dump": 1e6, "copying": 1e6, "globals.sql": 10.0}, []),
        ({"dump": 1e6, "manifest.json": 1e6, "globals.sql": 1e6}, []),
        ({"dump": 1e6, "copying": 1e6, "sha256": 1e6}, []),
        ({"copying.partial": 1e6}, ["copying.partial"]),
    ],
    ids=["interrupted", "still copying", "not begun by a copy", "complete", "mark not complete"],
)
def test_only_marked_files_that_nobody_writes_are_stale(ages, stale):
    assert Copies({f"{OLD}.{each}": age for each, age in ages.items()}, NOW).stale == [
        f"{OLD}.{each}" for each in stale
    ]


def test_place_is_equal_for_all_paths_to_a_folder(host, tmp_path, sshd):
    (tmp_path / "copies").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("copies")
    paths = (f"{tmp_path}/copies", f"{tmp_path}/./copies/", f"{tmp_path}/other/../copies", f"{tmp_path}/link")
    places = {off_site.copy_store(host, each).places()[0] for each in paths}
    places.add(off_site.copy_store(host, sshd.replace("?", f"{tmp_path}/link?", 1)).places()[0])
    assert len(places) == 1
    assert off_site.copy_store(host, f"{tmp_path}/other").places()[0] not in places
    assert Bucket("b", "/p/").places() == Bucket("b", "p").places() != Bucket("b", "").places()


def test_copy_in_the_backup_folder_itself_is_no_copy(host, tmp_path):
    put(HostFolder(host, str(tmp_path)), f"{NEW}.sha256", b"")
    (tmp_path / "link").symlink_to(".")
    backup = Backup.model_validate({"database": "d", "folder": str(tmp_path), "user": "u"})
    found = off_site.lacking(host, backup, str(tmp_path / "link"), NEW)
    assert found == "the target is the backup folder"


def test_lists_and_manifests_are_removed_first_and_marks_last():
    names = [f"{name}{part}" for name in (OLD, NEW) for part in sorted(PARTS)]
    commands = [command.argv[6:] for command in folder.remove_commands("/b", [f"{OLD}.copying", *names])]
    assert commands == [
        (f"{OLD}.sha256", f"{NEW}.sha256"),
        (f"{OLD}.manifest.json.age", f"{NEW}.manifest.json.age"),
        tuple(f"{name}{part}" for name in (OLD, NEW) for part in sorted(PARTS)[:2]),
        (f"{OLD}.copying",),
    ]


def test_many_files_are_removed_in_batches(host, tmp_path):
    names = [f"db_20260101T{number:06}Z.dump" for number in range(900)]
    for name in names:
        (tmp_path / name).touch()
    for command in folder.remove_commands(str(tmp_path), names):
        run(host, (command,))[0].require("removing")
    assert list(tmp_path.iterdir()) == []


def test_planted_symlink_is_not_followed(host, tmp_path):
    there, victim = HostFolder(host, str(tmp_path / "copies")), tmp_path / "victim"
    (tmp_path / "copies").mkdir()
    victim.write_text("mine")
    for name in (f"{NEW}.dump", f"{NEW}.dump.partial"):
        (tmp_path / "copies" / name).symlink_to(victim)
    put(there, f"{NEW}.dump", b"theirs")
    assert victim.read_text() == "mine"
    path = tmp_path / "copies" / f"{NEW}.dump"
    assert (path.is_symlink(), path.read_bytes(), path.stat().st_mode & 0o777) == (False, b"theirs", 0o600)


class Failing(io.RawIOBase):
    """Content whose read fails after `whole` bytes."""

    def __init__(self, whole=20_000_000):
        self.left = whole

    def readable(self):
        return True

    def read(self, size=-1):
        if self.left <= 0:
            raise MeasurementError("the host is gone")
        self.left -= size
        return b"x" * size


def test_failed_transfer_leaves_only_a_partial_file(there):
    with pytest.raises(MeasurementError, match="the host is gone"):
        there.put(f"{NEW}.dump", Failing(), 1)
    assert set(there.ages("db_")) <= {f"{NEW}.dump.partial"}


def test_failed_upload_is_aborted(s3):
    with pytest.raises(MeasurementError, match="the host is gone"):
        Bucket("copies", "").put(f"{NEW}.dump", Failing(), 1)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="copies")
    assert "Contents" not in s3.list_objects_v2(Bucket="copies")


def test_upload_left_by_a_killed_run_is_stale_and_removed(s3):
    """moto reports 2010 as the start of every upload."""
    for name in (f"{NEW}.dump", f"{OLD}.dump", "db-2_20261125T020000Z.dump"):
        s3.create_multipart_upload(Bucket="copies", Key=f"p/{name}")
    there = Bucket("copies", "p")
    put(there, f"{NEW}.sha256")
    stale = off_site.fetch_copies(there, "db", NOW).stale
    assert stale == [f"{OLD}.dump.partial", f"{NEW}.dump.partial"]
    there.remove(stale)
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket="copies")["Uploads"]] == [
        "p/db-2_20261125T020000Z.dump"
    ]
    assert off_site.fetch_copies(there, "db", NOW).sets == [NEW]


def test_bucket_listing_reads_all_pages(s3):
    names = [f"db_20260101T{number:06}Z.dump" for number in range(2 * PAGE + 1)]
    for name in names:
        s3.put_object(Bucket="copies", Key=name, Body=b"")
    assert len(s3.list_objects_v2(Bucket="copies")["Contents"]) == PAGE
    assert sorted(Bucket("copies", "").ages("db_")) == names


def test_part_size_grows_with_upload_size():
    assert part_bytes(1) == PART_BYTES
    assert 10**12 / part_bytes(10**12) < 10_000


@pytest.mark.parametrize("parts", [0, 0.5, 1, 2, 2.5])
def test_upload_of_any_length_is_complete(s3, parts):
    content = os.urandom(int(parts * PART_BYTES))
    put(Bucket("copies", ""), "name", content)
    assert s3.get_object(Bucket="copies", Key="name")["Body"].read() == content


def test_stalled_read_times_out(host, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")  # reading it waits for a writer that never comes
    there = HostFolder(host, str(tmp_path), 0.5)
    with pytest.raises(MeasurementError, match="cat was ended by signal 9"), there.read("pipe") as content:
        content.read()


def test_error_message_of_the_target_is_reported(host, tmp_path):
    with pytest.raises(MeasurementError, match="nowhere: No such file"):
        HostFolder(host, str(tmp_path / "nowhere")).put("name", io.BytesIO(b"x" * 1_000_000))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_full_target_disk_is_reported(host, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    try:
        with pytest.raises(MeasurementError, match="No space left on device"):
            HostFolder(host, str(tmp_path)).put("name", io.BytesIO(b"x" * 9_000_000))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
