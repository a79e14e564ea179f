"""Backup of a server in a container, by client programs started with docker exec."""

import pytest

from opsproof.backup_store import manifest

DOCKER = """\
#!/bin/sh
echo "$@" >> "{log}"
[ "$1 $2 $3" = "exec -i meta-chat-postgres" ] || exit 125
shift 3
export PGHOST=127.0.0.1 PGPORT={port} PGPASSFILE={passfile} PATH={bin}:$PATH
"""
UNCHANGED = 'exec "$@"'
TRUNCATING = """\
case "$*" in
    *--snapshot*) "$@" | head -c 9000000 ;;
    *) exec "$@" ;;
esac
"""


@pytest.fixture
def log(tmp_path):
    """Log of the docker command lines."""
    return tmp_path / "log"


@pytest.fixture
def contained(site, log, tmp_path):
    """An inventory with a container, and a fake docker that runs the commands on this machine."""

    def inventory(script):
        tools = tmp_path / "tools"
        tools.mkdir()
        passfile = site.layout.secrets / "pgpass-backup"
        head = DOCKER.format(log=log, port=site.server.port, passfile=passfile, bin=site.layout.bin)
        (tools / "docker").write_text(head + script)
        (tools / "docker").chmod(0o755)
        path = site.inventory()
        said = path.read_text().replace(f'path = ["{site.layout.bin}"]', f'path = ["{tools}"]')
        said = said.replace("[hosts.vps.backups", 'container = "meta-chat-postgres"\n[hosts.vps.backups')
        path.write_text(f"{said}[hosts.vps.containers]\nmeta-chat-postgres = {{}}\n")
        return path

    return inventory


def test_all_client_programs_run_in_the_container(site, contained, log):
    done = site.run("--apply", inventory=contained(UNCHANGED))
    assert (done.returncode, done.stderr) == (0, "")
    assert site.flaws() == site.leftovers == []
    (name,) = site.sets
    assert manifest.read((site.folder / f"{name}.manifest.json").read_text()).tables["public", "chunks"] == 20000
    asked = log.read_text()
    for tool in ("psql", "pg_dump", "pg_dumpall", "pg_restore --list"):
        assert f"exec -i meta-chat-postgres {tool}" in asked
    assert "passfile" not in asked
    assert "host=127.0.0.1" not in asked


def test_archive_truncated_by_docker_is_no_backup(site, contained):
    done = site.run("--apply", inventory=contained(TRUNCATING))
    assert done.returncode == 4
    assert "the end of the archive was lost on the way out of the container" in done.stderr
    assert site.sets == site.leftovers == []
