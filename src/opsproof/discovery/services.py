"""Containers, Redis and RabbitMQ: what answers, and what needs a login."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsproof.core.errors import MeasurementError
from opsproof.discovery.listeners import place, service
from opsproof.discovery.looking import ROOT, unless
from opsproof.discovery.rights import Rights
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.discovery.toml import Value
from opsproof.facts import curl
from opsproof.facts.caches import CacheStates
from opsproof.facts.containers import DRILL_SUFFIX, ContainerNames, Containers
from opsproof.facts.listeners import Listener
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Container
from opsproof.inventory.services import Cache
from opsproof.transport.shell import Answer, Command

PATIENCE_S = 3.0
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"')
_KINDS = {"redis": r"redis|valkey", "rabbitmq": r"rabbit", "postgres": r"postgres|pgvector|timescale|postgis"}
_AS_ROOT = Host(transport="local://", docker_as=ROOT)


@dataclass(frozen=True)
class FoundContainer:
    """A container: its state, image and published ports as `docker ps` shows them, all empty if they are hidden."""

    name: str
    state: str = ""
    image: str = ""
    ports: str = ""

    @property
    def kind(self) -> str:
        """The server in the container, by image and name: redis, rabbitmq or postgres; empty for others."""
        text = f"{self.image} {self.name}"
        return next((kind for kind, words in _KINDS.items() if re.search(words, text, re.IGNORECASE)), "")

    def may_answer(self, port: int | str) -> bool:
        """Whether it may be the container that answers on a port of the host; one without ports shares the host's."""
        is_running = self.state in ("running", "")
        return is_running and (not self.ports or re.search(rf":{port}->", self.ports) is not None)


def containers(answer: Answer, again: Answer | None) -> list[FoundContainer]:
    """The containers but those of drills; `again` is the answer by sudo, with names alone."""
    answer = again if again is not None and again.status == 0 else answer
    if answer.status != 0:
        return []
    texts = [[json.loads(each) for each in _TEXTS.findall(line)] for line in answer.stdout.splitlines()]
    return [FoundContainer(*each) for each in texts if not each[0].endswith(DRILL_SUFFIX)]


def states(found: Sequence[FoundContainer], rights: Rights) -> dict[str, Command]:
    """The commands for the states of containers that sudo alone shows, by name, as far as it permits them."""
    hidden = [each.name for each in found if not each.state]
    made = {name: Containers().command(_AS_ROOT, name, Container()) for name in hidden}
    return {name: each for name, each in made.items() if rights.permit(ROOT, *each.argv)}


def with_states(found: Sequence[FoundContainer], answers: Mapping[str, Answer]) -> list[FoundContainer]:
    """The containers with the states in `answers`, by name."""
    return [_with_state(each, answers[each.name]) if each.name in answers else each for each in found]


def _with_state(found: FoundContainer, answer: Answer) -> FoundContainer:
    try:
        state = Containers().parse(answer, found.name, Container())
    except MeasurementError:
        return found
    return FoundContainer(found.name, state.status, state.image)


def contained(found: Sequence[FoundContainer], refused: Answer, rights: Rights) -> Sight:
    """The containers; unseen if Docker refuses the login, or hides a state."""
    names = ContainerNames().command(_AS_ROOT).argv
    if not found:
        is_absent = refused.status in (0, 127) or "not found" in refused.stderr
        return Sight(unseen=[] if is_absent else [Unseen("containers", rights.line(ROOT, *names))])
    hidden = [each.name for each in found if not each.state]
    way = "opsproof privileges --into=rights, after this inventory is written"
    unseen = [Unseen(f"the states of the containers {', '.join(hidden)}", way)] if hidden else []
    login = [Entry("docker_as", ROOT)] if refused.status else []
    entries = [Entry("containers", each.name, {}, unless(each.state or "running", "running")) for each in found]
    return Sight([*login, *entries], unseen)


def requests(listeners: Sequence[Listener]) -> dict[str, Command]:
    """A ping to each Redis server and a GET to the management of RabbitMQ, without a login, by service and port."""
    made = {}
    for port in sorted({each.port for each in listeners}):
        kind, address = service(port, listeners), place(port, listeners)
        if kind == "Redis":
            cache = Cache(address=address, port=port, timeout="3s")
            made[f"Redis {port}"] = CacheStates().command(_AS_ROOT, "", cache)
        elif kind == "RabbitMQ":
            made[f"RabbitMQ {port}"] = curl.get(f"http://{address}:{port}/api/overview", PATIENCE_S)
    return made


def seen(answers: Mapping[str, Answer], found: Sequence[FoundContainer], home: str) -> Sight:
    """The caches and the broker in the answers to `requests`; `home` is for the files of passwords."""
    sight = Sight()
    for name, answer in answers.items():
        kind, _, port = name.partition(" ")
        if kind == "Redis":
            sight.add(_cache(int(port), answer, found, home))
        elif kind == "RabbitMQ":
            sight.add(_broker(int(port), answer, found, home))
    return sight


def container_of(kind: str, port: int | str, found: Sequence[FoundContainer]) -> str:
    """The only container of a kind that may answer on a port; empty for none, and for several."""
    names = [each.name for each in found if each.kind == kind and each.may_answer(port)]
    return names[0] if len(names) == 1 else ""


def _cache(port: int, answer: Answer, found: Sequence[FoundContainer], home: str) -> Sight:
    name = container_of("redis", port, found)
    fields: dict[str, Value] = {} if port == 6379 else {"port": port}
    fields |= {"container": name} if name else {}
    asks = answer.status != 0 and "password" in answer.stderr
    fields |= {"netrc": f"{home}/.opsproof/redis.netrc"} if asks else {}
    doubts = [f"belongs to the container {name}, by image and name"] if name else []
    doubts += ["asks for a password: opsproof privileges makes the user and the file"] if asks else []
    if answer.status != 0 and not asks:
        doubts.append(f"does not answer as Redis: {answer.stderr.strip() or 'no message'}")
    elif silence := re.match(r"silence:(.*)", answer.stdout):
        doubts.append(f"does not answer now: {silence[1]}")
    return Sight([Entry("caches", name or f"redis-{port}", fields, "; ".join(doubts))])


def _broker(port: int, answer: Answer, found: Sequence[FoundContainer], home: str) -> Sight:
    silence = curl.silence(answer, PATIENCE_S)
    name = container_of("rabbitmq", port, found)
    fields: dict[str, Value] = {} if port == 15672 else {"url": f"http://127.0.0.1:{port}"}
    fields |= {"container": name} if name else {}
    doubts = [f"belongs to the container {name}, by image and name"] if name else []
    doubts += [f"does not answer now: {silence}"] if silence else []
    doubts += ["needs a login: opsproof privileges makes the user and the file"]
    entry = Entry("broker", "", {**fields, "netrc": f"{home}/.opsproof/rabbitmq.netrc"}, "; ".join(doubts))
    way = "a table under queues, with a pattern of the names, for each kind of queue"
    return Sight([entry], [Unseen("the queues of RabbitMQ", way)])
