"""The client of the database worker process."""

import os
import signal

import pytest

import opsproof.postgres.client as database_client
from lab.waiting import wait_until
from opsproof.postgres.client import DatabaseClient


@pytest.fixture
def client(postgres):
    client = DatabaseClient()
    yield client
    client.close()


def test_databases_are_queried_concurrently(client, postgres):
    queries = ["SELECT pg_sleep(3)", "SELECT pg_backend_pid()"]
    waits = [client.submit(postgres.target(), queries) for _ in range(4)]
    started = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3)'"
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        wait_until(lambda: admin.execute(started).fetchone() == (4,), "all four are at work")
    assert len({wait()[1].rows[0][0] for wait in waits}) == 4


def test_results_match_their_requests(client, postgres):
    waits = [client.submit(postgres.target(), [f"SELECT {n}", "SELECT nothing"]) for n in range(5)]
    for n, wait in reversed(list(enumerate(waits))):
        first, second = wait()
        assert (first.rows, first.error) == ([[n]], "")
        assert 'column "nothing" does not exist' in second.error


def test_refusals_and_errors_are_distinguished(client, postgres, free_port):
    closed = postgres.target(dsn=f"host=127.0.0.1 port={free_port} user=nobody")
    unset = postgres.target(password_env="NOT_THERE")
    assert "Connection refused" in client.submit(closed, ["SELECT 1"])()[0].refusal
    assert "NOT_THERE is not set" in client.submit(unset, ["SELECT 1"])()[0].error


def test_hanging_worker_times_out(client, postgres, monkeypatch):
    monkeypatch.setattr(database_client, "GRACE_S", 0.1)
    os.kill(client._process.pid, signal.SIGSTOP)
    results = client.submit(postgres.target(timeout="100ms"), ["SELECT 1", "SELECT 2"])()
    assert [result.error for result in results] == ["the database worker failed: no answer within 0 s"] * 2


@pytest.mark.parametrize("moment", ["before it is asked", "after"])
def test_killed_worker_is_an_error(client, postgres, moment):
    if moment == "after":
        wait = client.submit(postgres.target(), ["SELECT pg_sleep(5)"])
    client._process.kill()
    client._process.wait()
    if moment != "after":
        wait = client.submit(postgres.target(), ["SELECT 1"])
    (result,) = wait()
    assert result.error.startswith("the database worker failed: ")
    assert "no answer within" not in result.error


def test_close_kills_a_busy_worker(client, postgres):
    client.submit(postgres.target(), ["SELECT pg_sleep(5)"])
    client.close()
    assert client._process.returncode == -signal.SIGKILL
