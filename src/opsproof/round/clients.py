"""Command lines of clients on a host, as an administrator runs them, with user, address, database and container."""

import re
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.resources import Database, VectorIndex
from opsproof.inventory.services import Broker, Cache
from opsproof.postgres import dsn
from opsproof.postgres.quoting import literal, qualified
from opsproof.round import copies, supervised
from opsproof.round.target import Target, as_user, join

SOCKET_OWNER = "postgres"
"""The superuser that logs in as the operating-system user of the same name, over the socket (peer)."""
_FOR_ROOT = {"find", "journalctl", "mount", "ss", "systemctl"}
_SESSIONS = "SELECT datname, usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC"
NO_PAGER = "--pset=pager=off"
_WAIT_S = 5
"""How long a client waits for a server that may hang."""
_IN_TIME = ("timeout", "--foreground", "--verbose", "10")
_ERRORS = "error|fatal|crit|panic|exception|level.:[56]0|HTTP/[0-9.]+. 5[0-9][0-9] "
"""Beginnings of errors in every format of a log, in any case."""
_LARGEST = " | sort -rh | head -n 20"


def line(target: Target, words: Sequence[str]) -> str:
    """The command as shell text, behind the host to run it on; `words` are the client and its arguments."""
    return target.place(words) + command(target, words)


def command(target: Target, words: Sequence[str]) -> str:
    """The command as shell text; `words` are the client and its arguments."""
    client, *arguments = words
    return _CLIENTS.get(client, _plain)(target, [client, *arguments])


def _plain(target: Target, words: list[str]) -> str:
    return join([*as_user(target.host, "root"), *words] if words[0] in _FOR_ROOT else words)


def _pm2(target: Target, words: list[str]) -> str:
    host = target.host
    assert host.pm2 is not None, "the host has no PM2"
    return _with_path(host, as_user(host, host.run_as), [f"PM2_HOME={host.pm2.home}"], words)


def _pm2_missing(target: Target, words: list[str]) -> str:
    """Starts what is missing in PM2's list: a module, or the saved processes."""
    del words
    is_module = target.name == "pm2-logrotate" and target.host.rotation is not None
    return _pm2(target, ["pm2", *(("install", target.name) if is_module else ("resurrect",))])


def _with_path(host: Host, login: list[str], variables: list[str], words: list[str]) -> str:
    path = [f'PATH={shlex.quote(":".join(host.path))}:"$PATH"'] if host.path else []
    return " ".join([*login, "env", *path, join([*variables, *words])])


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
        return join([*_docker_exec(target.host, database.container, *terminal), "psql", *options, *arguments])
    if user == SOCKET_OWNER and database.reach == "host" and dsn.is_local(database.dsn):
        return join([*as_user(target.host, SOCKET_OWNER), *wait, "psql", *_socket(database), *arguments])
    return join([*wait, "psql", f"--dbname={dsn.of_person(database.dsn, user)}", *arguments])


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
    each = [join(["pm2", "set", f"pm2-logrotate:{name}", value]) for name, value in host.rotation.settings.items()]
    return _pm2(target, ["sh", "-c", " && ".join([*each, "pm2 reset pm2-logrotate"])])


def _socket(database: Database) -> list[str]:
    found = dsn.parsed(database.dsn)
    folder = [f"--host={found['host']}"] if str(found.get("host", "")).startswith("/") else []
    return [*folder, *([f"--port={found['port']}"] if "port" in found else []), f"--dbname={dsn.name_of(database.dsn)}"]


def _docker(target: Target, words: list[str]) -> str:
    return join([*as_user(target.host, target.host.docker_as), *words])


def _container(target: Target, words: list[str]) -> str:
    """The state of a container, and its last log lines."""
    name = words[1]
    state = _docker(target, ["docker", "ps", "--all", "--filter", f"name={name}"])
    return f"{state} && {_docker(target, ['docker', 'logs', '--tail', '50', name])}"


def _docker_exec(host: Host, container: str, *options: str) -> list[str]:
    return [*as_user(host, host.docker_as), "docker", "exec", *(options or ("-i",)), container]


def _redis(target: Target, words: list[str]) -> str:
    """The client, which asks for the password if the server has one."""
    client, *arguments = words
    cache = target.about
    assert isinstance(cache, Cache)
    asks = ["--askpass"] if cache.netrc else []
    if cache.container:
        return join([*_docker_exec(target.host, cache.container, "-it" if asks else "-i"), client, *asks, *arguments])
    return join([client, "-h", cache.address, "-p", str(cache.port), *asks, *arguments])


def _redis_ping(target: Target, words: list[str]) -> str:
    """A ping that ends if the server does not answer."""
    del words
    host, cache = target.host, target.about
    assert isinstance(cache, Cache)
    login = as_user(host, host.docker_as) if cache.container else []
    command = _redis(target, ["redis-cli", "ping"]).removeprefix(join(login)).lstrip()
    return f"{join([*login, *_IN_TIME])} {command}"


def _rabbitmq(target: Target, words: list[str]) -> str:
    broker = target.host.broker
    assert isinstance(broker, Broker)
    if broker.container:
        return join([*_docker_exec(target.host, broker.container), *words])
    return join([*as_user(target.host, "root"), *words])


def _curl(target: Target, words: list[str]) -> str:
    endpoint = target.about
    assert isinstance(endpoint, Endpoint)
    limit = ["--max-time", f"{endpoint.timeout:g}"]
    if endpoint.is_outside:
        return _curl_each(endpoint, [*words, "--noproxy", "*", *limit])
    return join([*words, *limit, *endpoint.options, endpoint.url])


