"""A plugin for pytest: a round at a simulated time, judged from saved facts and recorded like a live one.

`pytest -p lab.simulated` reads OPSPROOF_LAB_MOMENT, the start of the round in seconds since 1970.
"""

import os
import time

import pytest

from opsproof.round.run import RUN

MOMENT = "OPSPROOF_LAB_MOMENT"


def set_clock(moment: float) -> None:
    """Sets the clock of this process, for the page, its name and the history."""
    read, offset = time.time, moment - time.time()
    time.time = lambda: read() + offset


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Lets the round be recorded; rounds of saved facts are not."""
    run = config.stash[RUN]

    def record(exitstatus: int) -> bool:
        del exitstatus
        run.history.add(run.started, str(config.option.inventory), run.cadence, run.verdicts)
        return not run.history.unrecorded

    run.record = record  # type: ignore[method-assign]


if MOMENT in os.environ:
    set_clock(float(os.environ[MOMENT]))
