"""Faults of Redis."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    state,
    written,
)
from lab.docker.layout import REDIS, REDIS_PORT
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.status import HOST
from lab.errors import LabError

FILL = """
local number = 0
while tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)')) < tonumber(ARGV[1]) do
    number = number + 1
    redis.call('SET', 'proof:' .. number, string.rep('x', 100000))
end
"""
CLEAR = "for number = 1, 1000 do redis.call('DEL', 'proof:' .. number) end"
LIMIT_BYTES = 64 * 2**20
"""maxmemory of the lab's Redis."""
AGE = Path(__file__).with_name("age.pl")
REFUSED = (*of(REDIS, "test_cache_answers"), *THROUGH_API)


def redis(lab: DockerLab, *words: str) -> str:
    """The answer of the lab's Redis to one command."""
    client = 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli "$@"'
    return lab.root("sh", "-c", client, "redis-cli", *words, container=REDIS).strip()


def _told(lab: DockerLab, name: str) -> str:
    lines = redis(lab, "INFO").splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _filled(lab: DockerLab, share: float) -> Iterator[None]:
    redis(lab, "EVAL", FILL, "0", str(int(share * LIMIT_BYTES)))
    try:
        yield
    finally:
        redis(lab, "EVAL", CLEAR, "0")


@contextmanager
def _set(lab: DockerLab, name: str, value: str) -> Iterator[None]:
    before = redis(lab, "CONFIG", "GET", name).splitlines()[1]
    redis(lab, "CONFIG", "SET", name, value)
    try:
        yield
    finally:
        redis(lab, "CONFIG", "SET", name, before)


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
    await_health(REDIS)


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
    await_health(REDIS)
    recover(lab)


@fault(warned=of(REDIS, "test_cache_memory_is_spare"))
def cache_filling(lab: DockerLab) -> Iterator[None]:
    """More than four fifths of its memory are in use."""
    with _filled(lab, 0.85):
        yield


@fault(failed=of(REDIS, "test_cache_memory_is_spare"))
def cache_full(lab: DockerLab) -> Iterator[None]:
    """More than nine tenths of its memory are in use."""
    with _filled(lab, 0.93):
        yield


@fault(warned=of(REDIS, "test_no_key_was_evicted"))
def keys_evicted(lab: DockerLab) -> Iterator[None]:
    """There was no room, so Redis dropped keys; there is room again."""
    with _filled(lab, 0.2), _set(lab, "maxmemory", "8mb"):
        wait_until(lambda: int(_told(lab, "evicted_keys")) > 0, "keys are evicted")
    yield


@fault(failed=of(REDIS, "test_cache_memory_is_spare"))
def memory_unbounded(lab: DockerLab) -> Iterator[None]:
    """Without maxmemory it grows until the kernel kills it."""
    with _set(lab, "maxmemory", "0"):
        yield


@fault(
    failed=(
        "test_nothing_was_killed_for_memory",
        *of(REDIS, "test_container_was_not_out_of_memory", "test_container_was_not_restarted"),
    ),
    warned=CACHE_COUNTERS,
    told=REDIS_STARTED,
)
def killed_for_memory(lab: DockerLab) -> Iterator[None]:
    """It grew over what its container may have, the kernel killed it, and Docker started it again."""
    try:
        wait_until(lambda: _is_killed(lab), "Docker notices why it ended", 30)  # it misses that now and then
        await_health(REDIS)
        yield
    finally:
        engine.run("restart", REDIS)
        await_health(REDIS)


def _is_killed(lab: DockerLab) -> bool:
    """Lets it grow until it is killed and started again; whether Docker saw that it was for memory."""
    before = state(REDIS)["Pid"]
    redis(lab, "CONFIG", "SET", "maxmemory", "0")
    with suppress(LabError):  # the connection ends with the server
        redis(lab, "EVAL", FILL, "0", str(10 * LIMIT_BYTES))
    wait_until(lambda: state(REDIS)["Pid"] not in (0, before), "Docker starts it again")
    return bool(state(REDIS)["OOMKilled"])


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
        await_health(REDIS)


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
    await_health(REDIS)
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


@fault(unknown=(*of(REDIS, "test_cache_answers"), *of(REDIS, *CACHE_REPORT)))
def monitor_of_redis_locked_out(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed on the server and not in its file: that says nothing of Redis."""
    with written(lab, f"{MONITOR_FOLDER}/redis.netrc", NETRC.format("not-this-one")):
        yield
