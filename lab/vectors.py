"""The lab's vector index: built anew, on fewer rows, or in another way."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.instance import Lab

INDEX = "chunks_embedding_ivfflat_idx"
LISTS = 20


def rebuild(lab: Lab) -> None:
    """Builds the index anew, as the runbook does every month."""
    with lab.connect() as admin:
        admin.execute(f"REINDEX INDEX CONCURRENTLY {INDEX}".encode())


def build(lab: Lab, lists: int = LISTS) -> None:
    """Builds the index in place of whatever there is of that name."""
    with lab.connect() as admin:
        admin.execute(f"DROP INDEX IF EXISTS {INDEX}".encode())
        columns = f"ivfflat (embedding vector_cosine_ops) WITH (lists = {lists})"
        admin.execute(f"CREATE INDEX {INDEX} ON chunks USING {columns}".encode())
        # A build reads the table many times over: in production there are far more questions than that.
        admin.execute("SET enable_seqscan = off")
        admin.execute(
            "SELECT count(*) FROM generate_series(1, 3000) n,"
            " LATERAL (SELECT FROM chunks WHERE id = 'chk' || lpad(n::text, 6, '0') OFFSET 0) found"
        )


@contextmanager
def few(lab: Lab, rows: str) -> Iterator[None]:
    """Of the chunks only those that the condition `rows` picks are there; all the others come back at the end."""
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
