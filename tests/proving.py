"""What the proofs of all labs share: rounds, what a fault must change, and the matrix that is printed."""

import os
import sqlite3
import string
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
IS_ROOT = os.geteuid() == 0
EVERY_CHECK = "*"
LETTERS = {"failed": "F", "unknown": "?", "warned": "w"}
COLUMNS = string.ascii_letters + string.digits + "".join(map(chr, range(0x410, 0x450)))


@dataclass
class Rounds:
    """Rounds of the checks that `marker` selects, with one inventory; each must end within `timeout_s`."""

    inventory: Path
    reports: Path
    timeout_s: float = 120
    marker: str = "daily"
    environment: dict[str, str] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    printed: str = ""

    @property
    def history(self) -> Path:
        return self.reports / "history.sqlite"

    def command(self, *options: str) -> list[str]:
        words = [sys.executable, "-m", "pytest", "-q", "-m", self.marker]
        return [*words, f"--inventory={self.inventory}", f"--reports={self.reports}", *options]

    def run(self, wrapper: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> dict[str, str]:
        """The verdict of each check in a new round."""
        done = subprocess.run(
            [*wrapper, *self.command(*options)],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=self.timeout_s,
            check=False,
        )
        self.printed = done.stdout + done.stderr
        assert done.returncode in (0, 1, 6), self.printed
        verdicts = self._last("verdict")
        assert done.returncode == exit_status(verdicts), self.printed
        self.checks = sorted({check(test) for test in verdicts})
        return verdicts

    def forget(self, metric: str) -> None:
        """Takes the readings of a counter out of the history: a fault made it start anew."""
        with closing(sqlite3.connect(self.history)) as history, history:
            history.execute("DELETE FROM samples WHERE metric = ?", (metric,))

    @property
    def sentences(self) -> dict[str, str]:
        """What the last round says of each check."""
        return self._last("sentence")

    def _last(self, column: str) -> dict[str, str]:
        with closing(sqlite3.connect(self.history)) as history:
            query = f"SELECT test, {column} FROM verdicts WHERE run = (SELECT max(id) FROM runs)"
            return dict(history.execute(query).fetchall())


def exit_status(verdicts):
    """Failed before unknown before everything holds."""
    found = set(verdicts.values())
    return 1 if "failed" in found else 6 if "unknown" in found else 0


def check(test):
    return test.split("[", maxsplit=1)[0]


def bad(verdicts):
    return {test: verdict for test, verdict in verdicts.items() if verdict != "passed"}


def surprising(verdicts, names, may=()):
    """What is not good, without that which only may be so."""
    return {test: verdict for test, verdict in bad(verdicts).items() if named(test, names) or not named(test, may)}


def named(test, names):
    """The name, among `names`, that a test is meant by: the closest one."""
    return next((name for name in (test, check(test), EVERY_CHECK) if name in names), None)


def expected(names, tests):
    """The verdict of each test that `names` say something of, by test, check or `EVERY_CHECK`."""
    unmatched = [name for name in names if name != EVERY_CHECK and name not in {*tests, *map(check, tests)}]
    assert not unmatched, f"the fault names checks that there are not: {unmatched}"
    return bad({test: names[name] for test in tests if (name := named(test, names))})


def agree(found, wanted, when, sentences=None):
    """Fails, and says what is too much, with its sentences, and what is missing, unless all is as it is wanted."""
    over = _without(found, wanted)
    why = {test: (sentences or {}).get(test) for test in over}
    assert found == wanted, f"{when}: {over} where {_without(wanted, found)} is wanted; {why}"


def _without(verdicts, others):
    return {test: verdict for test, verdict in verdicts.items() if others.get(test) != verdict}


@dataclass
class Proof:
    """Faults, one after the other, and the worst verdict of each check under each of them."""

    rounds: Rounds
    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, fault, broken) -> None:
        """Exactly what the fault names changes while it is `broken`, and nothing is left of it when it is healed."""
        with broken:
            verdicts = self.rounds.run(fault.wrapper)
        self.rows[fault.name] = bad(verdicts)
        wanted = expected(fault.expected, verdicts)
        agree(surprising(verdicts, fault.expected, fault.may), wanted, "broken", self.rounds.sentences)
        self.rounds.forget("restarts")  # PM2's counters are reset in healing
        if fault.told:
            agree(bad(self.rounds.run()), expected(fault.told, verdicts), "told once", self.rounds.sentences)
        agree(bad(self.rounds.run()), {}, "healed", self.rounds.sentences)

    def show(self, config) -> None:
        """Prints the matrix past the capture of output."""
        plugins = config.pluginmanager
        with plugins.getplugin("capturemanager").global_and_fixture_disabled():
            plugins.getplugin("terminalreporter").write_line("\n" + self._matrix())

    def _matrix(self) -> str:
        checks = self.rounds.checks
        lines = [f"{column}  {name}" for column, name in zip(COLUMNS, checks, strict=False)]
        lines.append(" ".join(COLUMNS[: len(checks)]))
        lines += [" ".join(_worst(verdicts, checks)) + f"  {fault}" for fault, verdicts in self.rows.items()]
        return "\n".join(lines)


def _worst(verdicts, checks):
    order = list(LETTERS)
    worst = {}
    for test, verdict in sorted(verdicts.items(), key=lambda item: -order.index(item[1])):
        worst[check(test)] = LETTERS[verdict]
    return [worst.get(each, ".") for each in checks]


def identity(fault):
    return fault.name.replace(" ", "-")
