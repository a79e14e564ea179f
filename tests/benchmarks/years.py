"""A history of two years of a fleet: its size, and the time of the queries for a page."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import Bench
from measure import Row, row

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Sample, Verdict
from opsproof.history.store import History

START, DAY_S = 1_700_000_000.0, 86_400.0
INVENTORY, ROUND = "fleet.toml", "daily"
STEADY = 0.5
"""Of the values, the share that rarely changes: states, counts of errors, settings. The rest changes each day."""
FINDINGS = 10
"""Checks that a page shows with their last 30 runs."""


@dataclass(frozen=True)
class Fleet:
    """Hosts with checks, of a value each, over days."""

    hosts: int
    checks: int
    days: int
    steady: float = STEADY

    def verdicts(self, day: int, chance: random.Random) -> Iterator[Verdict]:
        """The verdicts of a day."""
        for host in range(self.hosts):
            for check in range(self.checks):
                yield self._verdict(f"vps-{host:02}", check, day, chance)

    def _verdict(self, host: str, check: int, day: int, chance: random.Random) -> Verdict:
        changes = check >= self.steady * self.checks
        value = round(chance.uniform(5, 95), 6) if changes else float(chance.random() < 0.01)
        word = "failed" if check < FINDINGS and day > self.days - 20 else "passed"
        sentence = f"/srv/data-{check}: disk used {value:.1f} %, within the limit (< 96 %)".replace(".0 %", " %")
        measured = Measurement("disk used", value, "percent", "< 96 %", word, sentence)
        samples = [Sample("restarts", day // 9, START, START + day * DAY_S)] if check % 20 == 0 else []
        resource = f"/srv/data-{check}"
        test = f"test_disk_has_free_space[{host}-{resource}]"
        return Verdict(test, host, resource, word, sentence, measurements=[measured], samples=samples)


def record(path: Path, fleet: Fleet) -> History:
    """Records a run a day of the whole fleet."""
    history, chance = History(path), random.Random(7)
    for day in range(fleet.days):
        history.add(START + day * DAY_S, INVENTORY, ROUND, fleet.verdicts(day, chance))
    assert history.complaints == []
    return history


_VERDICTS = """SELECT started, verdict, sentence FROM verdicts JOIN runs ON runs.id = run
                WHERE host = ? AND test = ? ORDER BY run DESC LIMIT 30"""
_VALUES = "SELECT run, metric, value FROM measurements WHERE host = ? AND test = ? ORDER BY run DESC LIMIT 30"


def read_page(history: History, clock: Callable[[], float] = time.perf_counter) -> float:
    """The seconds of the queries for the page of a host: the last run; streak, verdicts and values of each finding."""
    began = clock()
    before = history.last_run(INVENTORY, ROUND)
    for check in range(FINDINGS):
        test = f"test_disk_has_free_space[vps-00-/srv/data-{check}]"
        assert before[test] == "failed"
        assert history.streak("vps-00", test).runs > 3
        with history.reading() as connection:
            for query in (_VERDICTS, _VALUES):
                assert len(connection.execute(query, ("vps-00", test)).fetchall()) == 30
        history.samples("vps-00", "/srv/data-0", "restarts", START)
    return clock() - began


def query_of_the_readme(path: Path, clock: Callable[[], float] = time.perf_counter) -> float:
    """The seconds of the README's query."""
    query = """SELECT datetime(started, 'unixepoch'), value, unit FROM measurements JOIN runs ON runs.id = run
                WHERE test = 'test_disk_has_free_space[vps-00-/srv/data-199]'"""
    began = clock()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(query).fetchall()
    return clock() - began


def size_bytes(path: Path) -> int:
    """The size of the file."""
    return path.stat().st_size


def years(bench: Bench) -> list[Row]:
    """Size and query time of a history of two years."""
    path = bench.folder / "history.sqlite"
    history = record(path, Fleet(50, 200, 730))
    size_mb, page_s = size_bytes(path) / 1e6, median(read_page(history) for _ in range(bench.runs))
    return [
        row("history of 2 years, 50 hosts, 200 values a day: size", (size_mb, 0), "MB", goal=200, goal_for="ours"),
        row("history of 2 years, 50 hosts: queries of a page", (page_s, 0), "s", goal=0.05, goal_for="ours"),
    ]
