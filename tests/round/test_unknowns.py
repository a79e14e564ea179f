"""Checks that stay unknown fail: after `unknown_for`, or in the second monthly or quarterly round."""

import time
from types import SimpleNamespace

import pytest

from opsproof.core.units import show_moment
from opsproof.core.verdicts import Verdict
from opsproof.history.store import History
from opsproof.inventory.load import load
from opsproof.round.unknowns import UnknownLimits

HOUR = 3600
DAY = 86400
NOW = 1_800_000_000.0
HOST = '[hosts.vps]\ntransport = "local://"\nmounts."/data" = {}\n'
TEST = "test_own[vps-/data]"


@pytest.fixture
def after(tmp_path):
    """The verdict of a check that is unknown now, after earlier runs: (seconds ago, round, verdict)."""

    def after(*runs, inventory=HOST, cadence="daily", markers=("daily",)):
        path = tmp_path / "inventory.toml"
        path.write_text(inventory, encoding="utf-8")
        load.cache_clear()
        history = History(tmp_path / "history.sqlite")
        history.path.unlink(missing_ok=True)
        for ago, round_of_run, word in runs:
            history.add(NOW - ago, str(path), round_of_run, [Verdict(TEST, "vps", "/data", word)])
        marks = [SimpleNamespace(name=each) for each in ("remedy", *markers)]
        params = {"host": "vps", "mount": "/data"}
        item = SimpleNamespace(callspec=SimpleNamespace(params=params), iter_markers=lambda: marks)
        verdict = Verdict(TEST, "vps", "/data", "unknown", "df timed out")
        UnknownLimits(history, load(path), cadence, NOW).enforce(verdict, item)
        assert history.complaints == []
        return verdict

    return after


@pytest.mark.parametrize(
    ("inventory", "ago", "word"),
    [
        (HOST, 7 * DAY, "failed"),
        (HOST, 7 * DAY - 1 * HOUR, "failed"),
        (HOST, 7 * DAY - 3 * HOUR, "unknown"),
        ('unknown_for = "30d"\n' + HOST, 8 * DAY, "unknown"),
        ('unknown_for = "30d"\n' + HOST, 30 * DAY, "failed"),
        ('unknown_for = "30d"\n' + HOST.replace("{}", '{ unknown_for = "1h" }'), HOUR, "failed"),
        ('unknown_for = "30d"\n' + HOST.replace("{}", '{ unknown_for = "1h" }'), HOUR / 2, "unknown"),
    ],
    ids=[
        "default",
        "an hour early",
        "three hours early",
        "file, before",
        "file, after",
        "resource",
        "resource, before",
    ],
)
def test_unknown_fails_after_unknown_for(after, inventory, ago, word):
    assert after((ago, "daily", "unknown"), inventory=inventory).verdict == word


def test_message_has_reason_and_start(after):
    found = after((30 * DAY, "daily", "passed"), (9 * DAY, "predeploy", "unknown"), (DAY, "daily", "unknown"))
    since = show_moment(NOW - 9 * DAY)
    assert found.sentence == f"df timed out (unknown since {since}, limit 7 d)"
    assert (found.verdict, found.unknown_since) == ("failed", NOW - 9 * DAY)


@pytest.mark.parametrize("runs", [[], [(9 * DAY, "daily", "unknown"), (8 * DAY, "predeploy", "passed")]])
def test_first_run_and_first_unknown_stay_unknown(after, runs):
    found = after(*runs)
    assert (found.verdict, found.sentence, found.unknown_since) == ("unknown", "df timed out", None)


MONTHLY = {"cadence": "monthly", "markers": ("monthly",)}
QUARTERLY = {"cadence": "quarterly", "markers": ("quarterly",)}


@pytest.mark.parametrize(
    ("runs", "this", "word"),
    [
        ([(2 * DAY, "monthly")], MONTHLY, "failed"),
        ([(31 * DAY, "monthly")], MONTHLY, "failed"),
        ([(92 * DAY, "quarterly")], QUARTERLY, "failed"),
        ([(HOUR, "monthly")], MONTHLY, "unknown"),
        ([(31 * DAY, "selected")], MONTHLY, "unknown"),
        ([(31 * DAY, "monthly")], MONTHLY | {"cadence": "selected"}, "unknown"),
        ([(62 * DAY, "monthly"), (31 * DAY, "monthly")], MONTHLY | {"cadence": "selected"}, "failed"),
        ([(2 * DAY, "monthly")], MONTHLY | {"markers": ("monthly", "weekly")}, "unknown"),
        ([(2 * DAY, "selected")], {"markers": ()}, "unknown"),
        ([(31 * DAY, "monthly")], MONTHLY | {"inventory": 'unknown_for = "60d"\n' + HOST}, "unknown"),
    ],
    ids=[
        "second",
        "a month later",
        "a quarter later",
        "repeated at once",
        "selected before",
        "selected now",
        "selected after two",
        "weekly as well",
        "in no round",
        "declared",
    ],
)
def test_rare_check_fails_in_the_second_round_in_a_row(after, runs, this, word):
    assert after(*((*each, "unknown") for each in runs), **this).verdict == word


