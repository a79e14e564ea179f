"""Runs the Perl programs that read logs and PM2's list."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsproof.facts.logs import scanner
from opsproof.facts.processes import Processes, ProcessList
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer
from opsproof.transport.shell import run as run_on
from tests.facts.clusters import any_cluster, cluster, table
from tests.facts.pm2 import Daemon, daemon_answer, entry
from tests.facts.scanning import CLOCK, DAY, JSON, NOW, PERL, Logs, Scan

__all__ = ["any_cluster", "cluster", "table"]


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Writes a log; `age` sets its mtime, in seconds before NOW."""

    def write(content: str | bytes, name: str = "api-out.log", age: float = 0) -> Path:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(COMPRESSORS.get(path.suffix, bytes)(data))
        os.utime(path, (NOW - age, NOW - age))
        return path

    return write


@pytest.fixture
def run(tmp_path: Path) -> Scan:
    """Runs the program with the clock at NOW and, if requested, further replaced builtins."""

    def scan(
        *arguments: object, also: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "perl"
        folder.mkdir(exist_ok=True)
        (folder / "Still.pm").write_text(f"package Still; {CLOCK} {also} 1;")
        command = [PERL, f"-I{folder}", "-MStill", "-e", scanner(), "--", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(environment or {})}
        )

    return scan


@pytest.fixture
def answer(tmp_path: Path, run: Scan) -> Callable[..., dict[str, Any]]:
    """Parsed answer about api-out.log; the program must print nothing else."""

    def parsed(*formats: str, window: int = DAY, also: str = "") -> dict[str, Any]:
        done = run(tmp_path / "api-out.log", window, *(formats or JSON), also=also)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.count("\n") == 1
        assert done.stdout.isascii()
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return parsed


@pytest.fixture
def home() -> Iterator[Path]:
    """A PM2_HOME outside pytest's folders: a socket's path is limited to 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="pm2-"))
    (folder / "pm2.pid").write_text("1")
    saved = {**entry()["pm2_env"]}
    (folder / "dump.pm2").write_text(json.dumps([saved, {"name": "pm2-logrotate", "pmx_module": True}]))
    tool = folder / "pm2" / "bin" / "pm2"
    tool.parent.mkdir(parents=True)
    tool.touch()
    (folder / "pm2" / "package.json").write_text('{"version": "7.0.4"}')
    (folder / "bin").mkdir()
    (folder / "bin" / "pm2").symlink_to(tool)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def daemon(home: Path) -> Iterator[Callable[..., None]]:
    """Starts a daemon in the home, with valid answers unless replaced."""
    opened: list[Daemon] = []

    def daemon(**answers: list[bytes]) -> None:
        answers = {"getMonitorData": daemon_answer([entry()]), "getVersion": daemon_answer("7.0.4"), **answers}
        opened.append(Daemon(home / "rpc.sock", answers))

    yield daemon
    for each in opened:
        each.close()


@pytest.fixture
def ask_pm2(home: Path) -> Callable[[], Answer]:
    """Output of the real program for the home."""

    def ask() -> Answer:
        host = Host.model_validate(
            {"transport": "local://", "path": [str(home / "bin")], "pm2": {"home": str(home)}}
        ).placed("vps", ())
        return run_on(host, (Processes().command(host),))[0]

    return ask


@pytest.fixture
def read_processes(
    daemon: Callable[..., None], home: Path, ask_pm2: Callable[[], Answer]
) -> Callable[..., ProcessList]:
    """Parsed process list of a daemon that runs, and has saved, processes with these settings."""

    def read(*entries: dict[str, Any], saved: list[dict[str, Any]] | None = None) -> ProcessList:
        daemon(getMonitorData=daemon_answer(list(entries)))
        (home / "dump.pm2").write_text(json.dumps([each["pm2_env"] for each in saved or entries], indent=2))
        return Processes().parse(ask_pm2(), Host(transport="local://"))

    return read
