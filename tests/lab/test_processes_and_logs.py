"""Both processes log as production's do, and fail as the switches say."""

import json
import re

import pytest

from lab.waiting import wait_until

pytestmark = pytest.mark.lab

PREFIX = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00: (?P<json>\{.*\})$")


@pytest.fixture
def fresh_lines(healthy):
    """The lines a log got since the test began, by log name."""
    begin = {path.stem: path.stat().st_size for path in healthy.layout.logs.glob("*-*.log")}

    def read(name):
        with (healthy.layout.logs / f"{name}.log").open("rb") as file:
            file.seek(begin[name])
            return file.read().decode().splitlines()

    return read


def logged(fresh_lines, name, text):
    """Waits for the first line of a log with a text."""
    return wait_until(lambda: [line for line in fresh_lines(name) if text in line], f"{text} is logged")[0]


def test_a_request_is_one_line_with_repeated_scopes(fresh_lines, ask):
    ask("/health")

    line = logged(fresh_lines, "api-out", '"route":"/health"')
    pairs = json.loads(PREFIX.match(line)["json"], object_pairs_hook=list)
    assert [key for key, _ in pairs] == [
        "level", "time", "pid", "hostname", "scope", "scope", "requestId", "correlationId", "method", "route",
        "statusCode", "durationMs", "message",
    ]  # fmt: skip
    assert dict(pairs)["message"] == "HTTP request completed"


def test_an_unknown_route_is_logged_as_an_error(fresh_lines, ask):
    ask("/x")

    line = logged(fresh_lines, "api-out", '"level":"ERROR"')
    found = json.loads(PREFIX.match(line)["json"])
    assert found["message"] == "Request failed"
    assert found["err"]["type"] == "NotFoundError"
    assert (found["err"]["statusCode"], found["err"]["expose"]) == (404, True)


def test_the_worker_has_a_heartbeat(fresh_lines):
    assert logged(fresh_lines, "worker-out", '"message":"Heartbeat"')


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({"errors_per_second": 5}, ("api-out", '"statusCode":500')),
        ({"errors_per_second": 5}, ("worker-out", "Message moved to DLQ")),
        ({"fatal": True}, ("api-out", '"level":"FATAL"')),
        ({"flood_per_second": 2000}, ("worker-out", "message not acknowledged")),
    ],
    ids=json.dumps,
)
def test_a_switch_fills_the_log(healthy, fresh_lines, switches, expected):
    healthy.faults(**switches)

    assert logged(fresh_lines, *expected)


def test_a_silent_process_logs_nothing(healthy, ask, fresh_lines):
    healthy.faults(silent=True)

    ask("/health")
    assert not [line for line in fresh_lines("api-out") if '"route":"/health"' in line]


def test_memory_is_held_and_released(healthy):
    def memory():
        return {entry["name"]: entry["monit"]["memory"] for entry in listing(healthy)}["meta-chat-worker"]

    healthy.faults(hog_mb=300)
    wait_until(lambda: memory() > 300e6, "the worker holds the memory")
    healthy.faults()


def test_pm2_runs_two_applications_and_its_module(healthy):
    entries = {entry["name"]: entry["pm2_env"] for entry in listing(healthy)}

    assert set(entries) == {"meta-chat-api", "meta-chat-worker", "pm2-logrotate"}
    assert entries["pm2-logrotate"]["pmx_module"] is True
    assert all(env["status"] == "online" and env["exec_mode"] == "fork_mode" for env in entries.values())
    saved = json.loads((healthy.layout.pm2 / "dump.pm2").read_text())
    assert {entry["name"] for entry in saved} == {"meta-chat-api", "meta-chat-worker"}


def test_processes_carry_secrets_as_in_production(healthy):
    text = healthy.pm2("jlist")

    assert sum(secret in text for secret in healthy.secrets) > 5


def test_a_crash_loop_ends_in_errored_and_up_heals_it(healthy):
    healthy.faults(crash=True)
    wait_until(lambda: statuses(healthy)["meta-chat-worker"] == "errored", "PM2 gives up", 120, every_s=1)
    assert statuses(healthy)["meta-chat-api"] == "online"

    healthy.up()

    assert healthy.status().up
    assert {entry["name"]: entry["pm2_env"]["restart_time"] for entry in listing(healthy)}["meta-chat-worker"] == 0


def listing(lab):
    return json.loads(lab.pm2("jlist"))


def statuses(lab):
    return {entry["name"]: entry["pm2_env"]["status"] for entry in listing(lab)}
