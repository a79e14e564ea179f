"""A look at a host in up to four round trips: open files and ports, sudo and first requests, health checks, proxies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from opsproof.core.errors import CommandError
from opsproof.discovery import backups, contents, endpoints, listeners, looking, plain_processes, services, units
from opsproof.discovery.endpoints import Site
from opsproof.discovery.looking import asked, described, text
from opsproof.discovery.rights import Rights, rights
from opsproof.discovery.services import FoundContainer
from opsproof.discovery.sight import Entry, Sight
from opsproof.facts.listeners import Listener
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database
from opsproof.postgres import dsn
from opsproof.transport.shell import Answer, Command


@dataclass(frozen=True)
class Exploration:
    """The answers of the first round trip, parsed, and the answers of the second."""

    answers: Mapping[str, Answer]
    rights: Rights
    listeners: Sequence[Listener]
    found: Mapping[str, list[str]]
    configured: Mapping[str, list[str]]
    again: Mapping[str, Answer] = field(default_factory=dict)
    databases: Sequence[str] = ()
    """The ports of the given databases."""

    def texts(self, label: str) -> list[tuple[str, ...]]:
        """The texts of each line of configured.pl with a label."""
        return [tuple(map(text, line.split(" "))) for line in self.configured.get(label, [])]

    @property
    def home(self) -> str:
        """The home folder of the login."""
        return self.texts("home")[0][0]

    @property
    def owner(self) -> str:
        """The user whose processes the second round trip has shown; empty if none."""
        answer = self.again.get("look")
        return looking.owner(self.answers, self.rights) if answer and answer.status == 0 else ""

    @property
    def containers(self) -> list[FoundContainer]:
        """The containers, as far as Docker or sudo shows them."""
        return services.containers(self.answers["docker"], self.again.get("docker"))


def explore(host: Host, databases: Sequence[Database]) -> tuple[str, Sight]:
    """The name of the host, and everything visible to the login.

    Raises:
        HostUnreachable: the host did not answer.
        MeasurementError: perl is missing, or an answer is damaged.
    """
    first = begun(asked(host, looking.commands()))
    again = asked(host, {**looking.borrowed(first.answers, first.rights), **_requests(first)})
    explored = replace(first, again=again, databases=[dsn.server(each.dsn)[1] for each in databases])
    sight = _of_host(explored)
    answering, found = _answering(host, explored)
    sight.add(answering)
    for each in databases:
        container = services.container_of("postgres", dsn.server(each.dsn)[1], found)
        sight.add(contents.seen(contents.ask(host, each), each, container))
    sight.add(_backups(explored, [each.name for each in sight.entries if each.table == "databases"]))
    return first.answers["host"].stdout.strip() or "host", sight


def begun(answers: Mapping[str, Answer]) -> Exploration:
    """The first round trip.

    Raises:
        MeasurementError: perl is missing, or an answer is damaged.
    """
    if answers["look"].status == 127:
        raise CommandError("perl not found on the host: sudo apt-get install perl")
    found = described(answers["look"])
    known = rights(answers["login"], answers["sudo"])
    configured = described(answers["configured"])
    return Exploration(answers, known, listeners.sockets(answers["ports"], found), found, configured)


def _requests(first: Exploration) -> dict[str, Command]:
    return {
        **endpoints.by_port(first.listeners),
        **services.requests(first.listeners),
        **backups.requests(first.rights),
    }


def _of_host(explored: Exploration) -> Sight:
    """Findings from files, processes and services, without requests."""
    answers, again, owner = explored.answers, explored.again, explored.owner
    sight = Sight([Entry("run_as", owner)] if owner else [])
    for part in (
        looking.processes(answers["pm2"], again.get("pm2"), explored.rights),
        looking.logs(explored.found, described(again["look"]) if owner else {}, explored.rights),
        looking.mounts(answers["mounts"]),
        plain_processes.processes(answers["plain"]),
        units.units(answers["units"]),
        units.of_users(answers["lingering"]),
        listeners.services(explored.listeners, explored.databases),
        listeners.reachable(answers["ports"]),
        looking.clock(answers["clock"]),
        looking.scheduled(answers["cron"], explored.configured),
    ):
        sight.add(part)
    return sight


def _answering(host: Host, explored: Exploration) -> tuple[Sight, list[FoundContainer]]:
    """Findings from requests: containers, caches, the broker and endpoints; and the containers with their states."""
    ports = {each.port for each in explored.listeners}
    roots = {each: explored.again[each] for each in endpoints.by_port(explored.listeners)}
    names = {word: text(word) for line in explored.configured.get("site", []) for word in line.split(" ")[1:]}
    named = endpoints.roots(explored.configured, names, ports)
    sites = endpoints.sites(roots, named)
    requests = endpoints.by_path(sites, [path for (path,) in explored.texts("path")])
    states = services.states(explored.containers, explored.rights)
    answers = asked(host, {**requests, **states})
    found = services.with_states(explored.containers, answers)
    sight = services.contained(found, explored.answers["docker"], explored.rights)
    sight.add(services.seen(explored.again, found, explored.home))
    sight.add(_endpoints(host, sites, answers))
    sight.add(endpoints.others(roots, named, explored.databases))
    return sight, found


def _endpoints(host: Host, sites: Sequence[Site], answers: Mapping[str, Answer]) -> Sight:
    plain = asked(host, endpoints.without_proxy(sites, answers))
    return endpoints.seen(sites, answers, plain)


def _backups(explored: Exploration, databases: Sequence[str]) -> Sight:
    stanzas = backups.stanzas(explored.again, [(name, data) for name, data in explored.texts("stanza")])
    sight = backups.of_stanzas(stanzas, databases)
    folders = [(folder, name, database) for folder, name, database in explored.texts("backup")]
    sight.add(backups.of_folders(folders, databases))
    sight.add(backups.of_empty([path for (path,) in explored.texts("empty")]))
    pairs = {label: [(one, two) for one, two in explored.texts(label)] for label in ("dumps", "job")}
    sight.add(backups.of_further(pairs["dumps"], pairs["job"], explored.answers["cron"]))
    sight.add(backups.closed([path for (path,) in explored.texts("closed")], explored.rights))
    return sight
