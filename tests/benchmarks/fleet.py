"""What each further host costs where opsproof runs, and what hosts cost that answer nothing."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench import Bench
from measure import Row, Spent, row

from opsproof import ssh
from tests import sshd

SIZES = (1, 10, 50)
FEW = (1, 10)
WORKERS = (0, 2)
DEAD = 5
RUNS = 3
CLASSIC = "KexAlgorithms curve25519-sha256\n"
"""The key exchange that OpenSSH 9.2 prefers, sntrup761, takes 75 ms of processor time, this one under a millisecond."""
ANY_VERDICT = (0, 1, 6)
"""Exit statuses of a round that was held: so many hosts on one machine may be too slow for their own limits."""


def fleet(bench: Bench) -> list[Row]:
    """The daily round over as many ssh servers on this machine as there are hosts, connections to be opened.

    The hosts' own work is done on the same processors, so that wall times are upper bounds; the
    controller's processor time is that of pytest, its workers and its ssh clients.
    """
    with _servers(max(SIZES), CLASSIC) as servers:
        rows = [each for workers in WORKERS for each in _by_size(bench, servers, workers)]
        with ExitStack() as stack:
            ports = [stack.enter_context(_silent()) for _ in range(DEAD)]
            rows += [_dead(bench, servers, ports, workers) for workers in WORKERS]
    with _servers(FEW[-1], "") as servers:
        return [*rows, _further(bench, servers, 0, FEW, "key exchange as the ssh client prefers it")]


@contextmanager
def _servers(count: int, settings: str) -> Iterator[list[sshd.Sshd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(sshd.running(settings)) for _ in range(count)]


def _by_size(bench: Bench, servers: list[sshd.Sshd], workers: int) -> list[Row]:
    asked = {size: _rounds(bench, servers[:size], workers) for size in SIZES}
    rows = [
        row(f"{size} hosts over ssh, -n {workers}: wall / processor time of a host", _by_host(asked[size], size), "s")
        for size in SIZES
    ]
    return [*rows, _further(bench, servers, workers, (SIZES[0], SIZES[-1]), "curve25519")]


def _further(bench: Bench, servers: list[sshd.Sshd], workers: int, sizes: tuple[int, int], how: str) -> Row:
    """Processor time of a further host, beyond what it takes to judge saved facts of as many."""
    asked, judged = (
        [_rounds(bench, servers[:size], workers, judged_again=again) for size in sizes] for again in (False, True)
    )
    whole, verdicts = ((_cpu_s(most) - _cpu_s(least)) / (sizes[1] - sizes[0]) for least, most in (asked, judged))
    name = f"a further host, -n {workers}, {how}: processor time beyond its verdicts / of its verdicts"
    return row(name, (whole - verdicts, verdicts), "s", goal=0.06, goal_for="ours")


def _dead(bench: Bench, servers: list[sshd.Sshd], ports: list[int], workers: int) -> Row:
    """Time with silent hosts among the others beyond that of the others, against one connect timeout."""
    others = servers[: max(SIZES) - DEAD]
    with_dead, alone = (_rounds(bench, others, workers, silent=silent) for silent in (ports, []))
    beyond_s = median(each.wall_s for each in with_dead) - median(each.wall_s for each in alone)
    name = f"{DEAD} silent hosts among {max(SIZES)}, -n {workers}: time that they add / one connect timeout"
    return row(name, (beyond_s, float(ssh.CONNECT_TIMEOUT_S)), "s", goal=1.5)


def _rounds(
    bench: Bench, servers: list[sshd.Sshd], workers: int, silent: list[int] | None = None, judged_again: bool = False
) -> list[Spent]:
    inventory = _inventory(bench, [*(server.spec() for server in servers), *_specs(silent or [])])
    words = ["-q", f"--save-facts={bench.folder}/fleet.json"]
    if workers:
        words += ["-n", str(workers)]
    if judged_again:
        _round(bench, servers, inventory, words)
        words[1] = words[1].replace("--save-facts", "--facts")
    return [_round(bench, servers, inventory, words) for _ in range(RUNS)]


def _round(bench: Bench, servers: list[sshd.Sshd], inventory: Path, words: list[str]) -> Spent:
    for server in servers:
        server.close_connections()
    return bench.daily(*words, inventory=inventory, statuses=ANY_VERDICT)


def _inventory(bench: Bench, specs: list[str]) -> Path:
    """The lab under as many names as there are specifications."""
    text = bench.inventory.read_text()
    limits, host = text[: text.index("[hosts.lab]")], text[text.index("[hosts.lab]") :]
    hosts = [host.replace("hosts.lab", f"hosts.h{n}").replace("local://", spec) for n, spec in enumerate(specs)]
    path = bench.folder / "fleet.toml"
    path.write_text(limits + "\n".join(hosts))
    return path


def _specs(ports: list[int]) -> list[str]:
    return [f"ssh://nobody@127.0.0.1:{port}" for port in ports]


@contextmanager
def _silent() -> Iterator[int]:
    """A port whose connections the kernel takes and nobody answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def _by_host(spent: list[Spent], hosts: int) -> tuple[float, float]:
    return median(each.wall_s for each in spent) / hosts, _cpu_s(spent) / hosts


def _cpu_s(spent: list[Spent]) -> float:
    return median(each.cpu_s for each in spent)
