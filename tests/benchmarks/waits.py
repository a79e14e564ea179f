"""How long a writer waits while tables are maintained, with a transaction left open for seconds.

The actions against plain statements: the runbook's VACUUM and REINDEX CONCURRENTLY, and CREATE TABLE ... PARTITION OF,
which locks the table referenced by a foreign key.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from bench import Bench
from measure import Row, alternate, medians, row

from opsproof.core.spans import SpanCalendar

GOAL_S = 1.0
OPEN_S = 4.0
"""How long the blocking transaction stays open."""
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

Work = Callable[[], object]


def waits(bench: Bench) -> list[Row]:
    """The longest statement of a writer, in seconds: medians over the runs."""
    this = datetime.now(UTC).date().replace(day=1)
    after = SpanCalendar().after
    following = after(this)
    begun = f"{MAKE}; {MONTH.format(this, following)}"
    sides = {
        "a partition is added / CREATE TABLE ... PARTITION OF": (
            lambda: bench.action("add_partitions", "--table=waits.visits", "--ahead=1"),
            lambda: bench.psql(MONTH.format(following, after(following))),
        ),
        "an index is rebuilt / the runbook's REINDEX": (
            lambda: bench.action("reindex", "--index=waits.people_seen_idx"),
            lambda: bench.psql("REINDEX INDEX CONCURRENTLY waits.people_seen_idx"),
        ),
        "a table is vacuumed / the runbook's VACUUM": (
            lambda: bench.action("vacuum", "--table=waits.people"),
            lambda: bench.psql("VACUUM (ANALYZE) waits.people"),
        ),
    }
    return [_row(bench, begun, name, *pair) for name, pair in sides.items()]


def _row(bench: Bench, begun: str, name: str, ours: Work, plain: Work) -> Row:
    results = alternate(bench.runs, lambda: _longest(bench, begun, ours), lambda: _longest(bench, begun, plain))
    return row(f"longest wait of a writer while {name}", medians(float, *results), "s", goal=GOAL_S, goal_for="ours")


def _longest(bench: Bench, begun: str, maintain: Work) -> float:
    """The longest statement of a writer while `maintain` runs on newly created tables."""
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
    """A transaction that ends after `OPEN_S`."""
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
