"""Processes by their command line or PID file, whatever started them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent
from opsproof.facts.base import ResourceFact
from opsproof.facts.footprints import Footprint, footprint
from opsproof.inventory.hosts import Host
from opsproof.inventory.processes import Process
from opsproof.transport.shell import Answer, Command, argv, labelled

SAME_START_S = 30.0
"""Two readings of a start differ by less: ages are exact, but a clock may be set between two rounds."""


@dataclass(frozen=True)
class PlainProcessState:
    """A process with its children; times in seconds.

    `instances` are the processes that fit the declaration, without children. `uptime_s` is the time since the last
    start of any. The value of `start` is the last start in seconds since 1970.
    """

    name: str
    instances: int
    uptime_s: float
    start: Counter
    footprint: Footprint

    @property
    def status(self) -> str:
        """running, or stopped if a signal halted all processes."""
        return "stopped" if self.footprint.halted == self.footprint.processes else "running"

    @property
    def memory_used(self) -> float:
        """Memory of the processes as a percentage of the memory of the host."""
        return self.footprint.memory_of(inf)

    def restarts_since(self, earlier: Sequence[Counter], span_s: float) -> int:
        """The number of starts between two of the `earlier` readings of `start`, and now, in the last `span_s`."""
        known = [each for each in earlier if self.start.now - span_s <= each.now <= self.start.now]
        return sum(later.value - before.value > SAME_START_S for before, later in pairwise([*known, self.start]))


class PlainProcesses(ResourceFact[Process, PlainProcessState]):
    """The processes of each declaration with a command line or a PID file."""

    resource = "plain_process"

    def command(self, host: Host, name: str, resource: Process) -> Command:
        """The pattern travels in hexadecimal digits: no command line of opsproof fits the pattern."""
        program = scripts.perl("facts/process_tree", "facts/plain_process")
        pattern, ports = resource.command.encode().hex(), map(str, resource.listens)
        return argv("perl", "-e", program, "--", pattern, resource.pidfile, resource.user, *ports, timeout_s=15)

    def parse(self, answer: Answer, name: str, resource: Process) -> PlainProcessState:
        """The state, with ages by the host's uptime.

        Raises:
            Absent: no process fits.
        """
        found = labelled(answer.require("perl (plain_process.pl)").stdout, "the list of processes")
        taken, ages = footprint(found), [float(each) for each in found.get("found", [])]
        if not ages:
            why = found.get("why", ["no process fits its declaration"])[0]
            raise Absent(f"{name} does not run: {why}")
        uptime = max(0.0, min(ages))
        start = Counter(answer.now - uptime, 0.0, answer.now)
        return PlainProcessState(name, len(ages), uptime, start, taken)
