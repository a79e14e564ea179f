"""What the machine of a server gives the building of an index: processors, memory, shared memory, disk."""

from dataclasses import dataclass

from opsproof.action import Work
from opsproof.core.units import show
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.indexes import Index
from opsproof.maintenance.session import MaintenanceServer
from opsproof.transport.shell import Answer, Command, argv

SHARE = 4
"""The part of what is available that one build may take: a quarter."""
MOST_BYTES = 8 * 2**30
MOST_WORKERS = 8
SHARED_SHARE = 0.8
SHARED_BYTES = 8 * 2**20
"""What parallel workers share besides what pgvector lets them: a sort, a scan, counters."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class MachineResources:
    """Processors, and bytes of memory available and of shared memory free; none where the server is not seen."""

    processors: int = 0
    available_bytes: int = 0
    shared_bytes: int = 0

    def shares(self, size_bytes: float) -> bool:
        """Whether processes can share so much memory."""
        return size_bytes <= SHARED_SHARE * self.shared_bytes

    def settings(self, index: Index, server: MaintenanceServer) -> dict[str, str]:
        """The settings of a session that builds `index`: not less than the server has, but perhaps no workers.

        Workers share memory in /dev/shm, of which a container has 64 MB unless somebody thought of it: where it is not
        enough, none helps. Vectors lie beside their table, which the planner then takes for too small to be shared.
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
    """Bytes that parallel workers would share: the graph of hnsw takes all the memory there is, ivfflat its centres."""
    if index.method == "hnsw":
        return memory + SHARED_BYTES
    return (index.lists or 0) * 4 * max(index.dimensions or 0, 0) + SHARED_BYTES


def outlook(settings: dict[str, str]) -> str:
    """Settings for a reader."""
    if not settings:
        return "as the server is set"
    memory = show(int(settings["maintenance_work_mem"].removesuffix("kB")) * 1024, "bytes")
    return f"{memory} of memory, {settings['max_parallel_maintenance_workers']} workers"


def machine(work: Work, client: MaintenanceClient) -> MachineResources:
    """The machine as it is now; nothing of it where the server is on another one than its client.

    Raises:
        MeasurementError: it does not tell.
    """
    if not client.sees_server:
        return MachineResources()
    questions = [argv("nproc"), argv("cat", "/proc/meminfo"), room(client, "/dev/shm")]  # noqa: S108
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


def room(client: MaintenanceClient, folder: str) -> Command:
    """Tells how many bytes are free where the server keeps a folder."""
    return client.program("df", "--block-size=1", "--output=avail", "--", folder)


def free(answer: Answer) -> int:
    """The bytes that `room` told.

    Raises:
        MeasurementError: it told none.
    """
    return int(answer.require("df").stdout.split()[-1])
