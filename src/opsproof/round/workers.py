"""Distribution of checks to xdist workers: each worker gets a share of the hosts, and each host is queried once.

Shares are fixed in advance, so that a worker can query all hosts of its share concurrently.
"""

from collections.abc import Sequence
from typing import Any

from xdist.scheduler import LoadScopeScheduling


def shares(hosts: Sequence[str], workers: int) -> list[list[str]]:
    """The hosts, distributed to `workers` in turn; no share is empty."""
    return [list(hosts[first::workers]) for first in range(min(workers, len(hosts)))]


class HostScheduling(LoadScopeScheduling):
    """Schedules a share of hosts as a unit. The marker xdist_group has no effect from pytest 9.2 on."""

    def __init__(self, config: Any, log: Any, hosts: Sequence[str]) -> None:
        super().__init__(config, log)
        self._units = {host: f"share {n}" for n, share in enumerate(shares(hosts, self.numnodes)) for host in share}

    def _split_scope(self, nodeid: str) -> str:
        parameter = nodeid.partition("[")[2].removesuffix("]")
        parts = parameter.split("-")
        names = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self._units[name] for name in names if name in self._units), nodeid)
