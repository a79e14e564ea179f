"""Gathering of the facts of a run, with one round trip per host and per database.

Hosts are queried concurrently, and the databases of a host while its commands run.
"""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from opsproof.core import files
from opsproof.core.errors import HostUnreachable, InventoryError, MeasurementError, OpsproofError, OutputError
from opsproof.facts import REGISTRY
from opsproof.facts.base import Fact, Measured, ResourceFact, ShellFact, SqlFact, SqlResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import Inventory
from opsproof.inventory.resources import Database
from opsproof.postgres.client import DatabaseClient
from opsproof.postgres.connection import DatabaseTarget, Query, Result
from opsproof.transport import shell, ssh, web
from opsproof.transport.shell import Answer, Command
from opsproof.transport.web import Visit

A = TypeVar("A", Answer, Result)
HOSTS_AT_ONCE = 32
Key = tuple[str, str]
"""The name of a fact, and the name of its resource (empty for a fact of the host)."""


@dataclass
class Recording:
    """The raw answers of a host; `unreachable` is the reason of missing answers."""

    answers: dict[str, Answer] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    unreachable: str = ""
    round_trips: dict[str, int] = field(default_factory=lambda: {"shell": 0, "sql": 0})


def _label(key: Key) -> str:
    return f"{key[0]} {key[1]}".strip()


def gather(host: Host, keys: Iterable[Key], client: DatabaseClient | None) -> Recording:
    """The answers of `host` for the facts `keys`: one round trip for all commands, and one per database.

    Requests and commands of this machine run at the same time, and are answered also when the host is unreachable.
    """
    recording = Recording()
    wanted = sorted(keys)
    waiting = _ask_databases(host, wanted, client) if client else {}
    visits = {key: visit for key in wanted if (visit := _visit(host, key)) is not None}
    own = [key for key in wanted if REGISTRY[key[0]]().is_of_controller(host)]
    with ThreadPoolExecutor(len(visits) + 1) as pool:
        asked = pool.submit(_answers, shell.CONTROLLER, _commands(host, own))
        visited = pool.map(web.visit, visits.values())
        _ask_host(host, [key for key in wanted if key not in visits and key not in own], recording)
        recording.answers |= asked.result() | dict(zip(map(_label, visits), visited, strict=True))
    for labels, wait in waiting.items():
        recording.round_trips["sql"] += 1
        recording.results |= dict(zip(labels, wait(), strict=True))
    return recording


def _ask_host(host: Host, keys: list[Key], recording: Recording) -> None:
    commands = _commands(host, keys)
    if not commands:
        return
    recording.round_trips["shell"] += 1
    try:
        recording.answers = _answers(host, commands)
    except MeasurementError as error:
        recording.unreachable = str(error)


def _answers(place: Host, commands: dict[Key, Command]) -> dict[str, Answer]:
    answers = shell.run(place, tuple(commands.values())) if commands else []
    return {_label(key): answer for key, answer in zip(commands, answers, strict=True)}


def _commands(host: Host, keys: list[Key]) -> dict[Key, Command]:
    return {key: command for key in keys if (command := _command(host, key)) is not None}


def _command(host: Host, key: Key) -> Command | None:
    fact = REGISTRY[key[0]]()
    if isinstance(fact, ShellFact):
        return fact.command(host)
    if isinstance(fact, ResourceFact):
        return fact.command(host, key[1], host.resources(fact.resource)[key[1]])
    return None


def _visit(host: Host, key: Key) -> Visit | None:
    """The request of the fact `key` from this machine, if any."""
    fact = REGISTRY[key[0]]()
    return fact.visit(key[1], host.resources(fact.resource)[key[1]]) if isinstance(fact, ResourceFact) else None


def _ask_databases(
    host: Host, keys: list[Key], client: DatabaseClient
) -> dict[tuple[str, ...], Callable[[], list[Result]]]:
    waiting = {}
    for name, database in host.databases.items():
        asked = {key: query for key in keys if (query := _query(host, key, name)) is not None}
        # The shortest query goes first: its time is the time of a connection.
        ordered = sorted(asked, key=lambda key: len("".join(asked[key])))
        if ordered:
            queries = [asked[key] for key in ordered]
            waiting[tuple(_label(key) for key in ordered)] = submitted(host, database, queries, client)
    return waiting


def _query(host: Host, key: Key, database: str) -> Query | None:
    """The query of the fact `key`, or None if the fact is not of the database."""
    fact = REGISTRY[key[0]]()
    if isinstance(fact, SqlFact) and key[1] == database:
        return fact.sql
    if isinstance(fact, SqlResourceFact):
        resource = host.resources(fact.resource)[key[1]]
        return fact.query(key[1], resource) if resource.database == database else None  # type: ignore[attr-defined]
    return None


def submitted(
    host: Host, database: Database, queries: list[Query], client: DatabaseClient
) -> Callable[[], list[Result]]:
    """Sends `queries` to a database of `host`, and returns a function that waits for their results."""
    try:
        words = ssh.route(host, database)
        target = DatabaseTarget(database.dsn, database.password_env, database.timeout, database.password_file)
        if words:
            target = replace(target, ssh=tuple(words), runtime=str(ssh.runtime_folder()))
    except MeasurementError as error:
        why = str(error)
        return lambda: [Result(error=why)] * len(queries)
    return client.submit(target, queries)


