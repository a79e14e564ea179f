"""Faults of what Redis holds, and may hold."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.docker import DockerLab, engine
from lab.docker.faults.caches import redis
from lab.docker.faults.fault import fault, wait_until
from lab.docker.faults.steps import CACHE_COUNTERS, REDIS_STARTED, of, recover, state
from lab.docker.layout import REDIS
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
        recover(lab)
        yield
    finally:
        engine.run("restart", REDIS)
        recover(lab)


def _is_killed(lab: DockerLab) -> bool:
    """Lets it grow until it is killed and started again; whether Docker saw that it was for memory."""
    before = state(REDIS)["Pid"]
    redis(lab, "CONFIG", "SET", "maxmemory", "0")
    with suppress(LabError):  # the connection ends with the server
        redis(lab, "EVAL", FILL, "0", str(10 * LIMIT_BYTES))
    wait_until(lambda: state(REDIS)["Pid"] not in (0, before), "Docker starts it again")
    return bool(state(REDIS)["OOMKilled"])
