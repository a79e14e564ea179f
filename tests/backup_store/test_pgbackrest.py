"""Parsing recorded answers of pgBackRest."""

from dataclasses import replace

import pytest

from opsproof.backup import expiry, verification
from opsproof.backup_store import pgbackrest
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts.backups import StanzaState
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import Answer

DECLARED = Backup(database="metachat", engine="pgbackrest", stanza="metachat", run_as="postgres", folder="/srv/repo")
NOW = 1795620000.0
FIRST, NEWEST = "20261125-141231F", "20261125-143018F_20261125-143910D"


@pytest.fixture
def stanza(recorded):
    return lambda name="pgbackrest_stanza.txt": pgbackrest.parse(recorded(name, now=NOW), DECLARED)


def test_backups_are_parsed_with_sizes_and_times(stanza):
    found = stanza()
    assert [each.kind for each in found.backups] == ["full", "diff", "full", "incr", "diff", "diff", "diff"]
    assert (found.newest.label, found.newest.needs) == (NEWEST, ("20261125-143018F",))
    assert (found.newest.began, found.newest.ended) == (1795617550, 1795617552)
    assert (found.newest.size_bytes, found.newest.own_bytes) == (2866928, 182043)
    assert (found.version, found.system_id) == ("15", 7712111766773424220)
    assert (found.running, found.interrupted, found.free_bytes) == (False, [], 50876096512)
    assert found.flaws(found.newest) == []
    assert found.newest_full.label == "20261125-143018F"


def test_wal_gaps_count_from_the_oldest_backup(stanza):
    assert (stanza().missing(), stanza().missing_count) == ([], 0)
    assert stanza().window_s == NOW - 1795615954
    assert stanza().log_age_s == NOW - 1795618057
    gap = stanza("pgbackrest_stanza_gap.txt")
    assert gap.missing() == ["000000010000000000000013 to 000000010000000000000014"]
    assert gap.missing_count == 2
    assert gap.window_s == NOW - 1795617119


def test_backup_and_segment_dated_in_the_future_have_no_age(stanza):
    """By a host whose clock was days ahead and is right again."""
    early = replace(stanza(), now=1795617550.0 - 4000)
    for value in (lambda: StanzaState(early).age_s, lambda: early.log_age_s):
        with pytest.raises(OutputError, match="is dated in the future"):
            value()


def test_stanza_state_has_the_same_properties_as_dumps(stanza):
    state = StanzaState(stanza())
    assert (state.newest, state.kept, state.size_bytes) == (NEWEST, 7, 2866928)
    assert state.age_s == NOW - 1795617550
    assert 0 < state.size_change < 1
    assert state.flaws == state.stale == []
    assert state.room == pytest.approx(100 * 50876096512 / 2866928)


def test_stanza_without_backups_and_missing_stanza_are_absent(stanza):
    none = StanzaState(stanza("pgbackrest_stanza_no_backup.txt"))
    assert none.kept == 0
    for value in ("newest", "age_s", "size_bytes", "size_change", "flaws", "room"):
        with pytest.raises(Absent, match="stanza metachat has no backup"):
            getattr(none, value)
    assert none.stanza.window_s == 0
    with pytest.raises(Absent, match="WAL archive of stanza metachat is empty"):
        _ = none.stanza.log_age_s
    with pytest.raises(Absent, match="declared stanza metachat: pgBackRest reports: missing stanza path"):
        stanza("pgbackrest_stanza_missing.txt")


def test_unreadable_repository_raises_measurement_error(stanza):
    with pytest.raises(MeasurementError, match="cannot read repository 1") as caught:
        stanza("pgbackrest_stanza_unreadable.txt")
    assert len(str(caught.value).splitlines()) == 1


def test_running_backup_is_not_interrupted(stanza):
    found = stanza("pgbackrest_stanza_running.txt")
    assert (found.running, found.interrupted) == (True, [])
    assert len(found.folders) == 1


def test_interrupted_missing_and_damaged_backups_are_distinguished(recorded):
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
def test_truncated_answer_raises_output_error(recorded, cut):
    with pytest.raises(OutputError, match="cut short"):
        pgbackrest.parse(Answer(0, recorded("pgbackrest_stanza.txt").stdout[:-cut]), DECLARED)


def test_missing_repository_size_falls_back_to_cluster_size(recorded):
    text = recorded("pgbackrest_stanza.txt").stdout.replace('"size":2866928},"size":23639840', '},"size":23639840')
    found = pgbackrest.parse(Answer(0, text.replace('"delta":182043,}', '"delta":182043}'), now=NOW), DECLARED)
    assert found.newest.size_bytes == 23639840


def test_commands_need_no_escaping_in_sudoers():
    declared = DECLARED.model_copy(update={"config": "/etc/pgbackrest.conf"})
    for command in (verification.command(declared), expiry.dry_run_command(declared), expiry.expire_command(declared)):
        assert command.argv[:5] == ("sudo", "-n", "-u", "postgres", "--")
        assert not set(",:=\\#!*?[]^") & set(" ".join(command.argv))


def test_verify_output_yields_each_problem(recorded, stanza):
    assert verification.parse(recorded("pgbackrest_verify_ok.txt"), stanza()) == []
    assert verification.parse(recorded("pgbackrest_verify_error.txt"), stanza()) == [
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


def test_verify_status_ok_with_missing_backup_or_segment_is_a_problem(recorded, stanza):
    text = recorded("pgbackrest_verify_ok.txt").stdout
    without = "\n".join(line for line in text.split("\n") if NEWEST not in line)
    assert verification.parse(Answer(0, without), stanza()) == [f"{NEWEST} was not verified"]
    gap = "WAL 000000010000000000000013 to 000000010000000000000014 is missing from the archive"
    assert verification.parse(Answer(0, text), stanza("pgbackrest_stanza_gap.txt")) == [gap]
    missing = "stanza: nope\nstatus: error\n  No usable backup.info file\n"
    assert verification.parse(Answer(0, missing), stanza())[0] == "No usable backup.info file"


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
def test_verify_without_result_raises_measurement_error(stanza, answer):
    with pytest.raises(MeasurementError):
        verification.parse(answer, stanza())


@pytest.mark.parametrize(("status", "word"), [(1, "ok"), (0, "error")])
def test_verify_error_without_reason_raises_output_error(recorded, stanza, status, word):
    text = recorded("pgbackrest_verify_ok.txt").stdout.replace("status: ok", f"status: {word}")
    with pytest.raises(OutputError, match="and no reason"):
        verification.parse(Answer(status, text), stanza())


def test_expiring_backups_are_read_from_the_dry_run(recorded, stanza):
    found = expiry.parse(recorded("pgbackrest_expire.txt"), DECLARED)
    assert found.settings == {"full": "1"}
    assert found.policy == "full 1"
    assert set(found.due) == {FIRST, f"{FIRST}_20261125-141915D"}
    assert found.after(stanza(), "diff") == [FIRST, f"{FIRST}_20261125-141915D"]
    assert len(found.after(stanza(), "full")) == 7


@pytest.mark.parametrize(
    ("settings", "kind", "count"),
    [({"full": "2"}, "diff", 0), ({"full": "2"}, "full", 2), ({"full": "3"}, "full", 0), ({}, "full", 0),
     ({"full": "2", "full-type": "time"}, "full", 0)],
)  # fmt: skip
def test_new_full_backup_expires_the_oldest_with_its_dependents(stanza, settings, kind, count):
    assert len(expiry.Expiry(settings, ()).after(stanza(), kind)) == count
