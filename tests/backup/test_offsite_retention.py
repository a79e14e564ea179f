"""Expired copies are pruned after the new copy is complete, and never below keep_least."""

import hashlib
import io
import os
import shutil
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from opsproof.backup_store import dump_folder, off_site
from opsproof.inventory.hosts import Host

SUFFIXES = ("dump", "globals.sql", "manifest.json")


@pytest.fixture
def site(small_site):
    return small_site


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture(params=["folder", "ssh", "bucket"])
def target(request, elsewhere):
    if request.param == "bucket":
        request.getfixturevalue("s3")
        return "s3://copies/vps"
    if request.param == "folder":
        return str(elsewhere)
    return request.getfixturevalue("sshd").replace("?", f"{elsewhere}?", 1)


def place(target):
    """The store of a target; an ssh target is accessed as a local folder."""
    where = urlsplit(target).path if target.startswith("ssh://") else target
    return off_site.copy_store(Host.model_validate({"transport": "local://"}).placed("vps", ()), where)


def copied(target, *days):
    """Puts copies of sets into a store, dated the given numbers of days ago."""
    there, names = place(target), [dump_folder.set_name_at("metachat", time.time() - age * 86400) for age in days]
    for name in names:
        files = {f"{name}.{suffix}": suffix.encode() for suffix in SUFFIXES}
        lines = [f"{hashlib.sha256(content).hexdigest()}  {each}\n" for each, content in files.items()]
        for each, content in {**files, f"{name}.sha256": "".join(lines).encode()}.items():
            there.put(each, io.BytesIO(content), len(content))
            there.commit(each)
    return names


def sets(target):
    return off_site.fetch_copies(place(target), "metachat", time.time()).sets


