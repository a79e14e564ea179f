"""Memory and CPU time of a unit or a plain process, and waiting clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsproof.core.errors import Absent


@dataclass(frozen=True)
class Footprint:
    """Processes with their children; sizes in bytes, times in seconds.

    `halted` processes were stopped by a signal. `memory_bytes` is private memory, and once the shared memory. `closed`
    are the declared ports where nothing listens. `stalled_s` is the time for which clients waited while the CPU time
    of all processes stood still, at most six seconds.
    """

    processes: int
    halted: int
    memory_bytes: int
    total_bytes: int
    closed: tuple[int, ...]
    stalled_s: float

    def memory_of(self, limit_bytes: float) -> float:
        """Percentage of `limit_bytes`, or of the memory of the host if that is smaller."""
        return 100 * self.memory_bytes / min(limit_bytes, self.total_bytes)

    def require_open(self, name: str) -> None:
        """Checks that all declared ports listen.

        Raises:
            Absent: nothing listens at a port.
        """
        if self.closed:
            raise Absent(f"{name} does not listen at port {', '.join(map(str, self.closed))}")


def footprint(found: Mapping[str, Sequence[str]]) -> Footprint:
    """The footprint in the labelled lines of facts/host/process_tree.pl.

    Raises:
        LookupError: a line is missing.
        ValueError: a value is no number.
    """
    (processes,), (halted,), (memory,), (total,) = (found[key] for key in ("processes", "halted", "memory", "total"))
    (closed,), (stalled,) = found["closed"], found["stalled"]
    ports = tuple(map(int, closed.split()))
    return Footprint(int(processes), int(halted), int(memory), int(total), ports, float(stalled))
