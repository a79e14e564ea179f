import json

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts.processes import Processes
from opsproof.transport.shell import Answer


@pytest.fixture
def listed(recorded):
    """The recorded list, changed."""

    def listed(change=lambda found: None, now=1795472929.0):
        found = json.loads(recorded("pm2_list.json").stdout)
        change(found)
        return Processes().parse(Answer(0, json.dumps(found), now=now), None)

    return listed


def api(found):
    return next(each for each in found["daemon"]["processes"] if each["name"] == "meta-chat-api")


def test_process_is_parsed(listed, recorded):
    raw = api(json.loads(recorded("pm2_list.json").stdout))
    process = listed()["meta-chat-api"]
    assert (process.status, process.pid, process.memory_bytes) == ("online", raw["pid"], raw["memory_bytes"])
    assert process.uptime_s == pytest.approx(1795472929.0 - raw["started_ms"] / 1000)
    restarts = Counter(0, 1795472243.0, 1795472929.0, raw["started_ms"] / 1000, reborn="the PM2 daemon was restarted")
    assert process.restarts == restarts
    assert (process.module, listed()["pm2-logrotate"].module) == (False, True)


def test_equal_lists_have_no_unsaved_differences(listed):
    assert listed().unsaved == []
    assert (listed().version, listed().tool_version) == ("7.0.4", "7.0.4")


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        (lambda found: found["saved"].clear(),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) runs, but is not saved",
          "meta-chat-worker (/home/deploy/meta-chat-platform/worker.js) runs, but is not saved"]),
        (lambda found: found["daemon"]["processes"].remove(api(found)),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) is saved, but does not run"]),
        (lambda found: found["daemon"]["processes"].append(api(found)),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js): 2 running, 1 saved"]),
        (lambda found: api(found).update(arguments=1),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) runs, but is not saved",
          "meta-chat-api (/home/deploy/meta-chat-platform/api.js) is saved, but does not run"]),
    ],
    ids=["nothing saved", "one does not run", "one runs twice", "other arguments"],
)  # fmt: skip
def test_differences_to_saved_list_are_reported(listed, change, differences):
    assert listed(change).unsaved == differences


def test_missing_saved_list_is_absent(listed):
    with pytest.raises(Absent, match="no process list was saved"):
        _ = listed(lambda found: found.update(saved=None)).unsaved


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda found: found.update(daemon=None), "meta-chat-api is declared, but no PM2 daemon runs"),
        (
            lambda found: found["daemon"]["processes"].remove(api(found)),
            "meta-chat-api is declared, but not in PM2's process list",
        ),
    ],
)
def test_missing_process_is_absent(listed, change, complaint):
    with pytest.raises(Absent) as caught:
        listed(change)["meta-chat-api"]
    assert str(caught.value) == complaint


@pytest.mark.parametrize("status", ["errored", "stopped", "launching", "waiting restart"])
def test_stopped_process_has_no_uptime(listed, status):
    process = listed(lambda found: api(found).update(status=status))["meta-chat-api"]
    assert process.restarts.quiet_since is None
    assert process.idle == f"meta-chat-api is {status}, so it has no uptime"


def test_cluster_has_values_of_worst_instance(listed):
    def add(found):
        found["daemon"]["processes"] += [api(found) | {"pid": 1, "memory_bytes": 9**15}]
        found["daemon"]["processes"] += [api(found) | {"pid": 2, "status": "errored", "memory_bytes": 0}]

    assert listed(add)["meta-chat-api"].status == "errored"


def test_start_in_the_future_is_uptime_0(listed):
    assert listed(now=1.0)["meta-chat-api"].uptime_s == 0


@pytest.mark.parametrize("key", ["status", "pid", "restarts", "memory_bytes", "name", "started_ms", "module", "script"])
def test_process_with_missing_field_raises(listed, key):
    with pytest.raises(KeyError):
        listed(lambda found: api(found).pop(key))


def test_process_that_was_resurrected_as_stopped_has_no_pid(listed):
    def resurrect(found):
        api(found).update(status="stopped")
        del api(found)["pid"]

    found = listed(resurrect)
    assert (found["meta-chat-api"].pid, found.broken) == (0, ["meta-chat-api is stopped"])


JOB = {"status": "stopped", "job": True, "exit_code": 0, "pid": 0}


def job(listed, **changes):
    return listed(lambda found: api(found).update({**JOB, **changes}))


def test_job_that_ended_well_is_finished(listed):
    found = job(listed)
    assert (found["meta-chat-api"].status, found["meta-chat-api"].is_job, found.broken) == ("finished", True, [])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"exit_code": 3}, "stopped"),
        ({"exit_code": None}, "stopped"),
        ({"job": False}, "stopped"),
        ({"status": "errored"}, "errored"),
    ],
)
def test_job_that_failed_is_broken(listed, changes, status):
    found = job(listed, **changes)
    assert (found["meta-chat-api"].status, found.broken) == (status, [f"meta-chat-api is {status}"])


def test_running_job_is_online(listed):
    assert job(listed, status="online")["meta-chat-api"].status == "online"


def test_delay_of_a_job_counts_from_its_next_start(listed):
    found = listed(lambda found: api(found).update({**JOB, "started_ms": 1795472929000.0 - 90_000_000}))[
        "meta-chat-api"
    ]
    assert found.delay_s(86_400) == 3600
    assert found.delay_s(100_000) == 0
    with pytest.raises(MeasurementError, match="declare `every`"):
        found.delay_s(None)
