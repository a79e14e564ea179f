"""Restores of off-site copies: in a folder, over real ssh, in an S3 server, encrypted or not."""

import hashlib
import io
import re
import shutil

import pytest

from lab.waiting import wait_until
from opsproof.action.progress import reporting_bytes
from opsproof.backup.copying import CopyJob
from opsproof.backup_store import dump_folder, off_site
from opsproof.inventory.load import load
from tests.harness import extent

pyrage = pytest.importorskip("pyrage")
DUMP = r"\.dump(\.zst)?(\.age)?$"


@pytest.fixture(scope="session")
def key():
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def identity(key, tmp_path):
    path = tmp_path / "identity"
    path.touch(mode=0o600)
    path.write_text(f"# created: today\n# public key: {key.to_public()}\n{key}\n")
    return path


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder


class Elsewhere:
    """A target with a copy of the backup, for tests to damage; the folder behind ssh is local."""

    def __init__(self, place, name, folder, target, recipient=""):
        self.folder = folder
        self.host = load(place.inventory).hosts["lab"]
        self.target, self.name = target, name
        self.there = off_site.copy_store(self.host, target if target.startswith("s3:") else str(folder))
        backup = self.host.backups["metachat"].model_copy(update={"age_recipient": recipient})
        text = (place.backups / f"{name}.manifest.json").read_text()
        reading = dump_folder.DumpReading(name, text)
        with reporting_bytes("copied", 1, print, quiet=True) as report:
            CopyJob(self.host, backup, reading, self.there, report).make()

    @property
    def names(self):
        return sorted(self.there.ages("metachat_"))

    def called(self, pattern):
        return next(each for each in self.names if re.search(pattern, each))

    def read(self, name):
        with self.there.read(name) as content:
            return content.read()

    def put(self, name, content):
        self.there.put(name, io.BytesIO(content), len(content))
        self.there.commit(name)

    def seal(self, name, content):
        """Replaces a file, with the matching checksum in the list."""
        old, new = (hashlib.sha256(each).hexdigest() for each in (self.read(name), content))
        self.put(name, content)
        self.put(f"{self.name}.sha256", self.read(f"{self.name}.sha256").replace(old.encode(), new.encode()))


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.fixture
def elsewhere(request, place, backed_up, vault, key):
    kind, _, encrypted = request.param.partition(", ")
    target = str(vault)
    if kind == "bucket":
        request.getfixturevalue("s3")
        target = "s3://copies/vps"
    elif kind == "ssh":
        target = request.getfixturevalue("sshd").replace("?", f"{vault}?", 1)
    return Elsewhere(place, backed_up, vault, target, str(key.to_public()) if encrypted else "")


KINDS = ["bucket", "ssh", "bucket, encrypted", "ssh, encrypted", "folder, encrypted"]


def of(*kinds):
    return pytest.mark.parametrize("elsewhere", kinds, indirect=True)


def fetched(place):
    """The partial files in the backup folder."""
    return sorted(path.name for path in place.backups.iterdir() if path.name.endswith(".partial"))


def has_fetched(place, size_bytes):
    """Whether a partial file is larger than `size_bytes`."""
    return any((place.backups / name).stat().st_size > size_bytes for name in fetched(place))


@of(*extent.sample("copies", KINDS, 2))
def test_drill_of_copy_passes_and_leaves_nothing_on_host(place, elsewhere, identity, key):
    more = [f"--from={elsewhere.target}", *([f"--identity={identity}"] if ".age" in str(elsewhere.names) else [])]
    kept = {path.name: path.stat().st_mtime_ns for path in place.backups.iterdir()}
    planned = place.run("restore_drill", *more)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert f"1. fetch {elsewhere.name} (" in planned.stdout
    assert f" from {elsewhere.target} to {place.backups}\n" in planned.stdout
    assert kept == {path.name: path.stat().st_mtime_ns for path in place.backups.iterdir()}
    done = place.run("restore_drill", "--apply", *more)
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = place.journal
    assert (entry["outcome"], entry["measured"]["set"]) == ("done", elsewhere.name)
    assert entry["measured"]["from"] == elsewhere.target
    assert entry["measured"]["fetch_s"] > 0
    assert entry["measured"]["size_bytes"] > 7_000_000
    assert str(key) not in str(entry) + done.stdout
    assert kept == {path.name: path.stat().st_mtime_ns for path in place.backups.iterdir()}
    assert place.databases == []


