"""A server in a container: psql runs inside, and builds use the container's resources."""

import shutil
import subprocess

import pytest

from tests.maintenance.conftest import ROOT

DOCKER = """\
#!/bin/sh
echo "$@" >> "{log}"
[ "$1 $2 $3" = "exec -i meta-chat-postgres" ] || exit 125
shift 3
case "$1 $5" in
    "df /dev/shm") printf 'Avail\\n67108864\\n'; exit ;;
    "cat "*) echo 2147483648; exit ;;
esac
export PGHOST=127.0.0.1 PGPORT={port} PGPASSFILE={passfile} PATH={bin}:$PATH
exec "$@"
"""


@pytest.fixture
def contained(place, tmp_path):
    passfile = place.layout.secrets / "pgpass-metachat"
    script = DOCKER.format(log=tmp_path / "log", port=place.server.port, passfile=passfile, bin=place.layout.bin)
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    place.path = [str(tmp_path)]
    place.database = 'container = "meta-chat-postgres"\n'
    place.more = "[hosts.vps.containers]\nmeta-chat-postgres = {}\n"
    return place


def test_all_commands_run_in_container(contained, table, tmp_path):
    contained.sql("CREATE INDEX graph ON t.rows USING hnsw (embedding vector_l2_ops) WITH (m = 4, ef_construction = 8)")
    said = contained.do("reindex", "--index", "t.graph")
    assert "268.4 MB of memory, 0 workers" in said
    contained.sql("ALTER ROLE metachat SET log_statement = 'all'")
    contained.do("vacuum", "--table", table)
    contained.sql("ALTER ROLE metachat RESET log_statement")
    assert 'VACUUM (ANALYZE, PARALLEL 0) "t"."rows"' in contained.server.log.read_text()
    asked = (tmp_path / "log").read_text()
    assert "exec -i meta-chat-postgres psql" in asked
    assert "cat /sys/fs/cgroup/memory.max" in asked
    assert "passfile" not in asked
    assert "host=127.0.0.1" not in asked


@pytest.mark.skipif(shutil.which("visudo") is None, reason="not installed: visudo")
def test_the_shipped_sudoers_file_is_valid():
    path = ROOT / "docs" / "privileges" / "opsproof-maintain.sudoers"
    subprocess.run(["visudo", "--check", "--quiet", f"--file={path}"], check=True)
