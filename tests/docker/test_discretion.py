"""A round over ssh reveals no secrets and leaves no processes."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import processes
from lab.docker import engine
from lab.docker.faults.steps import await_database
from lab.docker.layout import POSTGRES
from lab.waiting import wait_until
from tests.proving import ROOT

pytestmark = pytest.mark.docker


def runtime(rounds):
    return Path(rounds.environment["XDG_RUNTIME_DIR"]) / f"opsproof-{os.getuid()}"


def arguments():
    """Arguments of all processes on the machine, including containers."""
    return {processes.command(pid).encode() for pid in processes.pids()}


@contextmanager
def watched():
    """Collects all process arguments visible during the block."""
    seen, over = set(), threading.Event()

    def watch():
        while not over.is_set():
            seen.update(arguments())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def leaked(secrets, text):
    return [secret for secret in secrets if secret.encode() in text]


@pytest.fixture(scope="module")
def seen(rounds):
    """Arguments of all processes during a round with maximum output."""
    with watched() as seen:
        rounds.run(options=("-vv", "-rA", f"--save-facts={rounds.reports / 'facts.json'}"))
    return seen


@pytest.mark.usefixtures("seen")
def test_round_makes_one_round_trip_to_host_and_database_each(rounds):
    assert "round trips: 1 to hosts, 1 to databases" in rounds.printed


@pytest.mark.usefixtures("seen")
def test_output_and_files_contain_no_secret(rounds, docker_lab):
    files = [path for folder in (rounds.reports, runtime(rounds)) for path in folder.rglob("*") if path.is_file()]
    assert {".html", ".xml", ".sqlite", ".json"} <= {path.suffix for path in files}
    assert docker_lab.secrets
    assert [path.name for path in files if leaked(docker_lab.secrets, path.read_bytes())] == []
    assert leaked(docker_lab.secrets, rounds.printed.encode()) == []


def test_process_lists_contain_no_secret(seen, docker_lab):
    assert any(b"redis.netrc" in words for words in seen), "the round was not watched"
    assert any(b"ControlPath=none" in words for words in seen), "the tunnel was not watched"
    assert [words for words in seen if leaked(docker_lab.secrets, words)] == []


@pytest.mark.usefixtures("seen")
def test_a_round_leaves_no_tunnel(rounds):
    assert list(runtime(rounds).glob("tunnel-*")) == []


def test_a_killed_run_leaves_no_tunnel(rounds, docker_lab):
    def tunnels():
        return [words for words in arguments() if f"{runtime(rounds)}/tunnel-".encode() in words]

    engine.run("pause", POSTGRES)  # keeps the tunnel in use for seconds
    try:
        environment = {**os.environ, **rounds.environment}
        words = [sys.executable, "-m", "pytest", *rounds.words()]
        run = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        sockets = runtime(rounds)
        wait_until(lambda: any(sockets.glob("tunnel-*/.s.PGSQL.5432")), "the tunnel opens", process=run)
        assert tunnels()
        run.kill()
        run.wait()
        wait_until(lambda: not tunnels(), "the tunnel ends with its run")
    finally:
        engine.run("unpause", POSTGRES)
        await_database(docker_lab)
    rounds.run()
    assert list(runtime(rounds).glob("tunnel-*")) == []
