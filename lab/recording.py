"""A round that records the baseline of later rounds."""

import os
import subprocess
import sys

from lab.errors import LabError
from lab.instance import Lab
from lab.layout import REPOSITORY


def record_round(lab: Lab, checks: str) -> None:
    """Runs a file of checks and records the round with the proof's rounds; LabError if the round aborts."""
    inventory = lab.inventory(lab.home / "record.toml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", checks, f"--inventory={inventory}", f"--reports={lab.layout.reports}"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    inventory.unlink()
    if done.returncode not in (0, 1, 6):
        raise LabError(f"round aborted: {done.stdout.strip()[-300:]}")
