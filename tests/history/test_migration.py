"""Migration of a history file that an earlier version wrote."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opsproof.core.counters import Counter
from opsproof.core.metrics import METRICS
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history import migration
from opsproof.history.store import History, Streak, UnknownRuns

OLD = """
    CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, inventory TEXT NOT NULL, cadence TEXT NOT NULL);
    CREATE TABLE verdicts (run INTEGER, host TEXT, test TEXT, verdict TEXT, sentence TEXT);
    CREATE TABLE measurements (run INTEGER, host TEXT, test TEXT, metric TEXT, value NUMERIC, unit TEXT);
    CREATE TABLE samples (run INTEGER, host TEXT, noun TEXT, metric TEXT, value REAL, born REAL, taken REAL);
    CREATE INDEX samples_by_metric ON samples (host, noun, metric, taken);
    INSERT INTO runs VALUES (1, 100, 'lab.toml', 'daily');
    INSERT INTO verdicts VALUES (1, 'vps', 'test_disk_has_room[vps-/]', 'failed', 'x'),
                                (1, 'vps', 'test_inodes_are_left[vps-/]', 'passed', 'x'),
                                (1, 'vps', 'test_disk_has_room_too[vps]', 'failed', 'x'),
                                (1, 'vps', 'test_load_is_bearable[vps]', 'unknown', 'x');
    INSERT INTO measurements VALUES (1, 'vps', 'test_clock_agrees_with_ours[vps]', 'clock difference', 1, 's');
    INSERT INTO samples VALUES (1, 'vps', 'metachat', 'drops of statements', 3, 1, 100),
                               (1, 'vps', 'api', 'restarts', 2, 1, 100);
"""


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD)
    return History(path)


def rows(history, query):
    with closing(sqlite3.connect(history.path)) as connection:
        return connection.execute(query).fetchall()


def test_names_are_renamed_before_the_first_query(history):
    assert history.streak("vps", "test_disk_has_free_space[vps-/]") == Streak(1, 100)
    assert history.last_run("lab.toml", "daily") == {
        "test_disk_has_free_space[vps-/]": "failed",
        "test_inodes_are_available[vps-/]": "passed",
        "test_disk_has_room_too[vps]": "failed",
        "test_load_is_within_limit[vps]": "unknown",
    }
    assert history.last_sample("vps", "metachat", "pg_stat_statements evictions") == Counter(3, 1, 100)
    assert history.last_sample("vps", "api", "restarts") == Counter(2, 1, 100)
    assert rows(history, "SELECT test, metric FROM measurements") == [
        ("test_clock_offset_is_within_limit[vps]", "clock offset")
    ]
    assert history.complaints == []


def test_run_is_added_to_an_old_history(history):
    sample = Sample("restarts", 5, 1, 200)
    history.add(200, "lab.toml", "daily", [Verdict("test_new[vps]", "vps", "api", "passed", "", samples=[sample])])
    assert [each.value for each in history.samples("vps", "api", "restarts", 0)] == [2, 5]
    assert rows(history, "PRAGMA user_version") == [(migration.VERSION,)]
    assert history.complaints == []


def test_unknown_counts_across_the_migration(history):
    history.add(200, "lab.toml", "daily", [Verdict("test_load_is_within_limit[vps]", "vps", "", "unknown")])
    found = history.unknown_runs("vps", "test_load_is_within_limit[vps]", Path("lab.toml"), 300)
    assert found == UnknownRuns(100, 100, 200)


def test_layout_1_gets_the_new_column_and_keeps_its_rows(history):
    with closing(sqlite3.connect(history.path)) as connection:
        connection.executescript("ALTER TABLE samples RENAME COLUMN noun TO resource; PRAGMA user_version = 1")
    assert history.unknown_runs("vps", "test_load_is_bearable[vps]", Path("lab.toml"), 300) == UnknownRuns(
        100, 100, 100
    )
    history.add(200, "lab.toml", "daily", [Verdict("test_new[vps]", "vps", "", "failed", unknown_since=7.0)])
    assert rows(history, "SELECT count(*), count(unknown_since), max(unknown_since) FROM verdicts") == [(5, 1, 7.0)]
    assert rows(history, "PRAGMA user_version") == [(migration.VERSION,)]
    assert history.complaints == []


def test_interrupted_migration_changes_nothing(history, monkeypatch):
    monkeypatch.setattr(migration, "TITLES", {"a": object()})  # SQLite cannot store an object
    with closing(sqlite3.connect(history.path)) as connection, pytest.raises(sqlite3.Error):
        migration.migrate(connection)
    monkeypatch.undo()
    assert rows(history, "SELECT noun FROM samples WHERE metric = 'restarts'") == [("api",)]
    assert history.streak("vps", "test_disk_has_free_space[vps-/]") == Streak(1, 100)


def test_locked_history_is_reported(history):
    with closing(sqlite3.connect(history.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert history.last_run("lab.toml", "daily") == {}
    (complaint,) = history.complaints
    assert "database is locked: cannot be read" in complaint


def test_newer_history_is_left_alone(history):
    with closing(sqlite3.connect(history.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    history.add(200, "lab.toml", "daily", [])
    (complaint,) = history.complaints
    assert "written by a newer version of opsproof (layout 99, known 2)" in complaint
    assert rows(history, "SELECT count(*) FROM runs") == [(1,)]


def test_every_new_name_exists_and_no_old_one(repository):
    checks = "".join(path.read_text() for path in Path(repository, "checks").rglob("test_*.py"))
    assert set(migration.CHECKS.values()) <= set(re.findall(r"^def (test_\w+)", checks, re.MULTILINE))
    assert not migration.CHECKS.keys() & set(re.findall(r"\w+", checks))
    titles = {metric.title for metric in METRICS.values()}
    assert set(migration.TITLES.values()) <= titles
    assert not migration.TITLES.keys() & titles
