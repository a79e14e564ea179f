import dataclasses
import json
import math

import pytest

from opsproof.core.counters import increase_since
from opsproof.core.errors import Absent, CommandError, MeasurementError
from opsproof.core.limits import AtLeast, Estimate
from opsproof.facts.containers import CACHED_LOG_BYTES, DRILL_SUFFIX, FIELDS, TEMPLATE, Containers
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Container
from opsproof.restore.throwaway import SUFFIX
from opsproof.transport.shell import Answer

NOW = 1_795_600_500
HEALTHY = {
    "name": "/meta-chat-redis", "created": "2026-11-20T09:00:00.1Z", "restarts": 0, "image": "redis:8",
    "status": "running", "started": "2026-11-20T09:00:02.2Z", "exit_code": 0, "out_of_memory": False,
    "health": "healthy", "policy": "unless-stopped", "memory": 2**29, "shared_memory": 2**26, "network": "metachat",
    "log_driver": "json-file", "log_size": "10m", "log_files": "3",
    "bindings": {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6379"}]},
    "ports": {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6379"}]},
}  # fmt: skip


def test_containers_of_drills_have_a_suffix_of_their_own():
    assert DRILL_SUFFIX == SUFFIX


def parse(answer, name="meta-chat-redis"):
    return Containers().parse(answer, name, Container())


@pytest.fixture
def state():
    """The state of a healthy container but for some fields of Docker's answer."""

    def state(**fields):
        values = {**HEALTHY, **fields}
        return parse(Answer(0, "".join(f"{json.dumps(values[field])}\n" for field in FIELDS) + "\n", now=NOW))

    return state


def test_running_container_is_parsed(recorded):
    found = parse(recorded("docker_inspect_started_again.txt"), "meta-chat-postgres")
    assert (found.status, found.health, found.exit_code, found.out_of_memory) == ("running", "healthy", 0, False)
    assert (found.memory_bytes, found.shared_memory_bytes) == (64 * 2**20, 128 * 2**20)
    assert (found.restart_policy, found.image, found.pinned) == ("unless-stopped", "pgvector/pgvector:pg17", True)
    assert (found.log_driver, found.log_bytes) == ("json-file", 30e6)
    assert found.exposed == (
        "80/tcp as 32769 on all addresses",
        "81/udp as 15998 on all addresses",
        "82/tcp as 15997 on all addresses",
    )


def test_stopped_container_has_no_health(recorded):
    found = parse(recorded("docker_inspect_stopped.txt"), "meta-chat-postgres")
    assert (found.status, found.last_health, found.exit_code) == ("exited", "unhealthy", 137)
    with pytest.raises(Absent, match=r"^meta-chat-postgres is exited: health is unknown$"):
        _ = found.health


def test_stopped_container_exposes_configured_ports(recorded):
    found = parse(recorded("docker_inspect_stopped.txt"), "meta-chat-postgres")
    assert found.exposed[0] == "80/tcp as random port on all addresses"
    assert len(found.exposed) == 3


def test_oom_kill_is_reported(recorded):
    found = parse(recorded("docker_inspect_out_of_memory.txt"))
    assert (found.status, found.out_of_memory, found.memory_bytes) == ("exited", True, 8 * 2**20)


def test_crash_loop_is_running_with_restarts(recorded):
    found = parse(recorded("docker_inspect_crash_loop.txt", now=NOW), "meta-chat-rabbitmq")
    assert (found.status, found.health, found.restarts.value) == ("running", "none", 6)
    assert found.restarts.grew is None
    assert found.restarts.quiet_since == pytest.approx(1795600185.27, abs=0.01)
    assert not found.pinned


def test_never_started_container_has_no_start_time(recorded):
    found = parse(recorded("docker_inspect_never_started.txt"))
    assert found.status == "created"
    assert (found.restarts.value, found.restarts.quiet_since, found.restarts.grew) == (0, None, None)
    assert found.log_bytes == math.inf
    assert found.exposed == ()


def test_host_network_exposes_all_ports(recorded):
    found = parse(recorded("docker_inspect_host_network.txt"))
    assert found.exposed == ("all ports (host network)",)
    assert (found.log_driver, found.log_bytes, found.memory_bytes) == ("local", CACHED_LOG_BYTES, 0)


@pytest.mark.parametrize(
    "complaint",
    ["Error: No such container: meta-chat-redis\n", "error: no such object: meta-chat-redis\n"],
    ids=["Docker 20", "Docker 28"],
)
def test_missing_container_is_absent(complaint):
    with pytest.raises(Absent, match=r"^meta-chat-redis is declared, but Docker has no such container$"):
        parse(Answer(1, "\n", complaint))


def test_container_matched_by_id_prefix_is_absent(state):
    with pytest.raises(Absent, match="Docker has no such container"):
        state(name="/something-else")


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (1, "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"),
        (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
        (1, "sudo: a password is required"),
        (1, "template parsing error: template: :1: unclosed action"),
        (127, "docker: No such file or directory"),
    ],
)
def test_docker_error_is_a_measurement_error(status, complaint):
    with pytest.raises(CommandError, match=complaint[:20]):
        parse(Answer(status, "\n", complaint))


@pytest.mark.parametrize(
    "fields",
    [{"created": "0001-01-01T00:00:00Z"}, {"log_size": "plenty"}, {"log_files": "x"}, {"memory": None},
     {"started": "yesterday"}, {"ports": {"80/tcp": [{}]}}, {"ports": {"80/tcp": [{"HostIp": "x", "HostPort": ""}]}}],
)  # fmt: skip
def test_malformed_field_raises(state, fields):
    with pytest.raises((MeasurementError, ValueError, TypeError, LookupError)):
        state(**fields)


@pytest.mark.parametrize("lines", [FIELDS[:-1], (*FIELDS, "name")], ids=["a line less", "a line more"])
def test_answer_with_wrong_field_count_raises(lines):
    with pytest.raises(ValueError, match="zip"):
        parse(Answer(0, "".join(f"{json.dumps(HEALTHY[line])}\n" for line in lines)))


@pytest.mark.parametrize("status", ["paused", "exited", "restarting", "dead", "created"])
def test_only_running_containers_have_health(state, status):
    with pytest.raises(Absent, match=f"is {status}: health is unknown"):
        _ = state(status=status).health


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("redis:8", True),
        ("rabbitmq:4-management", True),
        ("pgvector/pgvector:pg17", True),
        ("localhost:5000/redis:8.2", True),
        ("redis@sha256:0a1b", True),
        ("redis:latest@sha256:0a1b", True),
        ("sha256:0a1b", True),
        ("redis", False),
        ("redis:latest", False),
        ("redis:alpine", False),
        ("localhost:5000/redis", False),
        ("redis6", False),
    ],
)
def test_image_is_pinned_by_digest_or_version(state, image, pinned):
    assert state(image=image).pinned is pinned


