"""Faults of Redis."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.docker import DockerLab, engine, passwords
from lab.docker.faults.fault import fault, wait_until
from lab.docker.faults.steps import (
    CACHE_COUNTERS,
    CACHE_REPORT,
    REDIS_STARTED,
    THROUGH_API,
    await_health,
    of,
    recover,
    remade,
    written,
)
from lab.docker.layout import REDIS, REDIS_PORT
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.status import HOST

AGE = Path(__file__).with_name("age.pl")
REFUSED = (*of(REDIS, "test_cache_answers"), *THROUGH_API)


def redis(lab: DockerLab, *words: str) -> str:
    """The answer of the lab's Redis to one command."""
    client = 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli "$@"'
    return lab.root("sh", "-c", client, "redis-cli", *words, container=REDIS).strip()


@fault(
    failed=(*of(REDIS, "test_container_runs", "test_container_is_healthy"), *REFUSED),
    unknown=of(REDIS, *CACHE_REPORT),
    told=REDIS_STARTED,
)
def redis_stopped(lab: DockerLab) -> Iterator[None]:
    """The platform waits five seconds for it before it calls itself degraded."""
    engine.run("stop", REDIS)
    yield
    engine.run("start", REDIS)
    recover(lab)


@fault(
    failed=REFUSED,
    unknown=of(REDIS, *CACHE_REPORT),
    may=of(REDIS, "test_container_is_healthy"),
    told=REDIS_STARTED,
)
def redis_hung(lab: DockerLab) -> Iterator[None]:
    """Its process is halted; Docker calls it healthy for some seconds more."""
    engine.run("kill", "--signal=STOP", REDIS)
    yield
    engine.run("kill", "--signal=CONT", REDIS)
    engine.run("restart", REDIS)  # Docker takes a signal for an order to leave it stopped when it ends
    recover(lab)


@fault(failed=(*of(REDIS, "test_last_save_succeeded", "test_container_is_healthy"), *THROUGH_API))
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
        recover(lab)


@fault(
    failed=of(REDIS, "test_last_save_is_recent"),
    warned=(*of(REDIS, "test_container_was_not_restarted"), *CACHE_COUNTERS),
    told=REDIS_STARTED,
)
def save_too_old(lab: DockerLab) -> Iterator[None]:
    """Saves were switched off, something was written since, and the last save is three days old.

    The three days are a stand-in: the time of the last save is changed in the server's memory, for which
    the container needs a right more, because the machine's clock is not the lab's to set.
    """
    with remade(lab, REDIS, "--cap-add=SYS_PTRACE"):
        redis(lab, "CONFIG", "SET", "save", "")
        saved = _saved(lab)
        redis(lab, "SET", "proof:1", "x")
        lab.root("perl", "-e", AGE.read_text(), "--", str(saved), str(saved - 3 * 86400), container=REDIS)
        yield


def _saved(lab: DockerLab) -> int:
    """Saves, at a second that is in the server's memory for no other reason; when that was, since 1970."""
    before = int(redis(lab, "LASTSAVE"))
    wait_until(lambda: time.time() > before + 1, "a second passes")
    redis(lab, "SAVE")
    return int(redis(lab, "LASTSAVE"))


@fault(failed=of(REDIS, "test_no_client_was_rejected"))
def clients_rejected(lab: DockerLab) -> Iterator[None]:
    """All connections were taken for a moment; only the counter tells of it."""
    with _connections_taken(lab):
        pass
    recover(lab)
    yield


@fault(
    failed=(*REFUSED, *of(REDIS, "test_container_is_healthy")),
    unknown=of(REDIS, *CACHE_REPORT),
    told={"failed": of(REDIS, "test_no_client_was_rejected")},
)
def connections_used_up(lab: DockerLab) -> Iterator[None]:
    """A client leaks connections: nobody else gets one."""
    with _connections_taken(lab):
        await_health(REDIS, good=False)
        yield
    recover(lab)


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


@fault(unknown=(*of(REDIS, "test_cache_answers"), *of(REDIS, *CACHE_REPORT)))
def monitor_of_redis_locked_out(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed on the server and not in its file: that says nothing of Redis."""
    with written(lab, f"{MONITOR_FOLDER}/redis.netrc", NETRC.format("not-this-one")):
        yield
