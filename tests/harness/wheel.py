"""The wheel, installed in a new environment beside the dependencies of this one."""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

PARTS = ("src", "checks", "actions", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "inventory")


@dataclass(frozen=True)
class Installed:
    """The installed wheel, and an empty folder with no clone in reach."""

    programs: Path
    folder: Path

    def run(self, *words, limit_s=60):
        environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        words = (self.programs / "opsproof", *words)
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=limit_s
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
