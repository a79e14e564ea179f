"""What Redis says of itself: https://redis.io/docs/latest/commands/info/."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Cache
from opsproof.transport.shell import Answer, Command, argv

_SAVES = {
    "rdb_last_bgsave_status": "the last save failed",
    "aof_last_write_status": "the last write to the append-only file failed",
    "aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
}
"""What each status means when it is not ok."""


@dataclass(frozen=True)
class RedisInfo:
    """What a Redis server tells; sizes in bytes, times in seconds.

    `policy` is what happens when memory is full. `save_age_s` is the age of the last save, 0 where
    nothing was written since, or each write goes to the append-only file. `rejected` counts
    clients, `evicted` keys, both since the server started.
    """

    memory_bytes: int
    max_memory_bytes: int
    policy: str
    save_age_s: float
    failed_saves: tuple[str, ...]
    rejected: Counter
    evicted: Counter

    @property
    def memory_used(self) -> float:
        """Percentage of maxmemory in use.

        Raises:
            Absent: there is no maxmemory.
        """
        if not self.max_memory_bytes:
            raise Absent("no maxmemory is set, so it grows until the kernel kills it")
        return 100 * self.memory_bytes / self.max_memory_bytes


@dataclass(frozen=True)
class CacheState:
    """How a cache receives a client: `silence` is empty where it serves, else says why it does not."""

    silence: str
    told: RedisInfo | None = None

    @property
    def report(self) -> RedisInfo:
        """What it tells of itself.

        Raises:
            MeasurementError: it does not answer.
        """
        if self.told is None:
            raise MeasurementError(f"nothing could be asked: {self.silence}")
        return self.told


class CacheStates(ResourceFact[Cache, CacheState]):
    """Whether each declared cache answers, and what it tells of itself."""

    resource = "cache"

    def command(self, host: Host, name: str, resource: Cache) -> Command:
        """The login comes from a file on the host, so that it is in no process list."""
        words = (resource.address, str(resource.port), f"{resource.timeout:g}", resource.netrc)
        return argv("perl", "-e", scripts.perl("facts/redis_info"), "--", *words, timeout_s=resource.timeout + 2)

    def parse(self, answer: Answer, name: str, resource: Cache) -> CacheState:
        """A cache that does not answer is a measurement; a refused login is none."""
        lines = answer.require("the question to Redis").stdout.splitlines()
        told = dict(line.split(":", 1) for line in lines)
        return CacheState(told["silence"]) if "silence" in told else CacheState("", _report(told))


def _report(told: dict[str, str]) -> RedisInfo:
    now = int(told["time"])
    return RedisInfo(
        memory_bytes=int(told["used_memory"]),
        max_memory_bytes=int(told["maxmemory"]),
        policy=told["maxmemory_policy"],
        save_age_s=_save_age_s(told, now),
        failed_saves=tuple(why for status, why in _SAVES.items() if _matters(told, status) and told[status] != "ok"),
        rejected=_counter(told, "rejected_connections", now),
        evicted=_counter(told, "evicted_keys", now),
    )


def _save_age_s(told: dict[str, str], now: int) -> float:
    if int(told["aof_enabled"]) or not int(told["rdb_changes_since_last_save"]):
        return 0.0
    return max(0.0, now - int(told["rdb_last_save_time"]))


def _matters(told: dict[str, str], status: str) -> bool:
    # What a file that is no longer written once said stays as it was.
    return status.startswith("rdb_") or bool(int(told["aof_enabled"]))


def _counter(told: dict[str, str], field: str, now: int) -> Counter:
    # The server takes its whole seconds of uptime from the same reading of its clock: the difference never jitters.
    return Counter(int(told[field]), now - int(told["uptime_in_seconds"]), now, reborn="Redis started again")
