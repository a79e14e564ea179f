"""Restores of files: beside the live files, compared, then swapped."""

import os
import shutil
import signal
import subprocess
import tarfile
import time
from hashlib import sha256

import pytest

from lab.waiting import wait_until
from opsproof.backup_store import file_tree
from opsproof.core import scripts
from tests.backup.file_site import ROOT, FileSite, described, odd_files


@pytest.fixture
def site(tmp_path):
    return FileSite(tmp_path)


def test_restored_files_are_as_before_and_the_old_ones_are_kept(site):
    odd_files(site.storage)
    before = described(site.app)
    site.back_up()
    (site.storage / "logo.svg").write_text("<svg>spoilt</svg>")
    (site.storage / "link").unlink()
    site.env.write_text("TOKEN=spoilt")
    planned = site.run("restore")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert " files changed since the backup" in planned.stdout
    assert (site.storage / "logo.svg").read_text() == "<svg>spoilt</svg>"
    done = site.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    found = described(site.app)
    old = sorted(path.name.partition("_before_")[0] for path in site.app.iterdir() if "_before_" in path.name)
    assert old == [".env", "storage"]
    assert {name: each for name, each in found.items() if b"_before_" not in name} == before
    assert (site.storage / "logo.svg").samefile(site.storage / "other name.svg")
    assert site.run("restore", "--drop-old", "--apply").returncode == 0
    assert described(site.app) == before


