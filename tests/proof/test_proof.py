"""The proof: on the healthy lab every check passes, and under each fault exactly the named checks change."""

import os
import re
import sqlite3
import string
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import Lab, logs
from lab.faults import FAULTS, disks
from lab.faults.processes import settle

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
MATRIX: dict[str, dict[str, str]] = {}


class Rounds:
    """Daily rounds on one lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.reports = folder / "reports"
        self.checks: list[str] = []
        self._inventory = folder / "lab.toml"
        lab.inventory(self._inventory)
        text = self._inventory.read_text()
        if IS_ROOT:
            limit = 'limits.disk_used = { must = "< 80%", should = "< 70%" }'
            text = text.replace("[hosts.lab.mounts]\n", f'[hosts.lab.mounts]\n"{disks.disk(lab)}" = {{ {limit} }}\n')
        self._inventory.write_text(text)

    def run(self, wrapper: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> dict[str, str]:
        """The verdict of each check in a new round."""
        command = [*wrapper, sys.executable, "-m", "pytest", "-q", "-m", "daily"]
        command += [f"--inventory={self._inventory}", f"--reports={self.reports}", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, 1, 6), done.stdout + done.stderr
        with closing(sqlite3.connect(self.reports / "history.sqlite")) as history:
            query = "SELECT test, verdict FROM verdicts WHERE run = (SELECT max(id) FROM runs)"
            verdicts = dict(history.execute(query).fetchall())
        self.checks = sorted({test.split("[", maxsplit=1)[0] for test in verdicts})
        return verdicts


@pytest.fixture(scope="module")
def rounds(lab, tmp_path_factory, request):
    lab.up()
    if IS_ROOT:
        disks.mount(lab)
    logs.remove(lab.layout.logs)
    logs.history(lab.layout.logs, datetime.now(UTC).replace(tzinfo=None))
    lab.pm2("reloadLogs")
    lab.traffic()
    settle()
    rounds = Rounds(lab, tmp_path_factory.mktemp("proof"))
    yield rounds
    if IS_ROOT:
        disks.unmount(lab)
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write_line("\n" + _matrix(rounds.checks))


@contextmanager
def _kept_logs(lab):
    """Takes out of the logs what a fault made the platform write: that is no part of the healthy lab."""
    kept = {path: path.read_bytes() for path in lab.layout.logs.iterdir()}
    try:
        yield
    finally:
        for path in set(lab.layout.logs.iterdir()) - set(kept):
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)


def _bad(verdicts):
    return {test: verdict for test, verdict in verdicts.items() if verdict != "passed"}


def _matches(test, names):
    return test in names or test.split("[", maxsplit=1)[0] in names


def _expected(fault, tests, lab):
    disk = f"[lab-{disks.disk(lab)}]"
    names = {name.replace("[DISK]", disk): verdict for name, verdict in fault.expected.items()}
    verdicts = {}
    for test in tests:
        for key in (test.split("[", maxsplit=1)[0], test):
            if key in names:
                verdicts[test] = names[key]
    unmatched = [name for name in names if not any(_matches(test, (name,)) for test in tests)]
    assert not unmatched, f"the fault names checks that there are not: {unmatched}"
    return verdicts


@pytest.mark.lab
def test_healthy_lab_passes_ten_rounds_in_a_row(rounds):
    for _ in range(10):
        assert _bad(rounds.run()) == {}


@pytest.mark.lab
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_fault_changes_exactly_the_checks_it_names(rounds, fault):
    if fault.root and not IS_ROOT:
        pytest.skip("only root can mount what this fault needs")
    disk = f"[lab-{disks.disk(rounds.lab)}]"
    may = {name.replace("[DISK]", disk) for name in fault.may}
    with _kept_logs(rounds.lab), fault.breaks(rounds.lab):
        verdicts = rounds.run(fault.wrapper)
    bad = _bad(verdicts)
    MATRIX[fault.name] = bad
    expected = _expected(fault, verdicts, rounds.lab)
    assert {test: verdict for test, verdict in bad.items() if test in expected or not _matches(test, may)} == expected
    (rounds.reports / "history.sqlite").unlink()  # the counters that a fault reset are no part of the healthy lab
    assert _bad(rounds.run()) == {}, "healing did not make it pass"


def test_every_daily_check_is_named_by_a_fault():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "daily", "--collect-only", "-q", "--inventory=inventory/lab.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    checks = set(re.findall(r"::(\w+)", done.stdout))
    named = {name.split("[", maxsplit=1)[0] for fault in FAULTS for name in fault.expected}
    assert checks - named == set()
    assert checks


@pytest.mark.lab
def test_no_secret_of_the_lab_is_in_any_report(rounds):
    rounds.run(options=(f"--save-facts={rounds.reports / 'facts.json'}",))
    files = [path for path in rounds.reports.iterdir() if path.is_file()]
    assert {".html", ".xml", ".sqlite", ".json"} <= {path.suffix for path in files}
    found = [
        (path.name, secret) for path in files for secret in rounds.lab.secrets if secret.encode() in path.read_bytes()
    ]
    assert not found


def _matrix(checks):
    letters = {"failed": "F", "unknown": "?", "warned": "w"}
    names = string.ascii_letters
    lines = [f"{name}  {check}" for name, check in zip(names, checks, strict=False)]
    lines.append(" ".join(names[: len(checks)]))
    for fault, bad in MATRIX.items():
        worst = {test.split("[", maxsplit=1)[0]: letters[verdict] for test, verdict in sorted(bad.items())}
        lines.append(" ".join(worst.get(check, ".") for check in checks) + f"  {fault}")
    return "\n".join(lines)