def test_message_of_a_rare_check_has_the_start(after):
    found = after((31 * DAY, "monthly", "unknown"), **MONTHLY)
    assert found.sentence == f"df timed out (unknown since {show_moment(NOW - 31 * DAY)}, in two rounds in a row)"


def test_check_stays_unknown_without_a_readable_history(estate, prove, tmp_path):
    (tmp_path / "history.sqlite").write_bytes(b"no database " * 1000)
    found = prove(estate(mute=BROKEN), DISKS, reports=tmp_path)
    assert (found.status, found.verdicts[ROOM]) == (6, "unknown")
    assert "history.sqlite: file is not a database: cannot be read" in found.text


DISKS = "checks/disks"
ROOM = "test_disk_has_free_space[mute-/data]"
BROKEN = "echo 'df: cannot read table of mounted file systems' >&2; exit 1"
REASON = "mute, /data: df ended with status 1: df: cannot read table of mounted file systems"
WAIVER = """
[[waivers]]
check = "test_disk_has_free_space"
on = "mute-/data"
owner = "ana"
reason = "a new server is ordered"
expires = 2999-01-01
"""


@pytest.fixture
def judged(estate, prove, tmp_path):
    """Runs the check of a disk on a host with a broken df, eight days after the first unknown."""
    reports = tmp_path / "reports"
    reports.mkdir()

    def judged(more="", *words, ago=8 * DAY):
        path = estate(more, calm=120, mute=BROKEN)
        earlier = Verdict(ROOM, "mute", "/data", "unknown")
        History(reports / "history.sqlite").add(time.time() - ago, str(path), "daily", [earlier])
        for each in reports.glob("*.xml"):
            each.unlink()
        return prove(path, DISKS, "-k", "disk_has_free_space", *words, reports=reports)

    return judged


@pytest.mark.parametrize("words", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_expired_unknown_fails_the_run_without_a_remedy(judged, words):
    found = judged("", *words)
    assert found.status == 1
    said = found.properties[ROOM]
    assert said["verdict"] == "failed"
    assert said["sentence"].startswith(f"{REASON} (unknown since ")
    assert "remedy" not in said
    assert f"FAILED  {REASON} (unknown since " in found.text


def test_expired_unknown_stays_failed_until_measured(judged, estate, prove):
    since = judged().properties[ROOM]["sentence"].partition("(")[2]
    again = judged(ago=DAY)
    assert again.properties[ROOM]["sentence"].partition("(")[2] == since
    assert again.status == 1


def test_saved_facts_neither_turn_nor_count(judged, tmp_path):
    saved = tmp_path / "facts.json"
    assert judged("", f"--save-facts={saved}", ago=HOUR).status == 6
    assert judged("", f"--facts={saved}").status == 6


def test_waiver_tolerates_an_expired_unknown_as_a_failure(judged):
    found = judged(WAIVER)
    assert (found.status, found.verdicts[ROOM]) == (0, "waived")
    assert f"{REASON} (unknown since " in found.properties[ROOM]["sentence"]
    assert found.text.count(ROOM) == 1
    assert judged(WAIVER.replace("2999", "2000")).verdicts[ROOM] == "failed"


def test_waiver_with_a_ceiling_tolerates_no_expired_unknown(judged):
    found = judged(f"{WAIVER}ceiling = 100\n")
    assert (found.status, found.verdicts[ROOM]) == (1, "failed")
    assert "not within the ceiling of the waiver of ana" in found.properties[ROOM]["sentence"]


INDEXES = "test_indexes_are_used[vps-db]"


@pytest.mark.parametrize("words", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_second_monthly_round_fails_the_run(prove, tmp_path, words):
    path = tmp_path / "inventory.toml"
    dsn = "host=127.0.0.1 port=1 dbname=db user=nobody"
    path.write_text(f'[hosts.vps]\ntransport = "local://"\ndatabases.db = {{ dsn = "{dsn}", password_env = "NO" }}\n')
    earlier = Verdict(INDEXES, "vps", "db", "unknown")
    History(tmp_path / "history.sqlite").add(time.time() - 2 * DAY, str(path), "monthly", [earlier])
    found = prove(path, "-m", "monthly", *words, reports=tmp_path)
    assert found.status == 1
    assert {name for name, word in found.verdicts.items() if word != "unknown"} == {INDEXES}
    assert found.properties[INDEXES]["sentence"].endswith(", in two rounds in a row)")
