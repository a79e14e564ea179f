"""A daily round over ssh against a testinfra call per verdict."""

import json
import shlex
import time
import xml.etree.ElementTree as ET
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import testinfra
from bench import Bench
from measure import Row, alternate, row

from opsproof.inventory.load import load
from opsproof.round import gathering
from tests.harness import sshd

LEAST_VERDICTS = 60
MOUNTS = """
[hosts.lab.mounts."/"]
[hosts.lab.mounts."/tmp"]
mountpoint = false
[hosts.lab.mounts."/var"]
mountpoint = false
"""


def ssh(bench: Bench) -> list[Row]:
    """Wall time in seconds, with a new connection (cold) and with an open connection of an earlier run (warm)."""
    with sshd.running() as server:
        inventory = _inventory(bench, server)
        commands = _commands(bench, inventory)

        def cold() -> float:
            server.close_connections()
            return warm()

        def warm() -> float:
            return bench.daily(inventory=inventory).wall_s

        sides = alternate(bench.runs, cold, warm, lambda: _one_by_one(server, commands))
    cold_s, warm_s, baseline_s = map(median, sides)
    count = len(commands)
    return [
        row(f"{count} verdicts over ssh / as many testinfra calls, cold", (cold_s, baseline_s), "s", goal=0.05),
        row(f"{count} verdicts over ssh / as many testinfra calls, warm", (warm_s, baseline_s), "s"),
    ]


def _inventory(bench: Bench, server: sshd.Sshd) -> Path:
    """The lab as a host behind ssh, with enough mounts for the number of verdicts."""
    path = bench.folder / "ssh.toml"
    path.write_text(bench.inventory.read_text().replace("local://", server.spec()) + MOUNTS)
    return path


def _commands(bench: Bench, inventory: Path) -> list[str]:
    """A command line for each verdict of a round: the commands of all facts, in turn.

    Verdicts share facts, slow facts more often, so the baseline is favoured.
    """
    facts, junit = bench.folder / "ssh.json", bench.folder / "ssh.xml"
    bench.daily(f"--save-facts={facts}", f"--junitxml={junit}", inventory=inventory)
    verdicts = len(list(ET.parse(junit).getroot().iter("testcase")))
    assert verdicts >= LEAST_VERDICTS
    return list(islice(cycle(_lines(inventory, facts)), verdicts))


def _lines(inventory: Path, facts: Path) -> list[str]:
    (host,) = load(inventory).hosts.values()
    (saved,) = json.loads(facts.read_text(encoding="utf-8")).values()
    keys = [(name, resource) for name, _, resource in (label.partition(" ") for label in saved["answers"])]
    commands = [command for key in keys if (command := gathering._command(host, key))]
    search_path = f"PATH={shlex.quote(':'.join(host.path))}:$PATH"
    return [f"{search_path} {shlex.join(command.words())}" for command in commands]


def _one_by_one(server: sshd.Sshd, commands: list[str]) -> float:
    """Seconds for all commands in sequence, with testinfra's defaults."""
    started = time.perf_counter()
    host = testinfra.get_host(
        f"ssh://{server.user}@127.0.0.1:{server.port}",
        ssh_identity_file=str(server.folder / "user_key"),
        ssh_extra_args="-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    )
    statuses = [host.run(command).rc for command in commands]
    assert not any(statuses), "a command failed"
    return time.perf_counter() - started
