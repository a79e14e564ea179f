"""The last runs of checks, as the page of a run reads them."""

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history.past import RUNS, past
from opsproof.history.store import History

TEST = "test_disk[vps-/]"


def verdict(value, word="passed"):
    measured = [Measurement("disk used", value, "percent", "", word, "")] if value is not None else []
    return Verdict(TEST, "vps", "/", word, "", measurements=measured)


def test_past_has_verdicts_and_values_the_oldest_first(tmp_path):
    history = History(tmp_path / "history.sqlite")
    for number, value in enumerate([50.0, None, 83.1]):
        word = "unknown" if value is None else "passed"
        history.add(number, "lab.toml", "daily", [verdict(value, word), Verdict("test_other[vps]", "vps", "")])
    found = past(history, [("vps", TEST), ("vps", "test_never[vps]")])
    assert [(each.started, each.verdict, each.values) for each in found["vps", TEST]] == [
        (0, "passed", {"disk used": 50.0}),
        (1, "unknown", {}),
        (2, "passed", {"disk used": 83.1}),
    ]
    assert found["vps", "test_never[vps]"] == []


def test_past_has_the_last_runs_only(tmp_path):
    history = History(tmp_path / "history.sqlite")
    for number in range(RUNS + 5):
        history.add(number, "lab.toml", "daily", [verdict(float(number))])
    assert [each.started for each in past(history, [("vps", TEST)])["vps", TEST]] == list(range(5, RUNS + 5))


def test_unreadable_history_has_no_past(tmp_path):
    (tmp_path / "history.sqlite").write_text("no database")
    assert past(History(tmp_path / "history.sqlite"), [("vps", TEST)]) == {}
    assert past(History(tmp_path / "missing.sqlite"), [("vps", TEST)]) == {}
