"""The weekly round on a cluster that is archived: good when all is well, and exactly as each fault says."""

import pytest

from lab.pgbackrest.faults import FAULTS
from tests.proving import Proof, Rounds, agree, bad, expected, identity, surprising

pytestmark = pytest.mark.pgbackrest

MARKER = "weekly"


@pytest.fixture(scope="module")
def proof(made_site, request):
    for action in ("verify_backup", "restore_drill"):
        done = made_site.action(action, "--apply")
        assert done.returncode == 0, done.stderr
    made_site.reset()
    proof = Proof(Rounds(made_site.home / "inventory.toml", made_site.reports, marker=MARKER))
    agree(bad(proof.rounds.run()), {}, "healthy")
    yield proof
    (made_site.reports / "journal.jsonl").unlink()
    proof.show(request.config)


@pytest.mark.parametrize("fault", FAULTS, ids=identity)
def test_fault_changes_exactly_the_checks_it_names(proof, made_site, fault):
    """What healing leaves over is too much in the next one's round, or in the last test's."""
    with fault.breaks(made_site):
        verdicts = proof.rounds.run()
    proof.rows[fault.name] = bad(verdicts)
    agree(surprising(verdicts, fault.expected, fault.may), expected(fault.expected, verdicts), "broken")


def test_all_is_well_again(proof):
    agree(bad(proof.rounds.run()), {}, "healed")
