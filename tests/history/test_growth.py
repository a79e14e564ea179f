"""The points of a curve: the last run of each day, however many runs a day has."""

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history import estate
from opsproof.history.store import History

HOUR, DAY = 3600.0, 86400.0
TEST = "test_disk_has_free_space[vps-/]"


def run(history, started, value):
    measured = Measurement("disk used", value, "percent", "< 80 %", "passed", "ok")
    history.add(started, "i.toml", "daily", [Verdict(TEST, "vps", "/", "passed", "ok", measurements=[measured])])


def points(history, since=0.0):
    (series,) = estate.growth(history, estate.last_runs(history), ["disk used"], since)
    return series.points


def test_last_run_of_each_day_is_a_point(tmp_path):
    history = History(tmp_path / "history.sqlite")
    for day in range(3):
        for hour in range(5):
            run(history, day * DAY + hour * HOUR, 10.0 * day + hour)
    assert points(history) == [(day * DAY + 4 * HOUR, 10.0 * day + 4) for day in range(3)]
    assert points(history, since=1.5 * DAY) == [(2 * DAY + 4 * HOUR, 24.0)]


def test_unchanged_value_has_a_point_for_each_day(tmp_path):
    history = History(tmp_path / "history.sqlite")
    for number in range(9):
        run(history, number * 8 * HOUR, 50.0)
    assert points(history) == [(day * DAY + 16 * HOUR, 50.0) for day in range(3)]
