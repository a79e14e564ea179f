"""Checks dealt out to xdist's workers: those of one host to one worker, so that each host is asked once."""

from collections.abc import Iterable
from typing import Any

from xdist.scheduler import LoadScopeScheduling


class HostScheduling(LoadScopeScheduling):
    """A unit of work is a host; xdist's own grouping by marker does nothing from pytest 9.2 on."""

    def __init__(self, config: Any, log: Any, hosts: Iterable[str]) -> None:
        super().__init__(config, log)
        self._hosts = sorted(hosts, key=len, reverse=True)

    def _split_scope(self, nodeid: str) -> str:
        parameter = nodeid.partition("[")[2]
        return next((host for host in self._hosts if parameter.startswith((f"{host}-", f"{host}]"))), nodeid)
