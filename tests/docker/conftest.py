"""One docker lab for a whole test session, healthy and warm; it is left as it was found."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from lab import lock
from lab.docker import DockerLab, backups, engine
from lab.docker.layout import NAMES
from lab.errors import LabError
from opsproof.facts.containers import FIRST_START_S
from tests.proving import Rounds


@pytest.fixture(scope="session")
def docker_lab() -> Iterator[DockerLab]:
    """The lab on this machine; skipped where there is no Docker engine, unless one is required."""
    _require_engine()
    with ExitStack() as stack:
        lab = DockerLab()
        lab.layout.create()
        stack.enter_context(lock.held(lab.layout.session_lock))
        was_down = lab.status().down
        lab.up()
        if was_down:
            stack.callback(lab.down)
        _warm(lab)
        yield lab


@pytest.fixture(scope="session")
def rounds(docker_lab: DockerLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """Daily and weekly rounds over ssh, with connections of their own; none may take longer than two minutes."""
    inventory = docker_lab.inventory(tmp_path_factory.mktemp("docker") / "lab-docker.toml")
    reports = docker_lab.layout.reports
    shutil.rmtree(reports, ignore_errors=True)
    backups.practise(docker_lab, reports)
    # Sockets have short paths, so the folder for connections has one too.
    with tempfile.TemporaryDirectory(prefix="opsproof-") as runtime:
        rounds = Rounds(inventory, reports, 120, "daily or weekly", {"XDG_RUNTIME_DIR": runtime})
        rounds.run()  # what grows since the last run needs one
        yield rounds


def _require_engine() -> None:
    try:
        engine.require()
    except LabError as error:
        if os.environ.get("OPSPROOF_REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(str(error))


def _warm(lab: DockerLab) -> None:
    """Logs of a week, without older troubles; requests and messages; containers that are old enough to start again."""
    lab.renew_logs()
    lab.pm2("reset", "all")
    lab.traffic()
    lab.publish()
    while (age := min(_ages())) <= FIRST_START_S:
        time.sleep(FIRST_START_S - age + 0.1)


def _ages() -> list[float]:
    """Seconds since each container was made: a start in the first minute counts as the first one."""
    made = [datetime.fromisoformat(each["Created"]) for each in engine.containers(NAMES).values()]
    return [(datetime.now(UTC) - each).total_seconds() for each in made]
