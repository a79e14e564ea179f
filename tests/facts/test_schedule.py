"""Results of scheduled jobs from their record, differences of a schedule, and the claim of a host."""

import datetime
import json

import pytest

from opsproof.core.errors import Absent, CommandError, MeasurementError, OutputError
from opsproof.facts.schedule import InstalledSchedule, JobResults, ScheduleClaim, ScheduleHolder
from opsproof.inventory.hosts import Host
from opsproof.schedule.crontab import block
from opsproof.schedule.invocation import Invocation
from opsproof.transport import shell
from opsproof.transport.shell import Answer

NOW = datetime.datetime.fromisoformat("2026-11-30T07:00:30+00:00").timestamp()
DAY_S, HOUR_S = 86400, 3600
JOBS = {"backup": {"at": "02:00"}, "daily": {"at": "07:00"}, "vacuum": {"at": "first Sunday 03:00"}}
HOST = Host(transport="local://", schedule={}, jobs=JOBS).placed("vps", ())
CRON = Invocation("/srv/opsproof", ("/srv/opsproof/.venv/bin/opsproof",), "/srv/opsproof/inventory/metachat.toml")


def begun(job, ago_s):
    return {"job": job, "event": "begun", "at": NOW - ago_s}


def ended(job, ago_s, status=0):
    return {"job": job, "event": "ended", "at": NOW - ago_s + 1, "began": NOW - ago_s, "status": status}


def declared(job, ago_s):
    return {"job": job, "event": "declared", "at": NOW - ago_s}


def results(*events, zone="Etc/UTC"):
    lines = "".join(json.dumps(each) + "\n" for each in events)
    return JobResults().parse(Answer(0, f"/usr/share/zoneinfo/{zone}\n{lines}", now=NOW), HOST)


@pytest.mark.parametrize(
    ("job", "events", "delay_s"),
    [
        ("backup", [ended("backup", 5 * HOUR_S)], 0),
        ("backup", [ended("backup", 29 * HOUR_S)], 5 * HOUR_S + 30),
        ("backup", [ended("backup", 77 * HOUR_S)], 53 * HOUR_S + 30),
        ("backup", [ended("backup", 29 * HOUR_S), begun("backup", 5 * HOUR_S)], 0),
        ("backup", [ended("backup", 53 * HOUR_S), begun("backup", 29 * HOUR_S)], 29 * HOUR_S + 30),
        ("daily", [ended("daily", DAY_S), begun("daily", 20)], 0),
        ("daily", [ended("daily", DAY_S)], 30),
        ("daily", [declared("daily", 2 * HOUR_S)], 30),
        ("daily", [declared("daily", 10)], 0),
        ("daily", [declared("daily", 10), ended("daily", 3 * DAY_S)], 0),
        ("vacuum", [ended("vacuum", 29 * DAY_S)], 0),
        ("vacuum", [ended("vacuum", 30 * DAY_S)], 29 * DAY_S + 4 * HOUR_S + 30),
        ("backup", [ended("backup", -2 * DAY_S), ended("backup", 29 * HOUR_S)], 5 * HOUR_S + 30),
    ],
    ids=[
        *("in time", "once missed", "often missed", "running", "killed", "running now", "just due", "declared before"),
        *("declared after", "declared again", "monthly in time", "monthly missed", "dated in the future"),
    ],
)
def test_delay_counts_from_the_first_firing_without_a_run(job, events, delay_s):
    assert results(*events)[job].delay_s == pytest.approx(delay_s, abs=1)


def test_firings_are_those_of_the_time_zone_of_the_machine():
    assert results(ended("backup", 29 * HOUR_S), zone="Europe/Berlin")["backup"].delay_s == pytest.approx(
        6 * HOUR_S + 30
    )


def test_job_that_was_never_installed_is_missing():
    with pytest.raises(Absent, match=r"daily: no run is recorded, nor its installation: opsproof schedule install"):
        results(ended("backup", 10))["daily"].delay_s  # noqa: B018


@pytest.mark.parametrize(
    ("job", "events", "problem"),
    [
        ("backup", [ended("backup", 9, 4)], "backup ended with status 4"),
        ("backup", [ended("backup", 9, 4), ended("backup", 5)], ""),
        ("backup", [ended("backup", 9, 6)], "backup ended with status 6"),
        ("backup", [ended("backup", 9, 4), begun("backup", 5)], ""),
        ("backup", [ended("backup", 2 * DAY_S, 4), begun("backup", DAY_S)], "backup ended with status 4"),
        ("daily", [ended("daily", 9, 1)], ""),
        ("daily", [ended("daily", 9, 6)], ""),
        ("daily", [ended("daily", 9, 3)], "daily ended with status 3"),
        ("daily", [ended("daily", 9, 5)], "daily ended with status 5"),
        ("daily", [declared("daily", 9)], ""),
    ],
)
def test_last_run_is_judged_by_its_exit_status(job, events, problem):
    assert results(*events)[job].problem == problem


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"job": "x", "event": "ended", "at": "now"}'])
def test_record_that_cannot_be_read_is_no_good_record(text):
    with pytest.raises(OutputError, match="the record of the schedule cannot be read"):
        JobResults().parse(Answer(0, f"/usr/share/zoneinfo/Etc/UTC\n{text}\n", now=NOW), HOST)


