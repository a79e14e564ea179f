"""A row of the page shows the value of 30 runs ago, if it was another."""

import re
import time

import pytest

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history.past import earlier
from opsproof.history.store import History

DAY = 86_400.0
TEST = "test_disk_has_free_space[calm-/data]"


def record(history, inventory, days, value, host="calm"):
    measured = Measurement("disk used", value, "percent", "< 80 %", "passed", "ok")
    test = TEST.replace("calm", host)
    verdict = Verdict(test, host, "/data", "passed", "ok", measurements=[measured])
    history.add(time.time() - days * DAY, str(inventory), "daily", [verdict])


@pytest.fixture
def history(tmp_path):
    (tmp_path / "reports").mkdir()
    return History(tmp_path / "reports" / "history.sqlite")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([5.0, *([7.5] * 30)], ["7.5 % 30 runs ago"]),
        ([7.5, 8.0], ["7.5 % 2 runs ago"]),
        ([12.0, 8.0], []),
        ([7.5], ["7.5 % in the last run"]),
        ([], []),
    ],
    ids=["30 runs", "fewer runs", "as now", "one run", "no run"],
)
def test_row_shows_the_earlier_value(estate, prove, history, values, said):
    inventory = estate(calm=120)
    for number, value in enumerate(values):
        record(history, inventory, len(values) - number, value)
    page = prove(inventory, "-m", "daily", reports=history.path.parent).html
    row = page.partition('data-check="test_disk_has_free_space"')[2].partition("</tbody>")[0]
    assert re.findall("<small>(.*?)</small>", row) == said


def test_values_are_of_the_host_the_inventory_and_the_round(history):
    for day, (inventory, host, value) in enumerate([("a", "calm", 1.0), ("b", "calm", 2.0), ("a", "full", 3.0)]):
        record(history, inventory, 9 - day, value, host)
    found = earlier(history, "a", "daily")
    assert {host: (each.runs, *each.values.values()) for host, each in found.items()} == {
        "calm": (1, 1.0),
        "full": (1, 3.0),
    }
    assert earlier(history, "a", "weekly") == {}
