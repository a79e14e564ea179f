"""Runs of pytest forked from a server process with the common imports, which take most of a run's time."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

OURS = ("facts", "gathering", "history", "inventory", "report.page")
IMPORTED = (
    "pytest",
    "pdb",
    "unittest",
    "xml.etree.ElementTree",
    "jinja2",
    "execnet",
    *(f"opsproof.{each}" for each in OURS),
)
"""Modules without plugins: pytest itself must import plugins, to rewrite their assertions."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(IMPORTED))


def run_pytest(words: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, limit_s: float) -> int:
    """Runs pytest in a fork, with output to a file; returns the exit status."""
    process = _FORKS.Process(target=_become_pytest, args=(words, folder, dict(environment), output))
    process.start()
    process.join(limit_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"pytest {' '.join(words)}: not within {limit_s:g} s: {output.read_text()}")
    return process.exitcode


def start(words: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, limit_s: float) -> int:
    """Runs a program in a new process, with output to a file; returns the exit status."""
    with output.open("wb") as file:
        return subprocess.run(
            words, cwd=folder, env=environment, stdout=file, stderr=file, timeout=limit_s, check=False
        ).returncode


def _become_pytest(words: Sequence[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pytest", *words]
    sys.exit(pytest.console_main())
