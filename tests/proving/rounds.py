"""Rounds of checks on a lab, as a user runs them."""

import os
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from opsproof.core.verdicts import Verdict
from opsproof.round import grouping
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
    """The tests of all rounds so far."""
    printed: str = ""

    @property
    def history(self) -> Path:
        return self.reports / "history.sqlite"

    def words(self, *options: str) -> list[str]:
        """The command line of pytest."""
        return ["-q", "-m", self.marker, f"--inventory={self.inventory}", f"--reports={self.reports}", *options]

    def run(self, wrapper: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> dict[str, str]:
        """Runs a round and returns the verdict of each check; fails if a check of an earlier round is missing."""
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

    def only(self, checks: Iterable[str], wrapper: tuple[str, ...] = ()) -> dict[str, str]:
        """Runs a round of some checks, `"*"` for all."""
        words = " or ".join(sorted(set(checks) - {"*"}))
        return replace(self).run(wrapper, ("-k", words) if words else ())

    @property
    def causes(self) -> dict[str, str]:
        """For each finding in the last round's report, the finding that a person reads first: itself, or its cause."""
        groups = grouping.group(list(self._findings()))
        return {each.test: group.cause.test for group in groups for each in group.verdicts}

    def _findings(self) -> Iterator[Verdict]:
        for name, said in self._reported():
            if said["verdict"] != ["passed"]:
                host, verdict, sentence = (said[key][0] for key in ("host", "verdict", "sentence"))
                yield Verdict(name, host, "", verdict, sentence, causes=said["cause"])

    @property
    def remedies(self) -> dict[str, str]:
        """The remedy of each finding in the last round's report."""
        return {test: said["remedy"][0] for test, said in self._reported() if "remedy" in said}

    def _reported(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """The properties of each test in the last round's JUnit XML."""
        newest = max(self.reports.glob("*.xml"), key=lambda path: path.stat().st_mtime_ns)
        for case in ElementTree.parse(newest).getroot().iter("testcase"):
            said = defaultdict(list)
            for each in case.iter("property"):
                said[each.attrib["name"]].append(each.attrib["value"])
            name = case.attrib["name"]
            yield name[: name.rindex("]") + 1], said

    def _pytest(self, wrapper: tuple[str, ...], options: tuple[str, ...]) -> tuple[int, str]:
        """Exit status and output of pytest, started by a fault's wrapper, or else forked, which is faster."""
        words, environment = self.words(*options), {**os.environ, **self.environment}
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as output:
            if wrapper:
                command = [*wrapper, sys.executable, "-m", "pytest", *words]
                status = forks.start(command, ROOT, environment, Path(output.name), self.timeout_s)
            else:
                status = forks.run_pytest(words, ROOT, environment, Path(output.name), self.timeout_s)
            return status, output.read()

    def forget(self, metric: str) -> None:
        """Deletes the samples of a counter from the history: a fault has reset the counter."""
        with closing(sqlite3.connect(self.history)) as history, history:
            history.execute(
                "DELETE FROM readings WHERE counter_id IN (SELECT id FROM counters WHERE metric = ?)", (metric,)
            )

    def forget_last(self) -> None:
        """Deletes all samples of the last round from the history: the same faults will be broken again."""
        with closing(sqlite3.connect(self.history)) as history, history:
            history.execute("DELETE FROM readings WHERE run = (SELECT max(id) FROM runs)")

    @property
    def sentences(self) -> dict[str, str]:
        """The last round's sentence for each check."""
        return self._last("sentence")

    def _number(self) -> int:
        """The number of the last recorded round; 0 without rounds."""
        if not self.history.exists():
            return 0
        with closing(sqlite3.connect(self.history)) as history:
            return history.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0]

    def _last(self, column: str) -> dict[str, str]:
        with closing(sqlite3.connect(self.history)) as history:
            query = f"SELECT test, {column} FROM verdicts WHERE run = (SELECT max(id) FROM runs)"
            return dict(history.execute(query).fetchall())


def exit_status(verdicts):
    """1 if any verdict is failed, else 6 if any is unknown, else 0."""
    found = set(verdicts.values())
    return 1 if "failed" in found else 6 if "unknown" in found else 0
