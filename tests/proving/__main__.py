"""Breaks one fault and heals it: `python -m tests.proving "open files"`."""

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
    """The exit status of pytest; 2 where there is no such fault."""
    name = " ".join(words).replace("-", " ")
    found = [f"tests/{folder}/test_proof.py::{TEST}[{identity(each)}]" for folder, each in _all() if each.name == name]
    if not found:
        near = difflib.get_close_matches(name, [each.name for _, each in _all()], n=8, cutoff=0.3)
        print(f"unknown fault {name!r}; choose one such as: {', '.join(near)}", file=sys.stderr)  # noqa: T201
        return 2
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *found], cwd=ROOT, check=False).returncode


def _all():
    return [(folder, each) for folder, faults in PROOFS.items() for each in faults]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
