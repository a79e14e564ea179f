"""Heavy actions outside of the declared window of low traffic."""

import datetime
import json
import subprocess
import sys

import pytest

from opsproof.core.errors import InventoryError
from opsproof.inventory.load import load

SCRIPT = '''"""Makes a folder, under the name of a heavy action."""
import sys
from pathlib import Path
from opsproof import action

class Make(action.Action):
    name = "{name}"

    @classmethod
    def add_arguments(cls, parser):
        parser.add_argument("folder", type="path")

    def plan(self):
        folder = self.options.folder
        return [] if folder.exists() else [action.Step(f"make {{folder}}", folder.mkdir)]

sys.exit(action.main(Make))
'''


def window(first_h, last_h):
    """A window from hours after now to hours after now, in the time zone of this machine."""
    now = datetime.datetime.now(tz=datetime.UTC).astimezone()
    return "-".join((now + datetime.timedelta(hours=each)).strftime("%H:%M") for each in (first_h, last_h))


@pytest.fixture
def run(tmp_path):
    """Runs the action with words: exit status, standard error, whether the folder was made, and the journal."""

    def ran(*words, low_traffic="", name="vacuum"):
        table = f'[hosts.here.schedule]\nlow_traffic = "{low_traffic}"\n' if low_traffic else ""
        (tmp_path / "inventory.toml").write_text(f'[hosts.here]\ntransport = "local://"\n{table}')
        (tmp_path / "action.py").write_text(SCRIPT.format(name=name))
        words = [sys.executable, "action.py", "--inventory=inventory.toml", "made", *words]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        journal = tmp_path / "reports" / "journal.jsonl"
        entries = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
        return done.returncode, done.stderr, (tmp_path / "made").exists(), entries

    return ran


@pytest.mark.parametrize("words", [(), ("--apply",)], ids=["plan", "apply"])
def test_heavy_action_outside_of_the_window_is_refused(run, words):
    closed = window(2, 4)
    status, error, made, entries = run(*words, low_traffic=closed)
    assert (status, made) == (3, False)
    assert f"is outside of the low-traffic window {closed}: wait, or give a reason" in error
    assert [each["outcome"] for each in entries] == ["refused"] * len(words)


def test_reason_is_recorded(run):
    status, error, made, entries = run("--apply", "--outside-window=a deployment", low_traffic=window(2, 4))
    assert (status, error, made) == (0, "", True)
    assert entries[0]["measured"]["outside_window"] == "a deployment"


def test_reason_within_the_window_is_not_needed(run):
    status, error, made, entries = run("--apply", low_traffic=window(-1, 1))
    assert (status, error, made) == (0, "", True)
    assert "outside_window" not in entries[0]["measured"]


@pytest.mark.parametrize(
    ("low_traffic", "name"), [("", "vacuum"), (window(2, 4), "add_partitions")], ids=["no window", "a light action"]
)
def test_further_actions_run_at_any_time(run, low_traffic, name):
    status, error, made, _ = run("--apply", low_traffic=low_traffic, name=name)
    assert (status, error, made) == (0, "", True)


def test_nothing_to_do_is_no_matter_of_the_window(run, tmp_path):
    (tmp_path / "made").mkdir()
    assert run("--apply", low_traffic=window(2, 4))[0] == 0


def test_empty_reason_is_a_usage_error(run):
    assert run("--apply", "--outside-window=", low_traffic=window(2, 4))[:1] == (2,)


def declared(tmp_path, job):
    path = tmp_path / "inventory.toml"
    head = '[hosts.here]\ntransport = "local://"\nschedule = { low_traffic = "01:00-05:00" }\n[hosts.here.jobs]\n'
    path.write_text(head + job)
    load.cache_clear()
    return load(path).hosts["here"].jobs


@pytest.mark.parametrize(
    "job",
    [
        'backup = { at = "04:59" }',
        'daily = { at = "07:00" }',
        'rotate_logs = { at = "12:00" }',
        'backup = { at = "12:00", options = ["--outside-window=a second backup"] }',
    ],
)
def test_job_in_the_window_or_with_a_reason_is_accepted(tmp_path, job):
    assert declared(tmp_path, job)


def test_heavy_job_outside_of_the_window_is_a_mistake(tmp_path):
    with pytest.raises(
        InventoryError, match=r"jobs.backup: 05:00 is outside of low_traffic, 01:00-05:00: move the job"
    ):
        declared(tmp_path, 'backup = { at = "05:00" }')
