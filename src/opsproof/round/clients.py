"""Command lines of clients on a host, as an administrator runs them, with user, address, database and container."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.processes import Process, Unit
from opsproof.inventory.resources import Backup, Database, Resource, VectorIndex
from opsproof.inventory.services import Broker, Cache
from opsproof.postgres import dsn
from opsproof.postgres.quoting import literal, qualified

SOCKET_OWNER = "postgres"
"""The superuser that logs in as the operating-system user of the same name, over the socket (peer)."""
_FOR_ROOT = {"find", "journalctl", "mount", "ss", "systemctl"}
_OF_DATABASES = {"exists", "partitions", "psql", "server"}
_SESSIONS = "SELECT datname, usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC"
NO_PAGER = "--pset=pager=off"
_WAIT_S = 5
"""How long a client waits for a server that may hang."""
_IN_TIME = ("timeout", "--foreground", "--verbose", "10")
_ERRORS = 'error|fatal|crit|panic|exception|"level":[56]0|" 5[0-9][0-9] '
"""Beginnings of errors in every format of a log, in any case."""
_LARGEST = " | sort -rh | head -n 20"


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

    @property
    def backup(self) -> Backup:
        """The backup."""
        assert isinstance(self.about, Backup), "the command needs a backup"
        return self.about

    @property
    def log(self) -> Log:
        """The log."""
        assert isinstance(self.about, Log), "the command needs a log"
        return self.about

    def place(self, words: Sequence[str]) -> str:
        """The words in front of the command: none for a database that is reached from here."""
        if words[0] in _OF_DATABASES and self.database.reach == "direct" and not self.database.container:
            return ""
        if isinstance(self.about, Endpoint) and self.about.is_outside:
            return ""
        return f"on {self.host.name}: "


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


def _pm2_missing(target: Target, words: list[str]) -> str:
    """Starts what is missing in PM2's list: a module, or the saved processes."""
    del words
    is_module = target.name == "pm2-logrotate" and target.host.rotation is not None
    return _pm2(target, ["pm2", *(("install", target.name) if is_module else ("resurrect",))])


def _with_path(host: Host, login: list[str], variables: list[str], words: list[str]) -> str:
    path = [f'PATH={shlex.quote(":".join(host.path))}:"$PATH"'] if host.path else []
    return " ".join([*login, "env", *path, _join([*variables, *words])])


def _psql(target: Target, words: list[str], wait_s: int = 0) -> str:
    """No pager, which would wait for a key; with `wait_s`, no longer wait for a connection."""
    database = target.database
    arguments = [NO_PAGER, *words[1:]]
    user = next(iter(database.superusers), "")
    wait = [f"PGCONNECT_TIMEOUT={wait_s}"] if wait_s else []
    if database.container:
        options = [f"--dbname={dsn.name_of(database.dsn)}", *([f"--username={user}"] if user else [])]
        terminal = ["-it" if any(each.startswith("\\") for each in arguments) else "-i"]
        terminal += [f"--env={each}" for each in wait]
        return _join([*_docker_exec(target.host, database.container, *terminal), "psql", *options, *arguments])
    if user == SOCKET_OWNER and database.reach == "host" and dsn.is_local(database.dsn):
        return _join([*_as(target.host, SOCKET_OWNER), *wait, "psql", *_socket(database), *arguments])
    return _join([*wait, "psql", f"--dbname={dsn.of_person(database.dsn, user)}", *arguments])


def _exists(target: Target, words: list[str]) -> str:
    """Whether the declared index or table exists, whether the index is valid, and further statements."""
    about = target.about
    name = about.qualified(target.name) if isinstance(about, VectorIndex) else about.table  # type: ignore[union-attr]
    name = literal(name if re.fullmatch(r"[a-z_][a-z0-9_.]*", name) else qualified(name))
    query = f"SELECT {name} AS name, to_regclass({name}) IS NOT NULL AS is_there"
    if isinstance(about, VectorIndex):
        valid = "SELECT indisvalid FROM pg_index"
        query += f", ({valid} WHERE indexrelid = to_regclass({name})) AS is_valid"
    return _psql(target, ["psql", "-c", query, *words[1:]])


def _partitions(target: Target, words: list[str]) -> str:
    """The tables that are named like partitions of a table, and whether each is one."""
    del words
    table = target.about.table  # type: ignore[union-attr]
    schema, name = map(literal, table.split(".", maxsplit=1))
    query = "SELECT relname, relispartition, pg_get_expr(relpartbound, oid) AS bounds FROM pg_class"
    where = f"relkind = 'r' AND relnamespace = {schema}::regnamespace::oid AND starts_with(relname::text, {name})"
    return _psql(target, ["psql", "-c", f"{query} WHERE {where} ORDER BY 1"])


def _rotation(target: Target, words: list[str]) -> str:
    """PM2's commands for every declared setting of its module; each restarts the module, which is no fault."""
    del words
    host = target.host
    assert host.pm2 is not None, "the host has no PM2"
    assert host.rotation is not None, "the host has no rotation"
    each = [_join(["pm2", "set", f"pm2-logrotate:{name}", value]) for name, value in host.rotation.settings.items()]
    return _pm2(target, ["sh", "-c", " && ".join([*each, "pm2 reset pm2-logrotate"])])


