"""Drills with pgBackRest: a good backup comes back, each damage is found, and nothing is left, whatever is killed."""

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


def test_a_good_backup_comes_back_to_the_end_of_the_log(site):
    site.write("last")
    site.archive()
    planned = site.action("restore_drill")
    assert "to the end of the log as " in planned.stdout
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


def test_a_moment_can_be_practised_and_the_cluster_archives_nothing(site):
    moment = site.write("wanted")
    site.write("unwanted")
    site.archive()
    before = sorted(site.repo.glob("archive/**/*"))
    done = drill(site, "--to", moment)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(site.repo.glob("archive/**/*")) == before
    (entry,) = journal(site)
    assert entry["measured"]["rows"] == int(site.sql("SELECT count(*) FROM messages")) - 1 + 50


def test_a_gap_in_the_log_is_no_end_of_it(site):
    archived = []
    for body in ("one", "two", "three"):
        site.write(body)
        archived.append(site.archive())
    archived[1].unlink()
    done = drill(site)
    assert done.returncode == 5
    assert "a segment in between lacks" in done.stderr


def unchanged(site):
    """A file of the full backup that the newest one needs: a catalog that nobody changes."""
    return next(site.repo.glob("backup/metachat/*F/pg_data/base/1/1255.zst"))


def damaged(site):
    path = unchanged(site)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def gone(site):
    unchanged(site).unlink()


def test_a_page_of_an_index_that_was_damaged_before_it_was_backed_up_is_found(site):
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
def test_a_backup_that_cannot_be_restored_is_found(site, damage):
    damage(site)
    done = drill(site)
    assert done.returncode == 5
    assert "pgbackrest ended with status" in done.stderr


def test_a_table_that_is_declared_and_not_there_is_found(site):
    site.sql("DROP TABLE tenants")
    site.archive()
    done = drill(site)
    assert done.returncode == 5
    assert "public.tenants is not in it" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--to", "2026-11-25 14:00:00"], 2, "names no zone"),
        (["--to", "soon"], 2, "is no moment such as"),
        (["--to", "2999-01-01 00:00:00+00"], 2, "is still to come"),
        (["--to", "2001-01-01 00:00:00+00"], 5, "no backup ended before"),
        (["--set", "20010101-000000F"], 2, "is none of 20"),
        (["--from", "/tmp"], 2, "--from: not with the engine pgbackrest"),
    ],
)
def test_what_cannot_be_restored_is_said(site, words, status, said):
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
def test_killed_at_any_moment_the_next_one_clears_what_is_left(site, moment):
    in_time(lambda: killed(site, moment))
    done = again(site, "restore_drill", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert beside(site) == []
    assert list(site.home.glob("data_*")) == []
    assert programs(site, "data_drill_") == []


@pytest.mark.kills
@pytest.mark.parametrize("words", [["pgbackrest", "restore"], ["postgres", "-D"]])
def test_a_server_and_a_restore_that_are_killed_on_the_host_are_found_and_cleared(site, words):
    in_time(lambda: struck(site, *words))
    assert bodies(site, 1) == ["shortly before diff"]


def struck(site, program, word):
    """Whether a program of a drill was met and killed; the drill finds that, and leaves nothing either way."""

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
    """The processes of a program itself, not of those that only name it in their command lines."""
    lines = {pid: processes.command(pid).split() for pid in programs(site, "data_drill_", word)}
    return [pid for pid, words in lines.items() if words and Path(words[0]).name == program and word in words[1:]]
