"""Breaks and heals a fault: `python -m tests.proving "duplicate index"`."""

import difflib
import subprocess
import sys

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.faults import FAULTS
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from tests.proving import ROOT, identity

TEST = "test_fault_changes_exactly_the_checks_it_names"
PROOFS = {"proof": FAULTS, "docker": DOCKER_FAULTS, "pgbackrest": PGBACKREST_FAULTS}


def main(words):
    """Runs the fault's test and returns pytest's exit status; 2 for an unknown fault."""
    name = " ".join(words).replace("-", " ")
    found = [f"tests/{folder}/test_proof.py::{TEST}[{identity(each)}]" for folder, each in _all() if each.name == name]
    if not found:
        near = difflib.get_close_matches(name, [each.name for _, each in _all()], n=8, cutoff=0.3)
        print(f"unknown fault {name!r}; similar faults: {', '.join(near)}", file=sys.stderr)  # noqa: T201
        return 2
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *found], cwd=ROOT, check=False).returncode


def _all():
    return [(folder, each) for folder, faults in PROOFS.items() for each in faults]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
