"""Containers, Redis and RabbitMQ, from output of their clients."""

import shutil
import subprocess

import pytest

from lab import ports
from lab.waiting import wait_until
from opsproof.discovery import services
from opsproof.discovery.looking import asked
from opsproof.discovery.rights import Rights, rights
from opsproof.discovery.services import FoundContainer
from opsproof.discovery.sight import Entry, Sight
from opsproof.facts.listeners import Listener
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer

OPS = Rights("ops")
REFUSED = Answer(1, "", "permission denied while trying to connect to the docker API")
NAMES = '"db"\n"cache"\n"db-drill"\n'
PS = ("docker", "ps", "--all", "--format", "{{json .Names}}")


def test_containers_are_entries_with_their_states():
    found = services.containers(Answer(0, '"db" "running" "postgres:17"\n"cache" "exited" "redis:8"\n'), None)
    assert [each.kind for each in found] == ["postgres", "redis"]
    sight = services.contained(found, Answer(0, ""), OPS)
    assert sight == Sight([Entry("containers", "db"), Entry("containers", "cache", {}, "is exited now")])


def test_containers_without_rights_are_unseen_with_the_line_of_sudoers():
    (unseen,) = services.contained(services.containers(REFUSED, None), REFUSED, OPS).unseen
    assert unseen.what == "containers"
    line = "ops ALL = (root) NOPASSWD: /usr/bin/docker ps --all --format {{json .Names}}"
    assert unseen.way == f"a line of sudoers: {line}"


def test_host_without_docker_has_no_containers():
    absent = Answer(127, "", "docker: No such file or directory")
    assert services.contained(services.containers(absent, None), absent, OPS) == Sight()


def test_containers_by_sudo_have_states_as_far_as_it_permits():
    some = Rights("ops", (("root", " ".join(("/usr/bin/docker", *PS[1:]))),))
    assert some.permit("root", *PS)
    found = services.containers(REFUSED, Answer(0, NAMES))
    assert [each.name for each in found] == ["db", "cache"]
    assert services.states(found, some) == {}
    assert list(services.states(found, Rights("ops", (("root", "/usr/bin/docker"),)))) == ["db", "cache"]
    sight = services.contained(found, REFUSED, some)
    assert sight.entries == [Entry("docker_as", "root"), Entry("containers", "db"), Entry("containers", "cache")]
    assert [each.what for each in sight.unseen] == ["the states of the containers db, cache"]


def test_refused_state_of_a_container_stays_hidden():
    found = services.containers(REFUSED, Answer(0, '"cache"\n'))
    answer = Answer(1, "", "sudo: a password is required")
    assert services.with_states(found, {"cache": answer}) == found


@pytest.mark.parametrize(
    ("status", "text", "granted"),
    [
        (0, "Sudoers entry:\n    RunAsUsers: deploy\n    Commands:\n\t/usr/bin/perl\n", (("deploy", "/usr/bin/perl"),)),
        (1, "sudo: a password is required\n", ()),
        (127, "", ()),
    ],
)
def test_rights_are_those_of_sudo(status, text, granted):
    assert rights(Answer(0, "ops\n"), Answer(status, text)) == Rights("ops", granted)


CACHE = FoundContainer("shop-redis", "running", "redis:8")
BY_NAME = "belongs to the container shop-redis, by image and name"
NETRC = {"netrc": "/home/ops/.opsproof/redis.netrc"}
ASKS = "asks for a password: opsproof privileges makes the user and the file"


@pytest.mark.parametrize(
    ("answer", "found", "name", "fields", "doubt"),
    [
        (Answer(0, "time:1\n"), [], "redis-6379", {}, ""),
        (Answer(0, "time:1\n"), [CACHE], "shop-redis", {"container": "shop-redis"}, BY_NAME),
        (Answer(0, "silence:loading its data\n"), [], "redis-6379", {}, "does not answer now: loading its data"),
        (Answer(1, "", "the server requires a password\n"), [], "redis-6379", NETRC, ASKS),
        (Answer(1, "", "not a Redis server\n"), [], "redis-6379", {}, "does not answer as Redis: not a Redis server"),
    ],
)  # fmt: skip
def test_cache_is_proposed_with_what_it_needs(answer, found, name, fields, doubt):
    assert services.seen({"Redis 6379": answer}, found, "/home/ops").entries == [Entry("caches", name, fields, doubt)]


POSTGRES = ("db", "running", "postgres:17", "127.0.0.1:5432->5432/tcp")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "db"),
        ({1: "exited"}, ""),
        ({1: "exited", 3: ""}, ""),
        ({3: "127.0.0.1:5433->5432/tcp"}, ""),
        ({3: "0.0.0.0:15432->5432/tcp, [::]:5432->5432/tcp"}, "db"),
        ({3: ""}, "db"),
        ({1: "", 3: ""}, "db"),
    ],
)
def test_container_of_a_server_runs_and_publishes_its_port(changes, name):
    fields = [changes.get(number, each) for number, each in enumerate(POSTGRES)]
    assert services.container_of("postgres", "5432", [FoundContainer(*fields)]) == name


def test_broker_is_proposed_with_its_login():
    found = [FoundContainer("mq", "running", "rabbitmq:4-management")]
    sight = services.seen({"RabbitMQ 15672": Answer(0, "\n401 0.001 ")}, found, "/home/ops")
    fields = {"container": "mq", "netrc": "/home/ops/.opsproof/rabbitmq.netrc"}
    doubt = (
        "belongs to the container mq, by image and name; needs a login: opsproof privileges makes the user and the file"
    )
    assert sight.entries == [Entry("broker", "", fields, doubt)]
    assert [each.what for each in sight.unseen] == ["the queues of RabbitMQ"]


@pytest.mark.parametrize("password", ["", "secret"])
def test_real_redis_is_asked_without_a_login(password):
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    port = ports.free()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", password]
    with subprocess.Popen(words[: None if password else -2], stdout=subprocess.DEVNULL) as process:
        listeners = [Listener("127.0.0.1", port, frozenset({"redis-server"}))]
        requests = services.requests(listeners)
        host = Host(transport="local://").placed("h", ())

        def answers():
            sight = services.seen(asked(host, requests), [], "/home/ops")
            return sight if "refused" not in sight.entries[0].confirm else None

        try:
            wait_until(answers, "Redis answers", 10, process=process)
            (entry,) = answers().entries
        finally:
            process.terminate()
    assert ("netrc" in entry.fields) == bool(password)
    assert entry.fields["port"] == port
