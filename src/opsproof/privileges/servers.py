"""Rights besides sudo and SQL: the ssh server, RabbitMQ, Redis, and the files with passwords."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from shlex import quote

from opsproof.inventory.hosts import Host
from opsproof.postgres import dsn
from opsproof.privileges.files import PrivilegeFile
from opsproof.round.clients import line
from opsproof.round.target import Target

USER = "opsproof"
"""The user of RabbitMQ and Redis; the netrc files name the same user."""
ACCESS = "resetkeys resetchannels -@all +ping +info"
SSHD = "/etc/ssh/sshd_config.d/opsproof.sshd.conf"
_SSHD = """\
# ssh rights of opsproof's login on {host}: commands{tunnel}. For OpenSSH 8.4 and newer.
#
#   install --owner=root --group=root --mode=0644 opsproof.sshd.conf /etc/ssh/sshd_config.d/
#   sshd -t && systemctl reload ssh
Match User {login}
    AuthenticationMethods publickey
{forwarding}    AllowAgentForwarding no
    X11Forwarding no
    PermitTunnel no
    PermitTTY no
"""
_RELOAD = (
    f"install --owner=root --group=root --mode=0644 opsproof.sshd.conf {SSHD}",
    "sshd -t && systemctl reload ssh",
)


def sshd(host: Host, login: str) -> list[PrivilegeFile]:
    """The file for the ssh server: tunnels only to the databases of the inventory; none without ssh."""
    if not host.transport.startswith("ssh://"):
        return []
    servers = [dsn.server(each.dsn) for each in host.databases.values() if each.reach == "host"]
    ports = dict.fromkeys(f"{address}:{port}" for address, port in servers if not address.startswith("/"))
    sockets = "local" if any(address.startswith("/") for address, _ in servers) else "no"
    opened = f"    AllowTcpForwarding {'local' if ports else 'no'}\n"
    if ports:
        opened += f"    PermitOpen {' '.join(ports)}\n"
    forwarding = f"{opened}    AllowStreamLocalForwarding {sockets}\n"
    tunnel = ", and a tunnel only to the database" if servers else ", and no tunnel"
    content = _SSHD.format(host=host.name, login=login, tunnel=tunnel, forwarding=forwarding)
    return [PrivilegeFile("opsproof.sshd.conf", content, _RELOAD, SSHD)]


def rabbitmq(host: Host) -> list[str]:
    """The commands that create the monitoring user: it sees all queues, and reads and writes no message."""
    if host.broker is None:
        return []
    target = Target(host, "", host.broker)
    add = line(target, ["rabbitmqctl", "add_user", USER]).replace("docker exec -i ", "docker exec -it ")
    tags = line(target, ["rabbitmqctl", "set_user_tags", USER, "monitoring"])
    none = line(target, ["rabbitmqctl", "set_permissions", "--vhost", host.broker.vhost, USER, "^$", "^$", "^$"])
    known = line(target, ["rabbitmqctl", "list_users"])
    add, tags, none, known = (each.removeprefix(target.place(["rabbitmqctl"])) for each in (add, tags, none, known))
    return [f"{known} | grep -q '^{USER}[[:space:]]' || {add}", tags, none]


def redis(host: Host) -> list[PrivilegeFile]:
    """The line for the file of `aclfile` of each Redis server that asks for a login."""
    named = [name for name, each in host.caches.items() if each.netrc]
    content = f"user {USER} on #SHA256-OF-THE-PASSWORD {ACCESS}\n"
    note = "add the line to the server's aclfile, with the SHA-256 of the password, then run ACL LOAD"
    return [
        PrivilegeFile(
            "opsproof.acl" if len(named) == 1 else f"opsproof-{name}.acl", content, (f"# {note}",), f"Redis {name}"
        )
        for name in named
    ]


def folders(host: Host, login: str) -> list[str]:
    """The commands that make the login's folders and files of passwords; a password is typed, ended by Ctrl-D."""
    owned = f"install -o {quote(login)} -g {quote(login)}"
    private = dict.fromkeys(str(PurePosixPath(each).parent) for each in _secrets(host))
    backups = dict.fromkeys(each.folder for each in host.backups.values() if each.engine != "pgbackrest")
    made = [f"[ -d {quote(each)} ] || {owned} -d -m 0700 {quote(each)}" for each in (*private, *backups)]
    files = [quote(each) for each in dict.fromkeys(_secrets(host))]
    return [*made, *(f"[ -e {each} ] || {owned} -m 0600 /dev/stdin {each}" for each in files)]


def _secrets(host: Host) -> Iterator[str]:
    """The password files of the inventory on `host`."""
    for database in host.databases.values():
        yield from (each for each in (database.password_file, database.maintenance_passfile) if each)
    for backup in host.backups.values():
        yield from (each for each in (backup.passfile, backup.restore_passfile, backup.load_passfile) if each)
    netrcs = [each.netrc for each in host.caches.values()]
    yield from (each for each in (host.broker.netrc if host.broker else "", *netrcs) if each)
