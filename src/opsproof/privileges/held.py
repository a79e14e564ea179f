"""Compares the rights on a host with the files of an inventory: missing and superfluous rights."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.core.installation import rights_command
from opsproof.inventory.hosts import Host
from opsproof.postgres.client import DatabaseClient
from opsproof.postgres.connection import Result
from opsproof.postgres.quoting import identifier
from opsproof.privileges import servers, statements
from opsproof.privileges.files import PrivilegeFile
from opsproof.privileges.sudoers import SudoUser
from opsproof.round.gathering import submitted
from opsproof.transport import shell
from opsproof.transport.shell import Answer, argv

_LISTED = ("env", "LC_ALL=C", "sudo", "-n", "-ll")
_RULE = re.compile(r"^\w+ ALL = \((\S+)\) NOPASSWD: (\S.*)$", re.MULTILINE)
_ALIAS = re.compile(r"^Cmnd_Alias (\w+) = \\\n((?:    .*\n)+)", re.MULTILINE)
_SEPARATED = re.compile(r",(?: \\\n)? +")


@dataclass(frozen=True)
class Difference:
    """A right `missing`, `too much`, or `not visible` to the login; `mend` is the command, file or statement."""

    kind: str
    right: str
    mend: str = ""

    def __str__(self) -> str:
        """The difference as a line."""
        return f"{self.kind}: {self.right}" + (f": {self.mend}" if self.mend else "")


def compare(host: Host, who: SudoUser, files: Sequence[PrivilegeFile]) -> list[Difference]:
    """The differences between `files` and the rights on `host`; changes nothing.

    Raises:
        HostUnreachable: the host did not answer.
    """
    sshd = next((each for each in files if each.target == servers.SSHD), None)
    listing, installed = shell.run(host, (argv(*_LISTED), argv("cat", servers.SSHD)))
    found = [] if who.login == "root" else _sudo(listing, files)
    found += _sshd(installed, sshd) if sshd else []
    found += [each for name in host.databases for each in _database(host, name)]
    unseen = ["the user of RabbitMQ"] if host.broker else []
    unseen += [f"the user of Redis {name}" for name, each in host.caches.items() if each.netrc]
    return [
        *found,
        *(Difference("not visible", each, "run opsproof doctor, which logs in as this user") for each in unseen),
    ]


def _sudo(listing: Answer, files: Iterable[PrivilegeFile]) -> list[Difference]:
    wanted = {rule: file.name for file in files if file.name.endswith(".sudoers") for rule in rules_of(file.content)}
    granted = set(granted_in(listing.stdout)) if listing.status == 0 else set()
    missing = [rule for rule in wanted if rule not in granted]
    return [
        *(Difference("missing", f"sudo {_said(rule)}", f"install {wanted[rule]}") for rule in missing),
        *(Difference("too much", f"sudo {_said(rule)}") for rule in sorted(granted - wanted.keys())),
    ]


def _said(rule: tuple[str, str]) -> str:
    user, command = rule
    return f"-u {user} {command if len(command) < 200 else command[:80] + ' ... ' + command[-60:]}"


def rules_of(content: str) -> list[tuple[str, str]]:
    """The user and the command of each rule in a file made by this package."""
    aliases = {name: body.rstrip("\n") for name, body in _ALIAS.findall(content)}
    return [
        (user, _plain(command.strip()))
        for user, listed in _RULE.findall(content)
        for command in _SEPARATED.split(aliases.get(listed, listed).strip())
    ]


def granted_in(listing: str) -> list[tuple[str, str]]:
    """The user and the command of each entry of ``sudo -ll``; sudo wraps long lines at spaces."""
    found, users, in_commands = [], "root", False
    for line in listing.splitlines():
        if line.startswith("\t"):
            found.append((users, line.strip()))
        elif in_commands and line.startswith("        ") and found:
            found[-1] = (users, f"{found[-1][1]} {line.strip()}")
        elif line.startswith("    RunAsUsers: "):
            users = line.partition(": ")[2]
        in_commands = line.startswith(("\t", "    Commands:")) or (in_commands and line.startswith("        "))
    return [(user, _plain(command)) for user, command in found]


def _plain(command: str) -> str:
    return re.sub(r"\\([\\,:=#\"])", r"\1", command)


def _sshd(installed: Answer, file: PrivilegeFile) -> list[Difference]:
    if "Permission denied" in installed.stderr:
        return [Difference("not visible", servers.SSHD, f"sudo cat {servers.SSHD}")]
    if installed.status != 0:
        return [Difference("missing", servers.SSHD, f"install {file.name}")]
    if _settings(installed.stdout) != _settings(file.content):
        return [Difference("missing", f"{servers.SSHD} differs from this inventory", f"install {file.name}")]
    return []


def _settings(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _database(host: Host, name: str) -> list[Difference]:
    database = host.databases[name]
    if statements.monitor_of(database) in database.superusers:
        return []
    client = DatabaseClient()
    try:
        (result,) = submitted(host, database, [scripts.sql("privileges/held")], client)()
    finally:
        client.close()
    return of_role(result, name, statements.monitor_of(database))


def of_role(result: Result, name: str, role: str) -> list[Difference]:
    """The differences of the monitoring `role` in the database `name`, from the answer to held.sql."""
    try:
        ((monitors, sees_widths, sequences, attributes, roles, tables),) = result.require()
    except MeasurementError as error:
        return [Difference("not visible", f"the monitoring role of {name}", str(error))]
    lacking: Mapping[str, bool] = {
        "membership in pg_monitor": not monitors,
        "SELECT on columns of pg_statistic": not sees_widths,
        f"SELECT on sequences {', '.join(sequences[:3])}": bool(sequences),
    }
    who = identifier(role)
    spare = {each: f"ALTER ROLE {who} NO{each};" for each in attributes}
    spare |= {f"membership in {each}": f"REVOKE {each} FROM {who};" for each in roles}
    spare |= {f"a grant on {each}": f"REVOKE ALL ON {each} FROM {who};" for each in tables}
    return [
        *(
            Difference("missing", f"{name}: {right}", f"run the SQL of {rights_command('monitor.sql')}")
            for right, is_missing in lacking.items()
            if is_missing
        ),
        *(Difference("too much", f"{name}: {right}", statement) for right, statement in spare.items()),
    ]
