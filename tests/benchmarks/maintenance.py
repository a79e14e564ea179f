"""Vector indexes rebuilt by the action against the runbook's REINDEX CONCURRENTLY, of the platform's size.

20,000 vectors of 1024 dimensions beside their table. The runbook's ivfflat index has 100 lists, five times as many as
pgvector advises.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bench import Bench
from measure import Row, alternate, medians, row

GOAL = 0.7
ROWS = 20_000
TABLE = f"""
DROP TABLE IF EXISTS vectors;
CREATE TABLE vectors (id int PRIMARY KEY, embedding vector(1024));
ALTER TABLE vectors ALTER embedding SET STORAGE EXTERNAL;
INSERT INTO vectors
SELECT n, (SELECT array_agg(random() + 0 * (n + g)) FROM generate_series(1, 1024) g)::vector(1024)
  FROM generate_series(1, {ROWS}) n;
ANALYZE vectors;
"""
IVFFLAT = "CREATE INDEX vectors_idx ON vectors USING ivfflat (embedding vector_cosine_ops) WITH (lists = 100)"
HNSW = "CREATE INDEX vectors_idx ON vectors USING hnsw (embedding vector_cosine_ops)"


def maintenance(bench: Bench) -> list[Row]:
    """Seconds of whole processes; the graph is built once by each side."""
    with bench.lab.connect() as admin:
        admin.execute(TABLE)
    try:
        with _index(bench, IVFFLAT):
            plain = alternate(bench.runs, lambda: _ours(bench), lambda: _runbook(bench))
        retuned = alternate(bench.runs, lambda: _retuned(bench), lambda: _worn(bench))
        with _index(bench, HNSW):
            graph = _ours(bench), _runbook(bench)
    finally:
        with bench.lab.connect() as admin:
            admin.execute("DROP TABLE vectors")
    name = "rebuild of 20,000 vectors"
    return [
        row(f"{name}, ivfflat of 100 lists / the runbook's REINDEX", medians(float, *plain), "s", goal=GOAL),
        row(
            f"{name}, ivfflat of 100 lists, --retune to 20 / the runbook's REINDEX",
            medians(float, *retuned),
            "s",
            goal=GOAL,
        ),
        row(f"{name}, hnsw / the runbook's REINDEX", graph, "s", goal=GOAL),
    ]


@contextmanager
def _index(bench: Bench, definition: str) -> Iterator[None]:
    with bench.lab.connect() as admin:
        admin.execute(definition)
    yield
    with bench.lab.connect() as admin:
        admin.execute("DROP INDEX vectors_idx")


def _ours(bench: Bench, *more: str) -> float:
    return bench.action("reindex", "--index=public.vectors_idx", *more).wall_s


def _retuned(bench: Bench) -> float:
    with _index(bench, IVFFLAT):
        return _ours(bench, "--retune")


def _worn(bench: Bench) -> float:
    with _index(bench, IVFFLAT):
        return _runbook(bench)


def _runbook(bench: Bench) -> float:
    return bench.psql("REINDEX INDEX CONCURRENTLY vectors_idx").wall_s