def _curl_each(endpoint: Endpoint, words: list[str]) -> str:
    """A request to each address of the name, from the machine that runs opsproof."""
    database = {"all": "ahosts", "ipv4": "ahostsv4", "ipv6": "ahostsv6"}[endpoint.addresses]
    addresses = join(["getent", database, urlsplit(endpoint.url).hostname or ""])
    each = f'{addresses} | awk \'{{ print ($1 ~ /:/) ? "[" $1 "]" : $1 }}\' | sort -u'
    request = f'{join(words)} --connect-to "::$address:" {join([*endpoint.options, endpoint.url])}'
    return f'for address in $({each}); do echo "$address"; {request}; done'


def _private(target: Target, words: list[str]) -> str:
    """Gives each file of a backup folder to the owner of the folder, and takes access from all others."""
    del words
    root, folder = as_user(target.host, "root"), target.backup.folder
    owner = join([*root, "chown", "--recursive", f"--reference={folder}", folder])
    return f"{owner} && {join([*root, 'chmod', '--recursive', 'go=', folder])}"


def _backups(target: Target, words: list[str]) -> str:
    """The files of a backup folder with their sizes, or the backups of a stanza."""
    del words
    backup = target.backup
    if backup.engine != "pgbackrest":
        return join([*as_user(target.host, "root"), "ls", "-l", "--time-style=long-iso", backup.folder])
    config = [f"--config={backup.config}"] if backup.config else []
    return join([*as_user(target.host, backup.run_as), "pgbackrest", *config, f"--stanza={backup.stanza}", "info"])


def _copies(target: Target, words: list[str]) -> str:
    """Owners and modes of the copies: in the targets apart from the host, or in the folders of the host."""
    del words
    apart = [join(copies.listing(each)) for each in copies.apart(target.backup)]
    look = [*as_user(target.host, "root"), "ls", "-la"]
    return " && ".join(apart or [join([*look, each]) for each in target.backup.off_site])


def _room(target: Target, words: list[str]) -> str:
    """The space on the file system of a backup folder."""
    return join([*as_user(target.host, "root"), "df", *words[1:], target.backup.folder])


def _du(target: Target, words: list[str]) -> str:
    """The largest files and folders first."""
    return join([*as_user(target.host, "root"), *words]) + _LARGEST


def _pm2_logs(target: Target, words: list[str]) -> str:
    """The largest of PM2's own logs."""
    assert target.host.pm2 is not None, "the host has no PM2"
    return _du(target, ["du", *words[1:], f"{target.host.pm2.home}/logs"])


def _server(target: Target, words: list[str]) -> str:
    """The sessions of a server by psql, which repeats the server's message if it refuses or does not answer."""
    del words
    return _psql(target, ["psql", "-c", _SESSIONS], wait_s=_WAIT_S)


def _reopened(target: Target, words: list[str]) -> str:
    """PM2's command that opens the files of logs again; without PM2, the last lines of the log."""
    if target.host.pm2 is not None:
        return _pm2(target, ["pm2", "reloadLogs"])
    return _tail(target, ["tail", *words[1:]])


def _tail(target: Target, words: list[str]) -> str:
    return join([*as_user(target.host, target.host.run_as), *words, target.log.path])


def _errors(target: Target, words: list[str]) -> str:
    """The last errors of a log and its newest rotated file; every line of a text log is an error."""
    if all(each.name == "text" for each in target.log.format):
        return _tail(target, ["tail", *words[1:]])
    newest = f"ls -t {_files(target.log)} 2>/dev/null | head --lines=2 | tac"
    lines = 'xargs --delimiter="\\n" --no-run-if-empty zcat --force'
    found = f'grep --ignore-case --extended-regexp "{_ERRORS}" | {join(["tail", *words[1:]])}'
    return _sh_of_logs(target, f"{newest} | {lines} | {found}")


def _files(log: Log) -> str:
    """Shell patterns for a log and its rotated files."""
    return f"{shlex.quote(log.path)}* {shlex.quote(log.path.removesuffix('.log'))}[-_.][-_.0-9]*"


def _sh_of_logs(target: Target, script: str) -> str:
    return join([*as_user(target.host, target.host.run_as), "sh", "-c", script])


def _log_sizes(target: Target, words: list[str]) -> str:
    """The uncompressed size of a log and of each of its rotated files."""
    del words
    files = f"{shlex.quote(target.log.path.removesuffix('.log'))}*"
    return _sh_of_logs(target, f'for log in {files}; do echo "$(zcat --force "$log" | wc --bytes) bytes in $log"; done')


def _rotated_files(target: Target, words: list[str]) -> str:
    """A log and its rotated files, with size and date."""
    del words
    return _sh_of_logs(target, f"ls -l --time-style=long-iso {_files(target.log)} 2>/dev/null; true")


_CLIENTS: dict[str, Callable[[Target, list[str]], str]] = {
    "backups": _backups,
    "container": _container,
    "copies": _copies,
    "curl": _curl,
    "docker": _docker,
    "du": _du,
    "errors": _errors,
    "exists": _exists,
    "log sizes": _log_sizes,
    "partitions": _partitions,
    "plain process": supervised.plain_process,
    "pm2": _pm2,
    "pm2 logs": _pm2_logs,
    "port": supervised.of_port,
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
    "rotated files": _rotated_files,
    "rotation": _rotation,
    "server": _server,
    "tail": _tail,
    "unit": supervised.of_unit,
    "unit files": supervised.unit_files,
    "unit look": supervised.unit_look,
    "unit restarts": supervised.unit_restarts,
    "waiting": supervised.waiting,
}
