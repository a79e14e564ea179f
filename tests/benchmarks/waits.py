"""How long a writer waits while tables are maintained, behind a transaction that somebody leaves open for seconds.

The actions against plain statements: the runbook's VACUUM and REINDEX CONCURRENTLY, and CREATE TABLE ... PARTITION OF,
which locks the table that a foreign key leads to.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from bench import Bench
from measure import ENVIRONMENT, Row, alternate, medians, row, spend

from opsproof.maintenance.partitions import after

GOAL_S = 1.0
OPEN_S = 4.0
"""How long the transaction stays open that is in the way."""
PAUSE_S = 0.01
MAKE = """
DROP SCHEMA IF EXISTS waits CASCADE;
CREATE SCHEMA waits
    CREATE TABLE people (id int PRIMARY KEY, seen int NOT NULL DEFAULT 0)
    CREATE INDEX people_seen_idx ON people (seen)
    CREATE TABLE visits (person int NOT NULL REFERENCES people, at timestamp NOT NULL) PARTITION BY RANGE (at);
INSERT INTO waits.people SELECT generate_series(1, 50000)
"""
MONTH = "CREATE TABLE waits.visits_{0:%Y_%m} PARTITION OF waits.visits FOR VALUES FROM ('{0}') TO ('{1}')"
WRITE = "UPDATE waits.people SET seen = seen + 1 WHERE id = {}"

Deed = Callable[[], object]


def waits(bench: Bench) -> list[Row]:
    """The longest statement of a writer, in seconds: medians over the runs."""
    this = datetime.now(UTC).date().replace(day=1)
    following = after(this)
    begun = f"{MAKE}; {MONTH.format(this, following)}"
    sides = {
        "a partition is added / CREATE TABLE ... PARTITION OF": (
            _action(bench, "add_partitions", "--table=waits.visits", "--ahead=1"),
            _psql(bench, MONTH.format(following, after(following))),
        ),
        "an index is rebuilt / the runbook's REINDEX": (
            _action(bench, "reindex", "--index=waits.people_seen_idx"),
            _psql(bench, "REINDEX INDEX CONCURRENTLY waits.people_seen_idx"),
        ),
        "a table is vacuumed / the runbook's VACUUM": (
            _action(bench, "vacuum", "--table=waits.people"),
            _psql(bench, "VACUUM (ANALYZE) waits.people"),
        ),
    }
    return [_row(bench, begun, name, *pair) for name, pair in sides.items()]


def _row(bench: Bench, begun: str, name: str, ours: Deed, plain: Deed) -> Row:
    results = alternate(bench.runs, lambda: _longest(bench, begun, ours), lambda: _longest(bench, begun, plain))
    return row(f"longest wait of a writer while {name}", medians(float, *results), "s", goal=GOAL_S, goal_for="ours")


def _longest(bench: Bench, begun: str, maintain: Deed) -> float:
    """The longest statement of a writer while `maintain` runs on tables that are made for it."""
    with _tables(bench, begun), _open(bench), bench.lab.connect() as writer, ThreadPoolExecutor() as pool:
        running = pool.submit(maintain)
        longest = 0.0
        while not running.done():
            started = time.perf_counter()
            writer.execute(WRITE.format(2).encode())
            longest = max(longest, time.perf_counter() - started)
            time.sleep(PAUSE_S)
        running.result()
    return longest


@contextmanager
def _tables(bench: Bench, begun: str) -> Iterator[None]:
    with bench.lab.connect() as admin:
        admin.execute(begun.encode())
        try:
            yield
        finally:
            admin.execute("DROP SCHEMA waits CASCADE")


@contextmanager
def _open(bench: Bench) -> Iterator[None]:
    """Somebody's transaction, which ends after `OPEN_S`."""
    with bench.lab.connect() as holder:
        holder.execute("BEGIN")
        holder.execute(WRITE.format(1).encode())
        ending = threading.Timer(OPEN_S, holder.execute, ["COMMIT"])
        ending.start()
        try:
            yield
        finally:
            ending.cancel()
            ending.join()


def _action(bench: Bench, name: str, *more: str) -> Deed:
    where = [f"--inventory={bench.inventory}", f"--reports={bench.folder}/reports", "--apply"]
    return lambda: spend([sys.executable, f"actions/{name}.py", *where, *more])


def _psql(bench: Bench, statement: str) -> Deed:
    lab = bench.lab
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(lab.postgres_port), "PGUSER": "metachat", "PGDATABASE": "metachat"}
    secret = {"PGPASSFILE": str(lab.layout.secrets / "pgpass-metachat")}
    return lambda: spend(["psql", "-c", statement], environment={**ENVIRONMENT, **lab.env, **where, **secret})
