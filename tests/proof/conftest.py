"""The embedded lab, warm and healthy, and the ground of its proof."""

import pytest

from lab import vectors
from lab.faults import disks
from tests.harness import timing
from tests.proof import warm
from tests.proving import IS_ROOT, Ground, Rounds


@pytest.fixture(scope="session")
def rounds(lab, tmp_path_factory):
    """Rounds on the healthy, warm lab, with a history for the checks of growth."""
    with timing.part("seeding"):
        warm.prepare(lab)
    rounds = Rounds(
        warm.inventory(lab, tmp_path_factory.mktemp("proof") / "lab.toml"), lab.layout.reports, marker=warm.MARKER
    )
    lab.settling.wait()
    rounds.run()  # checks of growth compare with an earlier run
    vectors.rebuild(lab)
    rounds.run()  # a rebuilt index is recognised by its changed file
    yield rounds
    if IS_ROOT:
        disks.unmount(lab)


@pytest.fixture(scope="session")
def ground(lab):
    return Ground("embedded", lab, lambda faults: warm.surroundings(lab, faults), lambda: warm.recover(lab))
