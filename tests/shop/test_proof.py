"""The proof on the shop: over ssh, on a host with systemd and without PM2, exactly the named checks change."""

import pytest

from lab.shop.faults import FAULTS
from tests.harness import extent
from tests.proving import Ground, Proof, agree, bad, identity
from tests.proving.results import conclude
from tests.proving.selection import planned
from tests.shop.conftest import logs_without_traces

pytestmark = pytest.mark.shop


@pytest.fixture(scope="module")
def proof(rounds, shop_lab, request):
    ground = Ground("shop", shop_lab, lambda _: logs_without_traces(shop_lab), shop_lab.up)
    proof = Proof(ground, rounds, planned(request.session.items, request.path))
    yield proof
    conclude(proof, request.config)


def test_healthy_shop_passes_rounds_in_a_row(rounds):
    for _ in range(extent.HEALTHY_ROUNDS):
        agree(bad(rounds.run()), {}, "healthy")


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, fault):
    proof.of(fault.name)