class Gathering:
    """The recordings of a run, gathered once and concurrently, or read from a file."""

    def __init__(
        self,
        inventory: Inventory,
        plan: dict[str, set[Key]],
        saved: Path | None = None,
        client: DatabaseClient | None = None,
    ) -> None:
        self._inventory = inventory
        self._plan = plan
        self._saved = read(saved) if saved else None
        self._pool = ThreadPoolExecutor(HOSTS_AT_ONCE)
        self._running: dict[str, Future[Recording]] = {}
        self._ahead: dict[str, tuple[set[Key], Future[Recording]]] = {}
        self._values: dict[tuple[str, str], Any] = {}
        self._client = client

    def close(self) -> None:
        """Stops the running queries and commands of all hosts."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        shell.stop_all()
        if self._client is not None:
            self._client.close()

    def start_ahead(self, plan: dict[str, set[Key]]) -> None:
        """Starts to query hosts for the facts of an expected plan."""
        self._ahead = {name: (keys, self._submit(name, keys)) for name, keys in plan.items()}

    def start(self, names: Iterable[str]) -> None:
        """Starts to query these hosts, unless already started. Does not wait."""
        if self._saved is None:
            for name in names:
                self._begin(name)

    def _begin(self, name: str) -> Future[Recording]:
        if name not in self._running:
            keys = self._plan[name]
            expected, started = self._ahead.get(name, (None, None))
            self._running[name] = started if started and expected == keys else self._submit(name, keys)
        return self._running[name]

    def _submit(self, name: str, keys: set[Key]) -> Future[Recording]:
        host = self._inventory.hosts[name]
        if self._client is None and host.databases:
            self._client = DatabaseClient()
        if any(_visit(host, key) for key in keys):
            web.load()
        return self._pool.submit(gather, host, keys, self._client)

    def recording(self, name: str) -> Recording:
        """The recording of the host `name`, once complete.

        Raises:
            MeasurementError: the saved facts do not contain this host.
        """
        if self._saved is None:
            return self._begin(name).result()
        if name not in self._saved:
            raise MeasurementError(f"{name}: not in the saved facts")
        return self._saved[name]

    @property
    def saved(self) -> dict[str, Recording]:
        """The saved recordings that are judged; empty if the hosts are queried."""
        return self._saved or {}

    def done(self) -> dict[str, Recording]:
        """The complete recordings, by host."""
        return {
            name: future.result() for name, future in self._running.items() if future.done() and not future.exception()
        }

    def value(self, fact_name: str, host_name: str) -> Any:
        """The parsed fact; for a fact of resources, a `Measured` of the planned resources.

        Raises:
            MeasurementError: the fact was not measured.
        """
        key = (fact_name, host_name)
        if key not in self._values:
            resources = [resource for name, resource in sorted(self._plan[host_name]) if name == fact_name]
            parsed = {
                resource: _parsed(self._inventory.hosts[host_name], (fact_name, resource), self.recording(host_name))
                for resource in resources
            }
            self._values[key] = Measured(parsed) if REGISTRY[fact_name].resource else parsed[""]
        value = self._values[key]
        if isinstance(value, OpsproofError):
            raise value
        return value


def _parsed(host: Host, key: Key, recording: Recording) -> Any:
    """The value of the fact, or its error."""
    fact = REGISTRY[key[0]]()
    try:
        return _parse(fact, host, key, recording)
    except HostUnreachable as error:
        return error
    except OpsproofError as error:
        where = f"{host.name}, {key[1]}" if key[1] and key[1] not in str(error) else host.name
        return type(error)(f"{where}: {error}")
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        return OutputError(f"{host.name}, {_label(key)} cannot be read: {type(error).__name__} {error}")


def _parse(fact: Fact, host: Host, key: Key, recording: Recording) -> Any:
    if isinstance(fact, SqlFact):
        return fact.parse(_recorded(recording.results, key), host.databases[key[1]])
    if isinstance(fact, SqlResourceFact):
        return fact.parse(_recorded(recording.results, key), host.resources(fact.resource)[key[1]])
    if recording.unreachable and _label(key) not in recording.answers:
        raise HostUnreachable(recording.unreachable)
    answer = _recorded(recording.answers, key)
    if isinstance(fact, ShellFact):
        return fact.parse(answer, host)
    assert isinstance(fact, ResourceFact)
    return fact.parse(answer, key[1], host.resources(fact.resource)[key[1]])


def _recorded(answers: dict[str, A], key: Key) -> A:
    if _label(key) not in answers:
        raise MeasurementError(f"{key[0]} is not in the saved facts")
    return answers[_label(key)]


def dump(recordings: dict[str, Recording]) -> str:
    """`recordings` as JSON."""
    return json.dumps({name: asdict(recording) for name, recording in recordings.items()}, indent=1)


def load(hosts: dict[str, dict[str, Any]]) -> dict[str, Recording]:
    """The recordings from parsed JSON, by host."""
    return {name: _recording(dict(fields)) for name, fields in hosts.items()}


def write(path: Path, recordings: dict[str, Recording]) -> None:
    """Saves `recordings` for `read`, in a file with mode 0600 because it holds log lines."""
    files.replace(path, dump(recordings), mode=0o600)


def read(path: Path) -> dict[str, Recording]:
    """The recordings saved by `write`.

    Raises:
        InventoryError: the file is missing or holds no recordings.
    """
    try:
        return load(json.loads(files.read_text(path)))
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InventoryError(f"{path}: not a file of saved facts: {error}") from error
    except RecursionError as error:
        raise InventoryError(f"{path}: not a file of saved facts: nested too deeply") from error


def _recording(fields: dict[str, Any]) -> Recording:
    answers = {label: Answer(**answer) for label, answer in fields.pop("answers").items()}
    results = {label: Result(**result) for label, result in fields.pop("results").items()}
    return Recording(answers, results, **fields)
