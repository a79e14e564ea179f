"""The proof: on the healthy lab every check passes, and under each fault exactly the named checks change."""

import re
import subprocess
import sys

import pytest

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.faults import FAULTS
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from tests.harness import extent
from tests.proof.warm import MARKER, with_disk_path
from tests.proving import IS_ROOT, ROOT, Proof, agree, bad, check, identity
from tests.proving.results import conclude
from tests.proving.selection import planned


@pytest.fixture(scope="module")
def proof(rounds, ground, lab, request):
    order = [[with_disk_path(fault, lab) for fault in batch] for batch in planned(request.session.items, request.path)]
    proof = Proof(ground, rounds, order)
    yield proof
    conclude(proof, request.config)


@pytest.mark.lab
def test_healthy_lab_passes_rounds_in_a_row(rounds):
    for _ in range(extent.HEALTHY_ROUNDS):
        agree(bad(rounds.run()), {}, "healthy")


@pytest.mark.lab
@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("this fault mounts a file system, which needs root")
    proof.of(fault.name)


@pytest.mark.parametrize("name", ["lab", "lab-docker", "lab-pgbackrest"])
def test_every_daily_weekly_and_monthly_check_is_named_by_a_fault(name):
    words = ["-m", "pytest", "-m", MARKER, "--collect-only", "-q", f"--inventory=inventory/{name}.toml"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    checks = set(re.findall(r"::(\w+)", done.stdout))
    assert checks
    faults = (*FAULTS, *DOCKER_FAULTS, *PGBACKREST_FAULTS)
    broken = {check(name) for fault in faults for name, verdict in fault.expected.items() if verdict != "passed"}
    assert checks - broken == set()


@pytest.mark.lab
def test_reports_contain_no_secret(rounds, lab):
    rounds.run(options=(f"--save-facts={rounds.reports / 'facts.json'}",))
    files = [path for path in rounds.reports.iterdir() if path.is_file()]
    assert {".html", ".xml", ".sqlite", ".json"} <= {path.suffix for path in files}
    found = [(path.name, secret) for path in files for secret in lab.secrets if secret.encode() in path.read_bytes()]
    assert not found
