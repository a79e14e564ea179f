"""Backups by pgBackRest: plans, refusals, verification and kills."""

import json
import os
import subprocess
import time

import pytest

from lab.pgbackrest import history
from lab.pgbackrest.faults import backing_up, working
from lab.waiting import wait_until
from tests.harness import extent
from tests.harness.notes import show_rows
from tests.pgbackrest.acting import again, begun, in_time, met
from tests.pgbackrest.acting import kill as kill_all

pytestmark = pytest.mark.pgbackrest

DAY_S = 86400
SOONER = 0.9
ROWS: list[str] = []


def labels(site):
    (stanza,) = json.loads(site.pgbackrest("--output", "json", "info"))
    return [each["label"] for each in stanza["backup"]]


def folders(site):
    return sorted(path.name for path in (site.repo / "backup" / "metachat").glob("2*"))


def journal(site):
    return [json.loads(line) for line in (site.reports / "journal.jsonl").read_text().splitlines()]


def with_retention(site, **settings):
    path = site.home / "pgbackrest.conf"
    kept = path.read_text()
    lines = "".join(f"repo1-retention-{name.replace('_', '-')}={value}\n" for name, value in settings.items())
    path.write_text(kept.replace("repo1-retention-full=2\n", lines))
    return kept


def test_plan_lists_type_size_and_expired_backups_and_changes_nothing(site):
    before = labels(site)
    done = site.action("backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1. make a diff backup of stanza metachat: about 1." in done.stdout
    assert "GB free" in done.stdout
    assert "2. read repository 1 back: 4 backups and the WAL archive" in done.stdout
    assert "3. expire by pgBackRest's own retention (full 2): nothing" in done.stdout
    assert labels(site) == before


def test_backup_is_made_verified_and_recorded(site):
    before = labels(site)
    done = site.action("backup", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    *older, new = labels(site)
    assert older == before
    assert new.endswith("D")
    (entry,) = journal(site)
    assert entry["measured"]["set"] == new
    assert entry["measured"]["read_back"] == "metachat"


def test_full_backup_is_made_after_interval_and_expired_backups_are_pruned_last(site):
    history.set_ages(site.repo, [8 * DAY_S, 2 * DAY_S, DAY_S])
    kept = with_retention(site, full=1)
    old = labels(site)
    try:
        planned = site.action("backup")
        assert "1. make a full backup of stanza metachat" in planned.stdout
        assert f"(full 1): {', '.join(old)}\n" in planned.stdout
        done = site.action("backup", "--apply")
    finally:
        (site.home / "pgbackrest.conf").write_text(kept)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(labels(site)) == 1
    assert labels(site)[0] not in old


def test_damaged_backup_stops_pruning(site):
    history.set_ages(site.repo, [8 * DAY_S, 2 * DAY_S, DAY_S])
    kept = with_retention(site, full=1)
    path = max(site.repo.glob(f"backup/metachat/{labels(site)[0]}/pg_data/base/*/*.zst"))
    path.write_bytes(path.read_bytes()[:-1])
    old = labels(site)
    try:
        done = site.action("backup", "--apply")
    finally:
        (site.home / "pgbackrest.conf").write_text(kept)
    assert done.returncode == 4
    assert f"{old[0]} is invalid" in done.stderr
    assert set(old) < set(labels(site))


def test_missing_retention_is_reported(site):
    kept = with_retention(site)
    try:
        done = site.action("backup")
    finally:
        (site.home / "pgbackrest.conf").write_text(kept)
    assert "retention (not set: backups never expire): nothing" in done.stdout


def test_failing_archive_command_is_refused_before_backup(site):
    before = folders(site)
    site.sql("ALTER SYSTEM SET archive_command = '/bin/false pgbackrest'", "postgres")
    site.sql("SELECT pg_reload_conf()", "postgres")
    path = site.home / "pgbackrest.conf"
    kept = path.read_text()
    path.write_text(kept.replace("archive-timeout=20\n", "archive-timeout=0.5\n"))
    try:
        done = site.action("backup", "--apply")
    finally:
        path.write_text(kept)
    assert done.returncode == 3
    assert "pgbackrest check: [082]: WAL segment" in done.stderr
    assert folders(site) == before


def test_stopped_server_is_refused(site):
    site.stop()
    done = site.action("backup", "--apply")
    assert done.returncode == 3
    assert "pgbackrest check: [0" in done.stderr


def test_second_backup_is_refused_while_another_runs(site):
    with backing_up(site):
        done = site.action("backup", "--apply")
        kill_all(working(site))
    assert done.returncode == 3
    assert "a backup of stanza metachat is already running" in done.stderr


def test_missing_stanza_exits_with_6_and_hint(site):
    site.run("rm", "-rf", site.repo)
    site.run("mkdir", site.repo)
    done = site.action("backup", "--apply")
    assert done.returncode == 6
    assert "missing stanza path: run pgbackrest stanza-create" in done.stderr


def test_repository_without_disk_space_is_refused(site, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    site.inventory(site.home / "inventory.toml", "")
    tmp_path.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    try:
        path = site.home / "inventory.toml"
        path.write_text(path.read_text().replace(f'folder = "{site.repo}"', f'folder = "{tmp_path}"'))
        done = site.action("backup", "--apply")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 3
    assert "1 MB free (2." in done.stderr


def test_backup_with_damaged_page_fails(site):
    path = site.data / site.sql("SELECT pg_relation_filepath('messages')")
    site.stop("fast")
    content = bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    site.start()
    done = site.action("backup", "--apply")
    assert done.returncode == 4
    assert "contains pages that failed their checksum in the cluster" in done.stderr


def flipped(site):
    path = max(site.repo.glob(f"backup/metachat/{labels(site)[0]}/pg_data/base/*/*.zst"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "is invalid: "


def without_manifest(site):
    for path in (site.repo / "backup" / "metachat" / labels(site)[-1]).glob("backup.manifest*"):
        path.unlink()
    return "is manifest missing: "


def needed(site):
    """The last WAL segment that the newest backup needs."""
    (stanza,) = json.loads(site.pgbackrest("--output", "json", "info"))
    (path,) = site.repo.glob(f"archive/metachat/*-1/0*/{stanza['backup'][-1]['archive']['stop']}-*")
    return path


def without_needed_segment(site):
    path = needed(site)
    path.unlink()
    return f"WAL {path.name[:24]} is missing from the archive"


def with_a_damaged_segment(site):
    path = needed(site)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "segments are valid"


DAMAGES = [flipped, without_manifest, without_needed_segment, with_a_damaged_segment]


@pytest.mark.parametrize("damage", DAMAGES)
def test_verification_finds_damage_that_pgbackrest_calls_ok(site, damage):
    said = damage(site)
    done = site.action("verify_backup", "--apply")
    assert done.returncode == 5
    assert said in done.stderr
    (entry,) = journal(site)
    assert said in entry["measured"]["flaws_of_metachat"]


def test_verification_passes_good_backup_and_fails_old_backup(site):
    assert site.action("verify_backup", "--apply").returncode == 0
    history.set_ages(site.repo, [4 * DAY_S, 3 * DAY_S, 2 * DAY_S])
    done = site.action("verify_backup", "--apply")
    assert done.returncode == 5
    assert "backup age 2 d (limit < " in done.stderr
    assert site.action("verify_backup", "--set=x", "--apply").returncode == 2


@pytest.fixture(scope="module")
def matrix(request):
    """Prints the kills."""
    yield from show_rows(request, ROWS)


def started(site):
    """A backup after pgBackRest has started."""
    process = begun(site, "backup", "--apply")
    wait_until(lambda: working(site), "pgBackRest works", 60, process=process, every_s=0.01)
    return process


@pytest.fixture(scope="module")
def course(made_site):
    """The seconds from pgBackRest's start to the end of a backup."""
    with started(made_site) as process:
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
        lasts_s = time.monotonic() - began
    assert process.returncode == 0, said
    made_site.reset()
    return dict.fromkeys(["action", "pgbackrest"], lasts_s)


def struck(site, whom, share, course):
    """Kills a backup at a share of the course; False, and sooner next time, if too late."""

    def strike():
        running = [process.pid] if process.poll() is None else []
        kill_all(pids := running if whom == "action" else working(site))
        return pids

    moment_s = share * course[whom]
    with started(site) as process:
        time.sleep(moment_s)
        hit = met(process, strike, "pgBackRest works")
        process.wait(60)
    ROWS.append(f"{whom if hit else '-':12} {100 * share:3.0f} % {moment_s:5.2f} s")
    course[whom] *= 1 if hit else SOONER
    return hit


def moments(whom):
    """When to kill, as shares of the course."""
    return extent.moments(f"stanza backup: {whom}")


@pytest.mark.kills
@pytest.mark.parametrize("number", range(extent.KILLS))
@pytest.mark.parametrize("whom", ["action", "pgbackrest"])
def test_next_backup_removes_leftovers_of_killed_backup(site, matrix, course, whom, number):
    before = labels(site)
    in_time(lambda: struck(site, whom, moments(whom)[number], course))
    done = again(site, "backup", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(before) < set(labels(site))
    assert folders(site) == sorted(labels(site))
    assert site.action("verify_backup", "--apply").returncode == 0
