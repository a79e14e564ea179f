"""`opsproof doctor`: the reasons of unknown checks, and the command to mend each."""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from opsproof.action.options import ActionParser
from opsproof.command import options, rounds
from opsproof.command.hosts import FINDINGS, UNKNOWN, add_hosts, chosen, ended
from opsproof.core.errors import OpsproofError
from opsproof.core.rounds import ROUNDS
from opsproof.doctor import probes
from opsproof.doctor.mending import Patient, mend
from opsproof.history.query import last_unknowns
from opsproof.history.store import FILE
from opsproof.inventory.hosts import Host

_EXAMPLES = """\
opsproof doctor --inventory=inventory/metachat.toml
opsproof doctor --inventory=inventory/metachat.toml --host=vps-00"""
_SUMMARY = """\
Tries one by one what a round needs: connection, programs, each line of sudo, the clock, the formats of logs, tunnels,
logins and extensions of databases; then asks the hosts for all facts, and lists each reason for which a check would be
unknown, with the command that mends it. Changes nothing, and records no run. Exit status: 0 no check would be unknown,
1 some would, 2 usage, 6 the rounds did not run."""


def parser() -> ActionParser:
    """The options of `opsproof doctor`."""
    made = options.parser("doctor", _SUMMARY, _EXAMPLES)
    add_hosts(made)
    options.add_reports(made)
    return made


def run(words: list[str]) -> int:
    """Prints a line for each need and each reason; 1 if a check would be unknown."""
    given = parser().parse_args(words)
    return ended(lambda: _examined(chosen(given), options.inventory(given.inventory).path, given.reports))


def _examined(hosts: list[Host], inventory: Path, reports: Path) -> int:
    for host in hosts:
        for each in probes.probe(Patient(host, str(inventory))):
            _say(f"{host.name}: {each}")
    found = unknowns(hosts, inventory, reports)
    by_name = {host.name: host for host in hosts}
    for (name, sentence), tests in found.items():
        patient = Patient(by_name[name], str(inventory), _resource(tests[0], name))
        _say(f"{name}: {len(tests)} unknown: {sentence}")
        _say(f"    mend: {mend(patient, sentence)}")
        for test in tests:
            _say(f"    {test}")
    if not found:
        _say("no check will be unknown")
    return FINDINGS if found else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{options.plain(text)}\n")


def _resource(test: str, host: str) -> str:
    """The name of the resource in a test's parameter: ``test_x[vps-00-metachat]`` is of metachat."""
    return test.partition("[")[2].removesuffix("]").removeprefix(host).removeprefix("-")


@contextmanager
def _without_shared_history() -> Iterator[None]:
    """Keeps the rounds of this command out of a history in PostgreSQL."""
    kept = os.environ.pop("OPSPROOF_HISTORY", None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ["OPSPROOF_HISTORY"] = kept


def unknowns(hosts: Iterable[Host], inventory: Path, reports: Path) -> dict[tuple[str, str], list[str]]:
    """The checks of all rounds that would be unknown, by host and sentence; earlier runs in `reports` count.

    Raises:
        OpsproofError: the rounds did not run.
    """
    with tempfile.TemporaryDirectory(prefix="opsproof-doctor-") as folder:
        with suppress(OSError):
            shutil.copy(reports / FILE, folder)
        words = [f"--inventory={inventory}", f"--reports={folder}", *(f"--host={each.name}" for each in hosts)]
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), _without_shared_history():
            status = rounds.run(" or ".join(ROUNDS), words)
        if status not in (0, FINDINGS, UNKNOWN):
            raise OpsproofError(f"the rounds did not run: {printed.getvalue().strip()[-300:]}")
        rows = last_unknowns(Path(folder) / FILE)
    found: dict[tuple[str, str], list[str]] = {}
    for host, test, sentence in rows:
        found.setdefault((host, sentence), []).append(test)
    return found
