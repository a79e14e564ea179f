"""The state of all hosts for the index of reports: last runs, days, open findings, growth.

Every query reads the last runs or a fixed number of days by a key, so its cost does not grow with the history.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from opsproof.core.verdicts import ORDER, worst
from opsproof.history.store import SELECTED, History

DAY_S = 86_400.0
_LINES = f"""
    SELECT lines.id, lines.inventory, lines.cadence, host, due, run, started, {", ".join(ORDER)}
      FROM lines
      JOIN visits ON line = lines.id AND run = (SELECT max(run) FROM visits WHERE line = lines.id)
      JOIN runs ON runs.id = run
     WHERE lines.cadence <> ? ORDER BY host, lines.cadence, lines.inventory
"""  # noqa: S608  # made of constants
_DAYS = f"""
    SELECT host, started, {", ".join(ORDER)} FROM runs
      JOIN visits ON run = runs.id JOIN lines ON lines.id = line WHERE started >= ? ORDER BY run
"""  # noqa: S608
_OPEN = "SELECT test, verdict, sentence FROM verdicts WHERE run = ? AND host = ? AND verdict IN ('failed', 'unknown')"
_SINCE = """
    WITH spans AS (
        SELECT first_run, last_run, verdict IN ('failed', 'unknown') AS is_bad FROM checks
          JOIN judged ON check_id = checks.id WHERE line = ? AND test = ?
    )
    SELECT started FROM runs WHERE id = (
        SELECT min(first_run) FROM spans
         WHERE is_bad AND first_run > coalesce((SELECT max(last_run) FROM spans WHERE NOT is_bad), 0))
"""
_VALUES = """
    SELECT test, metric, unit, rule, first_run, last_run, number FROM checks
      JOIN series ON series.check_id = checks.id JOIN measured ON series_id = series.id
     WHERE line = ? AND last_run >= ? AND number IS NOT NULL AND rule <> '' AND metric IN ({})
     ORDER BY series.id, last_run
"""

_NEWEST_VISITS = "SELECT run FROM visits WHERE line = ? ORDER BY run DESC LIMIT ?"
_SPANS = """
    SELECT test, first_run, last_run, verdict FROM checks JOIN judged ON check_id = checks.id
     WHERE line = ? AND last_run >= ? AND nr = 0
