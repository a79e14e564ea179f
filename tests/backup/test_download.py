"""Downloads of backups to the controller: from a local host and over ssh, interrupted, to a full disk."""

import hashlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from lab.waiting import wait_until
from opsproof.backup.download import Download
from opsproof.core.errors import Refused
from tests.harness import extent, killing

PART_BYTES = 2_000_000
"""What the slow `cat` sends before it waits or fails; the dump is larger."""


@pytest.fixture
def home(tmp_path):
    """The folder of the controller; a download makes it."""
    return tmp_path / "home"


@pytest.fixture
def site(made, site):
    site.take(made)
    return site


@pytest.fixture
def cat(script, tmp_path):
    """The environment in which `cat` of a dump sends a part, and then runs a line of shell."""

    def stub(line):
        folder = script(
            tmp_path / "stub" / "cat",
            f'case "$2" in *.dump*) head -c {PART_BYTES} "$2"; {line} ;; *) exec /bin/cat "$@" ;; esac',
        ).parent
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return stub


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("metachat_*")}


def is_whole(site, home):
    """Whether the folder has the backup, complete, and nothing else but the harmless mark of a killed download."""
    (name,) = site.sets
    found = sums(home)
    found.pop(f"{name}.copying", None)
    assert found.pop(f"{name}.sha256", "")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", f"{name}.sha256"], cwd=home, check=True)
    return found == sums(site.folder)


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_download_is_identical_private_and_read_back(site, home, sshd, kind):
    inventory = site.inventory(sshd if kind == "ssh" else "local://")
    (name,) = site.sets
    planned = site.run(f"--download={home}", inventory=inventory)
    assert (planned.returncode, home.exists()) == (0, False)
    assert f"1. download {name} (27.6 MB) from vps to {home} (" in planned.stdout
    done = site.run(f"--download={home}", "--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    assert is_whole(site, home)
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in home.glob("metachat_*")} == {0o600}
    again = site.run(f"--download={home}", "--apply", inventory=inventory)
    assert (again.returncode, again.stdout) == (0, "backup: nothing to do\n")


def test_older_set_is_downloaded_by_name(site, home):
    (old,) = site.sets
    assert site.run("--apply").returncode == 0
    done = site.run(f"--download={home}", f"--set={old}", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in home.glob("*.sha256")) == [f"{old}.sha256"]
    unknown = site.run(f"--download={home}", "--set=metachat_x")
    assert (unknown.returncode, "--set: unknown set 'metachat_x'; choose " in unknown.stderr) == (2, True)
    assert site.run(f"--set={old}").returncode == 2


def test_downloaded_copy_can_be_restored_as_an_off_site_copy(site, home):
    assert site.run(f"--download={home}", "--apply").returncode == 0
    (name,) = site.sets
    site.forget(name)
    inventory = site.inventory(restore_user="metachat", restore_passfile=str(site.layout.secrets / "pgpass-metachat"))
    planned = site.run(f"--from={home}", "--trust-code", action="restore_drill", inventory=inventory)
    assert f"restore {name} (" in planned.stdout


def test_encrypted_download_is_readable_only_with_the_secret_key(site, home):
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    inventory = site.inventory(age_recipient=str(key.to_public()))
    done = site.run(f"--download={home}", "--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    for path in site.files(site.sets[0]):
        assert pyrage.decrypt((home / f"{path.name}.age").read_bytes(), [key]) == path.read_bytes()
        assert not (home / path.name).exists()


def test_damaged_backup_is_refused_by_the_plan_and_by_apply(site, home):
    (name,) = site.sets
    dump = next(path for path in site.files(name) if ".dump" in path.name)
    dump.write_bytes(dump.read_bytes()[:-1])
    for more in ([], ["--apply"]):
        done = site.run(f"--download={home}", *more)
        assert (done.returncode, f"{name}: {dump.name}: checksum mismatch" in done.stderr) == (3, True)
    assert not home.exists()


def unfit(case, site, home):
    """An unfit folder."""
    apart = {
        "the backup folder": site.folder,
        "inside the backup folder": site.folder / "deeper",
        "around the backup folder": site.folder.parent,
        "a missing parent": home / "deeper",
    }
    if case == "a file":
        home.write_text("mine")
    elif case == "a link":
        home.with_name("target").mkdir(mode=0o700)
        home.symlink_to("target")
    elif case not in apart:
        home.mkdir()
        home.chmod(0o777 if case == "open to others" else 0o700)
        fill(case, site.sets[0], home)
    return apart.get(case, home)


def fill(case, name, home):
    """Writes the files of a case."""
    listed = {"another host's backup": f"{name}.manifest.json", "a list of sums alone": "other"}.get(case)
    if listed:
        (home / listed).write_text("other")
        (home / f"{name}.sha256").write_text(f"{hashlib.sha256(b'other').hexdigest()}  {listed}\n")
    if case == "a file in the way":
        (home / f"{name}.globals.sql").write_text("mine")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("the backup folder", "is the backup folder"),
        ("inside the backup folder", "is inside the backup folder"),
        ("around the backup folder", "contains the backup folder"),
        ("a missing parent", "No such file or directory"),
        ("a file", "is no folder"),
        ("a link", "is a symbolic link"),
        ("open to others", "other users can change"),
        ("another host's backup", "a copy of another host's backup"),
        ("a list of sums alone", "a copy whose manifest cannot be read: No such file or directory"),
        ("a file in the way", "which no download has made"),
    ],
)
def test_unfit_folder_is_refused_and_unchanged(site, home, case, reason):
    home = unfit(case, site, home)
    before = sums(home)
    for more in ([], ["--apply"]):
        done = site.run(f"--download={home}", *more)
        assert (done.returncode, reason in done.stderr) == (3, True), done.stderr
    assert before == sums(home)


