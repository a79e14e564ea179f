"""The wheel, installed in a new environment beside the dependencies of this one."""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsproof.command.main import main
from opsproof.inventory.load import load

PARTS = ("src", "checks", "actions", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "inventory")


@pytest.fixture(autouse=True)
def fresh_inventories():
    """Forgets loaded inventories: the paths of tests are relative to different folders."""
    load.cache_clear()


@dataclass(frozen=True)
class Installed:
    """The installed wheel, and an empty folder with no clone in reach."""

    programs: Path
    folder: Path

    def run(self, *words):
        environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        words = (self.programs / "opsproof", *words)
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory, repository):
    """Built without a network, by the locked build backend."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for each in PARTS:
        copy = shutil.copytree if (repository / each).is_dir() else shutil.copy
        copy(repository / each, source / each, **({"ignore": left_out} if copy is shutil.copytree else {}))
    words = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", dist, source]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True, capture_output=True, timeout=120)
    (built,) = dist.glob("opsproof-*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """A virtual environment with the wheel; the dependencies are those of this environment, without its opsproof."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    shared = next(Path(each) for each in sys.path if each.endswith("site-packages"))
    for each in shared.iterdir():
        if "opsproof" not in each.name:
            (packages / each.name).symlink_to(each)
    words = ["install", "--no-deps", "--no-index", "--no-compile", wheel]
    pip = [sys.executable, "-m", "pip", f"--python={folder / 'venv' / 'bin' / 'python'}", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, *words], check=True, capture_output=True, env=environment, timeout=120)
    empty = folder / "empty"
    empty.mkdir()
    return Installed(folder / "venv" / "bin", empty)


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
