"""A separate PM2 with a process that writes numbered lines, and an inventory of the logs."""

import gzip
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import processes
from lab.waiting import wait_until

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("writer.js")


@dataclass
class Platform:
    """A PM2 in a folder with a short path: the path of a Unix socket is limited to 107 characters."""

    folder: Path
    tools: Path
    seen: int = 0
    doubled: int = 0

    @property
    def logs(self):
        return self.folder / "logs"

    @property
    def current(self):
        return self.logs / "app.log"

    def pm2(self, *words, **environment):
        environment = {**os.environ, "PM2_HOME": str(self.folder / "pm2"), **environment}
        command = [self.tools / "pm2", *words]
        subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, timeout=60, check=True)

    @property
    def daemon(self):
        return int((self.folder / "pm2" / "pm2.pid").read_text())

    @property
    def writer(self):
        return int(next((self.folder / "pm2" / "pids").glob("app-*.pid")).read_text())

    def start(self, rate=10_000):
        paths = ["--output", self.current, "--error", self.logs / "app-error.log"]
        self.pm2("start", WRITER, "--name", "app", *paths, RATE=str(rate), STOP=str(self.folder / "stop"))

    def await_lines(self, size_bytes=1):
        """Waits until the current log has `size_bytes`."""
        wait_until(lambda: self.current.exists() and self.current.stat().st_size >= size_bytes, "lines are written")

    def finish(self):
        """Stops the writer; returns the number of lines and the seconds of writing."""
        stop = self.folder / "stop"
        stop.touch()
        wait_until(lambda: stop.read_text() != "", "the writer stops", 30)
        written, seconds = stop.read_text().split()
        wait_until(lambda: self._ends_with(int(written) - 1), "everything is written", 60)
        return int(written), float(seconds)

    def _ends_with(self, number):
        line = f"{number} {'x' * 80}\n".encode()
        with self.current.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(line)))
            return file.read() == line

    def inventory(self, transport="local://"):
        logs = {name: {"path": str(self.logs / f"{name}.log"), "format": "text"} for name in ("app", "app-error")}
        lines = [f"logs.{name} = {{ path = {json.dumps(log['path'])}, format = 'text' }}" for name, log in logs.items()]
        head = ["[hosts.vps]", f"transport = {json.dumps(transport)}", f"path = [{json.dumps(str(self.tools))}]"]
        path = self.folder / "inventory.toml"
        path.write_text("\n".join([*head, f"pm2.home = {json.dumps(str(self.folder / 'pm2'))}", *lines]) + "\n")
        return path

    def words(self, action, *more, transport="local://"):
        options = [f"--inventory={self.inventory(transport)}", f"--reports={self.folder / 'reports'}"]
        return [sys.executable, str(ROOT / "actions" / f"{action}.py"), *options, *more]

    def run(self, action, *more, transport="local://"):
        words = self.words(action, *more, transport=transport)
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)

    def rotated(self):
        return sorted(path for path in self.logs.iterdir() if path.name.startswith("app__"))

    @staticmethod
    def content(path):
        """The content of a file, decompressed if needed."""
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    def numbers(self, paths):
        """The line numbers in files, in order; requires whole lines."""
        for path in paths:
            content = self.content(path)
            assert not content or content.endswith(b"\n"), path
            for line in content.splitlines():
                assert re.fullmatch(rb"\d+ x{80}", line), line
                yield int(line.split()[0])

    def missing(self):
        """The number of lines missing in the rotated files; deletes the files."""
        paths = self.rotated()
        numbers = list(self.numbers(paths))
        expected = range(self.seen, max(numbers, default=self.seen - 1) + 1)
        self.doubled += len(numbers) - len(set(numbers)) + sum(number < self.seen for number in set(numbers))
        self.seen = expected.stop
        for path in paths:
            path.unlink()
        return len(set(expected) - set(numbers))

    def is_halted(self):
        return processes.state(self.writer) == "T"


@contextmanager
def running(tools, rate=10_000, start=True):
    """A PM2 that runs until the end of the block."""
    with TemporaryDirectory(prefix="pm2-") as folder:
        platform = Platform(Path(folder), tools)
        platform.logs.mkdir()
        if start:
            platform.start(rate)
        try:
            yield platform
        finally:
            platform.pm2("kill")
