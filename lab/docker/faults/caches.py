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
    REDIS_STARTED,
    THROUGH_API,
    await_age,
    await_health,
    of,
    state,
    written,
)
from lab.docker.layout import REDIS, REDIS_PORT
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.status import HOST
from lab.waiting import wait_until

AGE = Path(__file__).with_name("age.pl")
CLIENT = ("sh", "-c", 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli "$@"', "redis-cli")
REFUSED = (*of(REDIS, "test_cache_responds"), *THROUGH_API)


def redis(lab: DockerLab, *words: str) -> str:
    """The answer of the lab's Redis to one command."""
    return lab.root(*CLIENT, *words, container=REDIS).strip()


@fault(
    failed=(*of(REDIS, "test_container_is_running", "test_container_is_healthy"), *REFUSED),
    unknown=of(REDIS, *CACHE_REPORT),
    reported_once=REDIS_STARTED,
    touches=("redis",),
)
def redis_stopped(lab: DockerLab) -> Iterator[None]:
    """The platform waits five seconds for it before it calls itself degraded."""
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
def redis_hung(lab: DockerLab) -> Iterator[None]:
    """Its process is halted; Docker calls it healthy for some seconds more."""
    _signal(lab, "STOP")
    yield
    _signal(lab, "CONT")
    await_health(REDIS)


def _signal(lab: DockerLab, name: str) -> None:
    """Sent from among the machine's processes: Docker takes a signal of its own for an order not to start it again."""
    _beside(lab, ("--pid=host",), "sh", "-c", f"kill -{name} {state(REDIS)['Pid']}")


def _beside(lab: DockerLab, options: tuple[str, ...], program: str, *words: str) -> None:
    """Runs a program of Redis' image as root in a container of its own."""
    alone = ("--rm", "--user=root", "--network=none", "--no-healthcheck")
    engine.run("run", *alone, *options, f"--entrypoint={program}", lab.container(REDIS).image.tag, *words)


@fault(failed=(*of(REDIS, "test_last_save_succeeded", "test_container_is_healthy"), *THROUGH_API), touches=("redis",))
def save_failed(lab: DockerLab) -> Iterator[None]:
    """Its folder belongs to somebody else, so Redis takes no writes any more, and even refuses a ping."""
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
    """Saves were switched off, something was written since, and the last save is three days old.

    The three days are a stand-in: the time of the last save is changed in the server's memory, because
    the machine's clock is not the lab's to set.
    """
    with configured(lab, "save", ""):
        saved = _saved(lab)
        redis(lab, "SET", "proof:1", "x")
        times = (str(saved), str(saved - 3 * 86400))
        _beside(lab, (f"--pid=container:{REDIS}", "--cap-add=SYS_PTRACE"), "perl", "-e", AGE.read_text(), "--", *times)
        yield
    redis(lab, "DEL", "proof:1")
    redis(lab, "SAVE")


@contextmanager
def configured(lab: DockerLab, name: str, value: str) -> Iterator[None]:
    """Another value of a setting of Redis."""
    before = redis(lab, "CONFIG", "GET", name).partition("\n")[2]
    redis(lab, "CONFIG", "SET", name, value)
    try:
        yield
    finally:
        redis(lab, "CONFIG", "SET", name, before)


def _saved(lab: DockerLab) -> int:
    """Saves, at a second that is in the server's memory for no other reason; when that was, since 1970."""
    before = int(redis(lab, "LASTSAVE"))
    wait_until(lambda: time.time() > before + 1, "a second passes")
    redis(lab, "SAVE")
    return int(redis(lab, "LASTSAVE"))


@fault(failed=of(REDIS, "test_no_client_was_rejected"), touches=("redis",))
def clients_rejected(lab: DockerLab) -> Iterator[None]:
    """All connections were taken for a moment; only the counter tells of it."""
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
def connections_used_up(lab: DockerLab) -> Iterator[None]:
    """A client leaks connections: nobody else gets one."""
    with _connections_taken(lab):
        await_health(REDIS, good=False)
        yield
    await_health(REDIS)


@contextmanager
def _connections_taken(lab: DockerLab) -> Iterator[None]:
    """The only connection that there may be is ours; the next one is refused."""
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
def monitor_of_redis_locked_out(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed on the server and not in its file: that says nothing of Redis."""
    with written(lab, f"{MONITOR_FOLDER}/redis.netrc", NETRC.format("not-this-one")):
        yield
