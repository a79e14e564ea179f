"""Runs of pytest in processes forked from one that has imported already what every run imports: most of its time."""

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
"""No plugin among them, nor what imports one: pytest itself must import those, to rewrite their assertions."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(IMPORTED))


def run_pytest(words: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, limit_s: float) -> int:
    """The exit status of pytest with these words; what it prints goes into a file."""
    process = _FORKS.Process(target=_become_pytest, args=(words, folder, dict(environment), output))
    process.start()
    process.join(limit_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"pytest {' '.join(words)}: not within {limit_s:g} s: {output.read_text()}")
    return process.exitcode


def start(words: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path, limit_s: float) -> int:
    """The exit status of a program that starts from nothing; what it prints goes into a file."""
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
