"""The log scanner, run by the host's own perl against real files."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsproof.facts.logs import scanner
from tests.facts.scanning import CLOCK, DAY, NOW, PERL, Logs, Scan


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Write a log; its age in seconds is its own mtime's."""

    def write(content: str | bytes, name: str = "api-out.log", age: float = 0) -> Path:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        os.utime(path, (NOW - age, NOW - age))
        return path

    return write


@pytest.fixture
def run(tmp_path: Path) -> Scan:
    """Run the program with the clock at NOW and, where asked, other builtins replaced."""

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
    """The parsed answer about api-out.log, which must be all that is printed."""

    def parsed(kind: str = "json", window: int = DAY, also: str = "") -> dict[str, Any]:
        done = run(tmp_path / "api-out.log", kind, window, also=also)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.count("\n") == 1
        assert done.stdout.isascii()
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return parsed
