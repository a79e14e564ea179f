"""The proof on Docker: over ssh, with real containers, exactly the checks that a fault names change."""

from contextlib import contextmanager

import pytest

from lab.docker.faults import FAULTS
from lab.docker.layout import APP
from tests.proving import IS_ROOT, Proof, agree, bad, identity

pytestmark = pytest.mark.docker
KEPT = "/run/kept-logs"


@pytest.fixture(scope="module")
def proof(rounds, request):
    proof = Proof(rounds)
    yield proof
    proof.show(request.config)


@contextmanager
def _broken(fault, lab):
    """Takes out of the logs what a fault made the platform write: that is no part of the healthy lab."""
    lab.root("sh", "-c", f"rm -rf {KEPT} && cp -a {APP}/logs {KEPT}")
    try:
        with fault.breaks(lab):
            yield
    finally:
        lab.root("sh", "-c", f'cd {KEPT} && for log in *.log; do cat "$log" > {APP}/logs/"$log"; done')


@contextmanager
def _made_good(lab, rounds):
    """What a fault could not heal is no part of the next one."""
    try:
        yield
    except BaseException:
        lab.up()
        rounds.run()
        rounds.forget("restarts")
        raise


def test_healthy_lab_passes_ten_rounds_in_a_row(rounds):
    for _ in range(10):
        agree(bad(rounds.run()), {}, "healthy")


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, docker_lab, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("only root can cut the network that this fault needs")
    with _made_good(docker_lab, proof.rounds):
        proof.of(fault, _broken(fault, docker_lab))
