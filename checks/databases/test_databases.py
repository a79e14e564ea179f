"""Databases accept connections and answer quickly."""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_database_accepts_connections"),
]


@pytest.mark.weekly
@pytest.mark.monthly
@pytest.mark.remedy("server")
@pytest.mark.caused_by("test_container_is_running", on="container")
def test_database_accepts_connections(database_pings, database):
    """The server's message says why: too many clients, starting up, or down."""
    refusal = database_pings[database].refusal
    assert not refusal, f"{database} accepts no connection: {refusal}"


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT pid, usename, state, wait_event, now() - query_start AS runs, left(query, 60) AS query"
    " FROM pg_stat_activity WHERE state <> 'idle' ORDER BY query_start",
)
def test_query_time_is_within_limit(database_pings, database, allowed):
    """Connecting and SELECT 1 are almost no work: a high value means an overloaded server or network."""
    assert database_pings[database].answer_s in allowed.query_time


@pytest.mark.monthly
@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT datname, usename, client_addr, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC",
)
def test_connections_are_available(database_connections, database, allowed, evidence):
    """Without free connections the API returns errors: look for sessions idle in transaction."""
    use = database_connections[database]
    evidence("connections by limit and by state", use.evidence)
    assert use.used in allowed.connections_used
