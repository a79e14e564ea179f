"""The commands that a monthly round prints repair its findings: the next round passes."""

import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lab.waiting import wait_until
from tests.maintenance.conftest import ROOT

BROKEN = {
    "test_dead_rows_are_within_limit[vps-metachat]": "vacuum",
    "test_statistics_are_current[vps-metachat]": "analyze",
    "test_every_table_is_analyzed[vps-metachat]": "analyze",
    "test_indexes_are_not_bloated[vps-metachat]": "reindex",
    "test_indexes_are_valid[vps-metachat]": "reindex",
    "test_no_interrupted_index_build_remains[vps-metachat]": "reindex",
    "test_ivfflat_lists_match_row_count[vps-rows_vectors]": "reindex",
    "test_future_partitions_exist[vps-messages]": "add_partitions",
    "test_no_session_is_idle_in_transaction[vps-metachat]": "end_sessions",
}
FOLDERS = ("vacuum", "statistics", "bloat", "indexes", "limits", "sessions")
INVENTORY = """
[hosts.vps.partitioned]
messages = { database = "metachat", table = "public.messages" }
[hosts.vps.vector_indexes.rows_vectors]
database = "metachat"
table = "t.rows"
column = "embedding"
method = "ivfflat"
operator = "<=>"
probes = 200
budget = "4s"
"""


@pytest.fixture
def broken(place, table):
    """All faults at once."""
    place.database = 'timeout = "5s"\nlarge_index = "1MB"\nlimits.transaction_idle = { must = "< 200ms" }\n'
    place.more = INVENTORY
    place.sql(
        "GRANT USAGE ON SCHEMA t TO opsproof_recall; GRANT SELECT ON t.rows TO opsproof_recall;"
        "CREATE INDEX rows_vectors ON t.rows USING ivfflat (embedding vector_cosine_ops) WITH (lists = 200);"
        "CREATE TABLE t.fresh WITH (autovacuum_enabled = off) AS SELECT * FROM t.rows;"
        "CREATE TABLE t.keys WITH (autovacuum_enabled = off) AS SELECT n AS id FROM generate_series(1, 100000) n;"
        "CREATE INDEX keys_id ON t.keys (id); DELETE FROM t.keys WHERE id % 10 > 0"
    )
    place.sql("VACUUM ANALYZE t.keys")
    for statement in ("CREATE INDEX CONCURRENTLY half ON t.rows (at)", "REINDEX INDEX CONCURRENTLY t.rows_pkey"):
        before = len(place.invalid)
        with place.holding("UPDATE t.rows SET at = at WHERE id = 'chk000001'"), place.building(statement):
            wait_until(lambda count=before: len(place.invalid) > count, "the index is being built")
    for _ in range(3):
        place.sql("UPDATE t.rows SET at = at + 1")
    next_month = place.value("SELECT to_char((now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')")
    place.sql(f"DROP TABLE messages_{next_month}")
    with place.holding("SELECT 1") as pid:
        idle = f"SELECT clock_timestamp() - state_change > '200ms' FROM pg_stat_activity WHERE pid = {pid}"
        wait_until(lambda: place.value(idle), "the transaction idles for too long")
        yield place


def found(place):
    """Runs a monthly round; returns verdict and remedy of each check."""
    report = place.folder / "round.xml"
    folders = [f"checks/{each}" for each in FOLDERS]
    words = [f"--inventory={place.inventory}", f"--reports={place.folder}", f"--junitxml={report}", "-m", "monthly"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words, *folders],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    cases = ET.parse(report).iter("testcase")
    return {each.get("name"): {p.get("name"): p.get("value") for p in each.iter("property")} for each in cases}


def test_each_printed_command_repairs_its_check(broken):
    before = found(broken)
    assert {name: before[name]["verdict"] for name in BROKEN} == dict.fromkeys(BROKEN, "failed")
    for name, action in BROKEN.items():
        python, script, *words = shlex.split(before[name]["remedy"], comments=True)
        assert (Path(python).name[:6], script) == ("python", f"actions/{action}.py")
        assert f"--inventory={broken.inventory}" in words
        broken.do(action, *(each for each in words if not each.startswith(("--apply", "--inventory=", "--reports="))))
    after = found(broken)
    assert {name: after[name]["verdict"] for name in BROKEN} == dict.fromkeys(BROKEN, "passed")
