"""The lab's vector index: rebuilt, on fewer rows, or with a different number of lists."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.instance import Lab

INDEX = "chunks_embedding_ivfflat_idx"
LISTS = 20


def rebuild(lab: Lab) -> None:
    """Rebuilds the index, as the runbook does every month."""
    with lab.connect() as admin:
        admin.execute(f"REINDEX INDEX CONCURRENTLY {INDEX}".encode())


def definition(lists: int = LISTS) -> str:
    """The end of the statement that creates the index."""
    return f"ON chunks USING ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"


def build(lab: Lab, lists: int = LISTS) -> None:
    """Drops and creates the index."""
    with lab.connect() as admin:
        admin.execute(f"DROP INDEX IF EXISTS {INDEX}".encode())
        admin.execute(f"CREATE INDEX {INDEX} {definition(lists)}".encode())
        # A build scans the table many times; add index scans, as production has far more queries than scans.
        admin.execute("SET enable_seqscan = off")
        admin.execute(
            "SELECT count(*) FROM generate_series(1, 3000) n,"
            " LATERAL (SELECT FROM chunks WHERE id = 'chk' || lpad(n::text, 6, '0') OFFSET 0) found"
        )


@contextmanager
def fewer_rows(lab: Lab, rows: str) -> Iterator[None]:
    """Removes all chunks except those matching the condition `rows`; restores them at the end."""
    with lab.connect() as admin:
        with admin.transaction():
            admin.execute(f"DROP INDEX {INDEX}".encode())
            admin.execute("CREATE TEMP TABLE kept AS SELECT * FROM chunks")
            admin.execute("TRUNCATE chunks")
            admin.execute(f"INSERT INTO chunks SELECT * FROM kept WHERE {rows}".encode())
        yield
        admin.execute(f"INSERT INTO chunks SELECT * FROM kept WHERE NOT ({rows})".encode())
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute("VACUUM (ANALYZE) chunks")