def test_expired_copies_are_planned_and_pruned_after_the_new_copy(site, target):
    old, older, young = copied(target, 31, 45, 29)
    inventory = site.inventory(off_site=[target], keep_least=2)
    planned = site.run(inventory=inventory)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert f"prune expired copies in {target}: {older}, {old}\n" in planned.stdout
    assert sets(target) == [older, old, young]
    done = site.run("--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    assert sets(target) == [young, *site.sets]
    assert {each.partition(".")[0] for each in place(target).ages("metachat_")} == {young, *site.sets}


def test_keep_least_copies_stay_however_old(site, elsewhere):
    kept = copied(str(elsewhere), 45, 31)
    done = site.run("--apply", inventory=site.inventory(off_site=[str(elsewhere)], keep_least=3))
    assert (done.returncode, done.stderr) == (0, "")
    assert sets(str(elsewhere)) == [*kept, *site.sets]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_no_copy_is_pruned_if_a_kept_copy_is_incomplete(site, elsewhere, kind, request):
    target = str(elsewhere)
    if kind == "bucket":
        request.getfixturevalue("s3")
        target = "s3://copies"
    old, young = copied(target, 31, 2)
    place(target).remove([f"{young}.dump"])
    done = site.run("--apply", inventory=site.inventory(off_site=[target], keep_least=2))
    assert done.returncode == 4
    assert f"nothing pruned in {target}: {young}: " in done.stderr
    assert old in sets(target)


def test_no_copy_is_pruned_if_the_target_prunes_itself(site, elsewhere):
    old = copied(str(elsewhere), 400, 500)
    done = site.run("--apply", inventory=site.inventory(off_site=[str(elsewhere)], off_site_keep="all", keep_least=1))
    assert (done.returncode, done.stderr) == (0, "")
    assert ". prune" not in done.stdout
    assert set(old) < set(sets(str(elsewhere)))


def test_only_day_old_leftovers_of_interrupted_copies_are_removed(site, elsewhere):
    left = [f"metachat_20260101T000000Z.{each}" for each in ("copying", "dump.age", "sha256.partial")]
    others = [
        "metachat_20260102T000000Z.dump.partial",
        "metachat_20260103T000000Z.dump",
        "metachat-2_20260101T000000Z.dump.partial",
        "notes.partial",
    ]
    for name in (*left, *others):
        (elsewhere / name).touch()
    for name in (*left, *others[1:]):
        os.utime(elsewhere / name, 2 * (time.time() - 90000,))
    inventory = site.inventory(off_site=[str(elsewhere)])
    planned = site.run(inventory=inventory)
    assert f"remove leftovers of interrupted copies in {elsewhere}: {', '.join(left)}\n" in planned.stdout
    assert site.run("--apply", inventory=inventory).returncode == 0
    there = {path.name for path in elsewhere.iterdir()}
    assert not there & set(left)
    assert set(others) < there
    assert [name for name in there if name.endswith(".copying")] == []


@pytest.mark.parametrize("spelling", ["dots", "link", "mount", "ssh"])
def test_target_that_leads_to_the_backup_folder_is_refused(site, small_made, tmp_path, request, spelling):
    name, folder = site.take(small_made), site.folder
    link = tmp_path / "link"
    if spelling == "link":
        link.symlink_to(folder)
    if spelling == "mount":
        link.mkdir()
        if subprocess.run(["mount", "--bind", folder, link], check=False).returncode:
            pytest.skip("only root can mount")
    target = {"dots": f"{folder.parent}/./{folder.name}", "link": str(link), "mount": str(link)}.get(spelling)
    target = target or request.getfixturevalue("sshd").replace("?", f"{folder}?", 1)
    for path in site.files(name):
        os.utime(path, 2 * (time.time() - 90000,))
    for more in ([], ["--apply"]):
        done = site.run(*more, inventory=site.inventory(off_site=[target]))
        message = f"backup: off_site {target} is the backup folder {folder}: nothing was changed\n"
        assert (done.returncode, done.stderr) == (3, message)
    assert (site.sets, site.flaws()) == ([name], [])
    subprocess.run(["umount", link], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("spelling", ["folder", "ssh"])
@pytest.mark.parametrize(("where", "how"), [("inner", "is inside"), ("..", "contains")])
def test_target_inside_or_around_the_backup_folder_is_refused(site, where, how, spelling, request):
    (site.folder / "inner").mkdir(parents=True, exist_ok=True)
    target = f"{site.folder}/{where}"
    if spelling == "ssh":
        target = request.getfixturevalue("sshd").replace("?", f"{target}?", 1)
    for more in ([], ["--apply"]):
        done = site.run(*more, inventory=site.inventory(off_site=[target]))
        message = f"backup: off_site {target} {how} the backup folder {site.folder}: nothing was changed\n"
        assert (done.returncode, done.stderr) == (3, message)
    assert site.sets == []


def test_two_paths_to_one_target_are_refused(site, elsewhere, tmp_path):
    (tmp_path / "link").symlink_to(elsewhere)
    done = site.run(inventory=site.inventory(off_site=[str(elsewhere), str(tmp_path / "link")]))
    message = f"off_site {tmp_path}/link is the same as {elsewhere}: nothing was changed"
    assert (done.returncode, message in done.stderr) == (3, True)


def test_backups_of_another_run_in_the_target_are_no_leftovers(site, small_made, elsewhere):
    (name,) = small_made.sets
    for path in small_made.files(name):
        shutil.copy(path, elsewhere)
        os.utime(elsewhere / path.name, 2 * (time.time() - 90000,))
    kept = {path.name for path in elsewhere.iterdir()}
    done = site.run("--apply", inventory=site.inventory(off_site=[str(elsewhere)], keep_least=1))
    assert (done.returncode, done.stderr) == (0, "")
    assert kept < {path.name for path in elsewhere.iterdir()}


def test_unreachable_target_prevents_neither_backup_nor_other_copies(site, elsewhere, free_port):
    silent = f"ssh://nobody@127.0.0.1:{free_port}/copies"
    inventory = site.inventory(off_site=[silent, str(elsewhere)])
    planned = site.run(inventory=inventory)
    assert planned.returncode == 0
    assert f"to {silent} (unreachable now: " in planned.stdout
    done = site.run("--apply", inventory=inventory)
    assert done.returncode == 4
    assert f"copying to {silent} failed: " in done.stderr
    assert len(site.sets) == 1
    assert (site.flaws(), sets(str(elsewhere))) == ([], site.sets)


def test_backups_with_similar_names_share_folder_and_target_safely(site, elsewhere):
    """One name is a prefix of the other."""
    inventory = site.inventory(off_site=[str(elsewhere)], keep_least=1)
    text = inventory.read_text()
    _, _, backup = text.partition("[hosts.vps.backups.metachat]")
    inventory.write_text(f"{text}[hosts.vps.backups.metachat-2]{backup}")
    copied(str(elsewhere), 40)
    assert site.run("--apply", "--backup=metachat-2", inventory=inventory).returncode == 0
    assert len(sets(str(elsewhere))) == 1
    done = site.run("--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    assert [name.partition("_")[0] for name in site.sets] == ["metachat-2", "metachat-2", "metachat"]
    assert sets(str(elsewhere)) == site.sets[2:]
