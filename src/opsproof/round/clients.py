"""Command lines of clients on a host, as an administrator runs them, with user, address, database and container."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.resources import Backup, Database, Endpoint, Resource
from opsproof.inventory.services import Broker, Cache
from opsproof.postgres import dsn

SOCKET_OWNER = "postgres"
"""The superuser that logs in as the operating-system user of the same name, over the socket (peer)."""
_FOR_ROOT = {"du", "find", "journalctl", "logrotate", "mount", "pg_checksums", "ss", "sshd", "systemctl"}


@dataclass(frozen=True)
class Target:
    """A host, and the resource that a command is about, by its name and as declared."""

    host: Host
    name: str
    about: Resource | None

    @property
    def database(self) -> Database:
        """The database, or the database of an object or a backup."""
        if isinstance(self.about, Database):
            return self.about
        assert self.about is not None, "a psql command needs a database"
        return self.host.databases[self.about.database]  # type: ignore[attr-defined]

    def place(self, words: Sequence[str]) -> str:
        """The words in front of the command: none for a database that is reached from here."""
        is_direct = words[0] == "psql" and self.database.reach == "direct" and not self.database.container
        return "" if is_direct else f"on {self.host.name}: "


def line(target: Target, words: Sequence[str]) -> str:
    """The command as shell text; `words` are the client and its arguments."""
    client, *arguments = words
    build = _CLIENTS.get(client, _plain)
    return f"{target.place(words)}{build(target, [client, *arguments])}"


def _join(words: Sequence[str]) -> str:
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """The word for a shell; a statement with apostrophes in double quotes, which a person can read."""
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!]', word) else shlex.quote(word)


def _plain(target: Target, words: list[str]) -> str:
    return _join([*_as(target.host, "root"), *words] if words[0] in _FOR_ROOT else words)


def _as(host: Host, user: str) -> list[str]:
    """The words of sudo for another user than the login user."""
    login = re.match(r"(?:docker|\w+)://(?:(\w+)@)?", host.transport)
    is_login = user == "root" and (host.transport.startswith("docker://") or bool(login and login[1] == "root"))
    if not user or is_login:
        return []
    return ["sudo", *(() if user == "root" else ("-u", user))]


def _pm2(target: Target, words: list[str]) -> str:
    host = target.host
    assert host.pm2 is not None, "the host has no PM2"
    return _with_path(host, _as(host, host.run_as), [f"PM2_HOME={host.pm2.home}"], words)


def _with_path(host: Host, login: list[str], variables: list[str], words: list[str]) -> str:
    path = [f'PATH={shlex.quote(":".join(host.path))}:"$PATH"'] if host.path else []
    return " ".join([*login, "env", *path, _join([*variables, *words])])


def _psql(target: Target, words: list[str]) -> str:
    database = target.database
    client, *arguments = words
    if database.container:
        options = [f"--dbname={dsn.name_of(database.dsn)}", *(f"--username={each}" for each in database.superusers[:1])]
        terminal = "-it" if any(each.startswith("\\") for each in arguments) else "-i"
        return _join([*_docker_exec(target.host, database.container, terminal), client, *options, *arguments])
    user = next(iter(database.superusers), "")
    if user == SOCKET_OWNER and database.reach == "host" and dsn.is_local(database.dsn):
        login = _as(target.host, SOCKET_OWNER)
        return _join([*login, client, *_socket(database), *arguments])
    return _join([client, f"--dbname={dsn.of_person(database.dsn, user)}", *arguments])


def _socket(database: Database) -> list[str]:
    found = dsn.parsed(database.dsn)
    folder = [f"--host={found['host']}"] if str(found.get("host", "")).startswith("/") else []
    return [*folder, *([f"--port={found['port']}"] if "port" in found else []), f"--dbname={dsn.name_of(database.dsn)}"]


def _docker(target: Target, words: list[str]) -> str:
    return _join([*_as(target.host, target.host.docker_as), *words])


def _docker_exec(host: Host, container: str, terminal: str = "-i") -> list[str]:
    return [*_as(host, host.docker_as), "docker", "exec", terminal, container]


def _redis(target: Target, words: list[str]) -> str:
    client, *arguments = words
    assert isinstance(target.about, Cache)
    if target.about.container:
        return _join([*_docker_exec(target.host, target.about.container), *words])
    return _join([client, "-h", target.about.address, "-p", str(target.about.port), *arguments])


def _rabbitmq(target: Target, words: list[str]) -> str:
    broker = target.host.broker
    assert isinstance(broker, Broker)
    if broker.container:
        return _join([*_docker_exec(target.host, broker.container), *words])
    return _join([*_as(target.host, "root"), *words])


def _curl(target: Target, words: list[str]) -> str:
    endpoint = target.about
    assert isinstance(endpoint, Endpoint)
    headers = [word for name, value in endpoint.headers.items() for word in ("--header", f"{name}: {value}")]
    return _join([*words, f"--max-time={endpoint.timeout:g}", *headers, endpoint.url])


def _folder(target: Target, words: list[str]) -> str:
    assert isinstance(target.about, Backup)
    return _join([*_as(target.host, "root"), *words, target.about.folder])


def _server(target: Target, words: list[str]) -> str:
    """The last lines of the server's container, or the listening processes of the host."""
    del words
    if target.database.container:
        return _docker(target, ["docker", "logs", "--tail", "50", target.database.container])
    return _plain(target, ["ss", "--listening", "--tcp", "--numeric", "--processes"])


def _kept(target: Target, words: list[str]) -> str:
    """The settings of rotation: of PM2's module, else of logrotate, which says what it would do."""
    del words
    if target.host.pm2 is not None:
        return _pm2(target, ["pm2", "conf", "pm2-logrotate"])
    return _plain(target, ["logrotate", "--debug", "/etc/logrotate.conf"])


def _reopened(target: Target, words: list[str]) -> str:
    """PM2's command that opens the files of logs again; without PM2, the last lines of the log."""
    if target.host.pm2 is not None:
        return _pm2(target, ["pm2", "reloadLogs"])
    return _tail(target, ["tail", *words[1:]])


def _tail(target: Target, words: list[str]) -> str:
    assert isinstance(target.about, Log)
    return _join([*_as(target.host, target.host.run_as), *words, target.about.path])


_CLIENTS: dict[str, Callable[[Target, list[str]], str]] = {
    "chmod": _folder,
    "curl": _curl,
    "docker": _docker,
    "kept": _kept,
    "pm2": _pm2,
    "psql": _psql,
    "rabbitmq-diagnostics": _rabbitmq,
    "rabbitmqctl": _rabbitmq,
    "redis-cli": _redis,
    "reopened": _reopened,
    "server": _server,
    "tail": _tail,
}
