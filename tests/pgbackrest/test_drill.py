"""Drills with pgBackRest: a good backup passes, damage is found, killed drills leave nothing behind."""

import json
from pathlib import Path

import pytest

from lab import processes
from opsproof.action import drills
from tests.pgbackrest.acting import again, begun, beside, bodies, in_time, is_served, kill, met, programs

pytestmark = pytest.mark.pgbackrest


def drill(site, *more):
    done = site.action("restore_drill", "--apply", *more)
    assert beside(site) == []
    assert is_served(site)
    return done


def journal(site):
    return [json.loads(line) for line in (site.reports / "journal.jsonl").read_text().splitlines()]


def test_good_backup_is_restored_to_end_of_wal(site):
    site.write("last")
    site.archive()
    planned = site.action("restore_drill")
    assert "to the end of WAL as " in planned.stdout
    assert "data_drill_20" in planned.stdout
    assert beside(site) == []
    done = drill(site)
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = journal(site)
    rows = int(site.sql("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM tenants)"))
    assert entry["measured"]["rows"] == rows
    assert entry["measured"]["size_bytes"] > 20e6
    assert "not_checked" not in entry["measured"]
    assert drills.last(site.reports / "journal.jsonl", "stanza", "metachat").restore_s < 60


def test_drill_to_target_time_passes_and_archives_nothing(site):
    moment = site.write("wanted")
    site.write("unwanted")
    site.archive()
    before = sorted(site.repo.glob("archive/**/*"))
    done = drill(site, "--to", moment)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(site.repo.glob("archive/**/*")) == before
    (entry,) = journal(site)
    assert entry["measured"]["rows"] == int(site.sql("SELECT count(*) FROM messages")) - 1 + 50


def test_missing_wal_segment_fails_drill(site):
    archived = []
    for body in ("one", "two", "three"):
        site.write(body)
        archived.append(site.archive())
    archived[1].unlink()
    done = drill(site)
    assert done.returncode == 5
    assert "a WAL segment in between is missing" in done.stderr


def unchanged(site):
    """A file of the full backup that the newest backup needs: an unchanged catalog."""
    return next(site.repo.glob("backup/metachat/*F/pg_data/base/1/1255.zst"))


def damaged(site):
    path = unchanged(site)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def gone(site):
    unchanged(site).unlink()


def test_index_page_damaged_before_backup_is_found(site):
    path = site.data / site.sql("SELECT pg_relation_filepath('messages_pkey')")
    site.stop("fast")
    content = bytearray(path.read_bytes())
    content[8192 * 5 + 8000] ^= 1
    path.write_bytes(content)
    site.start()
    site.pgbackrest("--type", "full", "backup")
    done = drill(site)
    assert done.returncode == 5
    assert "pg_amcheck: " in done.stderr


@pytest.mark.parametrize("damage", [damaged, gone])
def test_damaged_backup_fails_drill(site, damage):
    damage(site)
    done = drill(site)
    assert done.returncode == 5
    assert "pgbackrest ended with status" in done.stderr


def test_missing_declared_table_fails_drill(site):
    site.sql("DROP TABLE tenants")
    site.archive()
    done = drill(site)
    assert done.returncode == 5
    assert "table public.tenants is missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--to", "2026-11-25 14:00:00"], 2, "has no time zone"),
        (["--to", "soon"], 2, "is not a time"),
        (["--to", "2999-01-01 00:00:00+00"], 2, "is in the future"),
        (["--to", "2001-01-01 00:00:00+00"], 5, "no backup completed before"),
        (["--set", "20010101-000000F"], 2, "choose one of 20"),
        (["--from", "/tmp"], 2, "--from is not valid for engine pgbackrest"),
    ],
)
def test_invalid_options_are_refused(site, words, status, said):
    done = site.action("restore_drill", "--apply", *words)
    assert done.returncode == status
    assert said in done.stderr


MOMENTS = {
    "restoring": lambda site: list(site.home.glob("data_drill_*Z/base")),
    "recovering": lambda site: list(site.home.glob("data_drill_*Z.server/log")),
    "reading": lambda site: programs(site, "pg_amcheck"),
    "removing": lambda site: programs(site, "rm -rf"),
}


def killed(site, moment):
    """Whether a drill was killed at this moment."""
    with begun(site, "restore_drill", "--apply") as process:
        if not met(process, lambda: MOMENTS[moment](site), moment):
            return False
        kill(programs(site, "cluster.pl") if moment == "removing" else [])
        process.kill()
        process.wait(60)
    return True


@pytest.mark.kills
@pytest.mark.parametrize("moment", MOMENTS)
def test_next_drill_removes_leftovers_of_killed_drill(site, moment):
    in_time(lambda: killed(site, moment))
    done = again(site, "restore_drill", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert beside(site) == []
    assert list(site.home.glob("data_*")) == []
    assert programs(site, "data_drill_") == []


@pytest.mark.kills
@pytest.mark.parametrize("words", [["pgbackrest", "restore"], ["postgres", "-D"]])
def test_server_or_restore_killed_on_host_fails_drill_and_leaves_nothing(site, words):
    in_time(lambda: struck(site, *words))
    assert bodies(site, 1) == ["shortly before diff"]


def struck(site, program, word):
    """Whether a program of a drill was killed; asserts that the drill then fails, and leaves no directory."""

    def strike():
        kill(hit := of_the_drill(site, program, word))
        return hit

    with begun(site, "restore_drill", "--apply") as process:
        hit = met(process, strike, program)
        said = process.communicate(timeout=60)[1]
    assert beside(site) == []
    assert process.returncode == (5 if hit else 0), said
    return hit


def of_the_drill(site, program, word):
    """The processes whose executable is `program`, without processes that only mention it as an argument."""
    lines = {pid: processes.command(pid).split() for pid in programs(site, "data_drill_", word)}
    return [pid for pid, words in lines.items() if words and Path(words[0]).name == program and word in words[1:]]
