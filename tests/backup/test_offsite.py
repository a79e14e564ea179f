"""Off-site copies: in a folder, over real ssh, in a real S3 server, encrypted with age."""

import hashlib
import io
import shutil
import subprocess

import pytest

from opsproof.backup_store import manifest, off_site
from opsproof.backup_store.encryption import encrypted
from opsproof.backup_store.s3 import Bucket
from opsproof.core.errors import MeasurementError

pyrage = pytest.importorskip("pyrage")


@pytest.fixture
def site(small_site):
    return small_site


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["a folder of the host", "over ssh"])
def test_copy_is_identical_and_its_list_passes_sha256sum_check(site, elsewhere, sshd, kind):
    target = str(elsewhere) if kind.startswith("a folder") else sshd.replace("?", f"{elsewhere}?", 1)
    done = site.run("--apply", inventory=site.inventory(off_site=[target]))
    assert (done.returncode, done.stderr) == (0, "")
    (name,) = site.sets
    copies = sums(elsewhere)
    assert copies.pop(f"{name}.sha256")
    assert copies == sums(site.folder)
    assert {path.stat().st_mode & 0o777 for path in elsewhere.iterdir()} == {0o600}
    subprocess.run(["sha256sum", "--check", "--strict", f"{name}.sha256"], cwd=elsewhere, check=True)


def test_copy_in_a_bucket_is_identical(site, s3):
    done = site.run("--apply", inventory=site.inventory(off_site=["s3://copies/metachat"]))
    assert (done.returncode, done.stderr) == (0, "")
    (name,) = site.sets
    for path in site.files(name):
        body = s3.get_object(Bucket="copies", Key=f"metachat/{path.name}")["Body"].read()
        assert body == path.read_bytes()
    bucket = Bucket("copies", "/metachat")
    assert bucket.lacking(name, 10) == ""
    s3.delete_object(Bucket="copies", Key=f"metachat/{name}.globals.sql")
    assert bucket.lacking(name, 10) == f"missing: {name}.globals.sql"
    assert bucket.lacking("other", 10) == "no complete copy of other"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_encrypted_copy_is_readable_only_with_the_secret_key(site, elsewhere, s3, kind):
    key = pyrage.x25519.Identity.generate()
    target = str(elsewhere) if kind == "folder" else "s3://copies"
    done = site.run("--apply", inventory=site.inventory(off_site=[target], age_recipient=str(key.to_public())))
    assert (done.returncode, done.stderr) == (0, "")
    (name,) = site.sets
    for path in site.files(name):
        sealed = f"{path.name}.age"
        there = s3.get_object(Bucket="copies", Key=sealed)["Body"].read() if kind == "s3" else None
        content = there or (elsewhere / sealed).read_bytes()
        assert path.read_bytes()[:100] not in content
        assert pyrage.decrypt(content, [key]) == path.read_bytes()
    assert (elsewhere / path.name).exists() is False


def test_failed_copy_is_reported_and_keeps_the_backup(site, elsewhere):
    done = site.run("--apply", inventory=site.inventory(off_site=[str(elsewhere / "nowhere")]))
    assert done.returncode == 4
    assert f"copying to {elsewhere}/nowhere failed: " in done.stderr
    assert site.flaws() == []
    assert len(site.sets) == 1


def test_missing_and_damaged_files_of_a_copy_are_reported(small_made, elsewhere):
    (name,) = small_made.sets
    shutil.copytree(small_made.folder.with_name("copies"), elsewhere, dirs_exist_ok=True)
    there = off_site.copy_store(host(), str(elsewhere))
    assert there.lacking(name, 10) == ""
    assert there.lacking("metachat_20200101T000000Z", 10) == "no complete copy of metachat_20200101T000000Z"
    path = elsewhere / f"{name}.globals.sql"
    path.write_bytes(path.read_bytes() + b" ")
    assert there.lacking(name, 10).startswith(f"{name}.globals.sql: FAILED")
    path.unlink()
    assert "No such file" in there.lacking(name, 10) or "could not be read" in there.lacking(name, 10)


def host(transport="local://"):
    from opsproof.inventory.hosts import Host

    return Host.model_validate({"transport": transport}).placed("vps", ())


def test_unreachable_host_raises_measurement_error(free_port):
    there = off_site.copy_store(host(), f"ssh://nobody@127.0.0.1:{free_port}/copies")
    with pytest.raises(MeasurementError):
        there.lacking("db_20261125T020000Z", 10)
    with pytest.raises(MeasurementError):
        there.put("x", io.BytesIO(b"x"), 1)


def test_unreachable_bucket_raises_measurement_error(monkeypatch, free_port):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(MeasurementError, match="s3://copies"):
        Bucket("copies", "").lacking("db_20261125T020000Z", 10)


def test_failed_encryption_raises_instead_of_ending_the_stream():
    class Broken(io.RawIOBase):
        def readable(self):
            return True

        def read(self, size=-1):
            raise OSError("the disk is gone")

    key = str(pyrage.x25519.Identity.generate().to_public())
    with pytest.raises(MeasurementError, match="encryption failed"), encrypted(Broken(), key) as reader:
        reader.read()
    with pytest.raises(MeasurementError, match="is not an age public key"), encrypted(io.BytesIO(b""), "age1x"):
        pass


@pytest.mark.parametrize("target", ["/backups", "s3://bucket/path", "ssh://ops@vault:2222/backups?ssh_config=/c"])
def test_each_kind_of_target_has_a_store(target):
    assert off_site.copy_store(host(), target)


def test_manifest_written_by_a_backup_is_valid(small_made):
    (name,) = small_made.sets
    text = (small_made.folder / f"{name}.manifest.json").read_text()
    assert manifest.read(text).name == name