def test_folder_that_another_user_made_after_the_plan_is_refused(tmp_path):
    download = object.__new__(Download)
    download.path = tmp_path / "made by another"
    download.path.mkdir()
    download.path.chmod(0o777)
    with pytest.raises(Refused, match="other users can change"), download._locked():
        pass
    assert list(download.path.iterdir()) == []


def test_cut_connection_ends_in_one_sentence_without_a_copy(site, home, cat):
    done = site.run(f"--download={home}", "--apply", **cat("kill -9 $$"))
    (name,) = site.sets
    assert done.returncode == 4
    assert f"{name} cannot be downloaded to {home}: vps: cat was ended by signal 9" in done.stderr
    assert sums(home) == {}
    short = site.run(f"--download={home}", "--apply", **cat("exit 0"))
    assert (short.returncode, "checksum mismatch" in short.stderr, sums(home)) == (4, True, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("case", ["known before", "during the download"])
def test_full_disk_ends_in_one_sentence_without_a_copy(site, home, cat, case):
    home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0700", "none", home], check=True)
    try:
        ballast = home / "ballast"
        if case == "known before":
            ballast.write_bytes(b"x" * 20_000_000)
            done = site.run(f"--download={home}", "--apply")
            assert (done.returncode, " needed)" in done.stderr) == (3, True)
        else:
            fill = f'cat /dev/zero >{ballast} 2>&-; tail -c +{PART_BYTES + 1} "$2"'
            done = site.run(f"--download={home}", "--apply", **cat(fill.replace("cat ", "/bin/cat ")))
            assert (done.returncode, "No space left on device" in done.stderr) == (4, True), done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert sums(home) == {}
        ballast.unlink()
        assert site.run(f"--download={home}", "--apply").returncode == 0
        assert is_whole(site, home)
    finally:
        subprocess.run(["umount", home], check=True)


def test_second_download_to_the_folder_is_refused(site, home, cat, tmp_path):
    with killing.ending(begun(site, home, cat("sleep 60"))):
        wait_until(lambda: list(home.glob("*.partial")), "a download begins", 60, every_s=0.02)
        second = site.run(f"--download={home}", "--apply")
        assert (second.returncode, "is locked, held by backup" in second.stderr) == (3, True)
        holder = ["flock", str(home / ".opsproof-download"), "true"]
        assert subprocess.run([*holder[:1], "--nonblock", *holder[1:]], check=False).returncode == 1


def test_download_of_another_host_to_the_folder_is_refused(site, home):
    home.mkdir(mode=0o700)
    with subprocess.Popen(["flock", str(home / ".opsproof-download"), "sleep", "60"]) as holder:
        wait_until((home / ".opsproof-download").exists, "the lock is held", 10)
        time.sleep(0.2)
        done = site.run(f"--download={home}", "--apply")
        holder.kill()
    assert (done.returncode, f"another download to {home} is running" in done.stderr) == (3, True)
    assert sums(home) == {}


def begun(site, home, environment):
    pipe, words = subprocess.PIPE, site.words("backup", f"--download={home}", "--apply")
    return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environment})


@pytest.mark.kills
def await_end_of_copying(home):
    """The program that copies outlives the killed action for a moment."""
    until = time.monotonic() + 10
    while list(home.glob("*.copying")) and time.monotonic() < until:
        time.sleep(0.05)


def test_killed_download_leaves_no_copy_and_the_next_run_completes(site, home):
    with begun(site, home, {}) as process:
        course_s = killing.course_s(process)
    for share in extent.moments("download"):
        shutil.rmtree(home)
        with begun(site, home, {}) as process:
            killing.await_plan(process)
            time.sleep(share * course_s)
            process.send_signal(signal.SIGKILL)
        if list(home.glob("*.sha256")):
            await_end_of_copying(home)
            assert is_whole(site, home)
        again = killing.once_free(lambda: site.run(f"--download={home}", "--apply"))
        assert again.returncode == 0, again.stderr
        assert is_whole(site, home)
