"""Faults of PM2 and PM2's processes."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import Lab, processes
from lab.fault import EVERYTHING, TIME, causes, shows
from lab.faults.endpoints import EVERY_ANSWER
from lab.faults.fault import fault
from lab.instance import SETTLED_S
from lab.recording import earlier_samples
from lab.waiting import wait_until

WORKER = "lab-meta-chat-worker"
EVERY_PROCESS = (
    "test_process_is_online",
    "test_process_restarts_are_within_limit",
    "test_process_memory_is_within_limit",
    "test_process_uptime_is_within_limit",
)


def settle(lab: Lab) -> None:
    """Delays the next round until a just started process counts as settled."""
    lab.settling.needs(SETTLED_S)


@fault(
    failed=(
        f"test_process_is_online[{WORKER}]",
        f"test_process_uptime_is_within_limit[{WORKER}]",
        "test_no_process_is_broken",
    ),
    may_change=("test_log_is_active",),
    touches=("pm2",),
)
@shows("meta-chat-worker.* stopped|status +│ stopped")
@causes("test_no_process_is_broken", "test_process_is_online")
def process_stopped(lab: Lab) -> Iterator[None]:
    """The worker was stopped by hand and not restarted."""
    lab.pm2("stop", "meta-chat-worker")
    yield
    lab.pm2("start", "meta-chat-worker")
    settle(lab)


@fault(
    failed=(
        f"test_process_is_online[{WORKER}]",
        f"test_process_uptime_is_within_limit[{WORKER}]",
        f"test_process_restarts_are_within_limit[{WORKER}]",
        f"test_process_memory_is_within_limit[{WORKER}]",
        "test_pm2_saved_list_matches_processes",
    ),
    touches=("pm2",),
)
@causes("test_pm2_saved_list_matches_processes", "test_process_is_online")
def process_deleted(lab: Lab) -> Iterator[None]:
    """The worker is declared, but deleted from PM2."""
    lab.pm2("delete", "meta-chat-worker")
    yield
    lab.pm2("start", "ecosystem.config.js", "--only", "meta-chat-worker")
    settle(lab)


@fault(warned=(f"test_process_uptime_is_within_limit[{WORKER}]",), touches=("pm2", TIME))
@shows(r"uptime +│ [0-5]s")
def process_killed(lab: Lab) -> Iterator[None]:
    """The worker was killed, and PM2 restarted the process a moment ago."""
    before = _pid(lab)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: _pid(lab) not in (0, before), "PM2 starts the worker again")
    yield
    settle(lab)


@fault(
    failed=(f"test_process_restarts_are_within_limit[{WORKER}]",),
    warned=(f"test_process_uptime_is_within_limit[{WORKER}]",),
    may_change=(
        f"test_process_is_online[{WORKER}]",
        "test_no_process_is_broken",
        f"test_log_errors_are_within_limit[{WORKER[:-7]}worker-error]",
    ),
    touches=("pm2", TIME),
)
@shows(r"restarts +│ (?:[5-9]|\d\d)")
@causes("test_process_restarts_are_within_limit")
def crash_loop(lab: Lab) -> Iterator[None]:
    """The worker crashes a second after each start; PM2 reports "online" most of the time."""
    for _ in range(6):
        before = _pid(lab)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda before=before: _pid(lab) not in (0, before), "PM2 starts the worker again")  # type: ignore[misc]
    yield
    lab.pm2("reset", "meta-chat-worker")
    settle(lab)


@fault(failed=(f"test_process_restarts_are_within_limit[{WORKER}]",), touches=("pm2",))
def restarts_of_weeks(lab: Lab) -> Iterator[None]:
    """The worker was restarted six times within two weeks, and never more than twice a day."""
    with earlier_samples(lab, "meta-chat-worker", "restarts", {21: 0, 16: 2, 11: 4, 7: 6, 2: 6}):
        yield


@fault(warned=(f"test_process_memory_is_within_limit[{WORKER}]",), touches=("pm2", "switches"))
def memory_hog(lab: Lab) -> Iterator[None]:
    """The worker holds 380 MB too much: below PM2's own limit, above ours."""
    lab.faults(hog_mb=380)
    wait_until(lambda: _memory(lab) > 400_000_000, "the worker takes memory")
    yield
    lab.faults()
    lab.pm2("restart", "meta-chat-worker")  # Node may not release memory by itself
    lab.pm2("reset", "meta-chat-worker")
    settle(lab)


@fault(
    failed=(
        "test_process_is_online[lab-pm2-logrotate]",
        "test_process_uptime_is_within_limit[lab-pm2-logrotate]",
        "test_no_process_is_broken",
    ),
    touches=("pm2",),
)
@shows("pm2-logrotate.* stopped|status +│ stopped")
@causes("test_no_process_is_broken", "test_process_is_online")
def logrotate_stopped(lab: Lab) -> Iterator[None]:
    """Logs are no longer rotated."""
    lab.pm2("stop", "pm2-logrotate")
    yield
    lab.pm2("start", "pm2-logrotate")
    settle(lab)


