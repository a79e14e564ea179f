"""Verdicts of daily checks, from saved answers of production's tools."""

import json

import pytest

from opsproof.round.gathering import Recording, write
from opsproof.transport.shell import Answer

NOW = 1_795_600_330.0


@pytest.fixture
def judged(prove, repository, tmp_path):
    """Runs checks on the answers of their facts, and returns their verdicts and sentences."""

    def run(checks, **answers):
        write(tmp_path / "facts.json", {"vps-00": Recording(answers=answers)})
        options = [f"checks/{checks}", f"--facts={tmp_path}/facts.json"]
        outcome = prove(repository / "inventory" / "metachat.toml", *options, reports=tmp_path / "reports")
        return {name: (each["verdict"], each.get("sentence", "")) for name, each in outcome.properties.items()}

    return run


def queue(number, **counts):
    name = f"tenant.ten{number:05}.channel.webchat.inbound.queue"
    zero = {"consumers": 1, "messages_ready": 0, "messages_unacknowledged": 0}
    return {"name": name, "exclusive": False, "state": "running", **zero, **counts}


@pytest.mark.parametrize(
    ("count", "waiting", "verdict", "sentence"),
    [
        ("messages_ready", [900] * 6, "failed", "inbound: 5400 ready messages in all queues (limit < 5000)"),
        ("messages_ready", [300] * 4, "warned", "inbound: 1200 ready messages in all queues (limit < 1000)"),
        ("messages_ready", [5000], "failed", "inbound: 5000 ready messages (limit < 5000)"),
        ("messages_ready", [90] * 6, "passed", None),
        ("messages_unacknowledged", [900] * 6, "failed",
         "inbound: 5400 unacknowledged messages in all queues (limit < 5000)"),
        ("messages_unacknowledged", [1000], "failed", "inbound: 1000 unacknowledged messages (limit < 1000)"),
    ],
)  # fmt: skip
def test_sum_and_longest_queue_of_a_pattern_decide(judged, count, waiting, verdict, sentence):
    ready = "ready_messages_are_within_limit"
    check = f"test_{ready if count == 'messages_ready' else 'messages_are_acknowledged'}"
    listed = [queue(number, **{count: messages}) for number, messages in enumerate(waiting)]
    answer = Answer(0, f"{json.dumps(listed)}\n200 0.002 ", now=NOW)
    ((found, said),) = judged(f"queues/test_queues.py::{check}", queues=answer).values()
    assert (found, sentence is None or said == sentence) == (verdict, True), said


@pytest.mark.parametrize(
    ("names", "verdict", "sentence"),
    [
        ("meta-chat-postgres\nmeta-chat-redis\nmeta-chat-rabbitmq\n", "passed", ""),
        ("meta-chat-redis,meta-chat-api/cache\n", "passed", ""),
        ("meta-chat-postgres\nmeta-chat-postgres-drill\ngrafana\n", "passed", ""),
        ("", "unknown", "vps-00: docker ps lists no container"),
        ("meta-chat-redis-old\nmeta-chat-redis\nmeta-chat-api\n", "failed",
         "undeclared containers: meta-chat-api, meta-chat-redis-old"),
    ],
)  # fmt: skip
def test_containers_of_a_declared_pattern_are_declared(judged, names, verdict, sentence):
    found = judged(
        "containers/test_containers.py::test_every_container_is_declared",
        container_names=Answer(0, "".join(f"{json.dumps(name)}\n" for name in names.split()), now=NOW),
    )
    assert list(found.values()) == [(verdict, sentence)]


def test_containers_are_unknown_without_docker(judged):
    answer = Answer(1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock", now=NOW)
    found = judged("containers/test_containers.py::test_every_container_is_declared", container_names=answer)
    assert [verdict for verdict, _ in found.values()] == ["unknown"]


@pytest.fixture
def streams(repository, tmp_path):
    """An inventory with a stream among the queues of production."""
    text = (repository / "inventory" / "metachat.toml").read_text(encoding="utf-8")
    path = tmp_path / "streams.toml"
    declared = '[hosts.vps-00.queues]\nevents = { pattern = "events", kind = "stream" }\n'
    path.write_text(text.replace("[hosts.vps-00.queues]\n", declared), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lags", "verdicts"),
    [
        ([10], ("passed", "passed")),
        ([10, 1500], ("passed", "warned")),
        ([5000], ("passed", "failed")),
        ([], ("failed", "unknown")),
    ],
)
def test_stream_is_judged_by_consumers_and_lag(prove, streams, tmp_path, lags, verdicts):
    listed = [{**queue(0), "name": "events", "messages_ready": 900_000, "consumers": len(lags)}]
    reading = [{"queue": {"name": "events"}, "offset_lag": lag} for lag in lags]
    answers = {
        "queues": Answer(0, f"{json.dumps(listed)}\n200 0.002 ", now=NOW),
        "stream_consumers": Answer(0, f"{json.dumps(reading)}\n200 0.002 ", now=NOW),
    }
    write(tmp_path / "facts.json", {"vps-00": Recording(answers=answers)})
    outcome = prove(streams, "checks/queues", "-k", "events", f"--facts={tmp_path}/facts.json")
    found = {name.partition("[")[0]: verdict for name, verdict in outcome.verdicts.items()}
    assert (found["test_queues_have_consumers"], found["test_stream_lag_is_within_limit"]) == verdicts
    assert found.keys() == {
        "test_queue_pattern_matches_a_queue", "test_queues_have_consumers", "test_stream_lag_is_within_limit",
    }  # fmt: skip
