"""Code that an unprivileged role plants wherever PostgreSQL may run it: each call leaves a line in the server's log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opsproof.postgres.dsn import SEARCH_PATH
from tests.harness.decoys import BASE, DATABASE, planted
from tests.restore.databases import Dumped

if TYPE_CHECKING:
    from tests.facts.clusters import Cluster

CALL = re.compile(r"LOG:  planted: (.*) as (\w+) of (\w+)$", re.MULTILINE)
CODE = """
CREATE FUNCTION decoy.leave() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN EXECUTE 'SET ROLE none'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
CREATE OR REPLACE FUNCTION decoy.ran(what text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM decoy.leave();
    RAISE LOG 'planted: % as % of %', what, current_user, session_user;
    RETURN what;
END $$;
CREATE FUNCTION decoy.ran(what text, value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN PERFORM decoy.ran(what); RETURN value; END $$;
CREATE FUNCTION decoy.fired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM decoy.ran('trigger'); RETURN coalesce(NEW, OLD); END $$;
CREATE FUNCTION decoy.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM decoy.ran('event trigger'); END $$;
"""
PLACES = """
CREATE DOMAIN decoy.checked AS int DEFAULT decoy.ran('domain default', 1)
    CHECK (decoy.ran('domain', VALUE) IS NOT NULL);
CREATE TYPE decoy.pair AS (x int, y decoy.checked);
CREATE TYPE decoy.mood AS ENUM ('good', 'bad');
CREATE FUNCTION decoy.cast(decoy.mood) RETURNS int LANGUAGE sql AS 'SELECT decoy.ran(''cast'', 1)';
CREATE CAST (decoy.mood AS int) WITH FUNCTION decoy.cast AS IMPLICIT;
CREATE TABLE public.planted (
    id int PRIMARY KEY, a int DEFAULT decoy.ran('default', 1), domain decoy.checked, pair decoy.pair, mood decoy.mood,
    at timestamptz DEFAULT now(), made int GENERATED ALWAYS AS (decoy.ran('generated column', id)) STORED,
    CHECK (decoy.ran('check constraint', 1) + decoy.ran('check', a) > 0)
);
INSERT INTO public.planted (id, a, domain, pair, mood) SELECT n, n, n, '(1,1)', 'good' FROM generate_series(1, 20) n;
CREATE INDEX planted_constant ON public.planted ((decoy.ran('index constant', 1) + a));
CREATE INDEX planted_expression ON public.planted (decoy.ran('index', a)) WHERE decoy.ran('predicate', 1) > 0;
CREATE STATISTICS public.planted_extended ON (decoy.ran('statistics', a)), (decoy.ran('statistics constant', 1) + a)
    FROM public.planted;
CREATE TRIGGER planted BEFORE INSERT OR UPDATE OR DELETE ON public.planted FOR EACH ROW EXECUTE FUNCTION decoy.fired();
CREATE TRIGGER planted_all BEFORE TRUNCATE ON public.planted EXECUTE FUNCTION decoy.fired();
CREATE RULE planted AS ON UPDATE TO public.planted WHERE OLD.id < 0 DO ALSO SELECT decoy.ran('rule');
CREATE VIEW public.planted_view AS SELECT decoy.ran('view'), * FROM public.planted;
CREATE MATERIALIZED VIEW public.planted_matview AS
    SELECT id, decoy.ran('materialized view', id) AS a FROM public.planted;
CREATE INDEX planted_of_matview ON public.planted_matview ((decoy.ran('index of materialized view', 1) + a));
ALTER TABLE public.planted ENABLE ROW LEVEL SECURITY; ALTER TABLE public.planted FORCE ROW LEVEL SECURITY;
CREATE POLICY planted ON public.planted USING (decoy.ran('policy', 1) > 0);
CREATE TABLE public.keyed (id int) PARTITION BY RANGE ((decoy.ran('partition key', id)));
CREATE TABLE public.keyed_1 PARTITION OF public.keyed FOR VALUES FROM (1) TO (9); INSERT INTO public.keyed VALUES (1);
ALTER TABLE public.parts ADD v int DEFAULT decoy.ran('default of partitions', 1);
ALTER TABLE public.parts ADD CHECK (decoy.ran('check of partitions', 1) > 0);
CREATE INDEX ON public.parts ((decoy.ran('index of partitions', 1) + v));
INSERT INTO public.parts VALUES ('2020-01-01');
ALTER TABLE public.parts_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY planted ON public.parts_default USING (decoy.ran('policy of partitions', 1) > 0);
CREATE TRIGGER planted BEFORE INSERT ON public.parts FOR EACH ROW EXECUTE FUNCTION decoy.fired();
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""
VECTORS = """
CREATE TABLE public.chunks (id int PRIMARY KEY, embedding public.vector(3), "tenantId" int);
INSERT INTO public.chunks SELECT n, ARRAY[random(), random(), random()]::public.vector, n % 3
    FROM generate_series(1, 2000) n;
CREATE INDEX chunks_embedding ON public.chunks USING ivfflat (embedding public.vector_cosine_ops) WITH (lists = 2);
CREATE INDEX chunks_constant ON public.chunks ((decoy.ran('index of vectors', 1) + id));
ALTER TABLE public.chunks ENABLE ROW LEVEL SECURITY;
CREATE POLICY planted ON public.chunks USING (decoy.ran('policy of vectors', 1) > 0);
"""
RECALL = Path(__file__).parents[2] / "docs" / "privileges" / "recall.sql"
LEAVING = ("DROP OWNED BY opsproof_recall", "DROP ROLE opsproof_recall")
EVENT = "CREATE EVENT TRIGGER planted ON ddl_command_start EXECUTE FUNCTION decoy.on_event()"
LOADER = "loader"
ROLES = f"""
CREATE ROLE dumper LOGIN BYPASSRLS PASSWORD '{{password}}' IN ROLE pg_read_all_data;
CREATE ROLE {LOADER} LOGIN PASSWORD '{{password}}';
"""


@contextmanager
def with_code(cluster: "Cluster", queries: str) -> Iterator[None]:
    """The database DATABASE with decoys for `queries`, and code in each place that a table's owner can choose."""
    with planted(cluster, queries):
        _as_planter(cluster, CODE + PLACES)
        cluster.run("GRANT planter, pg_signal_backend TO opsproof_maintain", EVENT, database=DATABASE)
        if _has_vector(cluster):
            cluster.run("CREATE EXTENSION vector SCHEMA public", database=DATABASE)
            _as_planter(cluster, VECTORS)
            cluster.run("DROP SCHEMA opsproof CASCADE", RECALL.read_text(), database=DATABASE)
        try:
            yield
        finally:
            cluster.run(
                "DROP EVENT TRIGGER IF EXISTS planted", *(LEAVING if _has_vector(cluster) else ()), database=DATABASE
            )


@contextmanager
def loadable(cluster: "Cluster", client: Path, folder: Path) -> Iterator[Dumped]:
    """A database of the planter of `with_code`, with code in each place; a role without rights loads its archives.

    `client` is the folder of the client programs.
    """
    database = Dumped(cluster, folder, name="planted", dumper="dumper", load_user=LOADER, client=client)
    database.sql(ROLES.format(password=cluster.password), database="postgres")
    try:
        database.sql("CREATE DATABASE planted OWNER planter", database="postgres")
        _as_planter(cluster, BASE + CODE + PLACES, database.name)
        yield database
    finally:
        database.drop()
        database.sql(f"DROP ROLE dumper, {LOADER}", database="postgres")


def _as_planter(cluster: "Cluster", statements: str, database: str = DATABASE) -> None:
    with cluster.server.connect("planter", "planter", database, options=SEARCH_PATH) as planter:
        planter.execute(statements.encode())


def _has_vector(cluster: "Cluster") -> bool:
    with cluster.connect() as admin:
        query = "SELECT FROM pg_available_extensions WHERE name = 'vector'"
        return admin.execute(query).fetchone() is not None


def calls(log: Path, start: int = 0) -> set[tuple[str, str, str]]:
    """The calls in a server's log from byte `start` on: the place, the current user and the session's user."""
    return set(CALL.findall(log.read_bytes()[start:].decode(errors="replace")))