@pytest.mark.parametrize(
    ("driver", "size", "files", "most"),
    [
        ("json-file", "10m", "3", 30e6),
        ("json-file", "1g", "", 1e9),
        ("json-file", "100k", "2", 2e5),
        ("json-file", "1.5MB", "1", 1.5e6),
        ("json-file", "4096", "1", 4096),
        ("json-file", "", "5", math.inf),
        ("json-file", "-1", "", math.inf),
        ("local", "", "", 100e6),
        ("local", "50m", "2", 100e6),
        ("journald", "", "", 100e6),
        ("none", "", "", 0),
    ],
)
def test_log_size_limit_follows_the_driver(state, driver, size, files, most):
    assert state(log_driver=driver, log_size=size, log_files=files).log_bytes == most


@pytest.mark.parametrize(
    ("ip", "exposed"),
    [
        ("127.0.0.1", ()),
        ("127.0.0.53", ()),
        ("::1", ()),
        ("", ("6379/tcp as 6379 on all addresses",)),
        ("0.0.0.0", ("6379/tcp as 6379 on all addresses",)),
        ("::", ("6379/tcp as 6379 on all addresses",)),
        ("10.0.0.5", ("6379/tcp as 6379 on 10.0.0.5",)),
    ],
)
def test_port_is_exposed_unless_on_loopback(state, ip, exposed):
    bound = {"6379/tcp": [{"HostIp": ip, "HostPort": "6379"}], "16379/tcp": None}
    assert state(ports=bound).exposed == exposed
    assert state(bindings=bound, ports={}).exposed == exposed
    assert state(bindings=bound, ports=None).exposed == exposed


def test_actual_port_binding_overrides_configuration(state):
    assert state(bindings={"6379/tcp": [{"HostIp": "", "HostPort": "6379"}]}).exposed == ()


@pytest.mark.parametrize(
    ("started", "grew"),
    [("2026-11-20T09:00:59Z", False), ("2026-11-20T09:01:02Z", True), ("2026-11-24T00:00:00+01:00", True)],
)
def test_only_start_long_after_creation_is_a_restart(state, started, grew):
    restarts = state(started=started).restarts
    assert restarts.grew == (restarts.quiet_since if grew else None)


def test_manual_restart_counts(state):
    before = dataclasses.replace(state().restarts, now=NOW - 86400)
    assert increase_since(state().restarts, before) == 0
    assert increase_since(state(started="2026-11-25T09:00:00Z").restarts, before) == 1


def test_recreated_container_resets_the_counter(state):
    before = dataclasses.replace(state().restarts, now=NOW - 86400)
    anew = state(created="2026-11-25T09:00:00Z", started="2026-11-25T09:00:01Z").restarts
    assert increase_since(anew, before) == AtLeast(0, "the container was recreated; the earlier count is lost")


def test_first_run_cannot_date_a_restart(state):
    assert increase_since(state(restarts=3).restarts, None) == Estimate(0, 3, "no earlier run is on record")


def test_restarting_container_was_not_quiet(state):
    assert state(status="restarting").restarts.quiet_since is None


@pytest.mark.parametrize("name", ["meta-chat-redis", "-f", "--format={{.Config.Env}}"])
def test_container_name_is_never_parsed_as_option(name):
    host = Host(transport="local://", docker_as="root")
    command = Containers().command(host, name, Container())
    assert command.argv[-3:] == (TEMPLATE, "--", name)
    assert command.user == "root"


def test_the_template_selects_no_secret():
    for secret in (
        "Env",
        "Labels",
        "Cmd",
        "Args",
        "Entrypoint",
        "Path",
        ".Log|",
        "Output",
        "Error",
        "Mounts",
        "Binds|",
    ):
        assert f".{secret.lstrip('.')}" not in TEMPLATE
