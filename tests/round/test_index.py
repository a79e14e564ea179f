"""reports/index.html, over the whole history."""

import datetime
import errno
import json
import os
import re
import time
from types import SimpleNamespace

import pytest

from opsproof.action.journal import JournalEntry, append
from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history.estate import Series
from opsproof.history.store import History
from opsproof.round.report import index, writing
from tests.conftest import REPOSITORY

DISKS = "checks/disks"
DAY = 86_400.0
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\u034f\U000e0100"
WAIVER = """
[[waivers]]
check = "test_inodes_are_available"
on = "full-/data"
owner = "ops <&>"
reason = "known"
expires = 2999-01-01
"""


@pytest.fixture
def indexed(estate, prove, tmp_path):
    """Runs checks, and returns the index."""
    reports = tmp_path / "reports"

    def indexed(*words, more="", **disks):
        prove(estate(more, **disks), *words, reports=reports)
        return (reports / "index.html").read_text(encoding="utf-8")

    indexed.reports = reports
    return indexed


def record(reports, started, word, value=50.0, **where):
    """An earlier run, by default of the round daily on the host full."""
    host, cadence = where.get("host", "full"), where.get("cadence", "daily")
    reports.mkdir(exist_ok=True)
    measured = Measurement("disk used", value, "percent", "< 80 %", word, "")
    test = f"test_disk_has_free_space[{host}-/data]"
    verdict = Verdict(test, host, "/data", word, f"/data: disk used {value} %", measurements=[measured])
    inventory = where.get("inventory", reports.parent / "inventory.toml")
    due = {host: where["due"]} if "due" in where else {}
    History(reports / "history.sqlite").add(started, str(inventory), cadence, [verdict], due)


def section(page, name):
    return re.search(rf'<section aria-labelledby="{name}">.*?</section>', page, re.DOTALL)[0]


def test_index_has_rounds_findings_days_and_growth(indexed):
    now = time.time()
    for age, value in ((5, 60.0), (4, 61.5), (3, 90.0), (2, 91.0)):
        record(indexed.reports, now - age * DAY, "failed" if value > 80 else "passed", value)
    page = indexed("-m", "daily", DISKS, full=831)
    rounds = section(page, "rounds")
    assert rounds.count('<th scope="row">') == 1
    assert "failed" in rounds
    assert "not scheduled" in rounds
    findings = section(page, "findings")
    since = datetime.datetime.fromtimestamp(now - 3 * DAY).astimezone().strftime("%Y-%m-%d %H:%M")
    assert since in findings
    assert "/data: disk used 91.0 %" in findings
    days = section(page, "days")
    assert days.count('class="passed"') == 1, "two days are one stretch"
    assert 'class="failed"' in days
    growth = section(page, "growth")
    assert "disk used 91 % (limit &lt; 80 %)" in growth
    assert growth.count("<polyline") == 1
    assert "61.5 %" in growth or "91 %" in growth
    assert "Slowest facts" in page


def test_index_shows_actions_drills_and_waivers(indexed):
    def add(action, outcome, message, began):
        append(indexed.reports / "journal.jsonl", JournalEntry(action, "full", [], [], outcome, message, began, 65.0))

    add("backup", "done", "", 1e9)
    add("vacuum", "failed", "lost <b>", 1e9 + 60)
    page = indexed(DISKS, more=WAIVER, full=831)
    assert section(page, "saved").count("<tr>") == 2
    actions = section(page, "actions")
    assert actions.index("vacuum") < actions.index("backup")
    assert "failed: lost &lt;b&gt;" in actions
    assert "65 s" in actions
    assert "ops &lt;&amp;&gt;" in section(page, "waivers")


def test_check_that_changes_from_run_to_run_is_shown_as_flapping(indexed):
    now = time.time()
    for age in range(21, 0, -1):
        record(indexed.reports, now - age * DAY, "failed" if age % 3 == 0 else "passed")
        record(indexed.reports, now - age * DAY, "failed" if age < 10 else "passed", host="other", inventory="/x.toml")
    page = section(indexed("-m", "daily", DISKS, full=120), "flapping")
    assert re.findall("<code>(.*?)</code>", page) == ["test_disk_has_free_space[full-/data]"]


def test_steady_checks_have_no_section(indexed):
    for age in range(25, 0, -1):
        record(indexed.reports, time.time() - age * DAY, "passed", float(age))
    assert "flapping" not in indexed("-m", "daily", DISKS, full=120)


