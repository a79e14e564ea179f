"""Rounds of checks on a lab, as a user runs them."""

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import forks, timing

ROOT = Path(__file__).parents[2]


@dataclass
class Rounds:
    """Rounds of the checks that `marker` selects, with one inventory; each must end within `timeout_s`."""

    inventory: Path
    reports: Path
    timeout_s: float = 120
    marker: str = "daily"
    environment: dict[str, str] = field(default_factory=dict)
    tests: frozenset[str] = field(default=frozenset(), init=False)
    """Those of all rounds so far."""
    printed: str = ""

    @property
    def history(self) -> Path:
        return self.reports / "history.sqlite"

    def words(self, *options: str) -> list[str]:
        """The command line of pytest."""
        return ["-q", "-m", self.marker, f"--inventory={self.inventory}", f"--reports={self.reports}", *options]

    def run(self, wrapper: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> dict[str, str]:
        """The verdict of each check in a new round, which leaves out none that an earlier one had."""
        before = self._number()
        with timing.part("rounds"):
            status, self.printed = self._pytest(wrapper, options)
        assert status in (0, 1, 6), self.printed
        assert self._number() != before, f"no round was recorded: {self.printed}"
        verdicts = self._last("verdict")
        assert status == exit_status(verdicts), self.printed
        assert verdicts.keys() >= self.tests, f"left out: {sorted(self.tests - verdicts.keys())}"
        self.tests = frozenset(verdicts)
        return verdicts

    def _pytest(self, wrapper: tuple[str, ...], options: tuple[str, ...]) -> tuple[int, str]:
        """Its exit status and what it prints: started by the wrapper of a fault, else forked, which takes less time."""
        words, environment = self.words(*options), {**os.environ, **self.environment}
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output:
            if wrapper:
                command = [*wrapper, sys.executable, "-m", "pytest", *words]
                status = forks.start(command, ROOT, environment, Path(output.name), self.timeout_s)
            else:
                status = forks.run_pytest(words, ROOT, environment, Path(output.name), self.timeout_s)
            return status, output.read()

    def forget(self, metric: str) -> None:
        """Takes the readings of a counter out of the history: a fault made it start anew."""
        with closing(sqlite3.connect(self.history)) as history, history:
            history.execute("DELETE FROM samples WHERE metric = ?", (metric,))

    def forget_last(self) -> None:
        """Takes all readings of the last round out of the history: what they tell of will happen again."""
        with closing(sqlite3.connect(self.history)) as history, history:
            history.execute("DELETE FROM samples WHERE run = (SELECT max(id) FROM runs)")

    @property
    def sentences(self) -> dict[str, str]:
        """What the last round says of each check."""
        return self._last("sentence")

    def _number(self) -> int:
        """That of the last round on record; 0 where there is none."""
        if not self.history.exists():
            return 0
        with closing(sqlite3.connect(self.history)) as history:
            return history.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0]

    def _last(self, column: str) -> dict[str, str]:
        with closing(sqlite3.connect(self.history)) as history:
            query = f"SELECT test, {column} FROM verdicts WHERE run = (SELECT max(id) FROM runs)"
            return dict(history.execute(query).fetchall())


def exit_status(verdicts):
    """Failed before unknown before everything holds."""
    found = set(verdicts.values())
    return 1 if "failed" in found else 6 if "unknown" in found else 0