def _socket(database: Database) -> list[str]:
    found = dsn.parsed(database.dsn)
    folder = [f"--host={found['host']}"] if str(found.get("host", "")).startswith("/") else []
    return [*folder, *([f"--port={found['port']}"] if "port" in found else []), f"--dbname={dsn.name_of(database.dsn)}"]


def _docker(target: Target, words: list[str]) -> str:
    return _join([*_as(target.host, target.host.docker_as), *words])


def _container(target: Target, words: list[str]) -> str:
    """The state of a container, and its last log lines."""
    name = words[1]
    state = _docker(target, ["docker", "ps", "--all", "--filter", f"name={name}"])
    return f"{state} && {_docker(target, ['docker', 'logs', '--tail', '50', name])}"


def _docker_exec(host: Host, container: str, *options: str) -> list[str]:
    return [*_as(host, host.docker_as), "docker", "exec", *(options or ("-i",)), container]


def _redis(target: Target, words: list[str]) -> str:
    """The client, which asks for the password if the server has one."""
    client, *arguments = words
    cache = target.about
    assert isinstance(cache, Cache)
    asks = ["--askpass"] if cache.netrc else []
    if cache.container:
        return _join([*_docker_exec(target.host, cache.container, "-it" if asks else "-i"), client, *asks, *arguments])
    return _join([client, "-h", cache.address, "-p", str(cache.port), *asks, *arguments])


def _redis_ping(target: Target, words: list[str]) -> str:
    """A ping that ends if the server does not answer."""
    del words
    host, cache = target.host, target.about
    assert isinstance(cache, Cache)
    login = _as(host, host.docker_as) if cache.container else []
    command = _redis(target, ["redis-cli", "ping"]).removeprefix(_join(login)).lstrip()
    return f"{_join([*login, *_IN_TIME])} {command}"


def _rabbitmq(target: Target, words: list[str]) -> str:
    broker = target.host.broker
    assert isinstance(broker, Broker)
    if broker.container:
        return _join([*_docker_exec(target.host, broker.container), *words])
    return _join([*_as(target.host, "root"), *words])


def _curl(target: Target, words: list[str]) -> str:
    endpoint = target.about
    assert isinstance(endpoint, Endpoint)
    limit = ["--max-time", f"{endpoint.timeout:g}"]
    if endpoint.is_outside:
        return _curl_each(endpoint, [*words, "--noproxy", "*", *limit])
    return _join([*words, *limit, *endpoint.options, endpoint.url])


def _curl_each(endpoint: Endpoint, words: list[str]) -> str:
    """A request to each address of the name, from the machine that runs opsproof."""
    database = {"all": "ahosts", "ipv4": "ahostsv4", "ipv6": "ahostsv6"}[endpoint.addresses]
    addresses = _join(["getent", database, urlsplit(endpoint.url).hostname or ""])
    each = f'{addresses} | awk \'{{ print ($1 ~ /:/) ? "[" $1 "]" : $1 }}\' | sort -u'
    request = f'{_join(words)} --connect-to "::$address:" {_join([*endpoint.options, endpoint.url])}'
    return f'for address in $({each}); do echo "$address"; {request}; done'


def _private(target: Target, words: list[str]) -> str:
    """Gives each file of a backup folder to the owner of the folder, and takes access from all others."""
    del words
    root, folder = _as(target.host, "root"), target.backup.folder
    owner = _join([*root, "chown", "--recursive", f"--reference={folder}", folder])
    return f"{owner} && {_join([*root, 'chmod', '--recursive', 'go=', folder])}"


def _backups(target: Target, words: list[str]) -> str:
    """The files of a backup folder with their sizes, or the backups of a stanza."""
    del words
    backup = target.backup
    if backup.engine == "pg_dump":
        return _join([*_as(target.host, "root"), "ls", "-l", "--time-style=long-iso", backup.folder])
    config = [f"--config={backup.config}"] if backup.config else []
    return _join([*_as(target.host, backup.run_as), "pgbackrest", *config, f"--stanza={backup.stanza}", "info"])


def _room(target: Target, words: list[str]) -> str:
    """The space on the file system of a backup folder."""
    return _join([*_as(target.host, "root"), "df", *words[1:], target.backup.folder])


def _du(target: Target, words: list[str]) -> str:
    """The largest files and folders first."""
    return _join([*_as(target.host, "root"), *words]) + _LARGEST


def _pm2_logs(target: Target, words: list[str]) -> str:
    """The largest of PM2's own logs."""
    assert target.host.pm2 is not None, "the host has no PM2"
    return _du(target, ["du", *words[1:], f"{target.host.pm2.home}/logs"])


