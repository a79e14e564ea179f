"""Cost of each additional host on the machine that runs opsproof, and cost of unresponsive hosts."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench import Bench
from measure import Row, Spent, row

from opsproof.transport import ssh
from tests.harness import sshd

SIZES = (1, 10, 50)
FEW = (1, 10)
WORKERS = (0, 2)
DEAD = 5
RUNS = 3
CLASSIC = "KexAlgorithms curve25519-sha256\n"
"""A key exchange under 1 ms of processor time; sntrup761, the default of OpenSSH 9.2, takes 75 ms."""
ANY_VERDICT = (0, 1, 6)
"""Exit statuses of a completed round: many hosts on a single machine may exceed their limits."""


def fleet(bench: Bench) -> list[Row]:
    """The daily round with an ssh server on the local machine for each host, without open connections.

    The hosts' work runs on the same processors, so wall times are upper bounds; the controller's
    processor time covers pytest, workers and ssh clients.
    """
    with _servers(max(SIZES), CLASSIC) as servers:
        rows = [each for workers in WORKERS for each in _of_workers(bench, servers, workers)]
    with _servers(max(FEW), "") as servers:
        costs = {size: _costs(bench, servers[:size], 0) for size in FEW}
        return [*rows, _further(costs, "a further host, -n 0, key exchange as the ssh client prefers it")]


@contextmanager
def _servers(count: int, settings: str) -> Iterator[list[sshd.Sshd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(sshd.running(settings)) for _ in range(count)]


def _of_workers(bench: Bench, servers: list[sshd.Sshd], workers: int) -> list[Row]:
    costs = {size: _costs(bench, servers[:size], workers) for size in SIZES}
    rows = [
        row(f"{size} hosts over ssh, -n {workers}: wall / processor time of a host", _by_host(asked, size), "s")
        for size, (asked, _) in costs.items()
    ]
    largest = median(each.wall_s for each in costs[max(SIZES)][0])
    further = _further({size: costs[size] for size in (min(SIZES), max(SIZES))}, f"a further host, -n {workers}")
    return [*rows, further, _dead(bench, servers, workers, largest)]


def _costs(bench: Bench, servers: list[sshd.Sshd], workers: int) -> tuple[list[Spent], list[Spent]]:
    """Cost of complete rounds, and of rounds that only judge the facts saved by the last."""
    inventory, facts = _inventory(bench, [server.spec() for server in servers]), bench.folder / "fleet.json"
    asked = [_round(bench, servers, inventory, workers, f"--save-facts={facts}") for _ in range(RUNS)]
    return asked, [_round(bench, [], inventory, workers, f"--facts={facts}") for _ in range(RUNS)]


def _further(costs: dict[int, tuple[list[Spent], list[Spent]]], name: str) -> Row:
    """Processor time of each additional host, minus the time to judge the host."""
    (least, low), (most, high) = sorted(costs.items())
    whole, verdicts = ((_cpu_s(high[kind]) - _cpu_s(low[kind])) / (most - least) for kind in (0, 1))
    figures = (whole - verdicts, verdicts)
    return row(
        f"{name}: processor time beyond its verdicts / of its verdicts", figures, "s", goal=0.06, goal_for="ours"
    )


def _dead(bench: Bench, servers: list[sshd.Sshd], workers: int, alive_s: float) -> Row:
    """Extra time with silent hosts in place of answering hosts, against a connect timeout."""
    with ExitStack() as stack:
        silent = [f"ssh://nobody@127.0.0.1:{stack.enter_context(_silent())}" for _ in range(DEAD)]
        answering = servers[: max(SIZES) - DEAD]
        inventory = _inventory(bench, [*(server.spec() for server in answering), *silent])
        beyond_s = _round(bench, answering, inventory, workers).wall_s - alive_s
    name, figures = f"{DEAD} silent hosts among {max(SIZES)}, -n {workers}", (beyond_s, float(ssh.CONNECT_TIMEOUT_S))
    return row(f"{name}: time that they add / one connect timeout", figures, "s", goal=1.5)


def _round(bench: Bench, servers: list[sshd.Sshd], inventory: Path, workers: int, *words: str) -> Spent:
    for server in servers:
        server.close_connections()
    distribution = ("-n", str(workers)) if workers else ()
    return bench.daily("-q", *distribution, *words, inventory=inventory, statuses=ANY_VERDICT)


def _inventory(bench: Bench, specs: list[str]) -> Path:
    """An inventory with the lab as a host for each specification."""
    text = bench.inventory.read_text()
    limits, host = text[: text.index("[hosts.lab]")], text[text.index("[hosts.lab]") :]
    hosts = [host.replace("hosts.lab", f"hosts.h{n}").replace("local://", spec) for n, spec in enumerate(specs)]
    path = bench.folder / "fleet.toml"
    path.write_text(limits + "\n".join(hosts))
    return path


@contextmanager
def _silent() -> Iterator[int]:
    """A port where the kernel accepts connections, but no server answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def _by_host(spent: list[Spent], hosts: int) -> tuple[float, float]:
    return median(each.wall_s for each in spent) / hosts, _cpu_s(spent) / hosts


def _cpu_s(spent: list[Spent]) -> float:
    return median(each.cpu_s for each in spent)
