"""State of Redis servers, from INFO: https://redis.io/docs/latest/commands/info/."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.ages import age
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.services import Cache
from opsproof.transport.shell import Answer, Command, argv

_SAVES = {
    "rdb_last_bgsave_status": "the last save failed",
    "aof_last_write_status": "the last write to the append-only file failed",
    "aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
}
"""Persistence statuses of INFO, with the message for any value but ok."""


@dataclass(frozen=True)
class RedisInfo:
    """Figures of Redis INFO; sizes in bytes, times in seconds.

    `policy` is maxmemory_policy. `save_age_s` is the age of the last save, 0 without unsaved writes or
    with the append-only file on. `rejected` counts clients and `evicted` keys since the server started.
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
            Absent: maxmemory is not set.
        """
        if not self.max_memory_bytes:
            raise Absent("maxmemory is not set: memory grows until the kernel kills Redis")
        return 100 * self.memory_bytes / self.max_memory_bytes


@dataclass(frozen=True)
class CacheState:
    """Reachability of a cache: `silence` is empty for a cache in service, else the reason."""

    silence: str
    info: RedisInfo | None = None

    @property
    def report(self) -> RedisInfo:
        """Figures of INFO.

        Raises:
            MeasurementError: the cache does not answer.
        """
        if self.info is None:
            raise MeasurementError(f"Redis does not answer: {self.silence}")
        return self.info


class CacheStates(ResourceFact[Cache, CacheState]):
    """Reachability and INFO figures of each declared cache."""

    resource = "cache"

    def command(self, host: Host, name: str, resource: Cache) -> Command:
        """The login comes from a file on the host, to keep the password out of process lists."""
        words = (resource.address, str(resource.port), f"{resource.timeout:g}", resource.netrc)
        return argv("perl", "-e", scripts.perl("facts/redis_info"), "--", *words, timeout_s=resource.timeout + 2)

    def parse(self, answer: Answer, name: str, resource: Cache) -> CacheState:
        """No answer is a measured state; a refused login is a measurement error."""
        lines = answer.require("the Redis probe").stdout.splitlines()
        info = dict(line.split(":", 1) for line in lines)
        return CacheState(info["silence"]) if "silence" in info else CacheState("", _report(info))


def _report(info: dict[str, str]) -> RedisInfo:
    now = int(info["time"])
    return RedisInfo(
        memory_bytes=int(info["used_memory"]),
        max_memory_bytes=int(info["maxmemory"]),
        policy=info["maxmemory_policy"],
        save_age_s=_save_age_s(info, now),
        failed_saves=tuple(why for status, why in _SAVES.items() if _is_current(info, status) and info[status] != "ok"),
        rejected=_counter(info, "rejected_connections", now),
        evicted=_counter(info, "evicted_keys", now),
    )


def _save_age_s(info: dict[str, str], now: int) -> float:
    if int(info["aof_enabled"]) or not int(info["rdb_changes_since_last_save"]):
        return 0.0
    return age(int(info["rdb_last_save_time"]), now, "the last snapshot")


def _is_current(info: dict[str, str], status: str) -> bool:
    # With the append-only file off, its statuses are stale.
    return status.startswith("rdb_") or bool(int(info["aof_enabled"]))


def _counter(info: dict[str, str], field: str, now: int) -> Counter:
    # Redis reads time and uptime from one clock at once, so the start time never jitters.
    return Counter(int(info[field]), now - int(info["uptime_in_seconds"]), now, reborn="Redis was restarted")
