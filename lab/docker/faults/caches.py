"""Faults of Redis."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

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

KEY_BYTES = 1_000_000
FILL = """
for number = 1, tonumber(ARGV[1]) do
    redis.call('SET', 'proof:' .. number, string.rep('x', tonumber(ARGV[2])))
end
"""
CLEAR = "for number = 1, tonumber(ARGV[1]) do redis.call('DEL', 'proof:' .. number) end"
MOST_KEYS = 500
KILL = """
export REDISCLI_AUTH=$REDIS_PASSWORD
redis-cli CONFIG SET maxmemory 0
redis-cli EVAL "$1" 0 "$2" "$3" || true
"""
CLOCK = "/data/clock"
FAKE_TIME = (
    "--env=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    f"--env=FAKETIME_TIMESTAMP_FILE={CLOCK}",
    "--env=FAKETIME_CACHE_DURATION=1",
    "--env=FAKETIME_DONT_FAKE_MONOTONIC=1",
)
REFUSED = (*of(REDIS, "test_cache_answers"), *THROUGH_API)


def redis(lab: DockerLab, *words: str) -> str:
    """The answer of the lab's Redis to one command."""
    client = 'REDISCLI_AUTH=$REDIS_PASSWORD exec redis-cli "$@"'
    return lab.root("sh", "-c", client, "redis-cli", *words, container=REDIS).strip()


def _told(lab: DockerLab, name: str) -> str:
    lines = redis(lab, "INFO").splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _filled(lab: DockerLab, keys: int) -> Iterator[None]:
    redis(lab, "EVAL", FILL, "0", str(keys), str(KEY_BYTES))
    try:
        yield
    finally:
        redis(lab, "EVAL", CLEAR, "0", str(MOST_KEYS))


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


@fault(failed=REFUSED, unknown=of(REDIS, *CACHE_REPORT), may=of(REDIS, "test_container_is_healthy"))
def redis_hung(lab: DockerLab) -> Iterator[None]:
    """Its process is halted; Docker calls it healthy for some seconds more."""
    engine.run("kill", "--signal=STOP", REDIS)
    yield
    engine.run("kill", "--signal=CONT", REDIS)
    await_health(REDIS)
    recover(lab)


@fault(warned=of(REDIS, "test_cache_memory_is_spare"))
def cache_filling(lab: DockerLab) -> Iterator[None]:
    """More than four fifths of its memory are in use."""
    with _set(lab, "maxmemory", "16mb"), _filled(lab, 13):
        yield


@fault(failed=of(REDIS, "test_cache_memory_is_spare"))
def cache_full(lab: DockerLab) -> Iterator[None]:
    """More than nine tenths of its memory are in use."""
    with _set(lab, "maxmemory", "16mb"), _filled(lab, 14):
        yield


@fault(warned=of(REDIS, "test_no_key_was_evicted"))
def keys_evicted(lab: DockerLab) -> Iterator[None]:
    """There was no room, so Redis dropped keys; there is room again."""
    with _filled(lab, 10), _set(lab, "maxmemory", "4mb"):
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
    for _ in range(5):  # Docker misses that it was for memory now and then
        before = state(REDIS)["Pid"]
        lab.root("sh", "-c", KILL, "sh", FILL, str(MOST_KEYS), str(KEY_BYTES), container=REDIS)
        wait_until(lambda before=before: state(REDIS)["Pid"] not in (0, before), "Docker starts it again")  # type: ignore[misc]
        if state(REDIS)["OOMKilled"]:
            break
    await_health(REDIS)
    yield
    engine.run("restart", REDIS)
    await_health(REDIS)


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
    """Saves were switched off three days ago, and something was written since.

    The three days are a stand-in: Redis takes the moment of its start for that of its last save, so it
    is started with its clock three days back, by libfaketime, and the clock is then set right.
    """
    lab.root("sh", "-c", f"echo -3d > {CLOCK}", container=REDIS)
    try:
        with remade(lab, REDIS, *FAKE_TIME):
            redis(lab, "CONFIG", "SET", "save", "")
            redis(lab, "SET", "proof:1", "x")
            lab.root("sh", "-c", f"echo +0 > {CLOCK}", container=REDIS)
            wait_until(lambda: abs(int(_told(lab, "server_time_usec")) / 1e6 - time.time()) < 60, "its clock is right")
            yield
    finally:
        lab.root("rm", "-f", CLOCK, container=REDIS)


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
