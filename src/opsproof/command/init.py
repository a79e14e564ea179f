"""`opsproof init HOST`: looks at a host and writes a first inventory."""

import argparse
import sys
from pathlib import Path

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.hosts import ended
from opsproof.core.errors import DatabaseError, HostUnreachable, InventoryError, Refused
from opsproof.core.installation import FOLDER
from opsproof.discovery import toml, writing
from opsproof.discovery.exploring import explore
from opsproof.discovery.sight import Sight
from opsproof.doctor.mending import BY_HAND, Patient, mend
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import INSTALLED
from opsproof.inventory.resources import Database
from opsproof.postgres.dsn import parsed

_EXAMPLES = """\
opsproof init local://
opsproof init ssh://ops@vps-00 --into=inventory/vps-00.toml
opsproof init ssh://ops@vps-00 --dsn="host=127.0.0.1 dbname=shop user=opsproof_monitor\""""
_SUMMARY = """\
Looks at a host with fixed commands that only read, and prints a commented inventory, or writes it to a new file: PM2,
logs, mounts, containers, listening ports, health checks, Redis, RabbitMQ, backups, and for each --dsn the partitioned
tables and vector indexes. Sends GET requests to the listening ports. It lists what the login may not see. Exit status:
0 done, 2 usage, 3 the file exists, 6 the host does not answer."""


def parser() -> ActionParser:
    """The options of `opsproof init`."""
    made = options.parser("init", _SUMMARY, _EXAMPLES)
    made.add_argument("transport", metavar="HOST", help="ssh://user@host, or local://")
    made.add_argument("--dsn", action="append", default=[], help="a database as seen from the host; may be repeated")
    made.add_argument("--password-file", metavar="FILE", help="file on the host with the password of each --dsn")
    made.add_argument(
        "--extends", type="path", metavar="FILE", help="inventory with limits (default: a copy of opsproof's)"
    )
    made.add_argument("--into", type="path", metavar="FILE", help="write a new file")
    return made


def run(words: list[str]) -> int:
    """Prints or writes the inventory."""
    given = parser().parse_args(words)
    return ended(lambda: _looked(given))


def _looked(given: argparse.Namespace) -> int:
    into: Path | None = given.into
    if into and into.exists():
        raise Refused(f"{into} exists: choose another file")
    if given.password_file and not given.dsn:
        raise InventoryError("--password-file needs a --dsn: add the option")
    if given.password_file and not given.transport.startswith("ssh://"):
        raise InventoryError("--password-file needs an ssh host: add passfile=FILE to the --dsn instead")
    databases = [_database(each, given.password_file or "") for each in given.dsn]
    limits = _limits(given.extends, into)
    name, sight = _explored(_host(given.transport), databases)
    text = writing.inventory(name, given.transport, limits, sight)
    if into is None:
        sys.stdout.write(text)
        return 0
    try:
        with into.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Refused(f"{into}: {(error.strerror or str(error)).lower()}") from error
    sys.stdout.write(f"{into}: read it, then run opsproof doctor --inventory={into}\n")
    return 0


def _explored(host: Host, databases: list[Database]) -> tuple[str, Sight]:
    try:
        return explore(host, databases)
    except HostUnreachable as error:
        command = mend(Patient(host, ""), str(error))
        raise HostUnreachable(str(error) if command == BY_HAND else f"{error}: {command}") from error


def _limits(extends: Path | None, into: Path | None) -> str:
    own = str(extends or "").startswith(INSTALLED)
    if extends and not own and not (Path(into.parent if into else ".") / extends).is_file():
        raise InventoryError(f"--extends: no file {extends} beside the new inventory: give a relative or a whole path")
    shipped = (FOLDER / "inventory" / "metachat.toml").read_text(encoding="utf-8")
    return f"extends = {toml.text(str(extends))}" if extends else writing.limits_in(shipped)


def _host(transport: str) -> Host:
    try:
        return Host(transport=transport).placed("host", ())
    except ValueError as error:
        raise InventoryError(f"{transport!r} is no host: write ssh://user@host or local://") from error


def _database(dsn: str, password_file: str) -> Database:
    try:
        database = Database(dsn=dsn, password_file=password_file)
        parsed(dsn)
    except DatabaseError as error:
        raise InventoryError(f"--dsn: {error}: write host=... port=... dbname=... user=...") from error
    except ValueError as error:
        raise InventoryError("the dsn contains a password: use a passfile in the dsn") from error
    return database