def _server(target: Target, words: list[str]) -> str:
    """The sessions of a server by psql, which repeats the server's message if it refuses or does not answer."""
    del words
    return _psql(target, ["psql", "-c", _SESSIONS], wait_s=_WAIT_S)


def _of_manager(target: Target, words: list[str]) -> str:
    """A command of systemd's system manager, or of the user manager of the unit."""
    unit = target.about
    assert isinstance(unit, Unit)
    if unit.manager == "system":
        return _join([*_as(target.host, "root"), *words])
    user = unit.run_as
    login = f"{_join([*_as(target.host, user), 'env'])} XDG_RUNTIME_DIR=/run/user/$(id -u {shlex.quote(user)}) "
    return (login if user else "") + _join([words[0], "--user", *words[1:]])


def _unit(target: Target, words: list[str]) -> str:
    """A command of systemctl on the unit; daemon-reload is of all units."""
    return _of_manager(target, ["systemctl", *words[1:], *([] if "daemon-reload" in words else ["--", target.name])])


def _unit_look(target: Target, words: list[str]) -> str:
    """The state of a unit, and its last log lines; of a timer, also those of its job."""
    del words
    name = f"{target.name.removesuffix('timer')}*" if target.name.endswith(".timer") else target.name
    state = ["systemctl", "list-units", "--all", "--full", "--no-pager", "--", name]
    unit = "--unit" if target.about.manager == "system" else "--user-unit"  # type: ignore[union-attr]
    log = ["journalctl", "--no-pager", "--lines=50", f"{unit}={name}"]
    return f"{_of_manager(target, state)} && {_of_manager(target, log)}"


def _unit_files(target: Target, words: list[str]) -> str:
    """All unit files: the unit may have another name."""
    del words
    return _of_manager(target, ["systemctl", "list-unit-files", "--full", "--no-pager"])


def _plain_process(target: Target, words: list[str]) -> str:
    """The processes that fit a declaration; says so if none does."""
    del words
    process = target.about
    assert isinstance(process, Process)
    pids = f"$(head --lines=1 {shlex.quote(process.pidfile)})"
    if not process.pidfile:
        owner = ["--euid", process.user] if process.user else []
        pattern = re.escape(process.command).replace(r"\*", ".*").replace(r"\?", ".").replace(r"\ ", " ")
        pids = f"$({_join(['pgrep', '--full', '--exact', '--delimiter', ',', *owner, pattern])})"
    return f'ps -o pid,user,etime,stat,rss,comm -p "{pids}" || echo "no process fits {target.name}"'


def _waiting(target: Target, words: list[str]) -> str:
    """The listening sockets of a plain process, with the number of waiting clients (Recv-Q)."""
    del words
    process = target.about
    assert isinstance(process, Process)
    ports = " or ".join(f"sport = :{port}" for port in process.listens)
    return _join([*_as(target.host, "root"), "ss", "--listening", "--tcp", "--numeric", "--processes", ports])


def _reopened(target: Target, words: list[str]) -> str:
    """PM2's command that opens the files of logs again; without PM2, the last lines of the log."""
    if target.host.pm2 is not None:
        return _pm2(target, ["pm2", "reloadLogs"])
    return _tail(target, ["tail", *words[1:]])


def _tail(target: Target, words: list[str]) -> str:
    return _join([*_as(target.host, target.host.run_as), *words, target.log.path])


def _errors(target: Target, words: list[str]) -> str:
    """The last errors of a log; every line of a text log is an error."""
    if all(each.name == "text" for each in target.log.format):
        return _tail(target, ["tail", *words[1:]])
    return f"{_tail(target, ['grep', '--ignore-case', '--extended-regexp', _ERRORS])} | {_join(['tail', *words[1:]])}"


def _log_sizes(target: Target, words: list[str]) -> str:
    """The uncompressed size of a log and of each of its rotated files."""
    del words
    files = f"{shlex.quote(target.log.path.removesuffix('.log'))}*"
    script = f'for log in {files}; do echo "$(zcat --force "$log" | wc --bytes) bytes in $log"; done'
    return _join([*_as(target.host, target.host.run_as), "sh", "-c", script])


_CLIENTS: dict[str, Callable[[Target, list[str]], str]] = {
    "backups": _backups,
    "container": _container,
    "curl": _curl,
    "docker": _docker,
    "du": _du,
    "errors": _errors,
    "exists": _exists,
    "log sizes": _log_sizes,
    "partitions": _partitions,
    "plain process": _plain_process,
    "pm2": _pm2,
    "pm2 logs": _pm2_logs,
    "pm2 missing": _pm2_missing,
    "private": _private,
    "psql": _psql,
    "rabbitmq-diagnostics": _rabbitmq,
    "rabbitmq-streams": _rabbitmq,
    "rabbitmqctl": _rabbitmq,
    "redis-cli": _redis,
    "redis ping": _redis_ping,
    "reopened": _reopened,
    "room": _room,
    "rotation": _rotation,
    "server": _server,
    "tail": _tail,
    "unit": _unit,
    "unit files": _unit_files,
    "unit look": _unit_look,
    "waiting": _waiting,
}
