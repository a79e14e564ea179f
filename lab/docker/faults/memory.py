"""Faults of Redis' memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.docker import DockerLab, engine
from lab.docker.faults.caches import CLIENT, configured, redis
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import CACHE_COUNTERS, POLL_S, REDIS_STARTED, await_age, await_health, of, state
from lab.docker.layout import REDIS
from lab.errors import LabError
from lab.fault import shows
from lab.waiting import wait_until

FILL = """
local number = 0
while tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)')) < tonumber(ARGV[1]) do
    number = number + 1
    redis.call('SET', 'proof:' .. number, string.rep('x', tonumber(ARGV[2])))
end
"""
CLEAR = "for number = 1, 1000 do redis.call('DEL', 'proof:' .. number) end"
GROW = "my @parts; push @parts, 'x' x 10_000_000 while 1"
LIMIT_BYTES = 16 * 2**20
"""maxmemory of the lab's Redis."""


def _info(lab: DockerLab, name: str) -> str:
    lines = redis(lab, "INFO").splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _filled(lab: DockerLab, share: float) -> Iterator[None]:
    redis(lab, "EVAL", FILL, "0", str(int(share * LIMIT_BYTES)), "100000")
    try:
        yield
    finally:
        redis(lab, "EVAL", CLEAR, "0")


@fault(warned=of(REDIS, "test_cache_memory_is_within_limit"), touches=("redis",))
@shows("proof:")
def cache_filling(lab: DockerLab) -> Iterator[None]:
    """More than four fifths of maxmemory are in use."""
    with _filled(lab, 0.85):
        yield


@fault(failed=of(REDIS, "test_cache_memory_is_within_limit"), touches=("redis",))
@shows("proof:")
def cache_full(lab: DockerLab) -> Iterator[None]:
    """More than nine tenths of maxmemory are in use."""
    with _filled(lab, 0.93):
        yield


@fault(warned=of(REDIS, "test_no_key_was_evicted"), touches=("redis",))
def keys_evicted(lab: DockerLab) -> Iterator[None]:
    """Redis evicted keys at maxmemory; memory is free again."""
    with _filled(lab, 0.5), configured(lab, "maxmemory", "4mb"):
        wait_until(lambda: int(_info(lab, "evicted_keys")) > 0, "keys are evicted")
    yield


@fault(failed=of(REDIS, "test_cache_memory_is_within_limit"), touches=("redis",))
@shows("^maxmemory:0")
def memory_unbounded(lab: DockerLab) -> Iterator[None]:
    """Without maxmemory, Redis grows until the kernel kills the process."""
    with configured(lab, "maxmemory", "0"):
        yield


@fault(
    failed=(
        "test_no_process_was_killed_for_memory",
        *of(REDIS, "test_container_was_not_out_of_memory", "test_container_was_not_restarted"),
    ),
    warned=CACHE_COUNTERS,
    reported_once=REDIS_STARTED,
    touches=("redis",),
)
@shows("48MiB")
def killed_for_memory(lab: DockerLab) -> Iterator[None]:
    """Redis exceeded the container's memory limit, was killed by the kernel, and restarted by Docker."""
    await_age(REDIS)
    with _little_memory():
        # Docker may miss an out-of-memory kill of process 1; an earlier kill in the container sets OOMKilled too.
        _kill_another(lab)
        _kill_redis(lab)
        if not state(REDIS)["OOMKilled"]:
            _kill_another(lab)  # newer engines reset OOMKilled at each start
        wait_until(lambda: state(REDIS)["OOMKilled"], "Docker notices an out-of-memory kill", 10, every_s=POLL_S)
        await_health(REDIS)
        yield
    await_health(REDIS)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Limits the container's memory to little more than Redis needs at start; resets the limit and restarts Redis."""
    config = engine.containers([REDIS])[REDIS]["HostConfig"]
    try:
        engine.run("update", "--memory=48m", "--memory-swap=48m", REDIS)
        yield
    finally:
        engine.run("update", f"--memory={config['Memory']}", f"--memory-swap={config['MemorySwap']}", REDIS)
        engine.run("restart", REDIS)


def _kill_redis(lab: DockerLab) -> None:
    """Lets Redis grow until the kernel kills the process and Docker restarts the container."""
    before = state(REDIS)["Pid"]
    redis(lab, "CONFIG", "SET", "maxmemory", "0")
    # Detached: Docker takes seconds to notice that a client died with its container.
    engine.run("exec", "--detach", REDIS, *CLIENT, "EVAL", FILL, "0", str(4 * LIMIT_BYTES), "1000000")
    wait_until(lambda: state(REDIS)["Pid"] not in (0, before), "Docker restarts Redis", every_s=POLL_S)


def _kill_another(lab: DockerLab) -> None:
    """Lets another process in the container grow until the kernel kills the process and Docker logs the event."""
    began = time.time()
    with suppress(LabError):
        lab.root("perl", "-e", GROW, container=REDIS)
    wait_until(lambda: _kills_since(began), "Docker logs an out-of-memory kill", 10, every_s=POLL_S)


def _kills_since(began: float) -> str:
    window = (f"--since={began:.3f}", f"--until={time.time():.3f}")
    return engine.run("events", *window, "--filter=event=oom", f"--filter=container={REDIS}")
