"""Every remedy that a fault of the embedded lab prints repairs the fault, or shows what is broken."""

import os

import pytest

from lab.faults import FAULTS
from tests.harness import extent
from tests.harness.notes import show
from tests.proof import warm
from tests.proving import IS_ROOT, ROOT, identity, terminal
from tests.proving.remedies import Excuses, Trial, prints, summary

FOUND = [fault for fault in FAULTS if prints(fault)]
NOT_RUN = {
    "systemctl reboot": "restarts the machine",
    "timesyncd|timedatectl": "the clock belongs to the machine",
    "pm2 install": "installs from npm, and the lab has no network",
    "vulnerable: test_extensions": "the stand-in is an older release without an update path",
    "sudo mount": "the file system of the lab is not in /etc/fstab",
    "pm2 update": "the newer pm2 is a stand-in",
    "running out: .* --freeze": "template0 accepts no connection: autovacuum freezes it, which the fault prevents",
}
NOT_JUDGED = {
    "memory hog": "the fault makes the restarted worker grow again",
    "out of support|security release|release list": "the stand-in is the list of releases",
    "ps axo": "the stand-in for memory and load has no process to show",
    "pg_stat_database ORDER": "the server counts since its last reset",
    "restarts of weeks": "the stand-in is the history of earlier rounds",
    "statement slowed down": "the server counts since its last reset",
    "(no|few) backups?( of files)?: test_backup_count": "three backups take three runs",
    "relay fills memory": "the stand-in is the memory of the machine",
    "daemon gone: test_process_restarts": "a new daemon counts from 0",
    "getent ahosts": "getent shows no address where a machine has only loopback, as in private namespaces",
}

RUNS_A_ROUND = "opsproof schedule run daily"


@pytest.fixture(scope="module")
def trial(rounds, ground, lab, request):
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{lab.layout.bin}"}
    answers = {rf"Password for user {role}:": password for role, password in lab.passwords.items()}
    answers |= {r"\[y/N\]:?": "y", "Enter new password.*:|Enter it again:": "a new password"}

    def run(remedy, wrapper):
        if RUNS_A_ROUND in remedy.command:  # which would find the restarts of all remedies before
            lab.pm2("reset", "all")
            rounds.forget("restarts")
        return terminal.run([*wrapper, "bash", "-c", remedy.command], ROOT, environment, answers)

    kept = [lab.layout.pm2 / name for name in ("dump.pm2", "module_conf.json")]
    own = warm.keeping(ground, kept, [lab.layout.backups, lab.layout.elsewhere])
    trial = Trial(own, rounds, run, Excuses(NOT_RUN, NOT_JUDGED))
    yield trial
    show(request.config, summary(trial))


@pytest.mark.parametrize("fault", extent.sample("remedies", FOUND, len(FOUND) // 8), ids=identity)
def test_remedy_repairs_or_shows_the_fault(trial, lab, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("this fault needs root")
    trial.of(warm.with_disk_path(fault, lab))


def test_lab_is_healthy_after_all_remedies(trial):
    trial.require_healthy()
