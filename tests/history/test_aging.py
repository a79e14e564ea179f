"""Weeks older than 400 days are summed up."""

import random
import sqlite3
from contextlib import closing

import pytest

from opsproof.core.limits import Measurement
from opsproof.core.units import show
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history.aging import week_of
from opsproof.history.store import History

DAY = 86400.0
MONDAY = 1_700_438_400.0  # 2023-11-20, 00:00 UTC


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "history.sqlite")


def add(history, day, value, word=None):
    measurements = [Measurement("load", value, "count", "", "passed", "")]
    measurements += [Measurement("state", word, "word", "", "passed", "")] if word else []
    samples = [Sample("restarts", day, 0, MONDAY + day * DAY)]
    started = MONDAY + day * DAY + 3600
    sentence = f"load {show(value, 'count')}, fine"
    history.add(
        started, "lab.toml", "daily",
        [Verdict("test[a]", "a", "x", "passed", sentence, measurements=measurements, samples=samples)],
    )  # fmt: skip
    assert history.complaints == []


def rows(history, query):
    with closing(sqlite3.connect(history.path)) as connection:
        return connection.execute(query).fetchall()


def test_week_begins_on_monday():
    assert week_of(MONDAY) == week_of(MONDAY + 7 * DAY - 1) == week_of(MONDAY - 1) + 1


def test_old_weeks_have_lowest_highest_and_mean_value(history):
    for day in range(21):
        add(history, day, day % 7 * 1.5, "on")
    for day in range(407, 407 + 122):
        add(history, day, -day)
    assert rows(history, "SELECT amount, low, high, mean FROM weeks ORDER BY last_run") == [(7, 0, 9, 4.5)] * 3
    assert rows(history, "SELECT number, word FROM measured WHERE last_run <= 21") == [(None, "on")]
    assert len(rows(history, "SELECT 1 FROM measured WHERE number < 0")) == 122
    query = "SELECT run, value FROM measurements WHERE metric = 'load' AND run <= 21 ORDER BY run"
    assert rows(history, query) == [(7, 4.5), (14, 4.5), (21, 4.5)]
    assert rows(history, "SELECT sentence FROM verdicts WHERE run = 3") == [("load …, fine",)]
    assert rows(history, "SELECT count(*) FROM verdicts") == [(143,)]
    assert [each.value for each in history.samples("a", "x", "restarts", 0)][:4] == [6, 13, 20, 407]


def test_value_that_stays_the_same_for_weeks_is_kept(history):
    for day in range(21):
        add(history, day, 3)
    for day in range(407, 407 + 122):
        add(history, day, -day)
    assert rows(history, "SELECT count(*) FROM weeks") == [(0,)]
    assert rows(history, "SELECT count(*) FROM measurements WHERE value = 3") == [(21,)]


@pytest.mark.parametrize("day", [20_000, -700])
def test_wrong_clock_sums_up_nothing(history, day):
    for each in range(30):
        add(history, each, random.Random(each).random())
    before = rows(history, "SELECT * FROM measurements WHERE run <= 30")
    for number in range(50):
        add(history, day + number * 10, -each)
    assert rows(history, "SELECT count(*) FROM weeks") == [(0,)]
    assert rows(history, "SELECT * FROM measurements WHERE run <= 30") == before
