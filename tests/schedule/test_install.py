"""Installation and removal of a schedule in a crontab, by the stub of the lab and by the real program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opsproof.command.main import main

FOREIGN = "MAILTO=ops@example.org\n# a line of somebody else\n*/5 * * * *\ttrue %x\n\n"


@pytest.fixture
def table(stub, tmp_path, monkeypatch):
    """The crontab of the stub; the test's folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return stub


@pytest.fixture
def opsproof(capsys, scheduled):
    """Runs `opsproof schedule` on the inventory as it is then: exit status, output and errors."""

    def run(verb, *words, path=None, **declared):
        path = path or scheduled(**declared)
        status = main(["schedule", verb, f"--inventory={path}", *words])
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize("before", [None, FOREIGN], ids=["no crontab", "lines of others"])
def test_install_and_remove_leave_other_lines_byte_for_byte(table, opsproof, before):
    if before:
        table.write_text(before)
    assert opsproof("install") == (0, "vps-00: 6 jobs installed for cron\n", "")
    installed = table.read_text()
    assert installed.startswith(f"{before or ''}# begin opsproof schedule of vps-00\n")
    assert installed.count(" schedule run ") == 6
    assert opsproof("install")[:2] == (0, "vps-00: the schedule is installed: nothing to do\n")
    assert table.read_text() == installed
    table.write_text(installed + "# a later line\n")
    assert opsproof("remove")[:2] == (0, "vps-00: the schedule is removed\n")
    assert table.read_text() == (before or "") + "# a later line\n"
    assert opsproof("remove")[:2] == (0, "vps-00: no schedule is installed: nothing to do\n")


def test_removal_of_the_only_lines_leaves_no_crontab(table, opsproof):
    opsproof("install")
    assert opsproof("remove")[0] == 0
    assert not table.exists()


def test_line_has_folder_path_niceness_lock_timeout_and_inventory(table, opsproof, tmp_path):
    opsproof("install", "--reports=my reports")
    (line,) = [each for each in table.read_text().splitlines() if "run vacuum" in each]
    assert line == (
        f'0 3 * * 0 [ "$(date +\\%d)" -le 7 ] && cd {tmp_path} && '
        f"PATH={Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
        f"nice -n 10 flock -w 21600 reports/schedule/vps-00.lock timeout -k 60 21600 "
        f"{Path(sys.executable).parent}/opsproof schedule run vacuum --host=vps-00 "
        f"--inventory={tmp_path}/inventory.toml '--reports={tmp_path}/my reports'"
    )


def test_dry_run_shows_the_entries_and_24_firings_and_changes_nothing(table, opsproof, tmp_path):
    status, printed, _ = opsproof("install", "--dry-run")
    assert (status, table.exists(), (tmp_path / "reports").exists()) == (0, False, False)
    assert "0 2 * * * cd " in printed
    assert len([line for line in printed.splitlines() if line.endswith("UTC")]) == 6 * 24


def test_changed_job_replaces_the_block_in_place(table, opsproof):
    opsproof("install")
    table.write_text(table.read_text() + "# a later line\n")
    opsproof("install", jobs='backup = { at = "04:15" }')
    assert table.read_text().count("begin opsproof") == 1
    assert "\n15 4 * * * " in table.read_text()
    assert table.read_text().endswith("# end opsproof schedule of vps-00\n# a later line\n")


def test_hosts_have_blocks_of_their_own(table, opsproof):
    opsproof("install")
    first = table.read_text()
    opsproof("install", name="vps-01", keys='claim = "other"')
    assert opsproof("remove", name="vps-01", keys='claim = "other"')[0] == 0
    assert table.read_text() == first


def test_damaged_marks_are_refused(table, opsproof):
    table.write_text("# begin opsproof schedule of vps-00\n0 2 * * * true\n")
    before = table.read_text()
    for verb in ("install", "remove"):
        status, _, error = opsproof(verb)
        assert (status, "damaged: remove its lines with crontab -e" in error) == (3, True)
        assert opsproof(verb, "--dry-run")[0] == 3
    assert table.read_text() == before


def test_crontab_that_is_not_utf_8_is_left_alone(table, opsproof):
    table.write_bytes(b"# caf\xe9\n")
    status, _, error = opsproof("install")
    assert (status, "the crontab is not UTF-8" in error) == (6, True)
    assert table.read_bytes() == b"# caf\xe9\n"


def test_second_controller_is_told_who_has_the_schedule(table, opsproof, tmp_path):
    (tmp_path / ".opsproof-controller").write_text("deploy@ops-02\n")
    for words in ([], ["--dry-run"]):
        status, _, error = opsproof("install", *words)
        assert (status, "the schedule of vps-00 is run by deploy@ops-02" in error) == (3, True)
    assert not table.exists()
    assert opsproof("install", "--take-over")[0] == 0
    assert (tmp_path / ".opsproof-controller").read_text() != "deploy@ops-02\n"
    opsproof("remove")
    assert not (tmp_path / ".opsproof-controller").exists()


