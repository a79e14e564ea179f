"""A round over ssh gives nothing away and leaves nothing behind."""

import os
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab.docker import engine
from lab.docker.faults.steps import await_health, recover
from lab.docker.layout import POSTGRES
from lab.fault import wait_until
from tests.proving import ROOT

pytestmark = pytest.mark.docker


def runtime(rounds):
    return Path(rounds.environment["XDG_RUNTIME_DIR"]) / f"opsproof-{os.getuid()}"


def arguments():
    """Those of every process on this machine, in containers too."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.add(path.read_bytes())
    return found


@contextmanager
def watched():
    """All arguments that were to be seen meanwhile."""
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


def test_a_round_trip_to_the_host_and_one_to_the_database(rounds):
    rounds.run()
    assert "round trips: 1 to hosts, 1 to databases" in rounds.printed


def test_no_secret_of_the_lab_is_in_anything_written_or_printed(rounds, docker_lab):
    rounds.run(options=("-vv", "-rA", f"--save-facts={rounds.reports / 'facts.json'}"))
    files = [path for folder in (rounds.reports, runtime(rounds)) for path in folder.rglob("*") if path.is_file()]
    assert {".html", ".xml", ".sqlite", ".json"} <= {path.suffix for path in files}
    assert docker_lab.secrets
    assert [path.name for path in files if leaked(docker_lab.secrets, path.read_bytes())] == []
    assert leaked(docker_lab.secrets, rounds.printed.encode()) == []


def test_no_secret_of_the_lab_is_in_any_process_list(rounds, docker_lab):
    with watched() as seen:
        rounds.run()
    assert any(b"redis.netrc" in words for words in seen), "the round was not watched"
    assert any(b"ControlPath=none" in words for words in seen), "the tunnel was not watched"
    assert [words for words in seen if leaked(docker_lab.secrets, words)] == []


def test_a_round_leaves_no_tunnel(rounds):
    rounds.run()
    assert list(runtime(rounds).glob("tunnel-*")) == []


def test_a_killed_run_leaves_no_tunnel(rounds, docker_lab):
    def tunnels():
        return [words for words in arguments() if f"{runtime(rounds)}/tunnel-".encode() in words]

    engine.run("pause", POSTGRES)  # so that the tunnel is in use for seconds
    try:
        environment = {**os.environ, **rounds.environment}
        run = subprocess.Popen(rounds.command(), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: any((folder / ".s.PGSQL.5432").exists() for folder in runtime(rounds).glob("tunnel-*")), "")
        assert tunnels()
        run.kill()
        run.wait()
        wait_until(lambda: not tunnels(), "the tunnel ends with its run")
    finally:
        engine.run("unpause", POSTGRES)
        await_health(POSTGRES)
        recover(docker_lab)
    rounds.run()
    assert list(runtime(rounds).glob("tunnel-*")) == []
