"""Faults of the schedule: entries, record, claim."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import Lab, schedule
from lab.fault import causes
from lab.faults.fault import fault

DAY_S = 86_400


@contextmanager
def _changed(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(text)
    yield
    path.write_text(before)


@fault(failed=("test_job_runs_when_due[lab-daily]",), touches=("schedule",))
def daily_round_did_not_run(lab: Lab) -> Iterator[None]:
    """Cron was stopped three days ago."""
    path = schedule.record_file(lab.layout)
    kept = "".join(line for line in path.read_text().splitlines(keepends=True) if '"daily"' not in line)
    with _changed(path, kept + schedule.run("daily", 3 * DAY_S)):
        yield


@fault(failed=("test_last_run_of_job_succeeded[lab-daily]",), touches=("schedule",))
def last_daily_round_failed(lab: Lab) -> Iterator[None]:
    """The last daily round ended with an internal error."""
    path = schedule.record_file(lab.layout)
    with _changed(path, path.read_text() + schedule.run("daily", status=3)):
        yield


@fault(
    failed=("test_job_runs_when_due", "test_last_run_of_job_succeeded"),
    touches=("schedule",),
)
@causes("test_job_runs_when_due")
def record_of_the_schedule_lost(lab: Lab) -> Iterator[None]:
    """The folder of the record was removed."""
    path = schedule.record_file(lab.layout)
    before = path.read_text()
    path.unlink()
    yield
    path.write_text(before)


@fault(failed=("test_schedule_matches_inventory",), touches=("schedule",))
def crontab_edited(lab: Lab) -> Iterator[None]:
    """Somebody has commented out a job in the crontab."""
    path = schedule.table(lab.layout)
    with _changed(path, path.read_text().replace("10 0 * * *", "#10 0 * * *")):
        yield


@fault(failed=("test_schedule_has_one_controller",), touches=("schedule",))
def second_controller(lab: Lab) -> Iterator[None]:
    """Another machine has taken over the host; the entries remain."""
    with _changed(schedule.claim_file(lab.layout), "deploy@ops-02\n"):
        yield
