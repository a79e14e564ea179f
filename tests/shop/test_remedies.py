"""Every remedy that a fault of the shop prints repairs the fault, or shows what is broken."""

import os
from contextlib import contextmanager

import pytest

from lab.shop.faults import FAULTS
from lab.shop.machine import ENVIRONMENT
from tests.harness import extent
from tests.harness.notes import show
from tests.proving import ROOT, Ground, identity, terminal
from tests.proving.remedies import Excuses, Trial, prints, summary
from tests.shop.conftest import logs_without_traces

pytestmark = pytest.mark.shop

FOUND = [fault for fault in FAULTS if prints(fault)]


@pytest.fixture(scope="module")
def trial(rounds, shop_lab, request):
    environment = {**os.environ, **rounds.environment}

    def run(remedy, wrapper):
        place = (shop_lab.machine.inside, ENVIRONMENT) if remedy.is_remote else (wrapper, environment)
        return terminal.run([*place[0], "bash", "-c", remedy.command], ROOT, place[1], {r"\[y/N\]:?": "y"})

    ground = Ground("shop", shop_lab, lambda _: _surroundings(shop_lab, rounds.history), shop_lab.up)
    trial = Trial(ground, rounds, run, Excuses())
    yield trial
    show(request.config, summary(trial))


@contextmanager
def _surroundings(lab, history):
    """Restores the logs, and the rounds' counters."""
    kept = history.read_bytes()
    try:
        with logs_without_traces(lab):
            yield
    finally:
        history.write_bytes(kept)


@pytest.mark.parametrize("fault", extent.sample("remedies", FOUND, len(FOUND) // 10), ids=identity)
def test_remedy_repairs_or_shows_the_fault(trial, fault):
    trial.of(fault)


def test_lab_is_healthy_after_all_remedies(trial):
    trial.require_healthy()
