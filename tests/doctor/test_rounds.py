"""What doctor announces on the lab for a new role is what the rounds find, and its commands end it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from opsproof.doctor.mending import AGAIN, Patient, mend
from opsproof.inventory.load import load

ROOT = Path(__file__).parents[2]


def announced(newcomer, reports):
    """The announced tests, and the commands, without waiting for an earlier run."""
    words = [sys.executable, "-m", "opsproof", "doctor", f"--inventory={newcomer.inventory}", f"--reports={reports}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    commands = re.findall(r"^    mend: (.*)$", done.stdout, re.MULTILINE)
    return re.findall(r"^    (test_.*)$", done.stdout, re.MULTILINE), [each for each in commands if each != AGAIN]


def test_announced_unknowns_come_true_and_its_commands_end_them(newcomer, tmp_path):
    tests, commands = announced(newcomer, tmp_path / "none")
    found = newcomer.unknown()
    assert sorted(tests) == sorted(found), found
    assert len(tests) > 5
    for command in dict.fromkeys(commands):
        done = subprocess.run(
            ["sh", "-ec", command], cwd=ROOT, env={**os.environ, **newcomer.environment}, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    tests, _ = announced(newcomer, newcomer.rounds.reports)
    left = newcomer.unknown()
    assert sorted(tests) == sorted(left)
    patient = Patient(load(newcomer.inventory).hosts["lab"], "")
    assert [each for each in left.values() if mend(patient, each) != AGAIN] == []
