"""What pgBackRest says of a stanza, as it really said it, and what is made of it."""

import pytest

from opsproof.backup import expiry, verification
from opsproof.backup_store import pgbackrest
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts.backups import StanzaState
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer

DECLARED = Backup(database="metachat", engine="pgbackrest", stanza="metachat", run_as="postgres", folder="/srv/repo")
NOW = 1795620000.0
FIRST, NEWEST = "20261125-141231F", "20261125-143018F_20261125-143910D"


@pytest.fixture
def seen(recorded):
    return lambda name="pgbackrest_stanza.txt": pgbackrest.parse(recorded(name, now=NOW), DECLARED)


def test_backups_are_read_with_their_sizes_and_times(seen):
    found = seen()
    assert [each.kind for each in found.backups] == ["full", "diff", "full", "incr", "diff", "diff", "diff"]
    assert (found.newest.label, found.newest.needs) == (NEWEST, ("20261125-143018F",))
    assert (found.newest.began, found.newest.ended) == (1795617550, 1795617552)
    assert (found.newest.size_bytes, found.newest.own_bytes) == (2866928, 182043)
    assert (found.version, found.system_id) == ("15", 7712111766773424220)
    assert (found.running, found.interrupted, found.free_bytes) == (False, [], 50876096512)
    assert found.flaws(found.newest) == []
    assert found.newest_full.label == "20261125-143018F"


def test_the_archive_is_judged_from_the_oldest_backup_on(seen):
    assert (seen().missing(), seen().missing_count) == ([], 0)
    assert seen().window_s == NOW - 1795615954
    assert seen().log_age_s == NOW - 1795618057
    gap = seen("pgbackrest_stanza_gap.txt")
    assert gap.missing() == ["000000010000000000000013 to 000000010000000000000014"]
    assert gap.missing_count == 2
    assert gap.window_s == NOW - 1795617119


def test_the_state_has_the_words_of_the_other_engine(seen):
    state = StanzaState(seen())
    assert (state.newest, state.kept, state.size_bytes) == (NEWEST, 7, 2866928)
    assert state.age_s == NOW - 1795617550
    assert 0 < state.size_change < 1
    assert state.flaws == state.stale == []
    assert state.room == pytest.approx(100 * 50876096512 / 2866928)


def test_without_a_backup_there_is_none_and_without_a_stanza_nothing(seen):
    none = StanzaState(seen("pgbackrest_stanza_no_backup.txt"))
    assert none.kept == 0
    for value in ("newest", "age_s", "size_bytes", "size_change", "flaws", "room"):
        with pytest.raises(Absent, match="stanza metachat has no backup"):
            getattr(none, value)
    assert none.stanza.window_s == 0
    with pytest.raises(Absent, match="WAL archive of stanza metachat is empty"):
        _ = none.stanza.log_age_s
    with pytest.raises(Absent, match="declared stanza metachat: pgBackRest reports: missing stanza path"):
        seen("pgbackrest_stanza_missing.txt")


def test_a_repository_that_cannot_be_read_is_unknown(seen):
    with pytest.raises(MeasurementError, match="cannot read repository 1") as caught:
        seen("pgbackrest_stanza_unreadable.txt")
    assert len(str(caught.value).splitlines()) == 1


def test_a_backup_at_work_is_no_leftover(seen):
    found = seen("pgbackrest_stanza_running.txt")
    assert (found.running, found.interrupted) == (True, [])
    assert len(found.folders) == 1


def test_what_was_left_and_what_is_lost_are_told_apart(recorded):
    text = recorded("pgbackrest_stanza.txt").stdout
    left = pgbackrest.parse(
        Answer(0, text.replace(f"folder {FIRST}\n", "folder 20261125-150000F\n", 1), now=NOW), DECLARED
    )
    assert left.interrupted == ["20261125-150000F"]
    assert left.flaws(left.backups[1]) == [f"{FIRST} is in the backup list, but missing from the repository"]
    assert left.flaws(left.newest) == []
    damaged = pgbackrest.parse(Answer(0, text.replace('"error":false', '"error":true'), now=NOW), DECLARED)
    assert damaged.flaws(damaged.newest) == [f"{NEWEST} contains pages that failed their checksum in the cluster"]


@pytest.mark.parametrize("cut", [1, 4, 400])
def test_what_was_cut_short_is_unknown(recorded, cut):
    with pytest.raises(OutputError, match="cut short"):
        pgbackrest.parse(Answer(0, recorded("pgbackrest_stanza.txt").stdout[:-cut]), DECLARED)


