"""The command in this process, in a process of its own, and from the installed wheel."""

import os
import subprocess
import sys

import pytest

from opsproof.command.main import main
from opsproof.inventory.load import load
from tests.harness.wheel import installed, wheel

__all__ = ["installed", "wheel"]


@pytest.fixture(autouse=True)
def fresh_inventories():
    """Forgets loaded inventories: the paths of tests are relative to different folders."""
    load.cache_clear()


@pytest.fixture
def forked(tmp_path):
    """Runs the command in a process of its own, in the folder of the test."""

    def run(*words):
        words = [sys.executable, "-m", "opsproof", *map(str, words)]
        environment = {**os.environ, "OPSPROOF_REPORTS": str(tmp_path / "reports")}
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def too_old(tmp_path):
    """An inventory with a finding whose remedy is an action: a rotated log file past its retention."""
    inventory, old = tmp_path / "too-old.toml", tmp_path / "out__2020-01-01_00-00-00.log"
    for path in (old, tmp_path / "out.log"):
        path.write_text("line\n", encoding="utf-8")
    os.utime(old, (1e9, 1e9))
    host = f'[hosts.h]\ntransport = "local://"\npm2 = {{ home = "{tmp_path}" }}\n'
    log = f'[hosts.h.logs.out]\npath = "{tmp_path}/out.log"\nformat = "text"\n'
    inventory.write_text(f'[limits]\nrotated_age = {{ must = "< 8d" }}\n{host}{log}', encoding="utf-8")
    return inventory


@pytest.fixture
def opsproof(capsys):
    """Runs the command in this process: exit status, standard output and standard error."""

    def run(*words):
        capsys.readouterr()
        status = main(list(map(str, words)))
        return status, *capsys.readouterr()

    return run
