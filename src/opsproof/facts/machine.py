"""Memory, load, clock, pending reboots and OOM kills of the host."""

from dataclasses import dataclass

from opsproof.core.counters import Counter
from opsproof.core.errors import OutputError
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Clock
from opsproof.transport.shell import Answer, Command, argv


@dataclass(frozen=True)
class MemoryUse:
    """Memory and swap as percentages of the total; `swap_used` is 0 without swap."""

    available: float
    swap_used: float


class Memory(ShellFact[MemoryUse]):
    """Memory available without swapping, by the kernel's estimate."""

    def command(self, host: Host) -> Command:
        """https://www.kernel.org/doc/html/latest/filesystems/proc.html#meminfo."""
        return argv("cat", "/proc/meminfo")

    def parse(self, answer: Answer, host: Host) -> MemoryUse:
        """Available memory and used swap as percentages of the totals."""
        lines = (line.split() for line in answer.require("cat /proc/meminfo").stdout.splitlines())
        sizes = {words[0].rstrip(":"): int(words[1]) for words in lines}
        swap = sizes["SwapTotal"]
        return MemoryUse(
            available=100 * sizes["MemAvailable"] / sizes["MemTotal"],
            swap_used=100 * (swap - sizes["SwapFree"]) / swap if swap else 0.0,
        )


class Load(ShellFact[float]):
    """Five-minute load average per online CPU."""

    def command(self, host: Host) -> Command:
        """/proc/stat has a line for each online CPU."""
        return argv("cat", "/proc/loadavg", "/proc/stat")

    def parse(self, answer: Answer, host: Host) -> float:
        """Second of the three averages, per CPU."""
        averages, *stat = answer.require("cat /proc/loadavg").stdout.splitlines()
        cores = sum(line.startswith("cpu") and line[3].isdigit() for line in stat)
        return float(averages.split()[1]) / cores


class OomKills(ShellFact[Counter]):
    """Processes killed by the kernel's OOM killer since boot, in containers too."""

    def command(self, host: Host) -> Command:
        """The kernel's counter needs no privileges, and unlike its log keeps old events."""
        return argv("cat", "/proc/vmstat", "/proc/stat")

    def parse(self, answer: Answer, host: Host) -> Counter:
        """The counter, with the boot time."""
        lines = (line.split() for line in answer.require("cat /proc/vmstat").stdout.splitlines())
        figures = {words[0]: words[1] for words in lines if len(words) == 2}
        return Counter(int(figures["oom_kill"]), float(figures["btime"]), answer.now, reborn="the host was restarted")


class Reboot(ShellFact[bool]):
    """Whether installed updates need a reboot, by the flag file of Debian's packages."""

    def command(self, host: Host) -> Command:
        """Lists /run too, so that empty output cannot pass as an answer."""
        return argv("find", "/run", "-maxdepth", "1", "(", "-path", "/run", "-o", "-name", "reboot-required", ")")

    def parse(self, answer: Answer, host: Host) -> bool:
        """True if a reboot is pending."""
        found = answer.require("find /run").stdout.splitlines()
        if "/run" not in found:
            raise OutputError("find did not list /run")
        return "/run/reboot-required" in found


class ClockOffset(ShellFact[float]):
    """Least difference in seconds between the host's clock and the local clock."""

    def command(self, host: Host) -> Command:
        """Asks date for fractions: an answer's own time has whole seconds."""
        return argv("date", "+%s.%N")

    def parse(self, answer: Answer, host: Host) -> float:
        """0 if the host's time lies between sending and receiving."""
        time = float(answer.require("date").stdout)
        return max(0.0, answer.sent - time, time - answer.received)


class ClockSynchronised(ResourceFact[Clock, bool]):
    """Whether the declared time service reports a synchronised clock."""

    resource = "clock"

    def command(self, host: Host, name: str, resource: Clock) -> Command:
        """Queries systemd-timedated or chronyd."""
        if resource.service == "chrony":
            return argv("chronyc", "-c", "tracking")
        return argv("timedatectl", "show", "--property=NTPSynchronized", "--value")

    def parse(self, answer: Answer, name: str, resource: Clock) -> bool:
        """True if the clock is synchronised now."""
        text = answer.require(resource.service).stdout.strip()
        if resource.service == "chrony":
            return text.split(",")[13] == "Normal"
        return {"yes": True, "no": False}[text]