@fault(
    failed=(
        "test_pm2_daemon_is_running",
        "test_no_process_is_broken",
        "test_pm2_saved_list_matches_processes",
        "test_pm2_daemon_and_cli_versions_match",
        "test_rotation_is_installed",
        *EVERY_PROCESS,
    ),
    may_change=(*EVERY_ANSWER, "test_port_is_open[lab-api]"),
    touches=(EVERYTHING,),
)
@causes("test_pm2_daemon_is_running")
def daemon_gone(lab: Lab) -> Iterator[None]:
    """The PM2 daemon was killed; its processes run on as orphans until their next write to the daemon's pipes."""
    pid = int((lab.layout.pm2 / "pm2.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not processes.is_alive(pid), "the daemon ends"
    )  # any pm2 command sooner would start another daemon
    yield
    lab.up()
    settle(lab)


@fault(
    unknown=(
        "test_pm2_daemon_is_running",
        "test_no_process_is_broken",
        "test_pm2_saved_list_matches_processes",
        "test_pm2_daemon_and_cli_versions_match",
        "test_rotation_is_installed",
        *EVERY_PROCESS,
    ),
    touches=("pm2",),
)
@causes("test_pm2_daemon_is_running")
def daemon_frozen(lab: Lab) -> Iterator[None]:
    """The PM2 daemon hangs: the state of all processes is unknown."""
    pid = int((lab.layout.pm2 / "pm2.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


@fault(failed=("test_no_process_is_broken", "test_pm2_saved_list_matches_processes"), touches=("pm2",))
@shows("experiment.* errored")
def undeclared_process_errored(lab: Lab) -> Iterator[None]:
    """An undeclared experiment crashed until PM2 gave up."""
    script = lab.layout.app / "experiment.js"
    script.write_text("process.exit(1);\n")
    lab.pm2("start", str(script), "--name", "experiment")
    wait_until(lambda: _status(lab, "experiment") == "errored", "PM2 gives up")
    yield
    lab.pm2("delete", "experiment")
    script.unlink()


@fault(failed=("test_no_process_is_broken", "test_pm2_saved_list_matches_processes"), touches=("pm2",))
@shows(r"\bjob .* stopped")
def job_failed(lab: Lab) -> Iterator[None]:
    """A job of PM2's cron ended with exit code 3."""
    with _job(lab, 3):
        yield


@fault(failed=("test_pm2_saved_list_matches_processes",), touches=("pm2",))
def job_not_saved(lab: Lab) -> Iterator[None]:
    """A job of PM2's cron has finished, as intended, but was not saved."""
    with _job(lab, 0):
        yield


@contextmanager
def _job(lab: Lab, exit_code: int) -> Iterator[None]:
    script = lab.layout.app / "job.js"
    script.write_text(f"process.exit({exit_code});\n")
    lab.pm2("start", str(script), "--name", "job", "--no-autorestart", "--cron", "0 3 * * *")
    wait_until(lambda: _status(lab, "job") == "stopped", "the job ends")
    yield
    lab.pm2("delete", "job")
    script.unlink()


@fault(failed=("test_pm2_saved_list_matches_processes",), touches=("pm2",))
def saved_list_stale(lab: Lab) -> Iterator[None]:
    """The worker was added after the last `pm2 save`."""
    path = lab.layout.pm2 / "dump.pm2"
    saved = path.read_text()
    path.write_text(json.dumps([each for each in json.loads(saved) if each["name"] != "meta-chat-worker"]))
    yield
    path.write_text(saved)


@fault(failed=("test_pm2_daemon_and_cli_versions_match",), touches=("pm2",))
def pm2_upgraded_without_update(lab: Lab) -> Iterator[None]:
    """The pm2 command is newer than the daemon."""
    link = lab.layout.bin / "pm2"
    original = link.readlink()
    newer = lab.home / "newer"
    (newer / "bin").mkdir(parents=True)
    shutil.copy(link.resolve(), newer / "bin" / "pm2")
    (newer / "package.json").write_text('{"version": "99.0.0"}')
    _replace_link(link, newer / "bin" / "pm2")
    yield
    _replace_link(link, original)
    shutil.rmtree(newer)


def _replace_link(link: Path, target: Path) -> None:
    link.unlink()
    link.symlink_to(target)


def _entry(lab: Lab, name: str) -> dict[str, object]:
    listing = next(line for line in lab.pm2("jlist").splitlines() if line.startswith("[{"))
    return next(each for each in json.loads(listing) if each["name"] == name)


def _pid(lab: Lab) -> int:
    return int(str(_entry(lab, "meta-chat-worker")["pid"]))


def _memory(lab: Lab) -> int:
    return int(_entry(lab, "meta-chat-worker")["monit"]["memory"])  # type: ignore[index]


def _status(lab: Lab, name: str) -> str:
    return str(_entry(lab, name)["pm2_env"]["status"])  # type: ignore[index]
