"""What the tests of rounds share."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def collected(tmp_path_factory, repository):
    """The lines that a plugin prints when the checks of an inventory are collected."""

    def collected(plugin, inventory):
        folder = tmp_path_factory.mktemp("plugin")
        (folder / "every_item.py").write_text(plugin)
        words = ["-p", "every_item", "--collect-only", "-q", "checks", f"--inventory={inventory}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return collected


@pytest.fixture
def gathers(tmp_path):
    """The number of round trips to a host: its df records the gatherer that ran it."""

    def gathers(name):
        path = tmp_path / f"asked-{name}"
        return len(set(path.read_text().split())) if path.exists() else 0

    return gathers