@pytest.mark.parametrize("torn", [json.dumps(ended("daily", 9, 1))[:30], "\0" * 40], ids=["cut", "NUL bytes"])
def test_torn_line_of_a_record_does_not_count(torn):
    lines = (torn, json.dumps(ended("daily", 9, 3)), torn)
    text = "".join(f"{line}\n" for line in ("/usr/share/zoneinfo/Etc/UTC", *lines))
    assert JobResults().parse(Answer(0, text, now=NOW), HOST)["daily"].problem == "daily ended with status 3"


@pytest.mark.parametrize(("status", "flag"), [(127, "-"), (1, "-"), (0, "timeout")])
def test_record_that_was_not_read_is_unknown(status, flag):
    with pytest.raises(CommandError):
        JobResults().parse(Answer(status, "", "tail: no", flag), HOST)


def test_missing_record_is_read_as_empty(tmp_path):
    host = Host(transport="local://", schedule={"state": str(tmp_path)}, jobs=JOBS).placed("vps", ())
    (answer,) = shell.run(host, (JobResults().command(host),))
    with pytest.raises(Absent):
        JobResults().parse(answer, host)["backup"].delay_s  # noqa: B018


def installed(text, status=0, stderr=""):
    return InstalledSchedule().parse(Answer(status, text, stderr), HOST)


def test_schedule_as_declared_has_no_differences():
    assert installed(f"0 1 * * * true\n{block(HOST, CRON)}").differences(HOST) == []


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("0 2 * * *", "0 4 * * *", "missing: crontab: 0 2 * * * "),
        ("0 2 * * *", "#0 2 * * *", "missing: crontab: 0 2 * * * "),
        ("nice -n 10", "nice -n 19", "missing: crontab: "),
        ('"folder"', '"nothing"', "missing: crontab: # "),
    ],
    ids=["time", "comment", "niceness", "head"],
)
def test_edited_schedule_differs(old, new, first):
    (before, *_) = installed(block(HOST, CRON).replace(old, new)).differences(HOST)
    assert before.startswith(first)


def test_moved_line_differs():
    lines = block(HOST, CRON).splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    assert installed("".join(lines)).differences(HOST) == ["the order of the lines differs"]


def test_schedule_of_another_host_does_not_count():
    assert installed(block(HOST, CRON).replace(" of vps\n", " of vps-2\n")).differences(HOST) == ["no entry of vps"]
    assert installed("", 1, "no crontab for deploy\n").differences(HOST) == ["no entry of vps"]


@pytest.mark.parametrize(
    ("text", "status", "stderr"),
    [
        ("", 127, "not found"),
        ("", 1, "You (deploy) are not allowed to use this program (crontab)"),
        ("# begin opsproof schedule of vps\n", 0, ""),
        ("\ufffd", 0, ""),
    ],
    ids=["no cron", "not allowed", "damaged", "not UTF-8"],
)
def test_schedule_that_cannot_be_read_is_unknown(text, status, stderr):
    with pytest.raises(MeasurementError):
        installed(text, status, stderr)


def test_claim_is_read(tmp_path):
    host = Host(transport="local://", schedule={"claim": f"{tmp_path}/claim"}, jobs=JOBS).placed("vps", ())

    def read():
        (answer,) = shell.run(host, (ScheduleClaim().command(host),))
        return ScheduleClaim().parse(answer, host)

    assert read().holder == ""
    (tmp_path / "claim").write_text("deploy@ops-02\n")
    assert (read().holder, read().is_other) == ("deploy@ops-02", True)
    (tmp_path / "claim").unlink()
    (tmp_path / "claim").mkdir()
    with pytest.raises(MeasurementError):
        read()


def test_machine_without_the_schedule_leaves_the_judgement_to_the_other():
    holder = ScheduleHolder("deploy@ops-02", "deploy@laptop")
    holder.require_here(installed(block(HOST, CRON)))
    ScheduleHolder("", "deploy@laptop").require_here(installed(""))
    with pytest.raises(MeasurementError, match="deploy@ops-02 runs the schedule: run this check there"):
        holder.require_here(installed(""))
