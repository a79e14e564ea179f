"""The command that ends an unknown verdict, by the reason in its sentence."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsproof.core.errors import OpsproofError
from opsproof.core.installation import program
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database, userinfo
from opsproof.postgres.quoting import identifier, literal
from opsproof.privileges.statements import monitor_of
from opsproof.round.clients import line
from opsproof.round.target import Target

PACKAGES = {
    "perl": "perl",
    "curl": "curl",
    "find": "findutils",
    "gzip": "gzip",
    "zstd": "zstd",
    "chronyc": "chrony",
    "timedatectl": "systemd",
    "systemctl": "systemd",
    "sudo": "sudo",
    "ss": "iproute2",
    "docker": "docker.io",
    "pgbackrest": "pgbackrest",
    "pg_restore": "postgresql-client",
    "psql": "postgresql-client",
}
"""Debian's package of each program."""
AGAIN = "nothing to mend: the measurement needs an earlier run, or more traffic: run the round again later"
BY_HAND = "correct the inventory or the host as the message says, then run opsproof doctor again"


@dataclass(frozen=True)
class Patient:
    """A host, the inventory's path, and the name of the resource of a check."""

    host: Host
    inventory: str
    resource: str = ""

    @property
    def database(self) -> tuple[str, Database] | None:
        """The database that the resource is, or belongs to, with its name; else the only database of the host."""
        host = self.host
        owners = [
            *(each.database for key, each in host.partitioned.items() if key == self.resource),
            *(each.database for key, each in host.vector_indexes.items() if key == self.resource),
            *(each.database for key, each in host.backups.items() if key == self.resource),
        ]
        name = owners[0] if owners else self.resource
        if name not in host.databases and len(host.databases) == 1:
            (name,) = host.databases
        return (name, host.databases[name]) if name in host.databases else None

    def opsproof(self, *words: str) -> str:
        """A command line of opsproof for the host."""
        return shlex.join(
            [*program(), words[0], f"--inventory={self.inventory}", f"--host={self.host.name}", *words[1:]]
        )

    def here(self, command: str) -> str:
        """A command on the host, with the name of the host unless opsproof runs there."""
        return command if self.host.transport == "local://" else f"on {self.host.name}: {command}"


def mend(patient: Patient, sentence: str) -> str:
    """The command for the reason in `sentence`; a person must decide where no command is known."""
    for pattern, command in _MENDING:
        if (found := re.search(pattern, sentence)) and (said := command(patient, found)):
            return said
    return BY_HAND


def psql(patient: Patient, *words: str, script: str = "") -> str:
    """Psql as a superuser; with `script`, fed by the file of that name that `opsproof privileges` makes."""
    if patient.database is None:
        return ""
    name, database = patient.database
    command = line(Target(patient.host, name, database), ["psql", "-X", *words])
    if not script:
        return command.removeprefix(f"on {patient.host.name}: ") if patient.host.transport == "local://" else command
    file = script if len(patient.host.databases) == 1 else script.replace(".sql", f"-{name}.sql")
    shown = patient.opsproof("privileges", f"--show={file}")
    place = f"on {patient.host.name}: "
    if command.startswith(place) and patient.host.transport != "local://":
        return f"{shown} > {file}; {command} < {file}"
    return f"{shown} | {command.removeprefix(place)}"


def _script(patient: Patient, found: re.Match[str]) -> str:
    del found
    return psql(patient, "-v", "ON_ERROR_STOP=1", script="monitor.sql")


def _recall(patient: Patient, found: re.Match[str]) -> str:
    del found
    return psql(patient, "-v", "ON_ERROR_STOP=1", script="recall.sql")


def _extension(patient: Patient, found: re.Match[str]) -> str:
    return psql(patient, "-c", f"CREATE EXTENSION IF NOT EXISTS {identifier(found['extension'])}")


def _preload(patient: Patient, found: re.Match[str]) -> str:
    alter = preload(patient, [found["extension"]])
    return alter and f"{alter}; add the libraries that SHOW shared_preload_libraries lists"


def preload(patient: Patient, libraries: Sequence[str]) -> str:
    """The statement that has the server load `libraries` at its next start."""
    values = ", ".join(map(literal, libraries))
    alter = psql(patient, "-c", f"ALTER SYSTEM SET shared_preload_libraries = {values}")
    return alter and f"{alter}  # then restart the server"


def _password(patient: Patient, found: re.Match[str]) -> str:
    del found
    if patient.database is None:
        return ""
    _, database = patient.database
    try:
        prompt = psql(patient, "-c", f"\\password {identifier(monitor_of(database))}")
    except OpsproofError:
        return ""
    file = f"; then write the password to {database.password_file}" if database.password_file else ""
    return f"{prompt}{file}"


def _variable(patient: Patient, found: re.Match[str]) -> str:
    del patient
    return f"read -rs {found['name']} && export {found['name']}"


def _package(patient: Patient, found: re.Match[str]) -> str:
    tool = found["tool"].rpartition("/")[2]
    return patient.here(f"sudo apt-get install {PACKAGES[tool]}") if tool in PACKAGES else ""


