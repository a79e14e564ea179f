"""The history in SQLite."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from opsproof.core.counters import Counter
from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history import file as module
from opsproof.history.layout import MARK
from opsproof.history.recording import template
from opsproof.history.store import History, Streak, shown

TEST = "test_disk_has_free_space[vps-/]"


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "history.sqlite")


def verdict(word="passed", test=TEST, **fields):
    return Verdict(test, "vps", "/", word, "a sentence", **fields)


def sample(value, taken, born=0.0):
    return verdict(samples=[Sample("restarts", value, born, taken)])


def count(path, table):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize(
    ("words", "streak"),
    [
        ([], None),
        (["passed"], None),
        (["failed"], Streak(1, 100)),
        (["passed", "failed", "unknown", "failed"], Streak(3, 101)),
        (["failed", "failed", "passed"], None),
        (["failed", "warned", "failed"], Streak(1, 102)),
        (["failed", "waived"], None),
    ],
)
def test_streak_counts_consecutive_bad_runs(history, words, streak):
    for number, word in enumerate(words):
        history.add(100 + number, "lab.toml", "daily", [verdict(word), verdict("failed", "test_other[vps]")])
    assert history.streak("vps", TEST) == streak
    assert history.streak("other", TEST) is None
    assert history.complaints == []


def test_last_run_is_of_the_same_round(history):
    history.add(1, "lab.toml", "daily", [verdict("passed")])
    history.add(2, "lab.toml", "daily", [verdict("failed"), verdict("warned", "test_other[vps]")])
    history.add(3, "lab.toml", "weekly", [verdict("unknown")])
    history.add(4, "other.toml", "daily", [verdict("unknown")])
    assert history.last_run("lab.toml", "daily") == {TEST: "failed", "test_other[vps]": "warned"}
    assert history.last_run("lab.toml", "monthly") == {}


def test_last_run_is_the_last_of_each_host(history):
    history.add(1, "lab.toml", "daily", [verdict("failed"), Verdict("test_other[two]", "two", "", "warned", "")])
    history.add(2, "lab.toml", "daily", [Verdict("test_other[two]", "two", "", "failed", "")])
    assert history.last_run("lab.toml", "daily") == {TEST: "failed", "test_other[two]": "failed"}


@pytest.mark.parametrize(
    ("since", "taken"),
    [(0, [10, 20, 30]), (10, [10, 20, 30]), (15, [10, 20, 30]), (20, [10, 20, 30]), (25, [20, 30]), (99, [30])],
)
def test_samples_include_the_newest_before_the_span(history, since, taken):
    for moment in (10, 20, 30):
        history.add(moment, "lab.toml", "daily", [sample(moment / 10, moment)])
    assert [each.now for each in history.samples("vps", "/", "restarts", since)] == taken


@pytest.mark.parametrize(
    ("host", "resource", "metric"), [("other", "/", "restarts"), ("vps", "/var", "restarts"), ("vps", "/", "x")]
)
def test_samples_of_another_host_resource_or_metric_are_excluded(history, host, resource, metric):
    history.add(10, "lab.toml", "daily", [sample(1, 10)])
    assert history.samples(host, resource, metric, 0) == []
    assert history.samples("vps", "/", "restarts", 0) == [Counter(1, 0, 10)]


def test_last_sample_is_the_newest_of_any_round(history):
    assert history.last_sample("vps", "/", "restarts") is None
    history.add(1, "lab.toml", "daily", [sample(5, 30, born=4)])
    history.add(2, "lab.toml", "predeploy", [sample(7, 40, born=6)])
    history.add(3, "other.toml", "daily", [sample(6, 20)])
    history.add(4, "lab.toml", "daily", [verdict()])
    assert history.last_sample("vps", "/", "restarts") == Counter(7, 6, 40)
    assert history.complaints == []


@pytest.mark.parametrize(
    ("host", "resource", "metric"), [("other", "/", "restarts"), ("vps", "/var", "restarts"), ("vps", "/", "x")]
)
def test_last_sample_of_another_host_resource_or_metric_is_excluded(history, host, resource, metric):
    history.add(10, "lab.toml", "daily", [sample(1, 10)])
    assert history.last_sample(host, resource, metric) is None


def test_readings_are_ordered_by_time(history):
    for moment in (30, 10, 20):
        history.add(moment, "lab.toml", "monthly", [sample(moment / 10, moment)])
    assert history.readings("vps", "/", ["restarts", "other"]) == {
        "restarts": [Counter(1, 0, 10), Counter(2, 0, 20), Counter(3, 0, 30)],
        "other": [],
    }
    assert history.readings("vps", "/var", {"restarts"}) == {"restarts": []}
    assert history.readings("vps", "/", []) == {}
    assert history.complaints == []


def test_measured_values_keep_their_type(history):
    measurements = [
        Measurement("disk used", 83.1, "percent", "< 80 %", "failed", "s"),
        Measurement("status", "online", "word", "online", "passed", "s"),
    ]
    history.add(1, "lab.toml", "daily", [verdict(measurements=measurements)])
    with closing(sqlite3.connect(history.path)) as connection:
        assert connection.execute("SELECT metric, value, unit FROM measurements").fetchall() == [
            ("disk used", 83.1, "percent"), ("status", "online", "word"),
        ]  # fmt: skip


def measured(value, word="passed", unit="percent", test=TEST):
    shown = f"{value} %" if unit == "percent" else value
    return Verdict(
        test, "vps", "/", word, f"/: used {shown}, ok", measurements=[Measurement("used", value, unit, "", word, "")]
    )


def stored(path, table):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY run, test").fetchall()


def test_unchanged_verdicts_and_values_are_not_repeated(history):
    for number, value in enumerate([3, 3, 3, 4.5, 4.5, "full", 3]):
        history.add(number, "lab.toml", "daily", [measured(value, unit="word" if value == "full" else "percent")])
    assert (count(history.path, "judged"), count(history.path, "measured")) == (1, 4)
    assert [row[4:5] for row in stored(history.path, "measurements")] == [
        (3,),
        (3,),
        (3,),
        (4.5,),
        (4.5,),
        ("full",),
        (3,),
    ]
    assert [row[4] for row in stored(history.path, "verdicts")][2:6] == [
        "/: used 3 %, ok", "/: used 4.5 %, ok", "/: used 4.5 %, ok", "/: used full, ok",
    ]  # fmt: skip


def test_gap_is_no_unchanged_value(history):
    """The second daily run does not judge the check, a weekly run does not either, and the last judges another host."""
    history.add(1, "lab.toml", "daily", [measured(3)])
    history.add(2, "lab.toml", "daily", [measured(3, test="test_other[vps]")])
    history.add(3, "lab.toml", "daily", [measured(3)])
    history.add(4, "lab.toml", "weekly", [measured(3, test="test_other[vps]")])
    history.add(5, "lab.toml", "daily", [Verdict("test_other[two]", "two", "")])
    history.add(6, "lab.toml", "daily", [measured(3)])
    assert [row[0] for row in stored(history.path, "verdicts") if row[2] == TEST] == [1, 3, 6]
    assert [row[0] for row in stored(history.path, "measurements") if row[2] == TEST] == [1, 3, 6]
    assert count(history.path, "measured") == 4


@pytest.mark.parametrize(
    ("sentence", "values", "text"),
    [
        ("/: disk used 83.1 % (limit < 80 %)", [("disk used", 83.1, "percent")], "/: disk used # (limit < 80 %)"),
        ("api-0: 0 restarts, within 0", [("restarts", 0, "count")], "api-0: # restarts, within 0"),
        ("status online, as expected", [("status", "online", "word")], "status #, as expected"),
        ("at least 3.5 d", [("a", 1, "count"), ("age", 302400, "seconds")], "at least #"),
        ("13 d (limit 3 d)", [("a", 3, "count")], "13 d (limit # d)"),
        ("80.04 % is shown exactly", [("used", 80.04, "percent")], None),
        ("nothing", [("word", "", "word")], None),
        ("", [], None),
    ],
)
def test_value_in_a_sentence_is_replaced_by_a_mark(sentence, values, text):
    found, number, shown = template(sentence, [(*each, "") for each in values])
    assert found == (sentence if text is None else text.replace("#", MARK))
    assert found.replace(MARK, shown) == sentence
    assert (number == -1) == (text is None)


def test_missing_history_is_no_complaint(history):
    assert (history.streak("vps", TEST), history.samples("vps", "/", "restarts", 0)) == (None, [])
    assert history.complaints == []
    assert not history.path.exists()


def test_run_is_recorded_in_one_transaction(history):
    history.add(1, "lab.toml", "daily", [verdict()])
    history.add(2, "lab.toml", "daily", [verdict("failed"), Verdict("test", "vps", "/", "passed", "", object())])
    assert (count(history.path, "runs"), count(history.path, "verdicts")) == (1, 1)
    (complaint,) = history.complaints
    assert complaint.endswith("this run is not recorded")


def spoil_corrupt(path):
    path.write_bytes(b"no database " * 1000)


def spoil_cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def spoil_directory(path):
    path.unlink()
    path.mkdir()


def spoil_foreign(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE verdicts (something TEXT)")


@pytest.mark.parametrize("spoil", [spoil_corrupt, spoil_cut, spoil_directory, spoil_foreign])
def test_unusable_history_is_reported_and_raises_nothing(history, spoil):
    history.add(1, "lab.toml", "daily", [verdict("failed")])
    spoil(history.path)
    assert (history.streak("vps", TEST), history.samples("vps", "/", "restarts", 0)) == (None, [])
    history.add(2, "lab.toml", "daily", [verdict()])
    assert len(history.complaints) == 2
    assert all(each.startswith(f"history {history.path}: ") for each in history.complaints)
    assert {each.rpartition(": ")[2] for each in history.complaints} == {"cannot be read", "this run is not recorded"}


KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE texts SET text = text || 'y'")
os._exit(9)
"""


