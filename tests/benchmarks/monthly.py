"""The monthly round on 5,000 tables of 500 MB, against the queries of the runbook's monthly review."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
from bench import Bench
from measure import REPOSITORY, Row, RunFailedError, Spent, alternate, medians, row, spend

DATABASE = "five_thousand"
MAKE = """
DO $$
BEGIN
    FOR n IN 1 .. 5000 LOOP
        EXECUTE format('CREATE TABLE "Table%1$s" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "tenantId" text,
                            status text, payload text, amount numeric, "createdAt" timestamp(3));
                        INSERT INTO "Table%1$s" ("tenantId", status, payload, amount, "createdAt")
                        SELECT ''ten'' || g, ''active'', repeat(md5(g::text), 4), g, now()
                          FROM generate_series(1, 190) g;
                        CREATE INDEX ON "Table%1$s" ("tenantId", "createdAt")', n);
        IF n % 100 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END
$$
"""
SERVER_TIME = """
SELECT sum(total_exec_time) FROM pg_stat_statements JOIN pg_roles r ON r.oid = userid
 WHERE rolname = %s AND dbid = (SELECT oid FROM pg_database WHERE datname = %s)
   AND query !~ 'vector_recall'
"""
UNANSWERED = """
SELECT test, sentence FROM verdicts WHERE run = (SELECT max(id) FROM runs) AND verdict = 'unknown'
   AND sentence NOT LIKE '%since the last reset of pg_stat_statements%'
"""
"""Unknown verdicts of a round, except those caused by resetting the statistics before the round."""
REVIEW = """
SELECT schemaname, tablename, pg_size_pretty(pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass))
  FROM pg_tables WHERE schemaname = 'public'
 ORDER BY pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass) DESC LIMIT 10;
SELECT schemaname, tablename, indexname, pg_size_pretty(pg_relation_size(format('%I', indexname)::regclass))
  FROM pg_indexes WHERE schemaname = 'public'
 ORDER BY pg_relation_size(format('%I', indexname)::regclass) DESC LIMIT 10;
SELECT count(*), state FROM pg_stat_activity GROUP BY state;
SELECT query, calls, mean_exec_time, max_exec_time FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 10;
SELECT schemaname, relname, pg_size_pretty(pg_total_relation_size(relid)), n_tup_ins, n_tup_upd, n_tup_del
  FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC;
"""
"""The runbook's monthly queries, with quoted names: unquoted, they fail at the first index."""


def monthly(bench: Bench) -> list[Row]:
    """Wall time of whole processes, and working time of the server, in seconds."""
    if not _exists(bench):
        _make(bench)
    sides = alternate(bench.runs, lambda: _round(bench), lambda: _review(bench))
    wall = medians(lambda each: each[0].wall_s, *sides)
    server = medians(lambda each: each[1], *sides)
    return [
        row("monthly round on 5,000 tables / the runbook's queries, wall time", wall, "s", goal=3, goal_for="ours"),
        row(
            "monthly round on 5,000 tables / the runbook's queries, time in the server",
            server,
            "s",
            goal=0.2,
            goal_for="ours",
        ),
    ]


def _exists(bench: Bench) -> bool:
    with bench.lab.connect() as admin:
        return admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is not None


def _make(bench: Bench) -> None:
    """Creates the database under a temporary name until complete."""
    grants = (REPOSITORY / "docs" / "privileges" / "monitor.sql").read_text(encoding="utf-8")
    with bench.lab.connect() as admin:
        admin.execute("DROP DATABASE IF EXISTS unfinished WITH (FORCE)")
        admin.execute("CREATE DATABASE unfinished")
        with bench.lab.connect(database="unfinished") as connection:
            connection.execute(MAKE)
            for name in ("pg_stat_statements", "pgstattuple"):
                connection.execute(f"CREATE EXTENSION {name}".encode())
            connection.execute(f"--{grants.partition('-- In each database')[2]}".encode())
            connection.execute("VACUUM (ANALYZE)")
        admin.execute(f"ALTER DATABASE unfinished RENAME TO {DATABASE}".encode())


def _round(bench: Bench) -> tuple[Spent, float]:
    inventory = bench.folder / "monthly.toml"
    dsn = f"host=127.0.0.1 port={bench.lab.postgres_port} dbname={DATABASE} user=opsproof_monitor"
    inventory.write_text(
        f'extends = "{REPOSITORY}/inventory/metachat.toml"\n[hosts.lab]\ntransport = "local://"\n'
        f'[hosts.lab.databases.{DATABASE}]\nsuperusers = ["metachat"]\n'
        f'dsn = "{dsn} passfile={bench.lab.layout.pgpass}"\n'
    )
    options = ["-m", "monthly", f"--inventory={inventory}", f"--reports={bench.folder}/reports"]
    words = [sys.executable, "-m", "pytest", *options]
    counted = _counted(bench, "opsproof_monitor", lambda: spend(words, statuses=(0, 1, 6)))
    _require_answers(bench.folder / "reports" / "history.sqlite")
    return counted


def _require_answers(history: Path) -> None:
    """Requires that all queries succeeded: a failed query is cheap, and would falsify the cost of the round."""
    with closing(sqlite3.connect(history)) as connection:
        if unanswered := connection.execute(UNANSWERED).fetchall():
            raise RunFailedError("; ".join(f"{test}: {sentence}" for test, sentence in unanswered))


def _review(bench: Bench) -> tuple[Spent, float]:
    return _counted(bench, "metachat", lambda: bench.psql(REVIEW, DATABASE))


def _counted(bench: Bench, role: str, run: Callable[[], Spent]) -> tuple[Spent, float]:
    """Cost of a process, and the server's working time for a role meanwhile, in seconds."""
    with bench.lab.connect() as admin:
        admin.execute("SELECT pg_stat_statements_reset()")
        spent = run()
        ((milliseconds,),) = admin.execute(SERVER_TIME, [role, DATABASE]).fetchall()
    if milliseconds is None:
        raise psycopg.DataError("the server counted no statement")
    return spent, milliseconds / 1000