"""


@dataclass(frozen=True)
class LastRun:
    """The last run of a round on a host; times in seconds since 1970. `due` is None if no schedule is declared."""

    line: int
    inventory: str
    cadence: str
    host: str
    due: float | None
    run: int
    started: float
    counts: dict[str, int]

    @property
    def file(self) -> Path:
        """The absolute path of the inventory."""
        return Path(self.inventory).resolve()

    @property
    def verdict(self) -> str:
        """The worst verdict."""
        return worst(verdict for verdict, count in self.counts.items() if count)


@dataclass(frozen=True)
class OpenFinding:
    """A check that failed or was unknown in the last run, since the start of a run in seconds since 1970."""

    host: str
    test: str
    verdict: str
    sentence: str
    since: float


@dataclass
class Series:
    """The values of a metric by start of the run, the oldest first, and the limit that judged it last."""

    host: str
    test: str
    metric: str
    unit: str
    rule: str
    points: list[tuple[float, float]] = field(default_factory=list)


def last_runs(history: History) -> list[LastRun]:
    """The last run of each round of an inventory on each host, by host. Runs of selected checks are left out."""
    found = [
        LastRun(line, inventory, cadence, host, due, run, started, dict(zip(ORDER, counts, strict=True)))
        for line, inventory, cadence, host, due, run, started, *counts in history.read(_LINES, (SELECTED,))
    ]
    newest = {(each.host, each.cadence, each.file): each.line for each in sorted(found, key=lambda one: one.run)}
    return [each for each in found if each.line in newest.values()]


def days(history: History, since: float, length_s: float) -> dict[str, dict[int, str]]:
    """The worst verdict of each host by the number of the day since `since`; days without a run are missing."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for host, started, *counts in history.read(_DAYS, (since,)):
        day = int((started - since) // length_s)
        seen = [verdict for verdict, count in zip(ORDER, counts, strict=True) if count]
        found[host][day] = worst([*seen, found[host].get(day, "passed")])
    return dict(found)


def open_findings(history: History, runs: Iterable[LastRun]) -> list[OpenFinding]:
    """The findings of the last runs, the oldest first. A check in several rounds has a finding for its newest run."""
    found: dict[tuple[str, str], OpenFinding] = {}
    for each in sorted(runs, key=lambda one: one.run):
        for key in [key for key in found if key[0] == each.host and _is_judged(history, each, key[1])]:
            del found[key]
        if each.counts["failed"] or each.counts["unknown"]:
            for test, verdict, sentence in history.read(_OPEN, (each.run, each.host)):
                since = next((started for (started,) in history.read(_SINCE, (each.line, test))), each.started)
                found[each.host, test] = OpenFinding(each.host, test, verdict, sentence, since)
    return sorted(found.values(), key=lambda one: one.since)


def _is_judged(history: History, run: LastRun, test: str) -> bool:
    query = "SELECT 1 FROM checks JOIN judged ON check_id = checks.id WHERE line = ? AND test = ? AND last_run = ?"
    return bool(history.read(query, (run.line, test, run.run)))


def unsteady(history: History, runs: Iterable[LastRun], count: int) -> dict[tuple[str, str, str], list[str]]:
    """The verdicts in the last `count` runs of a round, the oldest first, of each check that a run changed.

    By host, round and test; checks of fewer than `count` runs are left out.
    """
    found = {}
    for each in runs:
        visits = [run for (run,) in history.read(_NEWEST_VISITS, (each.line, count))][::-1]
        spans: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for test, *span in history.read(_SPANS, (each.line, visits[0])) if len(visits) == count else ():
            spans[test].append((span[0], span[1], span[2]))
        for test, ends in spans.items():
            verdicts = [verdict for run in visits for first, last, verdict in ends if first <= run <= last]
            if len(verdicts) == count and len(set(verdicts)) > 1:
                found[each.host, each.cadence, test] = verdicts
    return found


def growth(history: History, runs: Iterable[LastRun], metrics: Collection[str], since: float) -> list[Series]:
    """The values of `metrics`, by title, in the last run of each day since `since`."""
    found: dict[tuple[str, str, str], Series] = {}
    first = _first_run(history, since)
    for each in runs:
        daily = _last_visits(history, each.line, since, first)
        rows = history.read(_VALUES.format(", ".join("?" * len(metrics))), (each.line, first, *metrics))
        for test, metric, unit, rule, begin, end, number in rows:
            series = found.setdefault((each.host, test, metric), Series(each.host, test, metric, unit, rule))
            within = daily[bisect_left(daily, (begin,)) : bisect_left(daily, (end + 1,))]
            series.points += [(started, number) for _, started in within]
    for one in found.values():
        one.points.sort()
    return list(found.values())


def _last_visits(history: History, line: int, since: float, first: int) -> list[tuple[int, float]]:
    """Number and start of the last run of each day, by number."""
    query = "SELECT run, started FROM visits JOIN runs ON runs.id = run WHERE line = ? AND started >= ? AND run >= ?"
    visits = history.read(f"{query} ORDER BY run", (line, since, first))
    return sorted({int(started // DAY_S): (run, started) for run, started in visits}.values())


def _first_run(history: History, since: float) -> int:
    return int(history.read("SELECT coalesce(min(id), 0) FROM runs WHERE started >= ?", (since,))[0][0])


def earliest_start(history: History, runs: int) -> float | None:
    """The earliest start of the last `runs` runs, in seconds since 1970; None without a readable history."""
    query = "SELECT min(started) FROM (SELECT started FROM runs ORDER BY id DESC LIMIT ?) AS newest"
    return next((float(start) for (start,) in history.read(query, (runs,)) if start is not None), None)