def test_inventories_are_named_where_a_host_has_several(indexed):
    own = str(indexed.reports.parent / "inventory.toml")
    for file, host in ((own, "full"), ("/other.toml", "full"), ("/third.toml", "alone")):
        record(indexed.reports, time.time() - DAY, "passed", inventory=file, host=host)
    rounds = section(indexed("-m", "daily", DISKS, full=120), "rounds")
    assert sorted(re.findall("<code[^>]*>(.*?)</code>", rounds)) == sorted([own, "/other.toml"])


def test_due_time_is_of_the_next_firing(indexed):
    record(indexed.reports, time.time() - 3600, "passed", host="full", cadence="weekly")
    jobs = '[hosts.full.schedule]\n[hosts.full.jobs.daily]\nat = "02:00"\n[hosts.full.jobs.monthly]\nat = "03:00"\n'
    page = indexed("-m", "daily", more=jobs, full=120)
    (due,) = re.findall(r'data-due="([\d.]+)">due by ', page)
    began = time.time()
    assert began < float(due) <= began + 25.5 * 3600
    assert (float(due) - 3600) % 60 == 0
    assert '<td>monthly</td><td colspan="3">scheduled, no run yet</td>' in page


JOB = '[hosts.{0}.schedule]\n[hosts.{0}.jobs.daily]\nat = "02:00"\n'


def test_round_of_another_host_that_never_ran_is_shown(indexed):
    page = indexed("-m", "daily", "--host=full", more=JOB.format("full") + JOB.format("calm"), full=120, calm=120)
    rounds = section(page, "rounds")
    assert '<th scope="row">calm</th><td>daily</td><td colspan="3">scheduled, no run yet</td>' in rounds
    assert '<th scope="row">full</th><td>' not in rounds


def test_inventory_by_another_path_has_no_line_of_its_own(indexed):
    path = os.path.relpath(indexed.reports.parent / "inventory.toml", REPOSITORY)
    record(indexed.reports, time.time() - 9 * DAY, "failed", inventory=path, due=time.time() - 8 * DAY)
    page = indexed("-m", "daily", full=120)
    assert section(page, "rounds").count('<th scope="row">') == 1
    assert "disk used" not in section(page, "findings")


def test_due_time_follows_the_present_schedule(indexed):
    began = time.time()
    record(indexed.reports, began - 60, "passed", cadence="weekly", due=began - 30)
    record(indexed.reports, began - 60, "passed", cadence="daily", due=began - 30)
    page = indexed("-m", "predeploy", more=JOB.format("full"), full=120)
    (due,) = re.findall(r'data-due="([\d.]+)"', page)
    assert float(due) > began
    assert section(page, "rounds").count("not scheduled") == 2


def test_clock_set_back_is_no_error(indexed):
    """The last run is dated in the future: the next is recorded, and is the last one."""
    record(indexed.reports, time.time() + 30 * DAY, "passed", 60.0)
    page = indexed("-m", "daily", full=831)
    assert "disk used 83.1 %" in section(page, "findings")
    assert "complaint" not in page.partition("<main>")[0].partition("</style>")[2]


def test_host_that_is_no_longer_declared_is_left_out(indexed):
    record(indexed.reports, time.time() - DAY, "passed", host="gone")
    assert "gone" not in section(indexed("-m", "daily", full=120), "rounds")


def test_hostile_text_is_shown_as_text(indexed):
    record(indexed.reports, time.time() - DAY, "failed", host=HOSTILE, cadence="weekly")
    history = History(indexed.reports / "history.sqlite")
    history.add(1e9, "other.toml", HOSTILE, [Verdict(HOSTILE, HOSTILE, HOSTILE, "failed", HOSTILE)])
    with (indexed.reports / "journal.jsonl").open("a") as file:
        file.write(
            json.dumps({**json.loads(JournalEntry(HOSTILE, HOSTILE, [], [], HOSTILE, HOSTILE, 1, 2).line())}) + "\n"
        )
        file.write(
            '["not an entry"]\n{"action": 1, "host": 2, "outcome": 3, "message": 4, "began": "x", "duration_s": 5}\n'
        )
    page = indexed("-m", "daily", full=120)
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "\u034f" not in page
    assert "[U+202E][U+001B]" in page
    assert "[U+034F][U+E0100]" in page
    assert "http" not in page.replace("http-equiv", "")


def test_saved_facts_and_interrupted_runs_leave_the_index(estate, prove, tmp_path):
    path, saved, reports = estate(full=831), tmp_path / "facts.json", tmp_path / "reports"
    prove(path, DISKS, f"--save-facts={saved}", reports=reports)
    before = (reports / "index.html").read_bytes()
    prove(path, DISKS, f"--facts={saved}", reports=reports)
    assert (reports / "index.html").read_bytes() == before
    assert not list(reports.glob(".index*"))


