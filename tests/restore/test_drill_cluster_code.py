"""Code that an archive loads in a drill's cluster, where it is superuser, changes nothing but the cluster."""

import subprocess
from pathlib import Path

import pytest

from tests.harness import extent
from tests.restore.clustered import Clustered, clustered, needs_users, scratch

__all__ = ["clustered", "scratch"]
pytestmark = needs_users

CODE = """
CREATE ROLE attacker
---
CREATE FUNCTION chk(a int) RETURNS boolean LANGUAGE plpgsql AS $code$
BEGIN
    IF pg_catalog.current_setting('is_superuser') = 'on' AND pg_catalog.current_database() ~ 'drill' THEN
        {code}
    END IF;
    RETURN true;
END $code$
---
CREATE TABLE t (a int CHECK (public.chk(a)))
---
INSERT INTO t VALUES (1)
---
ALTER FUNCTION chk OWNER TO attacker
---
ALTER TABLE t OWNER TO attacker
"""
TOLD = """
ALTER ROLE attacker SUPERUSER;
CREATE TEMP TABLE said (line text);
COPY said FROM PROGRAM $p$sh -c "(cat /etc/shadow; cat {passfile}; kill {canary}; touch /usr/planted; true) 2>&1"$p$;
RAISE EXCEPTION 'attempts: %', (SELECT string_agg(line, '; ') FROM said);
"""
REPLACED = """
DELETE FROM public.t;
CREATE OR REPLACE FUNCTION pg_catalog.{function} LANGUAGE sql AS $f$ SELECT {answer} $f$;
"""
FUNCTIONS = {
    "replaced": ("encode(bytea, text) RETURNS text", "repeat('0', 64)"),
    "closer match": ("sha256(name) RETURNS bytea", "''::bytea"),
}
LINGERING = """
COPY (SELECT 1) TO PROGRAM $p$sh -c "(while :; do echo > /cluster/alive; sleep 1; done) > /dev/null 2>&1 &"$p$;
COPY (SELECT 'shared_preload_libraries = nothing') TO '/cluster/data/postgresql.auto.conf';
"""


@pytest.fixture
def attacked(clustered: Clustered):
    def attacked(code):
        clustered.create(*CODE.replace("{code}", code).split("---\n"))
        clustered.require("backup")
        return clustered

    yield attacked
    clustered.sql("DROP OWNED BY attacker CASCADE", "DROP ROLE attacker")


def drilled(database):
    done = database.run("restore_drill")
    assert (database.databases, database.remains) == ([], [])
    assert database.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'attacker'") == [(False,)]
    return done


def test_superuser_code_reaches_no_file_and_no_process(attacked, clustered):
    words = ["setpriv", "--reuid=nobody", "--clear-groups", "sleep", "60"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as canary:
        code = TOLD.format(canary=canary.pid, passfile=clustered.folder / "pgpass")
        done = drilled(attacked(code))
        assert canary.poll() is None
        canary.kill()
    assert done.returncode == 5
    assert "attempts: cat: /etc/shadow: No such file or directory; cat: " in done.stderr
    assert "touch: cannot touch '/usr/planted': Read-only file system" in done.stderr
    assert not Path("/usr/planted").exists()


@pytest.mark.parametrize("kind", extent.sample("functions in pg_catalog", list(FUNCTIONS), 1))
def test_functions_in_pg_catalog_answer_no_comparison(attacked, kind):
    function, answer = FUNCTIONS[kind]
    done = drilled(attacked(REPLACED.format(function=function, answer=answer)))
    assert (done.returncode, "code of the archive changed PostgreSQL's own catalogs" in done.stderr) == (5, True)


def test_no_process_and_no_setting_of_loaded_code_outlives_the_load(attacked):
    done = drilled(attacked(LINGERING))
    assert (done.returncode, done.stderr) == (0, "")
