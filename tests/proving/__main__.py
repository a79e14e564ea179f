"""Breaks and heals a fault: `python -m tests.proving "duplicate index"`."""

import difflib
import os
import subprocess
import sys

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.faults import FAULTS
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from lab.shop.faults import FAULTS as SHOP_FAULTS
from tests.proving import IS_ROOT, ROOT, identity

TEST = "test_fault_changes_exactly_the_checks_it_names"
PROOFS = {"proof": FAULTS, "docker": DOCKER_FAULTS, "pgbackrest": PGBACKREST_FAULTS, "shop": SHOP_FAULTS}
REQUIRED = {f"OPSPROOF_REQUIRE_{lab}": "1" for lab in ("DOCKER", "PGBACKREST", "SHOP")}
"""Missing programs fail the test: a skipped fault is not proven."""


def main(words):
    """Runs the fault's test, returns pytest's exit status; 2 if the fault is unknown or needs root."""
    name = " ".join(words).replace("-", " ")
    found = [(folder, each) for folder, each in _all() if each.name == name]
    if not found:
        near = difflib.get_close_matches(name, [each.name for _, each in _all()], n=8, cutoff=0.3)
        return _refuse(f"unknown fault {name!r}; similar faults: {', '.join(near)}")
    if not IS_ROOT and any(each.root for _, each in found):
        return _refuse(f"only root can break {name!r}")
    tests = [f"tests/{folder}/test_proof.py::{TEST}[{identity(each)}]" for folder, each in found]
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **REQUIRED}, check=False).returncode


def _refuse(why):
    print(why, file=sys.stderr)  # noqa: T201
    return 2


def _all():
    return [(folder, each) for folder, faults in PROOFS.items() for each in faults]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