def test_index_that_cannot_be_written_is_reported(estate, prove, tmp_path):
    (tmp_path / "reports" / "index.html").mkdir(parents=True)
    found = prove(estate(calm=120), DISKS, reports=tmp_path / "reports")
    assert found.status == 3
    assert re.search(r"^\S+/index.html cannot be written: Is a directory$", found.text, re.MULTILINE)


def test_index_of_earlier_runs_is_kept_if_the_new_cannot_be_written(indexed, monkeypatch, tmp_path):
    path, run = tmp_path / "index.html", SimpleNamespace(unwritten=[])
    path.write_text("earlier")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(index, "render", full)
    assert not writing.attempt(run, path, lambda: index.write(run, tmp_path))
    assert (path.read_text(), run.unwritten) == ("earlier", [f"{path} cannot be written: No space left on device"])


def test_report_that_can_neither_be_written_nor_removed_hides_no_finding(estate, prove):
    found = prove(estate(full=831), DISKS, "--junitxml=/proc/version")
    assert found.status == 1
    assert "FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text
    assert re.search(r"^/proc/version cannot be written: ", found.text, re.MULTILINE)
    assert "disk used 83.1 %" in found.html


def test_chart_has_a_point_a_day_and_the_limit():
    series = Series("vps", "test", "disk used", "percent", "< 80 %", [(day * DAY / 2, 10.0 + day) for day in range(60)])
    found = index.chart(series)
    assert len(found.curve.split()) == 30
    assert found.limit_y == 0.0
    assert found.share == pytest.approx(69 / 80)
    assert index.chart(Series("vps", "t", "m", "percent", "> 5 %", [(0, 0.0), (1, 0.0)])).limit_y is None
    assert len(found.weekly) == 5


KEEP = '[reports]\nkeep = "90d"\n'


def names(reports):
    return {path.name for path in reports.iterdir() if path.suffix in (".html", ".xml", ".json", ".txt")}


def old_files(reports):
    """Files of two old runs of each of two rounds, and files of the user."""
    reports.mkdir(exist_ok=True)
    for each in ("2020-01-01", "2021-01-01"):
        for end in ("daily.html", "daily.xml", "daily.json", "weekly.html"):
            (reports / f"{each}_02-00-00.000_{end}").touch()
    for name in ("2020-01-01_notes.html", "facts.json", "proof.html", "2020-01-01_02-00-00.000_daily.txt"):
        (reports / name).touch()


def test_expired_reports_are_removed_except_the_last_of_each_round(indexed):
    old_files(indexed.reports)
    for number in range(10):
        record(indexed.reports, time.time() - number, "passed", host="calm", cadence="selected")
    before = names(indexed.reports)
    indexed("-m", "daily", more=KEEP, calm=120)
    assert before - names(indexed.reports) == {
        "2020-01-01_02-00-00.000_daily.html", "2020-01-01_02-00-00.000_daily.xml", "2020-01-01_02-00-00.000_daily.json",
        "2020-01-01_02-00-00.000_weekly.html", "2021-01-01_02-00-00.000_daily.html",
        "2021-01-01_02-00-00.000_daily.xml", "2021-01-01_02-00-00.000_daily.json",
    }  # fmt: skip


def test_page_that_the_last_page_links_to_is_kept(indexed):
    old_files(indexed.reports)
    for number in range(10):
        record(indexed.reports, time.time() - number, "passed", host="calm", cadence="selected")
    before = datetime.datetime(2020, 1, 1, 2).astimezone().timestamp()
    record(indexed.reports, before, "passed", host="calm")
    for number in range(10):
        record(indexed.reports, time.time() - number, "passed", host="calm", cadence="selected")
    indexed("-m", "daily", more=KEEP, calm=120)
    linked = "2020-01-01_02-00-00.000_daily.html"
    (page,) = set(indexed.reports.glob("*_daily.html")) - {indexed.reports / linked}
    assert f'<a href="{linked}">Previous</a>' in page.read_text(encoding="utf-8")
    assert linked in names(indexed.reports)


@pytest.mark.parametrize("why", ["not declared", "wrong clock", "no history", "a report is not written"])
def test_no_report_is_removed(indexed, estate, prove, why):
    old_files(indexed.reports)
    if why == "wrong clock":
        record(indexed.reports, 1e9, "passed", host="calm", cadence="selected")
    if why == "no history":
        (indexed.reports / "history.sqlite").write_bytes(b"no database " * 100)
    words = ["--junitxml=/proc/nowhere/x.xml"] if why == "a report is not written" else []
    before = names(indexed.reports)
    prove(estate("" if why == "not declared" else KEEP, calm=120), "-m", "daily", *words, reports=indexed.reports)
    assert before - names(indexed.reports) == set()
