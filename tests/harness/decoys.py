"""A database in which an unprivileged role has planted code for whoever queries with a default search path."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opsproof.postgres.dsn import SEARCH_PATH, as_role

if TYPE_CHECKING:
    from tests.facts.clusters import Cluster

DATABASE = "decoyed"
PLANTED = "decoy ran: "
"""How the error of a decoy begins that runs in a read-only transaction; in others, a decoy writes into decoy.calls."""
ONE = (
    "text",
    "name",
    "int4",
    "int8",
    "oid",
    "float8",
    "numeric",
    "bool",
    "regclass",
    "timestamptz",
    "interval",
    "jsonb",
)
TWO = ("text", "name", "int4", "oid", "float8", "numeric")
SCHEMAS = ("public", "opsproof_monitor", "opsproof_maintain")
"""The schemas of the default search path of both roles."""
AS_SUPERUSER = """
CREATE ROLE opsproof_maintain LOGIN PASSWORD 'maintain' IN ROLE opsproof_monitor;
CREATE ROLE planter LOGIN PASSWORD 'planter' NOSUPERUSER NOCREATEROLE NOBYPASSRLS;
"""
GRANTED = (
    "GRANT CREATE ON DATABASE decoyed TO planter; GRANT ALL ON SCHEMA public TO planter; DROP SCHEMA IF EXISTS opsproof"
)
BASE = """
CREATE SCHEMA decoy;
CREATE TABLE decoy.calls (what text, who text);
CREATE FUNCTION decoy.ran(what text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_setting('transaction_read_only') = 'on' THEN
        RAISE EXCEPTION 'decoy ran: % as %', what, current_user;
    END IF;
    INSERT INTO decoy.calls VALUES (what, concat(current_user, '/', session_user));
    RETURN what;
END $$;
GRANT USAGE ON SCHEMA decoy TO PUBLIC; GRANT INSERT ON decoy.calls TO PUBLIC;
CREATE SCHEMA opsproof_monitor; CREATE SCHEMA opsproof_maintain; CREATE SCHEMA opsproof;
GRANT USAGE ON SCHEMA opsproof, opsproof_monitor, opsproof_maintain TO PUBLIC;
CREATE FUNCTION opsproof.vector_recall(text, text, text, text, text, int, text, text, text, int, float8) RETURNS jsonb
    LANGUAGE plpgsql AS $$ BEGIN PERFORM decoy.ran('vector_recall'); RETURN NULL; END $$;
CREATE VIEW public.pg_stat_statements AS SELECT decoy.ran('view') AS queryid, 1 AS calls, 1.0 AS total_exec_time,
    1.0 AS max_exec_time, 'x' AS query, 1::oid AS userid, 1::oid AS dbid;
CREATE VIEW public.pg_stat_statements_info AS SELECT decoy.ran('view') AS dealloc, now() AS stats_reset;
GRANT SELECT ON public.pg_stat_statements, public.pg_stat_statements_info TO PUBLIC;
CREATE TABLE public.t (id serial PRIMARY KEY, a text);
CREATE INDEX t_a ON public.t (a); CREATE INDEX t_a_again ON public.t (a);
INSERT INTO public.t SELECT n, md5(n::text) FROM generate_series(1, 30000) n;
ANALYZE public.t; DELETE FROM public.t WHERE id % 2 = 0;
CREATE TABLE public.parts (at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE public.parts_default PARTITION OF public.parts DEFAULT;
CREATE TABLE public.parts_2026_01 PARTITION OF public.parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
GRANT SELECT ON public.parts_default, public.t TO PUBLIC;
"""
FUNCTIONS = """
DO $plant$
DECLARE
    signature text;
    called record;
    home text;
BEGIN
    SET LOCAL check_function_bodies = off;
    FOR home, signature IN SELECT h, s FROM unnest(%(schemas)s::text[]) h, LATERAL (
            SELECT a AS s FROM unnest(%(one)s::text[]) a WHERE h = 'public' OR a IN ('name', 'oid')
            UNION ALL SELECT a || ', ' || b FROM unnest(%(two)s::text[]) a, unnest(%(two)s::text[]) b WHERE h = 'public'
            UNION ALL SELECT 'text, VARIADIC name[]') t LOOP
        FOR called IN SELECT p.proname, min(CASE WHEN prorettype::regtype::text ~ '^any|^record|^internal|^pg_|^trigger'
                                            THEN 'text' ELSE format_type(prorettype, NULL) END) AS type
                        FROM pg_catalog.pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace
                         AND proname = ANY (%(names)s::text[]) GROUP BY 1 LOOP
            EXECUTE format('CREATE FUNCTION %%I.%%I(%%s) RETURNS %%s LANGUAGE plpgsql AS %%L', home, called.proname,
                           signature, called.type,
                           format('BEGIN PERFORM decoy.ran(%%L); RETURN NULL; END', called.proname));
        END LOOP;
    END LOOP;
END $plant$
"""
OPERATORS = """
DO $plant$
DECLARE
    pair record;
    called text;
    home text;
BEGIN
    SET LOCAL check_function_bodies = off;
    FOR home IN SELECT unnest(%(schemas)s::text[]) LOOP
        FOR pair IN SELECT a AS le, b AS ri FROM unnest(%(two)s::text[]) a, unnest(%(two)s::text[]) b LOOP
            EXECUTE format('CREATE FUNCTION %%I.decoyed(%%s, %%s) RETURNS bool LANGUAGE plpgsql AS %%L', home,
                           pair.le, pair.ri,
                           format('BEGIN PERFORM decoy.ran(%%L); RETURN NULL; END', 'operator'));
            FOREACH called IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '||', '~', '!~', '~*', '!~*', '-', '+', '*',
                                          '/'] LOOP
                EXECUTE format('CREATE OPERATOR %%I.%%s (FUNCTION = %%I.decoyed, LEFTARG = %%s, RIGHTARG = %%s)',
                               home, called, home, pair.le, pair.ri);
            END LOOP;
        END LOOP;
    END LOOP;
END $plant$
"""


@contextmanager
def planted(cluster: "Cluster", queries: str) -> Iterator[None]:
    """The database DATABASE on a cluster, with decoys for every name of pg_catalog in `queries`."""
    names = sorted(set(re.findall(r"\b([a-z]\w*)\(", queries)))
    cluster.run(f"CREATE DATABASE {DATABASE} TEMPLATE facts", *AS_SUPERUSER.strip().splitlines(), database="postgres")
    try:
        cluster.run(*GRANTED.split("; "), database=DATABASE)
        with cluster.server.connect("planter", "planter", DATABASE, options=SEARCH_PATH) as planter:
            planter.execute(BASE.encode())
            _plant(planter, FUNCTIONS, names)
            _plant(planter, OPERATORS, names)
        yield
    finally:
        cluster.run(
            f"DROP DATABASE {DATABASE} WITH (FORCE)",
            "DROP ROLE planter",
            "DROP ROLE opsproof_maintain",
            database="postgres",
        )


def _plant(planter, statement, names):
    """Types and names are constants of this module, or names of functions."""
    values = {"schemas": SCHEMAS, "one": ONE, "two": TWO, "names": names}
    texts = {name: "'{" + ",".join(each) + "}'" for name, each in values.items()}
    planter.execute((statement % texts).encode())


def psql(cluster: "Cluster", script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs a script as the maintenance role, with the connection string of a maintenance session."""
    dsn = f"host=127.0.0.1 port={cluster.server.port} dbname={DATABASE}"
    words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    target = as_role(dsn, "opsproof_maintain", inside=False)
    return subprocess.run(
        ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", *words, "-d", target],
        input=script,
        env={**os.environ, "PGPASSWORD": "maintain"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