def test_history_is_read_after_a_writer_was_killed(history):
    found = [Verdict(f"t{number}", "vps", "", "failed", f"{number}" * 300) for number in range(300)]
    history.add(1, "lab.toml", "daily", found)
    assert subprocess.run([sys.executable, "-c", KILLED, history.path], check=False).returncode == 9
    assert history.path.with_name("history.sqlite-journal").stat().st_size > 1000
    assert history.streak("vps", "t1") == Streak(1, 1)
    assert history.complaints == []
    assert history.read("SELECT count(*) FROM texts WHERE text LIKE '%y'", ()) == [(0,)]


def test_reading_cannot_write(history):
    history.add(1, "lab.toml", "daily", [verdict()])
    assert history.read("DELETE FROM runs", ()) == []
    assert "readonly" in history.complaints[0]


def test_lone_surrogates_of_a_host_are_recorded_as_question_marks(history):
    odd = Verdict("t[\ud800]", "vps", "", "failed", "status \udfff", measurements=[measured_word("\ud800x")])
    history.add(1, "lab.toml", "daily", [odd])
    assert history.complaints == []
    assert history.read("SELECT test, sentence FROM verdicts", ()) == [("t[?]", "status ?")]
    assert history.read("SELECT value FROM measurements", ()) == [("?x",)]


