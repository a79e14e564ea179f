"""The lab's server is purged, and rebuilt from the off-site copy by the commands of docs/disaster.md."""

import shutil
import time

import pytest
from psycopg import sql

from lab import Lab, backups, ports
from lab.instance import SETTLED_S
from lab.postgres import DATABASE, SUPERUSER
from tests.harness import disaster

pytestmark = pytest.mark.lab

ROLES = ("metachat_app", "opsproof_backup", "opsproof_load", "opsproof_monitor")


@pytest.fixture
def server(tmp_path):
    """A live lab of its own."""
    lab = Lab(tmp_path / "lab", ports.free(), ports.free())
    lab.up()
    yield lab
    Lab(lab.home).down(purge=True)


def make_empty(lab):
    """Leaves what a newly installed server has: a cluster with its superuser, and the application, not started."""
    for name in ("meta-chat-api", "meta-chat-worker"):
        lab.pm2("delete", name)
    for log in lab.layout.logs.glob("*-error.log"):
        log.write_text("")
    with lab.server.connect(SUPERUSER, lab.passwords[SUPERUSER], "postgres") as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def inventory(lab, path):
    """The inventory of the lab; a loaded machine answers late."""
    limit = 'response_time = { must = "< 10s", source = "other tests load the machine" }'
    text = lab.inventory(path).read_text(encoding="utf-8")
    path.write_text(text.replace("[limits]\n", f"[limits]\n{limit}\n", 1), encoding="utf-8")
    return path


def values(lab, vault, tmp_path):
    """The variables of the document for the lab."""
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text("".join(f"*:*:*:{role}:{lab.passwords[role]}\n" for role in (SUPERUSER, *ROLES)))
    login = f"host=127.0.0.1 port={lab.postgres_port} user={SUPERUSER} dbname=postgres passfile={passwords}"
    (tmp_path / "psql").write_text(f'#!/bin/sh\nexec {lab.layout.bin}/psql -X -d "{login}" "$@"\n')
    (tmp_path / "psql").chmod(0o700)
    return {
        "OPSPROOF_INVENTORY": str(inventory(lab, tmp_path / "inventory.toml")),
        "BACKUP": backups.NAME,
        "FOLDER": str(lab.layout.backups),
        "VAULT": str(vault),
        "COPIES": str(tmp_path / "copies"),
        "PASSWORDS": str(passwords),
        "PSQL": str(tmp_path / "psql"),
        "APP": str(lab.layout.app),
    }


def test_purged_server_is_rebuilt_from_the_off_site_copy_alone(server, tmp_path, note):
    variables, *steps, last = disaster.blocks()
    with server.connect() as admin:
        admin.execute("UPDATE tenants SET name = 'before the fire' WHERE id = (SELECT min(id) FROM tenants)")
    backups.back_up(server)
    vault = tmp_path / "vault"
    shutil.copytree(server.layout.elsewhere, vault)
    server.down(purge=True)

    new = Lab(server.home, server.api_port, server.postgres_port)
    new.up()
    make_empty(new)
    said = values(new, vault, tmp_path)
    assert set(said) == disaster.names(variables)
    said |= {**new.env, "OPSPROOF_REPORTS": str(tmp_path / "reports")}
    began = time.monotonic()
    done = disaster.execute(steps, said)
    assert done.returncode == 0, done.stdout + done.stderr
    new.traffic(seconds=SETTLED_S, requests=5000)
    done = disaster.execute([last], said)
    assert done.returncode == 0, done.stdout + done.stderr
    note(f"rebuilt from the off-site copy in {time.monotonic() - began:.0f} s")
    with new.connect() as admin:
        assert admin.execute("SELECT count(*) FROM tenants WHERE name = 'before the fire'").fetchone() == (1,)
