"""The index of all reports: a page over the whole history, rewritten after each run."""

import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsproof.action import journal
from opsproof.core import files
from opsproof.core.limits import Bound, parse_rule
from opsproof.core.metrics import METRICS
from opsproof.core.rounds import ROUNDS
from opsproof.core.verdicts import ORDER
from opsproof.history import estate
from opsproof.history.estate import DAY_S, LastRun, Series
from opsproof.history.store import History
from opsproof.round.due import due_time
from opsproof.round.report.changes import FLAPPING_RUNS, is_flapping
from opsproof.round.report.names import stem
from opsproof.round.report.templates import environment, read

if TYPE_CHECKING:
    import jinja2

    from opsproof.round.run import Run

FILE = "index.html"
DAYS = 90
GROWING = (
    *("disk_used", "inodes_used", "database_size", "table_size"),
    *("log_folder_size", "log_file_size", "keys_used"),
)
"""Metrics that grow until somebody acts."""
CHARTS, ROWS, FACTS = 24, 20, 10
WIDTH, HEIGHT = 360.0, 60.0


@dataclass(frozen=True)
class Chart:
    """A curve of a series with its limit, in the coordinates of a drawing of `WIDTH` and `HEIGHT`."""

    series: Series
    share: float
    curve: str
    limit_y: float | None

    @property
    def weekly(self) -> list[tuple[float, float]]:
        """The last point of each week."""
        return list({int(when // (7 * DAY_S)): (when, value) for when, value in self.series.points}.values())


def write(run: "Run", folder: Path) -> None:
    """Writes the index into the folder of reports; a reader sees the old page or the new one.

    Raises:
        OSError: the page cannot be written.
    """
    files.replace(folder / FILE, render(run, folder))


def render(run: "Run", folder: Path) -> str:
    """The page."""
    return template().render(style=read("index.css"), **content(run, folder))


@cache
def template() -> "jinja2.Template":
    """The compiled template of the page."""
    environment().get_template("charts.html.jinja")
    return environment().get_template("index.html.jinja")


def content(run: "Run", folder: Path) -> dict[str, Any]:
    """What the page shows."""
    now = run.started
    begin = now - DAYS * DAY_S + 1  # this run is in the last column
    last = _last_runs(run)
    titles = [METRICS[each].title for each in GROWING]
    entries = _entries(folder)
    return {
        "now": now,
        "written": time.time(),
        "order": ORDER,
        "runs": [(each, _page(folder, each)) for each in last],
        "missing": _without_run(run, last),
        "days": _strips(estate.days(run.history, begin, DAY_S)),
        "day_count": DAYS,
        "begin": begin,
        "findings": estate.open_findings(run.history, last),
        "flapping": _flapping(run.history, last),
        "inventories": _several_inventories(last),
        "charts": charts(estate.growth(run.history, last, titles, begin)),
        "width": WIDTH,
        "height": HEIGHT,
        "saved": [
            each for each in entries if each["action"] in ("backup", "verify_backup", "restore_drill", "restore")
        ][:ROWS],
        "actions": entries[:ROWS],
        "waivers": sorted(run.inventory.waivers, key=lambda each: each.expires),
        "facts": _slowest(run),
        "complaints": run.history.complaints,
    }


def _last_runs(run: "Run") -> list[LastRun]:
    """The last runs, except of hosts that the inventory of this run no longer declares, and due by its schedule."""
    own, found = run.config.option.inventory.resolve(), []
    for each in estate.last_runs(run.history):
        if each.file != own:
            found.append(each)
        elif host := run.whole_inventory.hosts.get(each.host):
            found.append(replace(each, due=due_time(host, each.cadence, each.started)))
    return found


def _flapping(history: History, last: list[LastRun]) -> list[tuple[str, str, str]]:
    """Host, round and test of each check that flaps."""
    unsteady = estate.unsteady(history, last, FLAPPING_RUNS)
    return sorted(each for each, verdicts in unsteady.items() if is_flapping(verdicts))


def _several_inventories(last: list[LastRun]) -> set[str]:
    """The hosts that several inventories declare."""
    files: dict[str, set[Path]] = defaultdict(set)
    for each in last:
        files[each.host].add(each.file)
    return {host for host, found in files.items() if len(found) > 1}


def _without_run(run: "Run", last: list[LastRun]) -> list[tuple[str, str]]:
    """Host and round of each scheduled round that never ran."""
    scheduled = {
        (name, job.runs(key))
        for name, host in run.whole_inventory.hosts.items()
        for key, job in host.jobs.items()
        if job.runs(key) in ROUNDS
    }
    return sorted(scheduled - {(each.host, each.cadence) for each in last})


def _page(folder: Path, last: LastRun) -> str:
    name = f"{stem(last.started, last.cadence)}.html"
    return name if (folder / name).exists() else ""


def _entries(folder: Path) -> list[dict[str, Any]]:
    with suppress(OSError):
        return journal.tail(folder / "journal.jsonl")
    return []


def _strips(days: dict[str, dict[int, str]]) -> list[tuple[str, list[tuple[int, int, str]], dict[str, int]]]:
    """For each host, the stretches of days with the same verdict, and the number of days by verdict."""
    found = []
    for host, verdicts in sorted(days.items()):
        stretches: list[tuple[int, int, str]] = []
        for day, verdict in sorted(verdicts.items()):
            if stretches and stretches[-1][0] + stretches[-1][1] == day and stretches[-1][2] == verdict:
                begin, length, _ = stretches.pop()
                stretches.append((begin, length + 1, verdict))
            else:
                stretches.append((day, 1, verdict))
        counts = {each: list(verdicts.values()).count(each) for each in ORDER}
        found.append((host, stretches, {**counts, "no run": DAYS - len(verdicts)}))
    return found


def charts(found: Iterable[Series]) -> list[Chart]:
    """The charts of the series nearest to their limits."""
    drawn = [chart(each) for each in found if len(each.points) > 1]
    return sorted(drawn, key=lambda each: -each.share)[:CHARTS]


def chart(series: Series) -> Chart:
    """The curve of a series: a point for the last value of each day."""
    daily = list({int(when // DAY_S): (when, value) for when, value in series.points}.values())
    limit = _upper_limit(series)
    top = max([value for _, value in daily] + ([limit] if limit else [])) or 1.0
    begin, end = daily[0][0], daily[-1][0]
    places = [
        f"{(when - begin) / ((end - begin) or 1) * WIDTH:.1f},{HEIGHT - value / top * HEIGHT:.1f}"
        for when, value in daily
    ]
    share = daily[-1][1] / limit if limit else 0.0
    return Chart(series, share, " ".join(places), None if limit is None else HEIGHT - limit / top * HEIGHT)


def _upper_limit(series: Series) -> float | None:
    with suppress(ValueError, KeyError):
        rule = parse_rule(series.rule, series.unit)
        if isinstance(rule, tuple) and isinstance(rule[0], Bound) and rule[0].sign.startswith("<"):
            return rule[0].value
    return None


def _slowest(run: "Run") -> list[tuple[float, str, str]]:
    """Duration, host and fact of the slowest commands and queries of this run."""
    return sorted(run.durations(), reverse=True)[:FACTS]