def test_lost_application_is_restored_from_the_copy_alone(site, tmp_path):
    before = described(site.app)
    (tmp_path / "elsewhere").mkdir()
    site.back_up(off_site=[str(tmp_path / "elsewhere")])
    shutil.rmtree(site.app)
    for path in site.folder.iterdir():
        path.unlink()
    done = site.run("restore", "--apply", f"--from={tmp_path / 'elsewhere'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert described(site.app) == before
    assert list(site.folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_are_restored_as_their_user(site):
    if site.run("backup", run_as="nobody").returncode == 6:
        pytest.skip("no sudo")
    give_to_nobody(site)
    before = described(site.app)
    site.back_up(run_as="nobody")
    site.env.unlink()
    (site.storage / "logo.svg").write_text("spoilt")
    done = site.run("restore", "--apply", run_as="nobody")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.run("restore", "--drop-old", "--apply", run_as="nobody").returncode == 0
    assert described(site.app) == before


def give_to_nobody(site):
    for path in (site.root, *site.root.parents):
        if path.stat().st_mode & 0o777 == 0o700:
            path.chmod(0o711)
    subprocess.run(["chown", "-R", "nobody:", site.app], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("now", ["closed", "open"])
def test_folder_without_the_right_to_write_stays_in_place(site, now):
    """Its owner may rename it in its folder, but not move it to another."""
    if site.run("backup", run_as="nobody").returncode == 6:
        pytest.skip("no sudo")
    give_to_nobody(site)
    site.storage.chmod(0o500)
    site.back_up(run_as="nobody")
    site.env.write_text("spoilt")
    if now == "open":
        site.storage.chmod(0o700)
    before = described(site.storage)
    planned = site.run("restore", run_as="nobody")
    assert planned.returncode == 0
    assert (f"nobody may not write in {site.storage}: use --into" in planned.stdout) == (now == "closed")
    done = site.run("restore", "--apply", run_as="nobody")
    told = f"may not write in {site.storage}" if now == "closed" else f"{site.storage}, and so not rename this folder"
    assert (done.returncode, told in done.stderr) == (5 if now == "closed" else 4, True)
    assert described(site.storage) == before
    assert sorted(each.name.partition("_before_")[0] for each in site.app.iterdir()) == sorted(
        [".env", "storage", *([".env"] if now == "closed" else [])]
    )


def test_only_copy_is_not_dropped(site):
    site.back_up()
    assert site.run("restore", "--apply").returncode == 0
    site.env.unlink()
    for more in ((), ("--apply",)):
        done = site.run("restore", "--drop-old", *more)
        assert (done.returncode, f"{site.env} is missing" in done.stderr) == (3, True)
    assert len(list(site.app.glob("*_before_*"))) == 2


def test_restore_into_a_new_folder_touches_nothing_else(site):
    before = described(site.app)
    site.back_up()
    done = site.run("restore", "--apply", f"--into={site.root}/new")
    assert (done.returncode, done.stderr) == (0, "")
    assert described(site.root / "new" / str(site.app).lstrip("/")) == before == described(site.app)
    assert site.run("restore", "--apply", f"--into={site.root}/new").returncode == 4


def test_path_declared_after_the_backup_is_named_and_left_alone(site):
    site.back_up(paths=[str(site.storage)])
    (site.storage / "logo.svg").write_text("spoilt")
    done = site.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"not in the backup: {site.env}: declared after the backup" in done.stdout
    assert (site.storage / "logo.svg").read_text() == "<svg/>"
    assert [path.name for path in site.app.glob(".env*")] == [".env"]


def test_path_that_was_missing_is_named_and_the_others_are_restored(site):
    (site.app / "back\\nslash").write_text("x")
    lost = site.root / "lost" / "conf"
    keys = {"paths": [str(site.storage), str(site.env), str(site.app / "back\\nslash"), str(lost)]}
    site.env.unlink()
    assert site.run("backup", "--apply", **keys).returncode == 5
    before = described(site.app)
    (site.storage / "logo.svg").write_text("spoilt")
    (site.app / "back\\nslash").write_text("spoilt")
    site.env.write_text("new")
    for more in ((), ("--apply",)):
        done = site.run("restore", *more, **keys)
        assert (done.returncode, done.stderr) == (0, "")
        for path in (site.env, lost):
            assert f"not in the backup: {path}: does not exist" in done.stdout
        assert "conf of files" not in done.stdout
    assert site.env.read_text() == "new"
    site.env.unlink()
    assert site.run("restore", "--drop-old", "--apply", **keys).returncode == 0
    assert described(site.app) == before


def test_name_of_a_file_with_a_name_in_another_path_is_restored(site):
    other = site.root / "other"
    other.mkdir()
    os.link(site.storage / "logo.svg", other / "logo.svg")
    (other / "logo.svg").chmod(0o640)
    keys = {"paths": [str(site.storage), str(other)]}
    site.back_up(**keys)
    (other / "logo.svg").unlink()
    (site.storage / "logo.svg").unlink()
    done = site.run("restore", "--apply", **keys)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(each / "logo.svg").read_text() for each in (other, site.storage)] == ["<svg/>", "<svg/>"]
    assert (other / "logo.svg").stat().st_mode & 0o777 == 0o640


def test_owner_with_a_space_in_the_name_is_compared(tmp_path):
    member = tarfile.TarInfo("x")
    member.uname, member.gname, member.mode = "ops", "domain users 7", 0o600
    for name, owners in (("same", "ops domain\\040users\\0407"), ("differing", "ops domain\\040users")):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            tar.addfile(member)
        subprocess.run(["zstd", "-q", "-f", tmp_path / "x.tar", "-o", tmp_path / "x.zst"], check=True)
        empty = sha256(b"").hexdigest()
        (tmp_path / "list").write_text(f"f 0600 {owners} 0 0.0000000000 {empty} - /x -\n")
        program = scripts.perl("backup_store/octal", "restore/unpack")
        files = [tmp_path / each for each in (name, "x.zst", "list")]
        words = ["perl", "-e", program, "--", *files, file_tree.reader(), "0", "--"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, "owner" in done.stdout, done.stderr) == (0, name == "differing", "")


def test_damaged_archive_replaces_nothing(site):
    name = site.back_up()
    path = site.folder / f"{name}.tar.zst"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = described(site.app)
    done = site.run("restore", "--apply")
    assert (done.returncode, "checksum mismatch" in done.stderr) == (4, True)
    assert described(site.app) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_mount_point_is_refused(site):
    site.back_up()
    subprocess.run(["mount", "-t", "tmpfs", "none", site.storage], check=True)
    try:
        for more in ((), ("--apply",)):
            done = site.run("restore", *more)
            assert (done.returncode, "is a mount point" in done.stderr) == (3, True)
    finally:
        subprocess.run(["umount", site.storage], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
@pytest.mark.parametrize("kind", [["-t", "tmpfs"], ["--bind"]])
def test_mounted_volume_below_a_path_is_neither_moved_nor_emptied(site, kind):
    (volume := site.storage / "a volume").mkdir()
    site.back_up()
    assert site.run("restore", "--apply").returncode == 0
    (source := site.root / "source").mkdir()
    for path, action in ((volume, ()), (next(site.app.glob("storage_before_*")) / volume.name, ("--drop-old",))):
        subprocess.run(["mount", *kind, source, path], check=True)
        try:
            (path / "kept").write_text("kept")
            for more in ((), ("--apply",)):
                done = site.run("restore", *action, *more)
                assert (done.returncode, f"{path} is a mount point" in done.stderr) == (3, True)
            assert (path / "kept").read_text() == "kept"
        finally:
            subprocess.run(["umount", path], check=True)


def test_plan_names_excluded_files_that_only_the_old_path_keeps(site):
    site.back_up(exclude={"*.svg": "made anew"})
    done = site.run("restore", exclude={"*.svg": "made anew"})
    assert "not in the backup, stays only in NAME_before_" in done.stdout
    assert ": *.svg (made anew)" in done.stdout


@pytest.mark.kills
@pytest.mark.parametrize("share", [0.5, 0.7, 0.8, 0.85, 0.9, 0.95])
def test_restore_killed_at_any_moment_leaves_old_or_new_files(site, share):
    for number in range(200):
        (site.storage / str(number)).write_text("new")
    site.back_up()
    spoil(site)
    began = time.monotonic()
    assert site.run("restore", "--apply").returncode == 0
    course_s = time.monotonic() - began
    assert site.run("restore", "--drop-old", "--apply").returncode == 0
    spoil(site)
    process = subprocess.Popen(
        site.words("restore", "--apply"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    time.sleep(share * course_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert contents(site) in ({"old"}, {"new"})
    done = wait_until(lambda: free(site.run("restore", "--apply")), "the host is free", 60, every_s=0.1)
    assert (done.returncode, done.stderr, contents(site)) == (0, "", {"new"})
    assert not list(site.app.glob(".files_restoring_*"))


def spoil(site):
    for number in range(200):
        (site.storage / str(number)).write_text("old")


def contents(site):
    return {(site.storage / str(number)).read_text() for number in range(200)}


def free(done):
    return None if done.returncode == 3 and "held by" in done.stderr else done


@pytest.mark.parametrize("moment", ["exchanged", "renamed aside", "in place"])
def test_interrupted_swap_is_completed(site, moment):
    """Each state between the system calls of a swap."""
    before = described(site.app)
    site.back_up()
    staging = interrupted(site, moment)
    done = site.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    found = {each: found for each, found in described(site.app).items() if b"_before_" not in each}
    assert found == before
    assert not staging.exists()


@pytest.mark.parametrize("moment", ["exchanged", "in place"])
def test_interrupted_swap_is_completed_after_new_files_were_replaced(site, moment):
    site.back_up()
    staging = interrupted(site, moment)
    restored = site.storage.rename(site.app / "restored")
    shutil.copytree(restored, site.storage)
    (site.storage / "logo.svg").write_text("edited")
    done = site.run("restore", "--apply")
    assert (done.returncode, done.stderr, staging.exists()) == (0, "", False)
    assert (site.storage / "logo.svg").read_text() == "edited"
    (old,) = site.app.glob("storage_before_*")
    assert (old / "logo.svg").read_text() == "old"


def interrupted(site, moment):
    """Leaves a restore of `storage` in the state of a moment; returns its staging folder."""
    staging = site.app / ".files_restoring_20261201T000000Z"
    site.run("restore", "--apply", f"--into={staging}")
    tree = staging.rename(site.root / "tree")
    staging.mkdir(mode=0o700)
    tree.rename(staging / "tree")
    fresh = staging / "tree" / str(site.storage).lstrip("/")
    status = fresh.stat()
    (staging / "mark").write_text(f"{status.st_ino} {site.storage}\n")
    (site.storage / "logo.svg").write_text("old")
    aside = site.storage.rename(site.app / "aside")
    if moment != "renamed aside":
        fresh.rename(site.storage)
        aside.rename(fresh if moment == "exchanged" else site.app / "storage_before_20261201T000000Z")
    else:
        aside.rename(site.app / "storage_before_20261201T000000Z")
    return staging


def planted(site, target):
    """A staging folder as of an interrupted restore, that would replace `target`; returns it."""
    staging = site.app / ".files_restoring_20260101T000000Z"
    fresh = staging / "tree" / str(target).lstrip("/")
    fresh.parent.mkdir(parents=True)
    fresh.write_text("planted")
    (staging / "mark").write_text(f"{fresh.stat().st_ino} {target}\n1 {site.env}\n")
    staging.chmod(0o700)
    return staging


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("owner", ["of the folder", "of the staging folder alone"])
def test_staging_folder_of_another_user_is_not_completed(site, owner):
    site.back_up()
    (target := site.root / "of root").write_text("kept")
    staging = planted(site, target)
    subprocess.run(["chown", "-R", "nobody", site.app if owner == "of the folder" else staging], check=True)
    for more in ((), ("--apply",)):
        done = site.run("restore", *more)
        if owner == "of the folder":
            assert (done.returncode, "other than the login user may rename files in" in done.stderr) == (3, True)
        else:
            assert (done.returncode, done.stderr) == (0, "")
    assert (target.read_text(), (staging / "mark").exists()) == ("kept", True)


def test_interrupted_swap_of_an_undeclared_file_is_not_completed(site):
    site.back_up()
    (target := site.root / "undeclared").write_text("kept")
    planted(site, target)
    done = site.run("restore", "--apply")
    assert (done.returncode, "is not declared" in done.stderr) == (4, True)
    assert target.read_text() == "kept"


@pytest.mark.parametrize("above", [False, True])
def test_folder_in_which_others_may_rename_files_is_refused(site, above):
    site.back_up()
    assert site.run("restore", "--apply").returncode == 0
    (site.root if above else site.app).chmod(0o777)
    before = described(site.app)
    for more in ((), ("--apply",), ("--drop-old",), ("--drop-old", "--apply")):
        done = site.run("restore", *more)
        assert (done.returncode, "may rename files in" in done.stderr) == (3, True), more
    assert described(site.app) == before
    assert site.run("restore", "--apply", f"--into={site.root}/new").returncode == 0
