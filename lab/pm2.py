"""The lab's own PM2 with pm2-logrotate."""

import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.layout import Layout

APPS = ("meta-chat-api", "meta-chat-worker")
MODULE = "pm2-logrotate"
SETTINGS = {
    "max_size": "10M",
    "retain": "7",
    "compress": "true",
    "dateFormat": "YYYY-MM-DD_HH-mm-ss",
    "workerInterval": "30",
    # 30 February: never rotate. The module leaves an uncompressed file, and all later rounds would fail.
    "rotateInterval": "0 0 30 2 *",
    "rotateModule": "true",
}


@dataclass(frozen=True)
class Entry:
    """A process in PM2's list."""

    name: str
    pid: int
    status: str

    @property
    def works(self) -> bool:
        """Whether the process is online and not halted by a signal."""
        return self.status == "online" and processes.makes_progress(self.pid)


class Pm2:
    """PM2 of a lab; only `run` and `start` may start the daemon, as any pm2 command would."""

    def __init__(self, layout: Layout, environment: dict[str, str]) -> None:
        self._layout = layout
        self._environment = environment

    def run(self, *arguments: str, timeout_s: float = 60) -> str:
        """Runs a pm2 command and returns the output; LabError on failure."""
        command = [str(self._layout.bin / "pm2"), *arguments]
        # PM2 crashes in a deleted folder, so always run pm2 in the application's folder.
        try:
            answer = subprocess.run(
                command,
                cwd=self._layout.app,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"pm2 {arguments[0]} gave no answer within {timeout_s} s: run `python -m lab up`") from None
        except OSError as error:
            raise LabError(f"pm2 cannot be run: {error}: run `python -m lab up`") from None
        if answer.returncode != 0:
            reason = next(iter((answer.stderr or answer.stdout).strip().splitlines()), "no output")
            raise LabError(
                f"pm2 {arguments[0]} failed with exit {answer.returncode}: {reason}: see {self._layout.pm2}/pm2.log"
            )
        return answer.stdout

    def daemons(self) -> list[int]:
        """The daemon's process id, or several after an accident."""
        return [pid for pid in processes.pids() if self._is_daemon(pid) and processes.is_alive(pid)]

    def responds(self) -> bool:
        """Whether exactly one daemon runs, is not halted, and has a socket."""
        found = self.daemons()
        return len(found) == 1 and processes.makes_progress(found[0]) and (self._layout.pm2 / "rpc.sock").exists()

    def entries(self) -> dict[str, Entry]:
        """PM2's processes by name; empty if no daemon runs or responds."""
        if not self.responds():
            return {}
        try:
            output = self.run("jlist", timeout_s=15)
        except LabError:
            return {}
        listing = next((line for line in output.splitlines() if line.startswith("[{")), "[]")
        found = [Entry(item["name"], item["pid"], item["pm2_env"]["status"]) for item in json.loads(listing)]
        return {entry.name: entry for entry in found}

    def orphans(self) -> list[int]:
        """Processes started by PM2 without a living daemon."""
        return [] if self.daemons() else self._children()

    def start(self, names: list[str]) -> None:
        """Starts applications with all counters at zero, and saves the list for `pm2 resurrect`."""
        for name in names:
            self.remove(name)
        self.install_module()
        self.run("start", "ecosystem.config.js", "--only", ",".join(names))
        self.run("save", "--force")

    def remove(self, name: str) -> None:
        """Deletes a process from PM2; does nothing if PM2 does not know the name."""
        if name in self.entries():
            self.run("delete", name)

    def install_module(self) -> None:
        """Does the work of `pm2 install` and `pm2 set` with the packages already installed."""
        place = self._layout.pm2 / "modules" / MODULE / "node_modules" / MODULE
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(self._layout.app / "node_modules" / MODULE)
        settings = {"module-db-v2": {MODULE: {}}, MODULE: SETTINGS}
        (self._layout.pm2 / "module_conf.json").write_text(json.dumps(settings, indent=4))

    def stop(self) -> None:
        """Ends the daemon and its children; does nothing if nothing runs."""
        if self.responds():
            with suppress(LabError):
                self.run("kill", timeout_s=15)
        processes.end(self.daemons())
        processes.end(self._children())
        for name in ("rpc.sock", "pub.sock", "pm2.pid"):
            (self._layout.pm2 / name).unlink(missing_ok=True)

    def _is_daemon(self, pid: int) -> bool:
        command = processes.command(pid)
        if f"God Daemon ({self._layout.pm2})" in command:
            return True
        return command.endswith("pm2/lib/Daemon.js") and self._home_of(pid) == self._layout.pm2

    def _children(self) -> list[int]:
        mine = [pid for pid in processes.pids() if self._home_of(pid) == self._layout.pm2]
        return [pid for pid in mine if any(pair.startswith("pm_id=") for pair in processes.environment(pid))]

    @staticmethod
    def _home_of(pid: int) -> Path | None:
        homes = [pair for pair in processes.environment(pid) if pair.startswith("PM2_HOME=")]
        return Path(homes[-1].removeprefix("PM2_HOME=")) if homes else None
