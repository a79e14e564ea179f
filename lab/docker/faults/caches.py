"""Faults of Redis."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.docker import DockerLab, engine, passwords
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    CACHE_REPORT,
    DOWN,
    REDIS_STARTED,
    THROUGH_API,
    UNHEALTHY,
    await_age,
    await_health,
    of,
    state,
    written,
)
from lab.docker.layout import REDIS, REDIS_PORT
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.status import HOST
from lab.fault import shows
from lab.waiting import wait_until

AGE = Path(__file__).with_name("age.pl")
CLIENT = ("sh", "-c", 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli "$@"', "redis-cli")
REFUSED = (*of(REDIS, "test_cache_responds"), *THROUGH_API)


def redis(lab: DockerLab, *words: str) -> str:
    """Runs a command in the lab's Redis and returns the answer."""
    return lab.root(*CLIENT, *words, container=REDIS).strip()


@fault(
    failed=(*of(REDIS, "test_container_is_running", "test_container_is_healthy"), *REFUSED),
    unknown=of(REDIS, *CACHE_REPORT),
    reported_once=REDIS_STARTED,
    touches=("redis",),
)
@shows('Exited|is not running|"degraded"|"unhealthy"|HTTP/1.1 503|timed out')
def redis_stopped(lab: DockerLab) -> Iterator[None]:
    """The platform waits five seconds for Redis before reporting degraded."""
    await_age(REDIS)
    engine.run("stop", REDIS)
    yield
    engine.run("start", REDIS)
    await_health(REDIS)


@fault(
    failed=REFUSED,
    unknown=of(REDIS, *CACHE_REPORT),
    may_change=of(REDIS, "test_container_is_healthy"),
    touches=("redis",),
)
@shows(f"sending signal|{DOWN}", test_container_is_healthy=UNHEALTHY)
def redis_hung(lab: DockerLab) -> Iterator[None]:
    """The Redis process is halted; Docker reports healthy for a few more seconds."""
    _signal(lab, "STOP")
    yield
    _signal(lab, "CONT")
    await_health(REDIS)


def _signal(lab: DockerLab, name: str) -> None:
    """Sends a signal from the host's process namespace: after `docker kill`, Docker would not restart the container."""
    _run_in_image(lab, ("--pid=host",), "sh", "-c", f"kill -{name} {state(REDIS)['Pid']}")


def _run_in_image(lab: DockerLab, options: tuple[str, ...], program: str, *words: str) -> None:
    """Runs a program of the Redis image as root in a temporary container."""
    alone = ("--rm", "--user=root", "--network=none", "--no-healthcheck")
    engine.run("run", *alone, *options, f"--entrypoint={program}", lab.container(REDIS).image.tag, *words)


@fault(failed=(*of(REDIS, "test_last_save_succeeded", "test_container_is_healthy"), *THROUGH_API), touches=("redis",))
@shows(
    'rdb_last_bgsave_status:err|"degraded"|"unhealthy"|HTTP/1.1 503|timed out',
    test_container_is_healthy=UNHEALTHY,
)
def save_failed(lab: DockerLab) -> Iterator[None]:
    """The data folder has the wrong owner, so Redis refuses writes, and even a ping."""
    lab.root("chown", "root:root", "/data", container=REDIS)
    try:
        redis(lab, "BGSAVE")
        await_health(REDIS, good=False)
        yield
    finally:
        lab.root("chown", "redis:redis", "/data", container=REDIS)
        redis(lab, "BGSAVE")
        await_health(REDIS)


@fault(failed=of(REDIS, "test_last_save_is_recent"), touches=("redis",))
def save_too_old(lab: DockerLab) -> Iterator[None]:
    """Saves were switched off, a key was written since, and the last save is three days old.

    The three days are simulated: the time of the last save is changed in the server's memory, because
    the lab must not set the machine's clock.
    """
    with configured(lab, "save", ""):
        saved = _save_at_unique_time(lab)
        redis(lab, "SET", "proof:1", "x")
        times = (str(saved), str(saved - 3 * 86400))
        _run_in_image(
            lab, (f"--pid=container:{REDIS}", "--cap-add=SYS_PTRACE"), "perl", "-e", AGE.read_text(), "--", *times
        )
        yield
    redis(lab, "DEL", "proof:1")
    redis(lab, "SAVE")


@contextmanager
def configured(lab: DockerLab, name: str, value: str) -> Iterator[None]:
    """Changes a setting of Redis."""
    before = redis(lab, "CONFIG", "GET", name).partition("\n")[2]
    redis(lab, "CONFIG", "SET", name, value)
    try:
        yield
    finally:
        redis(lab, "CONFIG", "SET", name, before)


def _save_at_unique_time(lab: DockerLab) -> int:
    """Saves at a Unix time not yet present in the server's memory; returns the time."""
    before = int(redis(lab, "LASTSAVE"))
    wait_until(lambda: time.time() > before + 1, "a second passes")
    redis(lab, "SAVE")
    return int(redis(lab, "LASTSAVE"))


@fault(failed=of(REDIS, "test_no_client_was_rejected"), touches=("redis",))
def clients_rejected(lab: DockerLab) -> Iterator[None]:
    """All connections were in use for a moment; only the counter shows the rejected client."""
    with _connections_taken(lab):
        pass
    await_health(REDIS)
    yield


@fault(
    failed=(*REFUSED, *of(REDIS, "test_container_is_healthy")),
    unknown=of(REDIS, *CACHE_REPORT),
    reported_once={"failed": of(REDIS, "test_no_client_was_rejected")},
    touches=("redis",),
)
@shows(
    'max number of clients|"degraded"|"unhealthy"|HTTP/1.1 503|timed out',
    test_container_is_healthy=UNHEALTHY,
)
def connections_used_up(lab: DockerLab) -> Iterator[None]:
    """A client leaks connections until Redis rejects all new clients."""
    with _connections_taken(lab):
        await_health(REDIS, good=False)
        yield
    await_health(REDIS)


@contextmanager
def _connections_taken(lab: DockerLab) -> Iterator[None]:
    """Sets maxclients to 1 and holds the only connection; Redis refuses the next."""
    password = passwords.load(lab.layout).redis["REDIS_PASSWORD"]
    with _connection() as ours:
        ours.sendall(f"AUTH {password}\r\nCONFIG SET maxclients 1\r\n".encode())
        try:
            wait_until(_is_refused, "Redis refuses clients")
            yield
        finally:
            ours.sendall(b"CONFIG SET maxclients 10000\r\n")
            wait_until(lambda: not _is_refused(), "Redis takes clients again")


def _is_refused() -> bool:
    with _connection() as other:
        other.sendall(b"PING\r\n")
        return other.recv(100).startswith(b"-ERR max")


def _connection() -> socket.socket:
    return socket.create_connection((HOST, REDIS_PORT), timeout=3)


@fault(unknown=(*of(REDIS, "test_cache_responds"), *of(REDIS, *CACHE_REPORT)))
def redis_refuses_the_monitor(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed in Redis, but not in the password file: the state of Redis is unknown."""
    with written(lab, f"{MONITOR_FOLDER}/redis.netrc", NETRC.format("not-this-one")):
        yield
