"""Processors, memory, shared memory and disk space of the server's machine, and index build settings from them."""

from dataclasses import dataclass

from opsproof.action import Work
from opsproof.core.units import show
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.indexes import Index
from opsproof.maintenance.session import MaintenanceServer
from opsproof.transport.shell import Answer, Command, argv

SHARE = 4
"""One build may use 1/SHARE of the available memory."""
MOST_BYTES = 8 * 2**30
MOST_WORKERS = 8
SHARED_SHARE = 0.8
SHARED_BYTES = 8 * 2**20
"""Shared memory of parallel workers besides pgvector's own: sort, scan, counters."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class MachineResources:
    """Processors, bytes of available memory and of free shared memory; all 0 if the machine is inaccessible."""

    processors: int = 0
    available_bytes: int = 0
    shared_bytes: int = 0

    def shares(self, size_bytes: float) -> bool:
        """Whether `size_bytes` of shared memory fit."""
        return size_bytes <= SHARED_SHARE * self.shared_bytes

    def settings(self, index: Index, server: MaintenanceServer) -> dict[str, str]:
        """Session settings for building `index`: at least the server's values, but 0 workers if shared memory is short.

        Parallel workers need /dev/shm, by default 64 MB in a container. Vectors are TOASTed, so the main table looks
        too small for a parallel scan unless min_parallel_table_scan_size is 0.
        """
        if not self.processors:
            return {}
        memory = max(server.memory_bytes, min(MOST_BYTES, self.available_bytes // SHARE))
        workers = max(server.workers, min(MOST_WORKERS, self.processors - 1))
        if not self.shares(_shared(index, memory)):
            workers = 0
        parallel = {"max_parallel_maintenance_workers": str(workers)}
        if workers and index.is_vector:
            parallel["min_parallel_table_scan_size"] = "0"
        return {"maintenance_work_mem": f"{memory // 1024}kB", **parallel}


def _shared(index: Index, memory: int) -> float:
    """Bytes of shared memory for a parallel build: all of `memory` for the graph of hnsw, the centroids for ivfflat."""
    if index.method == "hnsw":
        return memory + SHARED_BYTES
    return (index.lists or 0) * 4 * max(index.dimensions or 0, 0) + SHARED_BYTES


def describe(settings: dict[str, str]) -> str:
    """The settings in words, for titles."""
    if not settings:
        return "server settings"
    memory = show(int(settings["maintenance_work_mem"].removesuffix("kB")) * 1024, "bytes")
    return f"{memory} of memory, {settings['max_parallel_maintenance_workers']} workers"


def machine(work: Work, client: MaintenanceClient) -> MachineResources:
    """Measures the server's machine; all 0 if the client runs on a different machine.

    Raises:
        MeasurementError: a command failed.
    """
    if not client.sees_server:
        return MachineResources()
    questions = [argv("nproc"), argv("cat", "/proc/meminfo"), df(client, "/dev/shm")]  # noqa: S108
    questions += [client.program("cat", path) for path in _LIMITS] if client.database.container else []
    nproc, memory, shared, *limits = work.ask(*questions)
    lines = dict(line.split(":", 1) for line in memory.require("cat /proc/meminfo").stdout.splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    bounds = [int(each.stdout) // 2 for each in limits if each.stdout.strip().isdigit()]
    return MachineResources(
        processors=int(nproc.require("nproc").stdout),
        available_bytes=min([available, *bounds]),
        shared_bytes=free(shared),
    )


def df(client: MaintenanceClient, folder: str) -> Command:
    """A command that prints the free bytes of the file system of `folder`."""
    return client.program("df", "--block-size=1", "--output=avail", "--", folder)


def free(answer: Answer) -> int:
    """The free bytes, from the output of `df`.

    Raises:
        MeasurementError: df failed.
    """
    return int(answer.require("df").stdout.split()[-1])
