"""Migration of a history file that an earlier version wrote."""

import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from opsproof.core.counters import Counter
from opsproof.core.metrics import METRICS
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history import layout, migration, recording, renames
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
    assert rows(history, "PRAGMA user_version") == [(layout.VERSION,)]
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
    assert rows(history, "PRAGMA user_version") == [(layout.VERSION,)]
    assert history.complaints == []


KEPT = {
    "runs": "id, started, inventory, cadence",
    "verdicts": "run, host, test, verdict, sentence, unknown_since",
    "measurements": "run, host, test, metric, value, unit, typeof(value)",
    "samples": "run, host, resource, metric, value, born, taken",
}


def content(path):
    """All rows of runs, verdicts, measurements and samples, of any layout with today's names; a sample counts once."""
    with closing(sqlite3.connect(path)) as connection:
        found = {
            table: sorted(map(repr, connection.execute(f"SELECT {columns} FROM {table}")))
            for table, columns in KEPT.items()
        }
    return {**found, "samples": sorted(set(found["samples"]))}


@pytest.fixture
def recorded(tmp_path):
    """A history that layout 2 wrote, with rounds of the embedded lab under faults."""
    path = tmp_path / "recorded.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("layout_2.sql").read_text(encoding="utf-8"))
    return History(path)


def test_recorded_history_keeps_every_row(recorded):
    before = content(recorded.path)
    assert recorded.last_run("inventory/lab.toml", "none") == {}
    assert recorded.complaints == []
    assert rows(recorded, "PRAGMA user_version") == [(layout.VERSION,)]
    assert content(recorded.path) == before
    assert min(map(len, before.values())) > 5
    (spans,) = rows(recorded, "SELECT count(*) FROM judged")[0]
    assert spans < len(before["verdicts"])


def test_odd_rows_are_kept(recorded):
    """Rows twice, a value without a verdict, the mark in a sentence, a run without rows, a numeric word."""
    with closing(sqlite3.connect(recorded.path)) as connection, connection:
        connection.executescript("""
            INSERT INTO runs VALUES (99, 7.5, 'lab.toml', 'daily'), (98, -1, '', '');
            INSERT INTO verdicts VALUES (99, 'h', 't[h]', 'passed', 'a 3, b ' || char(31), NULL),
                (99, 'h', 't[h]', 'failed', '…', 0.5), (99, 'h', 't[h]', 'passed', 'a 3, b ' || char(31), NULL);
            INSERT INTO measurements VALUES (99, 'h', 't[h]', 'm', 3, 'count'), (99, 'h', 't[h]', 'm', 3, 'count'),
                (99, 'h', 't[h]', 'm', '18', 'word'), (99, 'h', 'other', 'm', 'x', 'word'), (99, 'g', 'g', '', '', '');
        """)
    before = content(recorded.path)
    assert recorded.last_run("lab.toml", "daily")
    assert recorded.complaints == []
    assert content(recorded.path) == before


def test_interrupted_migration_changes_nothing(recorded, monkeypatch):
    before = recorded.path.read_bytes()
    monkeypatch.setattr(migration, "_refill", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recorded.last_run("lab.toml", "daily")
    assert recorded.path.read_bytes() == before
    monkeypatch.undo()
    recorded.last_run("lab.toml", "daily")
    assert recorded.complaints == []


def test_migration_that_would_lose_a_row_is_refused(recorded, monkeypatch):
    before = recorded.path.read_bytes()
    monkeypatch.setattr(recording, "template", lambda sentence, values: (sentence[:-1], -1, ""))
    recorded.add(1, "lab.toml", "daily", [])
    (complaint,) = recorded.complaints
    assert "the migration would lose rows of verdicts, such as " in complaint
    assert complaint.endswith("nothing is changed: this run is not recorded")
    assert recorded.path.read_bytes() == before


def test_migration_on_a_full_disk_is_reported_and_changes_nothing(recorded, monkeypatch):
    before = content(recorded.path)
    opened = sqlite3.connect

    def small(*given, **options):
        connection = opened(*given, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    recorded.add(1, "lab.toml", "daily", [])
    monkeypatch.undo()
    assert [each.partition("sqlite: ")[2] for each in recorded.complaints] == [
        "database or disk is full: this run is not recorded"
    ]
    assert content(recorded.path) == before


MIGRATE = """
import sys
from pathlib import Path
from opsproof.history.store import History
print("ready", flush=True)
History(Path(sys.argv[1])).last_run("lab.toml", "daily")
"""


@pytest.mark.parametrize("after_s", [each / 200 for each in range(10)])
def test_killed_migration_leaves_the_old_file_or_the_new(recorded, after_s):
    before = content(recorded.path)
    process = subprocess.Popen([sys.executable, "-c", MIGRATE, recorded.path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(after_s)
    process.kill()
    process.communicate()
    assert content(recorded.path) == before
    assert rows(recorded, "PRAGMA user_version") in ([(2,)], [(layout.VERSION,)])
    assert recorded.last_run("lab.toml", "daily") == {}
    assert recorded.complaints == []
    assert content(recorded.path) == before


def test_migrations_at_the_same_time_do_it_once(recorded):
    before = content(recorded.path)
    processes = [subprocess.Popen([sys.executable, "-c", MIGRATE, recorded.path]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert content(recorded.path) == before


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
    assert "written by a newer version of opsproof (layout 99, known 3)" in complaint
    assert rows(history, "SELECT count(*) FROM runs") == [(1,)]


def test_every_new_name_exists_and_no_old_one(repository):
    checks = "".join(path.read_text() for path in Path(repository, "checks").rglob("test_*.py"))
    assert set(renames.CHECKS.values()) <= set(re.findall(r"^def (test_\w+)", checks, re.MULTILINE))
    assert not renames.CHECKS.keys() & set(re.findall(r"\w+", checks))
    titles = {metric.title for metric in METRICS.values()}
    assert set(renames.TITLES.values()) <= titles
    assert not renames.TITLES.keys() & titles
