"""Backups of files: whole, private, and honest about what they lack."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from lab.waiting import wait_until
from opsproof.backup_store.s3 import Bucket
from tests.backup.file_site import ROOT, SECRET, FileSite, described, odd_files

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def site(tmp_path):
    return FileSite(tmp_path)


def test_plan_changes_nothing(site):
    done = site.run("backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"make files_\w+ of 2 files \(\d+ B\) with tar in", done.stdout)
    assert list(site.folder.iterdir()) == []


def test_backup_has_every_kind_of_file_and_a_drill_proves_it(site):
    odd_files(site.storage)
    done = site.run("backup", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"not backed up: {site.storage}/app.sock: socket" in done.stdout
    (name,) = site.sets
    manifest = site.manifest(name)
    assert (manifest["lacking"], manifest["skipped"]) == ([], [f"{site.storage}/app.sock: socket"])
    assert {path.stat().st_mode & 0o777 for path in site.folder.iterdir()} == {0o600}
    assert (site.folder / f"{name}.tar.zst").stat().st_size < 100_000
    for action in ("verify_backup", "restore_drill"):
        done = site.run(action, "--apply")
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in site.folder.iterdir()) == [
        f"{name}.{each}" for each in ("contents", "manifest.json", "tar.zst")
    ]


def test_content_of_files_is_in_no_output(site):
    said = [site.run(action, "--apply") for action in ("backup", "verify_backup", "restore_drill", "restore")]
    texts = [each.stdout + each.stderr for each in said]
    texts += [path.read_text() for path in (site.root / "reports").rglob("*") if path.is_file()]
    texts += [path.read_text() for path in site.folder.iterdir() if path.suffix in (".json", ".contents")]
    assert not [text for text in texts if SECRET in text]


def test_missing_path_is_named_and_the_rest_is_backed_up(site):
    site.env.unlink()
    assert f"without {site.env}: does not exist" in site.run("backup").stdout
    done = site.run("backup", "--apply")
    assert (done.returncode, f"is incomplete: {site.env}: does not exist" in done.stderr) == (5, True), done.stderr
    (name,) = site.sets
    assert site.manifest(name)["lacking"] == [f"{site.env}: does not exist"]
    done = site.run("verify_backup", "--apply")
    assert (done.returncode, f"{site.env}: does not exist" in done.stderr) == (5, True)


def test_nothing_to_back_up_is_refused(site):
    for more in ((), ("--apply",)):
        done = site.run("backup", *more, paths=["/nowhere/at all"])
        assert (done.returncode, "there is nothing to back up: /nowhere/at\\040all" in done.stderr) == (3, True)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_closed_file_is_named_and_the_rest_is_backed_up(site):
    for path in (site.root, *site.root.parents):
        if path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o777 == 0o700:
            path.chmod(0o711)
    (site.storage / "private").touch(mode=0o600)
    (site.storage / "closed").mkdir(mode=0o700)
    done = site.run("backup", "--apply", run_as="nobody")
    if "sudo" in done.stderr and done.returncode == 6:
        pytest.skip("no sudo")
    assert done.returncode == 5, done.stderr
    (name,) = site.sets
    why = "cannot be read: Permission denied"
    lacking = [f"{path}: {why}" for path in (site.storage / "closed", site.storage / "private", site.env)]
    assert sorted(site.manifest(name)["lacking"]) == sorted(lacking)


def test_link_as_a_path_is_named_unless_its_target_is_backed_up_too(site):
    link = site.app / "current"
    link.symlink_to(site.storage)
    done = site.run("backup", "--apply", paths=[str(link), str(site.env)])
    assert (done.returncode, f"{link}: is a symbolic link" in done.stderr) == (5, True)
    assert site.run("backup", "--apply", paths=[str(link), str(site.storage)]).returncode == 0


def test_excluded_files_are_left_out(site):
    (site.storage / "tmp").mkdir()
    (site.storage / "tmp" / "upload").write_text("x")
    name = site.back_up(exclude={f"{site.storage}/tmp": "made anew at each start"})
    assert "storage/tmp" not in (site.folder / f"{name}.contents").read_text()


def test_backup_folder_among_the_files_is_refused(site):
    for more in ((), ("--apply",)):
        done = site.run("backup", *more, paths=[str(site.root)])
        assert (done.returncode, "is among the files to back up: exclude it" in done.stderr) == (3, True)
    assert list(site.folder.iterdir()) == []
    assert site.run("backup", "--apply", paths=[str(site.root)], exclude={f"{site.folder}": "x"}).returncode == 0


@contextmanager
def writing(path):
    ended = threading.Event()

    def write():
        while not ended.wait(0.01):
            with path.open("a") as file:
                file.write("a line\n")

    worker = threading.Thread(target=write)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


def test_file_that_changes_while_it_is_read_is_named(site):
    path = site.storage / "live.log"
    with writing(path):
        done = site.run("backup", "--apply")
    assert (done.returncode, f"{path}: changed while it was read" in done.stderr) == (5, True), done.stderr
    assert site.manifest(site.sets[0])["lacking"] == [f"{path}: changed while it was read"]
    for action in ("restore_drill", "restore"):
        done = site.run(action, "--apply")
        assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text().startswith("a line")
    site.back_up()
    assert site.manifest(site.sets[-1])["lacking"] == []


def test_file_that_vanishes_is_noticed_and_the_archive_made_anew(site, script, tmp_path):
    """tar deletes a file at its first start."""
    victim, began = site.storage / "upload.part", tmp_path / "began"
    victim.write_text("x")
    act = f'case "$1" in --create) [ -e {began} ] || {{ touch {began}; rm {victim}; }} ;; esac'
    fake = script(tmp_path / "bin" / "tar", f'{act}\nexec /usr/bin/tar "$@"')
    words = site.words("backup", "--apply")
    inventory = site.root / "inventory.toml"
    inventory.write_text(inventory.read_text().replace('local://"\n', f'local://"\npath = ["{fake.parent}"]\n'))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    (name,) = site.sets
    assert (began.exists(), victim.exists(), site.manifest(name)["lacking"]) == (True, False, [])
    assert "upload.part" not in (site.folder / f"{name}.contents").read_text()


def test_file_that_vanishes_in_every_try_is_in_neither_archive_nor_list(site, script, tmp_path):
    victim = site.storage / " upload\n\\n.part"
    shown = f"{site.storage}/\\040upload\\012\\134n.part: vanished while it was read"
    victim.write_text("x")
    act = f"case \"$1\" in --create) rm '{victim}' ;; esac"
    again = f"case \"$4\" in sums) touch '{victim}' ;; esac"
    tools = {"tar": act, "perl": again}
    for name, text in tools.items():
        script(tmp_path / "bin" / name, f'{text}\nexec /usr/bin/{name} "$@"')
    words = with_path(site, tmp_path / "bin", site.words("backup", "--apply"))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, shown in done.stderr) == (5, True), done.stderr
    (name,) = site.sets
    assert ((site.folder / f"{name}.contents").read_text().count("upload"), site.manifest(name)["entries"]) == (0, 3)
    victim.unlink(missing_ok=True)
    before = described(site.app)
    (site.storage / "logo.svg").write_text("spoilt")
    for action in (("restore_drill", "--apply"), ("restore", "--apply"), ("restore", "--drop-old", "--apply")):
        done = site.run(*action)
        assert (done.returncode, done.stderr) == (0, "")
    assert described(site.app) == before


def with_path(site, folder, words):
    inventory = site.root / "inventory.toml"
    inventory.write_text(inventory.read_text().replace('local://"\n', f'local://"\npath = ["{folder}"]\n'))
    return words


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_warning_of_sudo_is_no_complaint_of_tar(site, script, tmp_path):
    warn = 'echo "sudo: unable to resolve host vps" >&2\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    script(tmp_path / "bin" / "sudo", warn)
    words = with_path(site, tmp_path / "bin", site.words("backup", "--apply", run_as="nobody"))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert site.manifest(site.sets[0])["lacking"] == []


def test_complaint_of_tar_that_is_not_understood_fails_the_backup(site, script, tmp_path):
    act = 'case "$1" in --create) echo "tar: x: Read error at byte 0: Input/output error" >&2 ;; esac'
    fake = script(tmp_path / "bin" / "tar", f'{act}\nexec /usr/bin/tar "$@"')
    words = site.words("backup", "--apply")
    inventory = site.root / "inventory.toml"
    inventory.write_text(inventory.read_text().replace('local://"\n', f'local://"\npath = ["{fake.parent}"]\n'))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, "Input/output error" in done.stderr) == (4, True), done.stderr
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("ending", ["tar.zst", "contents"])
def test_damaged_set_fails_verification_and_drill(site, ending):
    name = site.back_up()
    path = site.folder / f"{name}.{ending}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for action in ("verify_backup", "restore_drill"):
        done = site.run(action, "--apply")
        assert (done.returncode, "checksum mismatch" in done.stderr) == (5, True), done.stderr
    assert not list(site.folder.glob("*drill*"))


def test_copy_in_a_bucket_is_complete(site, s3):
    name = site.back_up(off_site=["s3://copies/files"])
    bucket = Bucket("copies", "files")
    assert bucket.lacking(name, 10) == ""
    s3.delete_object(Bucket="copies", Key=f"files/{name}.contents")
    assert bucket.lacking(name, 10) == f"missing: {name}.contents"


def test_expired_sets_are_pruned_here_and_off_site(site, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    keys = {"keep": "1s", "keep_least": 1, "off_site": [str(elsewhere)]}
    first = site.back_up(**keys)
    wait_until(lambda: time.time() - (site.folder / f"{first}.contents").stat().st_mtime > 2.5, "a second is over")
    second = site.back_up(**keys)
    assert (site.sets, first != second) == ([second], True)
    assert {path.name.partition(".")[0] for path in elsewhere.iterdir()} == {second}
    subprocess.run(["sha256sum", "--check", "--strict", f"{second}.sha256"], cwd=elsewhere, check=True)


def test_last_set_with_a_declared_path_is_not_pruned(site, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    keys = {"keep": "1s", "keep_least": 1, "off_site": [str(elsewhere)]}
    first = site.back_up(**keys)
    site.env.unlink()
    wait_until(lambda: time.time() - (site.folder / f"{first}.contents").stat().st_mtime > 2.5, "a second is over")
    done = site.run("backup", "--apply", **keys)
    assert (done.returncode, f"{first} is the last backup with {site.env}" in done.stderr) == (4, True), done.stderr
    assert (len(site.sets), site.sets[0]) == (2, first)
    assert {path.name.partition(".")[0] for path in elsewhere.glob("*.tar.zst")} == {*site.sets}
    keys["paths"] = [str(site.storage)]
    site.back_up(**keys)
    assert first not in site.sets


def test_encrypted_copy_is_drilled_with_the_secret_key_alone(site, tmp_path):
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    elsewhere, identity = tmp_path / "elsewhere", tmp_path / "identity"
    elsewhere.mkdir()
    identity.touch(mode=0o600)
    identity.write_text(f"{key}\n")
    name = site.back_up(off_site=[str(elsewhere)], age_recipient=str(key.to_public()))
    assert sorted(path.name for path in elsewhere.glob("*.age")) == [
        f"{name}.{each}.age" for each in ("contents", "manifest.json", "tar.zst")
    ]
    for path in site.folder.iterdir():
        path.unlink()
    done = site.run("restore_drill", "--apply", f"--from={elsewhere}", f"--identity={identity}")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(site.folder.iterdir()) == []


def test_drill_is_in_the_journal_with_its_figures(site):
    name = site.back_up()
    assert site.run("restore_drill", "--apply").returncode == 0
    line = (site.root / "reports" / "journal.jsonl").read_text().splitlines()[-1]
    entry = json.loads(line)
    assert (entry["outcome"], entry["measured"]["backup"], entry["measured"]["set"]) == ("done", "files", name)
    assert entry["measured"]["restore_s"] >= 0


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small file system")
def test_full_disk_leaves_no_set_and_the_next_backup_cleans_up(site):
    (site.storage / "random").write_bytes(os.urandom(1_500_000))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2500k,mode=0700", "none", site.folder], check=True)
    try:
        ballast = site.folder / "ballast"
        with writing_over(ballast):
            done = site.run("backup", "--apply")
        assert (done.returncode, "No space left on device" in done.stderr, site.sets) == (4, True, []), done.stderr
        ballast.unlink()
        site.back_up()
        assert site.flaws() == []
    finally:
        subprocess.run(["umount", site.folder], check=True)


@contextmanager
def writing_over(path):
    """Fills the disk as soon as the archive has begun."""
    ended = threading.Event()

    def fill():
        while not ended.wait(0.002):
            if list(path.parent.glob("*.tar.zst.partial")):
                with path.open("wb") as file:
                    try:
                        file.write(bytes(2_400_000))
                    except OSError:
                        return
                return

    worker = threading.Thread(target=fill)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


@pytest.mark.kills
@pytest.mark.parametrize("share", [0.35, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("whom", ["controller", "everything"])
def test_backup_killed_at_any_moment_leaves_no_half_set(site, whom, share):
    (site.storage / "random").write_bytes(os.urandom(20_000_000))
    began = time.monotonic()
    kept = site.back_up()
    course_s = time.monotonic() - began
    process = subprocess.Popen(
        site.words("backup", "--apply"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    time.sleep(share * course_s)
    if whom == "controller":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert (kept in site.sets, site.flaws()) == (True, [])
    done = wait_until(lambda: free(site.run("backup", "--apply")), "the host is free", 60, every_s=0.1)
    assert (done.returncode, done.stderr, site.flaws()) == (0, "", [])
    assert not list(site.folder.glob("*.partial"))


def free(done):
    return None if done.returncode == 3 and "held by" in done.stderr else done
