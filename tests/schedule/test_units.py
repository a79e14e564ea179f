"""A schedule as units of systemd. A stub stands in for systemctl, which needs a running systemd."""

import shutil
import subprocess

import pytest

from opsproof.command.main import main
from opsproof.schedule import units
from opsproof.schedule.invocation import Invocation
from opsproof.schedule.units import on_calendar, unit_files

SYSTEMD = 'scheduler = "systemd"'
STUB = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/systemctl.log"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of units, of root and of other users."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "systemctl").write_text(STUB)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(units, "SYSTEM_FOLDER", str(tmp_path / "units"))
    monkeypatch.setattr(units, "USER_FOLDER", "units")
    return tmp_path / "units"


@pytest.fixture
def opsproof(capsys, scheduled):
    """Runs `opsproof schedule`: exit status, output and errors."""

    def run(verb, *words, keys=SYSTEMD, **declared):
        status = main(["schedule", verb, f"--inventory={scheduled(keys, **declared)}", *words])
        return status, *capsys.readouterr()

    return run


def asked(tmp_path):
    """The words for systemctl so far, without the manager."""
    log = tmp_path / "bin" / "systemctl.log"
    lines = [line.split(" ", 2)[2] for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_install_and_remove_leave_other_units_alone(folder, opsproof, tmp_path):
    folder.mkdir()
    foreign = folder / "opsproof-vps-00-other.timer"
    foreign.write_text("# somebody else's\n")
    assert opsproof("install") == (0, "vps-00: 6 jobs installed for systemd\n", "")
    assert len(list(folder.iterdir())) == 13
    assert [line.split()[0] for line in asked(tmp_path)] == ["daemon-reload", "enable", "restart"]
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert opsproof("install")[1] == "vps-00: the schedule is installed: nothing to do\n"
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert asked(tmp_path) == []
    assert opsproof("remove")[:2] == (0, "vps-00: the schedule is removed\n")
    assert [path.name for path in folder.iterdir()] == [foreign.name]
    stopped, reloaded = asked(tmp_path)
    assert (stopped.startswith("disable --now opsproof-vps-00-backup.timer "), reloaded) == (True, "daemon-reload")


def test_job_that_is_declared_no_more_is_stopped_and_removed(folder, opsproof, tmp_path):
    opsproof("install")
    asked(tmp_path)
    opsproof("install", jobs='backup = { at = "02:00" }')
    assert sorted(path.name for path in folder.iterdir()) == [
        "opsproof-vps-00-backup.service",
        "opsproof-vps-00-backup.timer",
    ]
    stopped, *_ = asked(tmp_path)
    assert "opsproof-vps-00-vacuum.timer" in stopped
    assert "backup" not in stopped


@pytest.mark.usefixtures("stub")
def test_second_scheduler_is_refused(folder, opsproof):
    assert opsproof("install", keys="")[0] == 0
    status, _, error = opsproof("install")
    assert (status, "cron has a schedule of vps-00: remove it with opsproof schedule remove --with=cron" in error) == (
        3,
        True,
    )
    assert not folder.exists()
    assert opsproof("remove", "--with=cron")[0] == 0
    assert opsproof("install")[0] == 0
    assert opsproof("install", keys="")[0] == 3


def test_failed_systemctl_is_a_failed_step(folder, opsproof, tmp_path):
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    status, _, error = opsproof("install")
    assert (status, "broken" in error or "systemctl daemon-reload failed" in error) == (4, True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_reads_the_units(host, tmp_path):
    """Paths with spaces, quotes, dollars and percents arrive as they are."""
    odd = tmp_path / 'a b$c%d"e'
    odd.mkdir()
    program = odd / "opsproof"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    files = unit_files(host(SYSTEMD), Invocation(str(odd), (str(program),), str(odd / "inventory.toml")))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in files]
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    ours = [line for line in ran.stderr.splitlines() if "opsproof" in line]
    assert ours == []
    service = (tmp_path / "opsproof-vps-00-backup.service").read_text()
    assert f'WorkingDirectory={tmp_path}/a b$c%%d"e\n' in service
    assert '/a b$$c%%d\\"e/opsproof" schedule run backup --host=vps-00' in service


@pytest.mark.parametrize(
    ("job", "events"),
    [
        ("daily", ("*-*-* 07:00:00", "*-*-* 08:00:00")),
        ("weekly", ("Mon *-*-* 07:10:00", "Mon *-*-* 08:10:00")),
        ("vacuum", ("Sun *-*-01..07 03:00:00", "Sun *-*-01..07 04:00:00")),
        ("quarterly", ("Mon *-01,04,07,10-01..07 08:00:00", "Mon *-01,04,07,10-01..07 09:00:00")),
    ],
)
def test_timer_fires_at_the_declared_time_and_an_hour_later(host, job, events):
    assert on_calendar(host(SYSTEMD).jobs[job].at) == events


def test_only_rounds_with_findings_are_no_failed_units(host):
    files = unit_files(host(SYSTEMD), Invocation("/srv", ("/srv/opsproof",)))
    succeeds = {name for name, text in files.items() if "SuccessExitStatus=1 6\n" in text}
    assert succeeds == {f"opsproof-vps-00-{each}.service" for each in ("daily", "weekly", "monthly", "quarterly")}
