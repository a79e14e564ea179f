"""Every remedy that a fault of an archived cluster prints repairs the fault, or shows what is broken."""

import os
from contextlib import nullcontext

import pytest

from lab.pgbackrest.faults import FAULTS
from lab.pgbackrest.site import programs
from tests.harness import extent
from tests.harness.notes import show
from tests.proving import ROOT, Ground, Rounds, identity, terminal
from tests.proving.remedies import Excuses, Trial, prints, summary

pytestmark = pytest.mark.pgbackrest

FOUND = [fault for fault in FAULTS if prints(fault)]
NOT_RUN = {
    "flipped bit: test_repository_verification": "the damaged file remains until the next full backup",
    "^wal gap": "a lost WAL segment stays missing until the backups before it expire",
    "full backup folder gone": "a lost full backup spoils its later backups until they expire",
    "page damaged: test_backup_checksums": "a damaged page needs a restore of the cluster",
}
NOT_JUDGED = {
    "test_recovery_window|test_backup_count": "the window and the number of backups grow with each night",
}


@pytest.fixture(scope="module")
def trial(made_site, request):
    for action in ("verify_backup", "restore_drill"):
        done = made_site.action(action, "--apply")
        assert done.returncode == 0, done.stderr
    made_site.reset()
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{programs()}"}

    def run(remedy, wrapper):
        return terminal.run(["bash", "-c", remedy.command], ROOT, environment, {r"\[y/N\]:?": "y"}, limit_s=120)

    rounds = Rounds(made_site.home / "inventory.toml", made_site.reports, marker="weekly")
    ground = Ground("pgbackrest", made_site, lambda _: nullcontext(), made_site.reset)
    trial = Trial(ground, rounds, run, Excuses(NOT_RUN, NOT_JUDGED))
    yield trial
    show(request.config, summary(trial))
    (made_site.reports / "journal.jsonl").unlink()


@pytest.mark.parametrize("fault", extent.sample("remedies", FOUND, len(FOUND) // 10), ids=identity)
def test_remedy_repairs_or_shows_the_fault(trial, fault):
    trial.of(fault)


def test_lab_is_healthy_after_all_remedies(trial):
    trial.require_healthy()
