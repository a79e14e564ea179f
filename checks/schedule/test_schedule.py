"""The jobs of the schedule run when due, from one machine, as declared."""

import pytest

pytestmark = pytest.mark.daily
INSTALL = ("opsproof", "schedule", "install")


@pytest.mark.remedy(*INSTALL)
def test_schedule_matches_inventory(installed_schedule, schedule_claim, schedule, host, evidence):
    """A missing or changed entry runs nothing, or another command: install the schedule again."""
    schedule_claim.require_here(installed_schedule)
    differences = installed_schedule.differences(host)
    evidence("differences", differences)
    assert not differences, f"the schedule differs: {differences[0]}"


@pytest.mark.remedy(*INSTALL, "--take-over", effect="or, to leave the host to the other machine: schedule remove")
def test_schedule_has_one_controller(installed_schedule, schedule_claim, schedule):
    """Two machines with the same jobs run each job twice: remove the schedule from one machine."""
    holder = schedule_claim.holder or "nobody"
    assert not installed_schedule.files or holder == schedule_claim.claimant, (
        f"{holder} has claimed the host, and {schedule_claim.claimant} has a schedule of it"
    )


@pytest.mark.remedy("opsproof", "schedule", "run", "{job}", absent=INSTALL)
def test_job_runs_when_due(job_results, installed_schedule, schedule_claim, job, allowed):
    """A backup grows old, or nobody looks at the host: read the mails of cron, or the journal."""
    schedule_claim.require_here(installed_schedule)
    assert job_results[job].delay_s in allowed.schedule_delay


@pytest.mark.remedy("opsproof", "schedule", "run", "{job}", "--again", absent=INSTALL)
def test_last_run_of_job_succeeded(job_results, installed_schedule, schedule_claim, job):
    """The output of the last run is in the folder of the record."""
    schedule_claim.require_here(installed_schedule)
    problem = job_results[job].problem
    assert not problem, problem
