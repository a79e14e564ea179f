"""A backup by the action, including its proof, against the runbook's pg_dump and gzip, of the same 440 MB."""

import shutil
import sys
from pathlib import Path
from typing import Any

import psycopg
from bench import Bench
from measure import ENVIRONMENT, Row, Spent, alternate, medians, row, spend

DATABASE_BYTES = 440_000_000
ROW_BYTES = 5600
"""Size of a row of `GROW` in the database."""
RUNBOOK = r"""
set -euo pipefail
pg_dump -U opsproof_backup -Fc metachat > "$FOLDER/metachat_backup.sql"
gzip "$FOLDER/metachat_backup.sql"
"""
"""The runbook's two commands, with the lab's paths."""
GROW = """
CREATE TABLE more_chunks AS
SELECT n AS id, (SELECT array_agg(random() + 0 * (n + g)) FROM generate_series(1, 1024) g)::vector(1024) AS embedding
  FROM generate_series(1, {rows}) n
"""


def backup(bench: Bench) -> list[Row]:
    """Wall time in seconds of whole processes, and size of their backups in bytes."""
    with bench.lab.connect() as admin:
        grow(admin, DATABASE_BYTES)
        try:
            sides = alternate(bench.runs, lambda: _ours(bench), lambda: _runbook(bench))
            sizes = _size(bench.lab.layout.backups, "*.dump*"), _size(bench.folder, "metachat_backup.sql.gz")
        finally:
            admin.execute("DROP TABLE more_chunks")
    wall, cpu = medians(lambda each: each.wall_s, *sides), medians(lambda each: each.cpu_s, *sides)
    return [
        row("backup of 440 MB, proven / the runbook's pg_dump and gzip, wall time", wall, "s", goal=0.25),
        row("backup of 440 MB, proven / the runbook's pg_dump and gzip, processor time of the clients", cpu, "s"),
        row("backup of 440 MB, proven / the runbook's pg_dump and gzip, size", sizes, "bytes", goal=1.05),
    ]


def grow(admin: psycopg.Connection[Any], size_bytes: int) -> int:
    """Adds a table of random vectors to make the database `size_bytes` large; returns the number of rows."""
    admin.execute("DROP TABLE IF EXISTS more_chunks")
    (size,) = admin.execute("SELECT pg_database_size('metachat')").fetchone() or (0,)
    rows = max(1, (size_bytes - size) // ROW_BYTES)
    admin.execute(GROW.format(rows=rows).encode())
    return rows


def _ours(bench: Bench) -> Spent:
    for folder in (bench.lab.layout.backups, bench.lab.layout.elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    inventory = bench.folder / "backup.toml"
    lines = bench.inventory.read_text().splitlines(keepends=True)
    inventory.write_text("".join(line for line in lines if not line.startswith("off_site")))
    options = [f"--inventory={inventory}", f"--reports={bench.folder}/reports", "--apply"]
    return spend([sys.executable, "actions/backup.py", *options])


def _runbook(bench: Bench) -> Spent:
    for old in bench.folder.glob("metachat_backup*"):
        old.unlink()
    lab = bench.lab
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(lab.postgres_port), "FOLDER": str(bench.folder)}
    secret = {"PGPASSFILE": str(lab.layout.secrets / "pgpass-backup")}
    return spend(["bash", "-c", RUNBOOK], environment={**ENVIRONMENT, **lab.env, **where, **secret})


def _size(folder: Path, pattern: str) -> float:
    return float(sum(each.stat().st_size for each in folder.glob(pattern)))
