"""Every remedy that a fault of the docker lab prints repairs the fault, or shows what is broken."""

import os
from contextlib import contextmanager

import pytest

from lab.docker import passwords
from lab.docker.faults import FAULTS
from lab.docker.layout import APP, BACKUPS, ELSEWHERE, VPS
from tests.harness import extent
from tests.harness.notes import show
from tests.proving import IS_ROOT, ROOT, Ground, identity, terminal
from tests.proving.remedies import Excuses, Trial, prints, summary

pytestmark = pytest.mark.docker

FOUND = [fault for fault in FAULTS if prints(fault)]
NOT_RUN = {
    "pm2 install": "installs from npm, and the lab's server has no network",
    "timesyncd|timedatectl": "the clock belongs to the machine",
    "journalctl .*--dmesg": "the log of the kernel belongs to the machine",
}
NOT_JUDGED = {
    "daemon killed: test_process_restarts": "a new daemon counts from 0",
    "test_(no_client_was_rejected|no_key_was_evicted)": "Redis counts since its start",
    "test_container_was_not_restarted": "Docker shows the last start of the healthy lab too",
    "(no backup|too few backups|backup folder gone): test_backup_count": "three backups take three runs",
}
KEPT = "/var/lib/kept"
PATHS = (f"{APP}/logs", BACKUPS, ELSEWHERE, *(f"/home/deploy/.pm2/{name}" for name in ("dump.pm2", "module_conf.json")))
KEEP = 'kept=$1; shift; rm -rf "$kept"; mkdir "$kept"; cp -a --parents "$@" "$kept"'
RESTORE = """
find "$2" -type f | while read -r log; do [ -e "$1$log" ] || rm "$log"; done
cd "$1$2" && for log in *; do if [ -e "$2/$log" ]; then cat "$log" > "$2/$log"; touch -r "$log" "$2/$log"
    else cp -a "$log" "$2"; fi; done
for each in "$3" "$4"; do find "$each" -mindepth 1 -delete; cp -a "$1$each/." "$each"; done
for each in "$5" "$6"; do cat "$1$each" > "$each"; done
"""
"""PM2 holds the logs open, so their content is replaced."""


@pytest.fixture(scope="module")
def trial(rounds, docker_lab, request):
    words = ["docker", "exec", "-it", VPS]
    environment = {**os.environ, **rounds.environment}
    answers = {
        "Please input password:": passwords.load(docker_lab.layout).redis["REDIS_PASSWORD"],
        r"\[y/N\]:?": "y",
    }

    def run(remedy, wrapper):
        place = words if remedy.is_remote else wrapper
        return terminal.run([*place, "bash", "-c", remedy.command], ROOT, environment, answers, limit_s=120)

    ground = Ground("docker", docker_lab, lambda _: _surroundings(docker_lab, rounds.history), docker_lab.up)
    trial = Trial(ground, rounds, run, Excuses(NOT_RUN, NOT_JUDGED), patience_s=45)
    yield trial
    show(request.config, summary(trial))


@contextmanager
def _surroundings(lab, history):
    """Restores logs, backups, PM2's saved list and settings, which remedies may change, and the rounds' counters."""
    kept = history.read_bytes()
    lab.root("sh", "-ec", KEEP, "sh", KEPT, *PATHS)
    try:
        yield
    finally:
        lab.root("sh", "-ec", RESTORE, "sh", KEPT, *PATHS)
        history.write_bytes(kept)


@pytest.mark.parametrize("fault", extent.sample("remedies", FOUND, len(FOUND) // 10), ids=identity)
def test_remedy_repairs_or_shows_the_fault(trial, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("this fault cuts the network, which needs root")
    trial.of(fault)


def test_lab_is_healthy_after_all_remedies(trial):
    trial.require_healthy()