@of("bucket, encrypted")
def test_restore_of_encrypted_copy_succeeds(place, elsewhere, identity):
    done = place.run("restore", "--apply", f"--from={elsewhere.target}", f"--identity={identity}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (place.serving, place.is_healthy(), fetched(place)) == ("new", True, [])


@of("ssh")
def test_newest_copy_is_chosen_unless_set_is_given(place, elsewhere):
    older = "metachat_20200101T000000Z"
    elsewhere.put(f"{older}.sha256", b"")
    assert f"fetch {elsewhere.name} " in place.run("restore_drill", f"--from={elsewhere.target}").stdout
    done = place.run("restore_drill", f"--from={elsewhere.target}", f"--set={older}")
    assert (done.returncode, f"{older}.manifest.json is not in the checksum list" in done.stderr) == (5, True)
    done = place.run("restore_drill", f"--from={elsewhere.target}", "--set=metachat_20190101T000000Z")
    assert (done.returncode, f"choose one of {older}, {elsewhere.name}" in done.stderr) == (2, True)
    elsewhere.there.remove([f"{elsewhere.name}.sha256", f"{older}.sha256"])
    done = place.run("restore_drill", f"--from={elsewhere.target}")
    assert (done.returncode, "no backup of metachat in ssh://" in done.stderr) == (5, True)


def flip_dump(elsewhere):
    name = elsewhere.called(DUMP)
    elsewhere.put(name, flipped(elsewhere.read(name)))


def flip_dump_and_update_list(elsewhere):
    name = elsewhere.called(DUMP)
    elsewhere.seal(name, flipped(elsewhere.read(name)))


def truncate_dump(elsewhere):
    name = elsewhere.called(DUMP)
    elsewhere.put(name, elsewhere.read(name)[:-1])


def flip_manifest(elsewhere):
    name = elsewhere.called("manifest")
    elsewhere.put(name, flipped(elsewhere.read(name)))


def flip_manifest_and_update_list(elsewhere):
    name = elsewhere.called("manifest")
    elsewhere.seal(name, flipped(elsewhere.read(name)))


def remove_dump(elsewhere):
    elsewhere.there.remove([elsewhere.called(DUMP)])


@of("folder, encrypted", "ssh")
def test_damaged_copy_is_found_before_pg_restore_reads_it(place, elsewhere, identity, script, tmp_path):
    place.path = tmp_path / "bin"
    real = place.lab.layout.bin / "pg_restore"
    shim = f'case "$*" in *--version*) ;; *) touch {tmp_path}/was-read ;; esac; exec {real} "$@"'
    script(place.path / "pg_restore", shim)
    whole = {path: path.read_bytes() for path in elsewhere.folder.iterdir()}
    encrypted = ".age" in str(elsewhere.names)
    damages = {
        flip_dump: "decryption failed|another one|checksum mismatch",
        flip_dump_and_update_list: "decryption failed|another one|checksum mismatch",
        truncate_dump: "decryption failed|the manifest says",
        flip_manifest: "checksum mismatch, the file changed since the copy was made",
        flip_manifest_and_update_list: "decryption failed|checksum|cannot be read|cut short",
        remove_dump: "is missing",
    }
    for damage, why in damages.items():
        damage(elsewhere)
        more = [f"--from={elsewhere.target}", *([f"--identity={identity}"] if encrypted else [])]
        done = place.run("restore_drill", "--apply", *more)
        unknown = encrypted and damage is flip_manifest_and_update_list
        assert done.returncode == (6 if unknown else 5), (damage, done.stderr)
        assert re.search(why, done.stderr), (damage, done.stderr)
        assert (fetched(place), place.databases, place.serving) == ([], [], "old")
        for path, content in whole.items():
            path.write_bytes(content)
    assert not (tmp_path / "was-read").exists()


@of("folder, encrypted")
def test_missing_wrong_or_shared_secret_key_is_refused(place, elsewhere, identity, tmp_path):
    def plan(*more):
        done = place.run("restore_drill", f"--from={elsewhere.target}", *more)
        assert str(secret) not in done.stdout + done.stderr
        return done.returncode, done.stderr

    secret = identity.read_text().splitlines()[-1]
    status, error = plan()
    assert (status, "is encrypted: add --identity with the secret key" in error) == (2, True)
    identity.chmod(0o640)
    status, error = plan(f"--identity={identity}")
    assert (status, f"chmod 600 {identity}" in error) == (2, True)
    identity.chmod(0o600)
    status, error = plan(f"--identity={tmp_path / 'nowhere'}")
    assert (status, "No such file" in error) == (2, True)
    identity.write_text(str(pyrage.x25519.Identity.generate()))
    status, error = plan(f"--identity={identity}")
    assert (status, "decryption failed: No matching keys found" in error) == (6, True)
    identity.write_text(f"{secret[:-1]}\n")
    status, error = plan(f"--identity={identity}")
    assert (status, f"line 1 of {identity} is not an age secret key" in error) == (2, True)
    identity.write_text("# nothing\n")
    status, error = plan(f"--identity={identity}")
    assert (status, "no key in" in error) == (2, True)
    assert place.run("restore_drill", f"--identity={identity}").returncode == 2
    assert place.run("restore_drill", "--from=s3://key:secret@copies").returncode == 2


@of("ssh")
def test_fetch_is_refused_without_disk_space(place, elsewhere, script, tmp_path):
    place.path = tmp_path / "bin"
    script(place.path / "df", f'case "$*" in *{place.backups}*) echo Avail; echo 1000000;; *) exec /bin/df "$@";; esac')
    done = place.run("restore_drill", "--apply", f"--from={elsewhere.target}")
    assert done.returncode == 3
    assert f"{place.backups} has 1 MB free (" in done.stderr
    assert (fetched(place), place.databases) == ([], [])


def test_unreachable_target_exits_with_6(place, free_port):
    done = place.run("restore_drill", "--apply", f"--from=ssh://nobody@127.0.0.1:{free_port}/copies")
    assert done.returncode == 6


SLOW_COPY = "while (sysread STDIN, $_, 16384) { syswrite STDOUT, $_; select undef, undef, undef, 0.5 }"


@pytest.fixture
def slow_perl(script, tmp_path):
    """A folder with a perl that reads dumps slowly."""
    perl = shutil.which("perl")
    slow = f"{perl} -e '{SLOW_COPY}' | {perl} \"$@\""
    path = script(tmp_path / "bin" / "perl", f'case "$*" in *.dump*) {slow};; *) exec {perl} "$@";; esac')
    return path.parent


@of("ssh", "folder, encrypted")
def test_next_backup_removes_partial_files_of_killed_fetch(place, elsewhere, identity, kill, slow_perl):
    """Kills the local process only, or also all processes on the host."""
    encrypted = ".age" in str(elsewhere.names)
    usual, place.path = place.path, slow_perl
    more = [f"--from={elsewhere.target}", *([f"--identity={identity}"] if encrypted else [])]
    process = place.begin("restore", *more)
    wait_until(lambda: has_fetched(place, 100_000), "a part is fetched", process=process)
    kill(process.pid) if encrypted else process.kill()
    process.communicate()
    place.path = usual
    wait_until(lambda: not place.is_held(), "the commands of the action end")
    left = fetched(place)
    assert f"{elsewhere.name}.dump" in " ".join(left)
    assert [each for each in left if not re.fullmatch(rf"{elsewhere.name}\..*\.partial", each)] == []
    assert (place.serving, place.databases) == ("old", [])
    kept = set(place.backups.iterdir())
    plan = place.run("backup").stdout
    assert [each for each in left if each not in plan] == []
    done = place.run("restore", "--apply", *more)
    assert (done.returncode, place.serving, fetched(place)) == (0, "new", [])
    assert set(place.backups.iterdir()) < kept
