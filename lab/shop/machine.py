"""A Debian system booted by systemd in private namespaces: processes, mounts, network, host name, control groups."""

import hashlib
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.shop.layout import ADDRESS, INTERFACE, MACHINE
from lab.waiting import wait_until

BOOT = Path(__file__).with_name("boot.sh")
CGROUPS = Path("/sys/fs/cgroup")
POWER_OFF = signal.SIGRTMIN + 4
"""systemd's signal: stop all units and power off."""
PATIENCE_S = 20
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Machine:
    """The system in `root`; `record` has the process id and the start of the booted system's first process."""

    root: Path
    record: Path
    log: Path

    @property
    def pid(self) -> int:
        """The first process of the booted system; 0 if the system is off."""
        number, _, start = (self.record.read_text() if self.record.exists() else "").partition(" ")
        return int(number) if number and processes.started(int(number)) == start else 0

    @property
    def lock(self) -> Path:
        """The lock that a booted system holds, wherever it was booted: two systems on the same files destroy them."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def group(self) -> str:
        """The name of the system's control groups, another one for each home."""
        return f"opsproof-shop-{hashlib.sha256(str(self.root).encode()).hexdigest()[:8]}"

    @property
    def inside(self) -> list[str]:
        """The words in front of a command that root runs in the booted system, with `ENVIRONMENT`."""
        return ["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "--"]

    def boot(self) -> None:
        """Boots the system and connects its network; LabError on failure, with nothing left running."""
        with self.log.open("ab") as log:
            words = ["setsid", "--fork", str(BOOT), str(self.root), self.group]
            subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, check=True)
        try:
            pid = wait_until(self._first, f"systemd starts (see {self.log})", PATIENCE_S)
            self.record.write_text(f"{pid} {processes.started(pid)}")
            self._connect(pid)
        except BaseException:
            processes.end(self._outer())
            _remove_groups(self.group)
            raise

    def halt(self) -> None:
        """Powers the system off, by force after a while, and removes its control groups."""
        if pid := self.pid:
            os.kill(pid, POWER_OFF)
            with suppress(LabError):
                wait_until(lambda: not processes.is_alive(pid), "the shop powers off", PATIENCE_S)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not processes.is_alive(pid), "the shop's processes end", PATIENCE_S)
            _remove_groups(self.group)
            self.record.unlink()

    def run(self, *words: str, user: str = "root", text: str = "", patience_s: float = 60) -> str:
        """Runs a command in the booted system, with `text` as input, and returns the output; LabError on failure."""
        as_user = () if user == "root" else ("runuser", "-u", user, "--")
        command = [*self.inside, *as_user, *words]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, timeout=patience_s, env=ENVIRONMENT
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{words[0]}: not within {patience_s:g} s") from None
        if done.returncode:
            raise LabError(f"{words[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _outer(self) -> list[int]:
        """The process outside the namespaces whose end ends the system, if any."""
        end = f"{self.root} {self.group} inside"
        lines = {pid: processes.command(pid) for pid in processes.pids()}
        return [pid for pid, line in lines.items() if line.startswith("unshare ") and line.endswith(end)]

    def _first(self) -> int:
        """The first process inside, once systemd runs there; 0 before."""
        outer = self._outer()
        found = [pid for pid in processes.pids() if processes.parent(pid) in outer]
        return next((pid for pid in found if processes.command(pid).startswith("/lib/systemd/systemd")), 0)

    def _connect(self, pid: int) -> None:
        """Connects the system's network with this network namespace, by a pair of interfaces."""
        ip(f"link add {INTERFACE} type veth peer name eth0 netns {pid}")
        ip(f"address add {MACHINE}/30 dev {INTERFACE}")
        ip(f"link set {INTERFACE} up")
        inside = ("nsenter", f"--target={pid}", "--net", "--")
        ip(f"address add {ADDRESS}/30 dev eth0", inside)
        ip("link set eth0 up", inside)


def ip(words: str, inside: tuple[str, ...] = ()) -> None:
    """Runs ip; LabError on failure."""
    done = subprocess.run([*inside, "ip", *words.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"ip {words}: {done.stderr.strip()}")


def _remove_groups(group: str) -> None:
    for top in (*CGROUPS.glob(group), *CGROUPS.glob(f"*/{group}")):
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
