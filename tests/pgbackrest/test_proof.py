"""The weekly round on an archived cluster: no findings if healthy, only the expected findings with a fault."""

from contextlib import nullcontext

import pytest

from lab.pgbackrest.faults import FAULTS
from tests.proving import Ground, Proof, Rounds, agree, bad, identity
from tests.proving.results import conclude
from tests.proving.selection import planned

pytestmark = pytest.mark.pgbackrest

MARKER = "weekly"


@pytest.fixture(scope="module")
def proof(made_site, request):
    for action in ("verify_backup", "restore_drill"):
        done = made_site.action(action, "--apply")
        assert done.returncode == 0, done.stderr
    made_site.reset()
    rounds = Rounds(made_site.home / "inventory.toml", made_site.reports, marker=MARKER)
    agree(bad(rounds.run()), {}, "healthy")
    ground = Ground("pgbackrest", made_site, lambda _: nullcontext(), made_site.reset)
    proof = Proof(ground, rounds, planned(request.session.items, request.path))
    yield proof
    conclude(proof, request.config)
    (made_site.reports / "journal.jsonl").unlink()


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, fault):
    proof.of(fault.name)