def _bus(patient: Patient, found: re.Match[str]) -> str:
    """Who is not root reaches systemd only by D-Bus; a user manager runs only with a login, or lingering."""
    del found
    unit = patient.host.units.get(patient.resource)
    if unit is not None and unit.manager == "user":
        return patient.here(f"sudo loginctl enable-linger {unit.run_as or _user(patient) or '$USER'}")
    return patient.here("sudo apt-get install dbus  # if systemd runs; else remove the tables systemd and units")


def _user(patient: Patient) -> str:
    return userinfo(patient.host.transport).partition(":")[0]


def _rights(patient: Patient, found: re.Match[str]) -> str:
    del found
    write = patient.opsproof("privileges", "--into=rights")
    return f"{write}; {patient.here('install the files for sudo, as install.sh in rights/' + patient.host.name)}"


def _login(patient: Patient) -> str:
    """The ssh destination of the transport."""
    place = patient.host.transport.partition("://")[2].partition("?")[0]
    user, server = userinfo(patient.host.transport), place.rpartition("@")[2]
    name, _, port = server.partition(":")
    return " ".join([*(["-p", port] if port else []), f"{user}@{name}" if user else name])


def _host_key(patient: Patient, found: re.Match[str]) -> str:
    del found
    return (
        f"ssh {_login(patient)} true  # compare the fingerprint with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    )


def _key(patient: Patient, found: re.Match[str]) -> str:
    del found
    return f"ssh-copy-id {_login(patient)}"


def _name(patient: Patient, found: re.Match[str]) -> str:
    place = f"`transport` of {patient.host.name} in {patient.inventory}" if patient.inventory else "the name"
    return f"correct {place}, or add the name {found['name']} to DNS"


def _server(patient: Patient, found: re.Match[str]) -> str:
    del found
    return f"ssh -v {_login(patient)} true  # on the host: systemctl status ssh; ss -ltn; the firewall"


def _forwarding(patient: Patient, found: re.Match[str]) -> str:
    del found
    show = patient.opsproof("privileges", "--show=opsproof.sshd.conf")
    return f"{show} > opsproof.sshd.conf; install it on {patient.host.name}, then systemctl reload ssh"


def _stopped(patient: Patient, found: re.Match[str]) -> str:
    del found
    return line(Target(patient.host, *patient.database), ["server"]) if patient.database else ""


def _limit(patient: Patient, found: re.Match[str]) -> str:
    return f'add {found["metric"]} = {{ must = "...", source = "..." }} under [limits] in {patient.inventory}'


def _young(patient: Patient, found: re.Match[str]) -> str:
    del found
    place = f"logs.{patient.resource} of {patient.host.name} in {patient.inventory}"
    return f"if the log is new, declare since under {place}, until the lines reach back far enough"


def _format(patient: Patient, found: re.Match[str]) -> str:
    del found
    place = f"logs.{patient.resource} of {patient.host.name} in {patient.inventory}"
    return f"declare another format under {place}: see the line 'format of log {patient.resource}'"


def _earlier(patient: Patient, found: re.Match[str]) -> str:
    del patient, found
    return AGAIN


_TOOLS = "|".join(PACKAGES)
_EXTENSIONS = "pgstattuple|pg_stat_statements|vector|amcheck"
_MENDING: tuple[tuple[str, Callable[[Patient, re.Match[str]], str]], ...] = (
    (r"Could not resolve hostname (?P<name>[^:\s]+)", _name),
    (r"Host key verification failed|host key is known|REMOTE HOST IDENTIFICATION", _host_key),
    (r"Permission denied \((?:publickey|gssapi|keyboard|password)", _key),
    (r"ssh: connect to host|Connection (?:closed|reset|timed out)|no answer from ssh://", _server),
    (r"open failed: connect failed", _stopped),
    (r"administratively prohibited|open failed|the tunnel cannot be opened", _forwarding),
    (r"recall\.sql", _recall),
    (r"(?P<extension>pg_stat_statements|pgstattuple) must be loaded", _preload),
    (rf"(?:extension |CREATE EXTENSION )\"?(?P<extension>{_EXTENSIONS})\b", _extension),
    (rf"\b(?P<extension>{_EXTENSIONS})\b[^:]* (?:does not exist|is not installed)", _extension),
    (r"monitor\.sql|pg_monitor|insufficient.privilege|permission denied for|role \"[^\"]*\" does not exist", _script),
    (r"password authentication failed|no password supplied|password file|\.pgpass", _password),
    (r"connection to server .* failed: Connection refused|connection refused", _stopped),
    (r"environment variable (?P<name>\w+) is not set", _variable),
    (r"Failed to connect to (?:user scope )?bus|not been booted with systemd", _bus),
    (r"sudo:|a password is required|not allowed to execute|may not run sudo", _rights),
    (rf"\b(?P<tool>{_TOOLS})\b(?:[^:]*|:(?: command)?) not found", _package),
    (r"limits\.(?P<metric>\w+) is not declared", _limit),
    (r"lines reach back .* needed", _young),
    (r"unread lines|no dated line", _format),
    (r"earlier run|no run recorded|recorded run|too short|since the last (?:run|reset)", _earlier),
)
"""For each reason, the first match decides."""
