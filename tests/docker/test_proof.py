"""The proof on Docker: over ssh, with real containers, exactly the checks named by a fault change."""

from contextlib import contextmanager

import pytest

from lab.docker.faults import FAULTS
from lab.docker.layout import APP
from tests.harness import extent
from tests.proving import IS_ROOT, Ground, Proof, agree, bad, identity
from tests.proving.results import conclude
from tests.proving.selection import planned

pytestmark = pytest.mark.docker
KEPT = "/run/kept-logs"


@pytest.fixture(scope="module")
def proof(rounds, docker_lab, request):
    ground = Ground("docker", docker_lab, lambda _: _surroundings(docker_lab), docker_lab.up)
    proof = Proof(ground, rounds, planned(request.session.items, request.path))
    yield proof
    conclude(proof, request.config)


@contextmanager
def _surroundings(lab):
    """Restores the logs: messages caused by faults are not part of the healthy lab."""
    lab.root("sh", "-c", f"rm -rf {KEPT} && cp -a {APP}/logs {KEPT}")
    try:
        yield
    finally:
        lab.root("sh", "-c", f'cd {KEPT} && for log in *.log; do cat "$log" > {APP}/logs/"$log"; done')


def test_healthy_lab_passes_rounds_in_a_row(rounds):
    for _ in range(extent.HEALTHY_ROUNDS):
        agree(bad(rounds.run()), {}, "healthy")


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("this fault cuts the network, which needs root")
    proof.of(fault.name)
