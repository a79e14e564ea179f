"""The machine itself: memory, load, clock, pending reboot, what was killed for memory."""

from dataclasses import dataclass

from opsproof.core.counters import Counter
from opsproof.core.errors import OutputError
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Clock
from opsproof.transport.shell import Answer, Command, argv


@dataclass(frozen=True)
class MemoryUse:
    """Memory in percent of what there is; `swap_used` is 0 where there is no swap."""

    available: float
    swap_used: float


class Memory(ShellFact[MemoryUse]):
    """Memory that programs may still take without swapping, as the kernel estimates it."""

    def command(self, host: Host) -> Command:
        """https://www.kernel.org/doc/html/latest/filesystems/proc.html#meminfo."""
        return argv("cat", "/proc/meminfo")

    def parse(self, answer: Answer, host: Host) -> MemoryUse:
        """The shares of the totals."""
        lines = (line.split() for line in answer.require("cat /proc/meminfo").stdout.splitlines())
        sizes = {words[0].rstrip(":"): int(words[1]) for words in lines}
        swap = sizes["SwapTotal"]
        return MemoryUse(
            available=100 * sizes["MemAvailable"] / sizes["MemTotal"],
            swap_used=100 * (swap - sizes["SwapFree"]) / swap if swap else 0.0,
        )


class Load(ShellFact[float]):
    """Five-minute load average divided by the number of online processors."""

    def command(self, host: Host) -> Command:
        """/proc/stat has a line for each online processor."""
        return argv("cat", "/proc/loadavg", "/proc/stat")

    def parse(self, answer: Answer, host: Host) -> float:
        """The second of the three averages, by processor."""
        averages, *stat = answer.require("cat /proc/loadavg").stdout.splitlines()
        cores = sum(line.startswith("cpu") and line[3].isdigit() for line in stat)
        return float(averages.split()[1]) / cores


class OomKills(ShellFact[Counter]):
    """Processes that the kernel killed for memory since it started, in containers too."""

    def command(self, host: Host) -> Command:
        """The kernel's counter needs no rights, and forgets nothing as its log does."""
        return argv("cat", "/proc/vmstat", "/proc/stat")

    def parse(self, answer: Answer, host: Host) -> Counter:
        """The counter, with the start of the kernel."""
        lines = (line.split() for line in answer.require("cat /proc/vmstat").stdout.splitlines())
        figures = {words[0]: words[1] for words in lines if len(words) == 2}
        return Counter(int(figures["oom_kill"]), float(figures["btime"]), answer.now, reborn="the host started again")


class Reboot(ShellFact[bool]):
    """Whether installed updates wait for a reboot, by the flag file that Debian's packages leave."""

    def command(self, host: Host) -> Command:
        """Lists the folder too, so that silence cannot be read as an answer."""
        return argv("find", "/run", "-maxdepth", "1", "(", "-path", "/run", "-o", "-name", "reboot-required", ")")

    def parse(self, answer: Answer, host: Host) -> bool:
        """True when a reboot is pending."""
        found = answer.require("find /run").stdout.splitlines()
        if "/run" not in found:
            raise OutputError("find did not list /run")
        return "/run/reboot-required" in found


class ClockDifference(ShellFact[float]):
    """Seconds by which the host's clock is surely away from this machine's, either way."""

    def command(self, host: Host) -> Command:
        """The answer itself carries the host's time; the command adds the fractions."""
        return argv("date", "+%s.%N")

    def parse(self, answer: Answer, host: Host) -> float:
        """0 when the host's time lies between sending and receiving."""
        time = float(answer.require("date").stdout)
        return max(0.0, answer.sent - time, time - answer.received)


class ClockSynchronised(ResourceFact[Clock, bool]):
    """Whether the declared service says that the clock follows its sources."""

    resource = "clock"

    def command(self, host: Host, name: str, resource: Clock) -> Command:
        """Asks systemd-timedated or chronyd."""
        if resource.service == "chrony":
            return argv("chronyc", "-c", "tracking")
        return argv("timedatectl", "show", "--property=NTPSynchronized", "--value")

    def parse(self, answer: Answer, name: str, resource: Clock) -> bool:
        """True when it follows them now."""
        text = answer.require(resource.service).stdout.strip()
        if resource.service == "chrony":
            return text.split(",")[13] == "Normal"
        return {"yes": True, "no": False}[text]
