"""A healthy, warm docker lab for the whole test session, left running or stopped as before."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab import lock
from lab.docker import DockerLab, backups, engine, images
from lab.docker.faults.queues import remove_leftovers
from lab.docker.faults.steps import settle
from lab.docker.stack import REPORTS
from lab.errors import LabError
from lab.progress import say_aloud
from tests.harness import timing
from tests.proving import Rounds


@pytest.fixture(scope="session")
def docker_lab() -> Iterator[DockerLab]:
    """The machine's docker lab; skips without a Docker engine, unless an engine is required."""
    _require_engine()
    with ExitStack() as stack:
        lab = DockerLab()
        lab.layout.create()
        stack.enter_context(lock.held(lab.layout.session_lock))
        was_down = lab.status().down
        with timing.part("images"):
            images.build(lab.layout.builds, say_aloud)
        with timing.part("seeding"):
            lab.up()
            if was_down:
                stack.callback(lab.down)
            _warm(lab)
        yield lab


@pytest.fixture(scope="session")
def rounds(docker_lab: DockerLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """Daily and weekly rounds over private ssh connections, each within two minutes."""
    inventory = docker_lab.inventory(tmp_path_factory.mktemp("docker") / "lab-docker.toml")
    reports = docker_lab.layout.reports
    shutil.rmtree(reports, ignore_errors=True)
    backups.ensure_drill(docker_lab, reports, REPORTS)
    # Socket paths are limited to 107 characters, so use a short folder.
    with tempfile.TemporaryDirectory(prefix="opsproof-") as runtime:
        rounds = Rounds(inventory, reports, 120, "daily or weekly", {"XDG_RUNTIME_DIR": runtime})
        docker_lab.settling.wait()
        rounds.run()  # checks of growth compare with an earlier run
        yield rounds


def _require_engine() -> None:
    try:
        engine.require()
    except LabError as error:
        if os.environ.get("OPSPROOF_REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(str(error))


def _warm(lab: DockerLab) -> None:
    """Writes a week of logs without older errors; sends requests and messages."""
    settle(lab)
    remove_leftovers(lab)
    lab.renew_logs()
    lab.pm2("reset", "all")
    lab.traffic()
    lab.publish()
