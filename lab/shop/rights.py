"""The shop's databases, and the rights of opsproof's login: exactly those that `opsproof privileges` writes."""

import json
import os
import secrets
from pathlib import Path

from lab import credentials, ssh
from lab.layout import SOURCE
from lab.shop.layout import CLUSTERS, ShopLayout
from lab.shop.machine import Machine

ROLES = ("opsproof_monitor", "opsproof_maintain")
FOLDER = "/home/ops/.opsproof"
EXTENSIONS = "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple; CREATE EXTENSION amcheck"


def passwords(layout: ShopLayout) -> dict[str, str]:
    """The passwords by role, generated on the first call."""
    path = layout.secrets / "secrets.json"
    if not path.exists():
        credentials.write_private(path, json.dumps({role: secrets.token_hex(16) for role in ROLES}))
    found: dict[str, str] = json.loads(path.read_text())
    return found


def put_keys(layout: ShopLayout, machine: Machine) -> None:
    """Writes the server's key, the login's key and the password files of the login, into the system that is off."""
    root = machine.root
    owner = (root / "home/ops").stat()
    known = passwords(layout)
    login = [f"127.0.0.1:*:*:{role}:{known[role]}\n" for role in ROLES]
    monitor = f"{known['opsproof_monitor']}\n"
    texts = {f"{FOLDER}/{database}": monitor for database in CLUSTERS} | {
        f"{FOLDER}/pgpass": "".join(login),
        "/home/ops/.ssh/authorized_keys": f"{ssh.public(layout.ssh, ssh.CLIENT)}\n",
        f"/etc/ssh/{ssh.SERVER}": ssh.private(layout.ssh, ssh.SERVER),
    }
    for name, text in texts.items():
        path = root / name.lstrip("/")
        credentials.write_private(path, text)
        if name.startswith("/home/"):
            os.chown(path, owner.st_uid, owner.st_gid)


def make_databases(machine: Machine) -> None:
    """Makes the tables of both databases, owned by the application's role."""
    for database, (_, port) in CLUSTERS.items():
        psql = ("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-p", str(port), "-d")
        for words in ("CREATE ROLE shop LOGIN", f"CREATE DATABASE {database} OWNER shop"):
            machine.run(*psql, "postgres", "-c", words, user="postgres")
        machine.run(*psql, database, "-c", EXTENSIONS, user="postgres")
        machine.run(*psql, database, user="shop", text=(SOURCE / "shop" / f"{database}.sql").read_text())
        machine.run(*psql, database, "-c", "VACUUM ANALYZE", user="postgres")


def install(layout: ShopLayout, machine: Machine, files: Path) -> None:
    """Installs the files of `opsproof privileges` as an administrator would, and sets the passwords of the roles."""
    target = machine.root / "root/rights"
    target.mkdir()
    for path in files.iterdir():
        text = path.read_text()
        if path.name == "install.sh":  # \\password would ask at the terminal
            text = "".join(line for line in text.splitlines(keepends=True) if "\\password" not in line)
        (target / path.name).write_text(text)
    machine.run("env", "-C", "/root/rights", "sh", "install.sh")
    known = passwords(layout)
    for database, (_, port) in CLUSTERS.items():
        statements = [f"ALTER ROLE {role} PASSWORD '{known[role]}';" for role in ROLES]
        text = "".join([*statements, "GRANT shop TO opsproof_maintain;"])
        machine.run("psql", "-qX", "-p", str(port), "-d", database, user="postgres", text=text)
