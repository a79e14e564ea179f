"""Faults of the platform itself, noticed over ssh by the daily round."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lab.docker import DockerLab
from lab.docker.faults.broker import await_consumers, await_count, await_worker
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import DEGRADED, OF_PM2, of, recover, settle, written
from lab.docker.work import STREAM
from lab.fault import shows
from lab.logs import line
from lab.waiting import wait_until

WORKER = "meta-chat-worker"
PROCESSES = ("meta-chat-api", WORKER, "pm2-logrotate")
DAEMON = "/home/deploy/.pm2/pm2.pid"
DUMP = "/home/deploy/.pm2/dump.pm2"
JOB = "meta-chat-report"
LONG_AGO = datetime(2020, 1, 1, 3, tzinfo=UTC)


@fault(
    failed=(
        *of(WORKER, "test_process_is_online", "test_process_uptime_is_within_limit"),
        *of("inbound", "test_queues_have_consumers"),
        *of(STREAM, "test_queues_have_consumers"),
        "test_no_process_is_broken",
    ),
    unknown=of(STREAM, "test_stream_lag_is_within_limit"),
    touches=("rabbitmq",),
)
@shows(r"stopped|inbound\.queue\s+running\s+0\b")
def worker_stopped(lab: DockerLab) -> Iterator[None]:
    """The worker was stopped by hand and not restarted."""
    lab.pm2("stop", WORKER)
    await_consumers(lab, 0)  # RabbitMQ counts the consumers of a lost connection for seconds
    await_count(lab, STREAM, "consumers", 0)
    yield
    lab.pm2("start", WORKER)
    settle(lab)
    await_worker(lab)


@fault(failed=of(JOB, "test_process_uptime_is_within_limit"), touches=("pm2", "settings of pm2"))
@shows(rf"created at\s+│ {LONG_AGO.date()}")
def job_late(lab: DockerLab) -> Iterator[None]:
    """PM2's cron has not started a nightly job since 2020: a restored list keeps the time of the last start."""
    saved = json.loads(lab.root("cat", DUMP))
    started_ms = int(LONG_AGO.timestamp() * 1000)
    job = next(each for each in saved if each["name"] == JOB)
    late = job | {"status": "stopped", "exit_code": 0, "pm_uptime": started_ms, "created_at": started_ms}
    lab.pm2("delete", JOB)
    with written(lab, DUMP, json.dumps([late])):
        lab.pm2("resurrect")
    yield
    lab.pm2("delete", JOB)
    lab.pm2("start", "ecosystem.config.js", "--only", JOB)


@fault(failed=DEGRADED, touches=("switches",))
@shows('"degraded"')
def health_degraded(lab: DockerLab) -> Iterator[None]:
    """HTTP 200, and the JSON says degraded."""
    lab.faults(health="degraded")
    yield
    lab.faults()


@fault(failed=DEGRADED, touches=("switches",))
@shows('"unhealthy"')
def health_unhealthy(lab: DockerLab) -> Iterator[None]:
    """HTTP 200, and the JSON says unhealthy, a word containing "healthy"."""
    lab.faults(health="unhealthy")
    yield
    lab.faults()


@fault(failed=of("api-out", "test_log_errors_are_within_limit"), touches=("logs",))
@shows("proof: injected failure")
def error_burst(lab: DockerLab) -> Iterator[None]:
    """Twenty server errors in the log."""
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    fields = '"err":{"type":"Error","message":"proof: injected failure","status":500,"statusCode":500}'
    lines = [line(moment, "ERROR", ("ApiServer",), fields, "Request failed")] * 20
    lab.deploy("sh", "-c", "cat >> logs/api-out.log", text="".join(lines))
    yield


@fault(
    warned=tuple(f"test_process_restarts_are_within_limit[vps-{name}]" for name in PROCESSES),
    may_change=(
        "test_process_uptime_is_within_limit",
        "test_queues_have_consumers",
        "test_stream_lag_is_within_limit",
    ),  # consumers are counted some seconds late
    touches=("pm2", "settings of pm2", "rabbitmq"),
)
def daemon_killed(lab: DockerLab) -> Iterator[None]:
    """PM2's daemon was killed; systemd restarted PM2 with all processes."""
    before = lab.root("cat", DAEMON)
    lab.root("kill", "-KILL", before)
    wait_until(lambda: lab.root("sh", "-c", f"cat {DAEMON} || true") not in ("", before), "systemd restarts PM2")
    recover(lab, *OF_PM2)
    started = time.monotonic()
    yield
    settle(lab, started)
    await_worker(lab)


@fault(failed=("test_no_unit_has_failed",))
@shows("nightly-backup")
def unit_failed(lab: DockerLab) -> Iterator[None]:
    """A timer's job failed without a notification."""
    lab.root("sh", "-c", "systemd-run --quiet --wait --unit=nightly-backup false || true")
    yield
    lab.root("systemctl", "reset-failed", "nightly-backup")
