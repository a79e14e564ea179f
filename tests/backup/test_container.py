"""A server in a container: the same backup, by the client's programs that docker starts in it."""

from opsproof.backup import manifest

DOCKER = """\
#!/bin/sh
echo "$@" >> "{log}"
[ "$1 $2 $3" = "exec -i meta-chat-postgres" ] || exit 125
shift 3
export PGHOST=127.0.0.1 PGPORT={port} PGPASSFILE={passfile} PATH={bin}:$PATH
exec "$@"
"""


def test_everything_of_the_client_is_started_in_the_container(site, tmp_path):
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    passfile = site.layout.secrets / "pgpass-backup"
    text = DOCKER.format(log=log, port=site.server.port, passfile=passfile, bin=site.layout.bin)
    (tools / "docker").write_text(text)
    (tools / "docker").chmod(0o755)
    inventory = site.inventory()
    said = inventory.read_text().replace(f'path = ["{site.layout.bin}"]', f'path = ["{tools}"]')
    said = said.replace("[hosts.vps.backups", 'container = "meta-chat-postgres"\n[hosts.vps.backups')
    inventory.write_text(f"{said}[hosts.vps.containers]\nmeta-chat-postgres = {{}}\n")
    done = site.run("--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    assert site.flaws() == site.leftovers == []
    (name,) = site.sets
    assert manifest.read((site.folder / f"{name}.manifest.json").read_text()).tables["public", "chunks"] == 20000
    asked = log.read_text()
    for tool in ("psql", "pg_dump", "pg_dumpall", "pg_restore --list"):
        assert f"exec -i meta-chat-postgres {tool}" in asked
    assert "passfile" not in asked
    assert "host=127.0.0.1" not in asked
