"""The monthly round and its repairs as in production: a server in a container, behind ssh and sudo."""

from dataclasses import replace

import pytest

from tests.docker.test_actions import Site
from tests.proving import agree, bad

pytestmark = pytest.mark.docker
INDEX = "public.chunks_embedding_ivfflat_idx"
NEXT_MONTH = "(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')"


@pytest.fixture(scope="module")
def monthly(rounds, docker_lab):
    """Monthly rounds after a first round without recorded index builds."""
    with docker_lab.connect() as admin:  # statements of killed restores fill pg_stat_statements
        admin.execute("SELECT pg_stat_statements_reset()")
        for _ in range(25):
            admin.execute("SELECT count(*) FROM channels")
    monthly = replace(rounds, marker="monthly", timeout_s=120)
    monthly.run()
    return monthly


@pytest.fixture(scope="module")
def site(docker_lab, monthly):
    return Site(docker_lab, monthly.inventory, monthly.reports)


def done(site, action, *more):
    """Applies an action and returns the output."""
    answer = site.apply(action, *more)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_vector_index_is_rebuilt_in_container_and_rounds_pass(site, monthly):
    site.sql("VACUUM (ANALYZE)")
    said = done(site, "reindex", "--index", INDEX)
    assert INDEX in said
    for _ in range(3):
        agree(bad(monthly.run()), {}, "rebuilt")


def test_dead_rows_are_found_and_vacuumed(site, monthly):
    site.sql("CREATE TABLE ledger (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)")
    site.sql("INSERT INTO ledger SELECT n, n FROM generate_series(1, 40000) n")
    site.sql("VACUUM (ANALYZE) ledger")
    site.sql("DELETE FROM ledger WHERE id % 2 = 0")
    try:
        assert bad(monthly.run()).get("test_dead_rows_are_within_limit[vps-metachat]") == "failed", monthly.printed
        assert "vacuum public.ledger" in done(site, "vacuum")
        assert "test_dead_rows_are_within_limit[vps-metachat]" not in bad(monthly.run())
    finally:
        site.sql("DROP TABLE ledger")


def test_missing_partition_is_found_and_created(site, monthly):
    name = site.sql(f"SELECT to_char({NEXT_MONTH}, '\"messages_\"YYYY_MM')")
    site.sql(f"DROP TABLE {name}")
    try:
        agree(bad(monthly.run()), {"test_future_partitions_exist[vps-messages]": "failed"}, "dropped")
    finally:
        said = done(site, "add_partitions")
    assert name in said
    agree(bad(monthly.run()), {}, "made")


def test_idle_session_is_terminated(site):
    session = site.lab.connect("metachat_app")
    try:
        session.execute("BEGIN")
        session.execute("SELECT 1")
        said = done(site, "end_sessions", "--in-transaction", "0s")
        assert "metachat_app" in said
        assert site.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "0"
    finally:
        session.close()