def test_text_that_cannot_be_encoded_is_a_complaint(history):
    history.add(1, "\ud800.toml", "daily", [verdict()])
    assert history.unrecorded
    assert "this run is not recorded" in history.complaints[0]


def measured_word(word):
    return Measurement("status", word, "word", "", "failed", "")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("host=db user=history password=s3cret", "in PostgreSQL"),
        ("postgresql:history:s3cret@db/x", "in PostgreSQL"),
        ("postgresql://history:a@s3cret:c@db/x", "postgresql://history@db/x"),
        ("postgresql://history@db/x?password=s3cret", "postgresql://history@db/x"),
    ],
)
def test_shown_place_has_no_password(place, text):
    assert shown(place) == text


def test_unwritable_folder_is_reported(tmp_path):
    (tmp_path / "reports").write_text("a file where the folder should be")
    history = History(tmp_path / "reports" / "history.sqlite")
    history.add(1, "lab.toml", "daily", [verdict()])
    assert [each.rpartition(": ")[2] for each in history.complaints] == ["this run is not recorded"]


def test_repeated_complaint_is_kept_once(history):
    spoil_corrupt(history.path)
    for _ in range(3):
        history.streak("vps", TEST)
    assert len(history.complaints) == 1


def test_locked_history_is_reported(history, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.05)
    history.add(1, "lab.toml", "daily", [verdict()])
    with closing(sqlite3.connect(history.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        history.add(2, "lab.toml", "daily", [verdict()])
        assert history.streak("vps", TEST) is None
    said = [each.partition("sqlite: ")[2] for each in history.complaints]
    assert said == ["database is locked: this run is not recorded"], "the second call does not wait again"
    assert count(history.path, "runs") == 1


WRITER = """
import sys
from pathlib import Path
from opsproof.history.store import History
from opsproof.core.verdicts import Verdict
history = History(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read(1)
for number in range(10):
    history.add(number, "lab.toml", "daily", [Verdict("test", sys.argv[2], "") for _ in range(20)])
print(history.complaints)
"""


def test_concurrent_writers_lose_no_run(history):
    words = [sys.executable, "-c", WRITER, history.path]
    writers = [
        subprocess.Popen([*words, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    assert [writer.communicate("x")[0] for writer in writers] == ["[]\n"] * 2
    assert (count(history.path, "runs"), count(history.path, "verdicts")) == (20, 400)


def test_path_with_special_characters(tmp_path):
    history = History(tmp_path / "a b?mode=ro#%41" / "history.sqlite")
    history.path.parent.mkdir()
    history.add(1, "lab.toml", "daily", [verdict()])
    assert history.complaints == []
    assert history.path.exists()