def test_second_folder_of_the_same_user_is_refused(table, opsproof, tmp_path, monkeypatch):
    path = table.parents[1] / "inventory.toml"
    opsproof("install")
    before = table.read_text()
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    status, _, error = opsproof("install", path=path)
    assert (status, f"the schedule of vps-00 runs in {tmp_path} with {path}" in error) == (3, True)
    assert table.read_text() == before


def test_newly_declared_jobs_are_recorded_and_kept_ones_are_not(table, opsproof, tmp_path):
    opsproof("install", jobs='backup = { at = "02:00" }')
    opsproof("install", jobs='backup = { at = "02:00" }\ndaily = { at = "07:00" }')
    lines = (tmp_path / "reports" / "schedule" / "vps-00.jsonl").read_text().splitlines()
    assert [(each["job"], each["event"]) for each in map(json.loads, lines)] == [
        ("backup", "declared"),
        ("daily", "declared"),
    ]


@pytest.mark.parametrize(
    ("declared", "words", "message"),
    [
        ({"jobs": 'nothing = { at = "02:00" }'}, (), "jobs.nothing: 'nothing' is no round and no action"),
        ({"jobs": 'backup = { at = "2" }'}, (), "'2' is no timing like '02:00'"),
        ({"keys": 'on = "host"'}, (), 'on = "host" needs `folder`'),
        ({}, ("--on=host",), "--on=host needs `folder`"),
    ],
    ids=["unknown action", "no timing", "no folder", "no folder for --on"],
)
@pytest.mark.usefixtures("table")
def test_mistakes_are_usage_errors(opsproof, declared, words, message):
    status, _, error = opsproof("install", *words, **declared)
    assert (status, message in error) == (2, True), error


SPOOL = "/var/spool/cron/crontabs"
REAL = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("crontab") or not Path(SPOOL).exists(), reason="needs root and cron"
)


@REAL
@pytest.mark.parametrize("before", ["", FOREIGN], ids=["no crontab", "lines of others"])
def test_real_crontab_is_the_same_after_removal(scheduled, tmp_path, before):
    """In a mount namespace, with another folder of crontabs."""
    (tmp_path / "spool").mkdir()

    def run(*words):
        script = f'mount --bind {tmp_path}/spool {SPOOL} && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", script, "sh", *words]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    def opsproof(verb):
        path = scheduled()
        ran = run(sys.executable, "-m", "opsproof", "schedule", verb, f"--inventory={path}")
        assert (ran.returncode, ran.stderr) == (0, "")

    if before:
        (tmp_path / "foreign").write_text(before)
        run("crontab", tmp_path / "foreign")
    opsproof("install")
    installed = run("crontab", "-l").stdout
    assert installed.startswith(f"{before}# begin opsproof schedule of vps-00\n")
    opsproof("install")
    assert run("crontab", "-l").stdout == installed
    opsproof("remove")
    assert run("crontab", "-l").stdout == before


def test_schedule_of_the_host_is_installed_there(table, opsproof, sshd, tmp_path):
    """The host runs its own rounds: with its own folder, program and inventory, and a claim of its own."""
    keys = f'on = "host"\nfolder = "{tmp_path}/here"\ninventory = "own.toml"\nclaim = "{tmp_path}/claim"'
    (tmp_path / "here").mkdir()
    assert opsproof("install", transport=sshd, keys=keys) == (0, "vps-00: 6 jobs installed for cron\n", "")
    assert table.read_text().count(f"cd {tmp_path}/here && PATH=/usr/local/sbin:") == 6
    assert "opsproof schedule run backup --host=vps-00 --inventory=own.toml\n" in table.read_text()
    assert (tmp_path / "claim").read_text() == "the host itself\n"
    assert (tmp_path / "here" / "reports" / "schedule" / "vps-00.jsonl").exists()
    assert opsproof("install", transport=sshd, keys=keys)[1] == "vps-00: the schedule is installed: nothing to do\n"
    status, _, error = opsproof("run", "backup", transport=sshd, keys=keys)
    assert (status, "the jobs of vps-00 run on the host: log in there" in error) == (2, True)
    assert opsproof("remove", transport=sshd, keys=keys)[0] == 0
    assert (table.exists(), (tmp_path / "claim").exists()) == (False, False)


@pytest.mark.usefixtures("table")
def test_host_that_does_not_answer_is_not_scheduled(opsproof, tmp_path):
    for words in ([], ["--dry-run"]):
        status, _, error = opsproof(
            "install", *words, transport="ssh://nobody@127.0.0.1:1", keys='on = "host"\nfolder = "/srv"'
        )
        assert (status, "vps-00: " in error) == (6, True)


def test_host_that_does_not_answer_keeps_no_other_host_from_its_schedule(table, opsproof, scheduled):
    path = scheduled()
    dead = '[hosts.dead]\ntransport = "ssh://nobody@127.0.0.1:1"\nschedule = { on = "host", folder = "/srv" }\n'
    path.write_text(dead + path.read_text())
    status, printed, error = opsproof("install", path=path)
    assert (status, printed) == (6, "vps-00: 6 jobs installed for cron\n")
    assert error.startswith("opsproof: dead: ")
    assert table.exists()