def test_a_size_that_newer_versions_do_not_tell_is_that_of_the_cluster(recorded):
    text = recorded("pgbackrest_stanza.txt").stdout.replace('"size":2866928},"size":23639840', '},"size":23639840')
    found = pgbackrest.parse(Answer(0, text.replace('"delta":182043,}', '"delta":182043}'), now=NOW), DECLARED)
    assert found.newest.size_bytes == 23639840


def test_commands_hold_nothing_that_sudo_wants_quoted():
    declared = DECLARED.model_copy(update={"config": "/etc/pgbackrest.conf"})
    for command in (verification.command(declared), expiry.dry_run_command(declared), expiry.expire_command(declared)):
        assert command.argv[:5] == ("sudo", "-n", "-u", "postgres", "--")
        assert not set(",:=\\#!*?[]^") & set(" ".join(command.argv))


def test_all_is_read_back_or_each_flaw_is_told(recorded, seen):
    assert verification.parse(recorded("pgbackrest_verify_ok.txt"), seen()) == []
    assert verification.parse(recorded("pgbackrest_verify_error.txt"), seen()) == [
        "WAL of 15-1: 25 of 26 segments are valid",
        "WAL of 15-1: other: 1",
        "20261125-143018F is invalid: 967 of 968 files are valid",
        "20261125-143018F: checksum invalid: 1",
        "20261125-143018F_20261125-143025I is invalid: 967 of 968 files are valid",
        "20261125-143018F_20261125-143025I: checksum invalid: 1",
        "20261125-143018F_20261125-143151D is manifest missing: 0 of 0 files are valid",
        "20261125-143018F_20261125-143158D is invalid: 967 of 968 files are valid",
        "20261125-143018F_20261125-143158D: checksum invalid: 1",
        f"{NEWEST} is invalid: 972 of 973 files are valid",
        f"{NEWEST}: checksum invalid: 1",
    ]


def test_what_pgbackrest_calls_ok_is_not_where_a_backup_or_a_segment_is_not_among_it(recorded, seen):
    text = recorded("pgbackrest_verify_ok.txt").stdout
    without = "\n".join(line for line in text.split("\n") if NEWEST not in line)
    assert verification.parse(Answer(0, without), seen()) == [f"{NEWEST} was not verified"]
    gap = "WAL 000000010000000000000013 to 000000010000000000000014 is missing from the archive"
    assert verification.parse(Answer(0, text), seen("pgbackrest_stanza_gap.txt")) == [gap]
    missing = "stanza: nope\nstatus: error\n  No usable backup.info file\n"
    assert verification.parse(Answer(0, missing), seen())[0] == "No usable backup.info file"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, ""),
        Answer(127, "", "pgbackrest: No such file or directory"),
        Answer(82, "", "ERROR: [082]: something"),
        Answer(124, "stanza: metachat\nstatus: ok\n", flag="timeout", elapsed_s=9),
    ],
    ids=["silent", "missing", "failed", "timed out"],
)
def test_what_does_not_say_what_it_read_is_unknown(seen, answer):
    with pytest.raises(MeasurementError):
        verification.parse(answer, seen())


@pytest.mark.parametrize(("status", "word"), [(1, "ok"), (0, "error")])
def test_an_error_without_a_reason_is_unknown(recorded, seen, status, word):
    text = recorded("pgbackrest_verify_ok.txt").stdout.replace("status: ok", f"status: {word}")
    with pytest.raises(OutputError, match="and no reason"):
        verification.parse(Answer(status, text), seen())


def test_what_the_retention_lets_go_is_read_off_a_trial(recorded, seen):
    found = expiry.parse(recorded("pgbackrest_expire.txt"), DECLARED)
    assert found.settings == {"full": "1"}
    assert found.policy == "full 1"
    assert set(found.due) == {FIRST, f"{FIRST}_20261125-141915D"}
    assert found.after(seen(), "diff") == [FIRST, f"{FIRST}_20261125-141915D"]
    assert len(found.after(seen(), "full")) == 7


@pytest.mark.parametrize(
    ("settings", "kind", "count"),
    [({"full": "2"}, "diff", 0), ({"full": "2"}, "full", 2), ({"full": "3"}, "full", 0), ({}, "full", 0),
     ({"full": "2", "full-type": "time"}, "full", 0)],
)  # fmt: skip
def test_one_more_full_backup_pushes_the_oldest_out_with_what_needs_it(seen, settings, kind, count):
    assert len(expiry.Expiry(settings, ()).after(seen(), kind)) == count
