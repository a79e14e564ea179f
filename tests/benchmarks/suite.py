"""Measures the figures of docs/performance.md on a separate lab; asserts nothing about time."""

import argparse
import json
import signal
from types import FrameType

from backup import backup
from bench import started
from daily_round import daily_round
from fleet import fleet
from logs import logs
from maintenance import maintenance
from measure import REPOSITORY, Row, RunFailedError
from monthly import monthly
from page import page
from restore import restore
from rich.console import Console
from rich.table import Table
from rotation import rotation
from round_trips import round_trips
from runs import runs
from ssh import ssh
from startup import startup
from waits import waits
from years import years

from lab import LabError

BENCHMARKS = {
    each.__name__: each
    for each in (
        daily_round,
        monthly,
        round_trips,
        ssh,
        fleet,
        logs,
        rotation,
        backup,
        startup,
        restore,
        maintenance,
        waits,
        years,
        runs,
        page,
    )
}
RESULTS = REPOSITORY / "reports" / "bench.json"
RUNS, QUICK_RUNS = 9, 3
SIGNS = {True: "[green]met", False: "[red]missed", None: ""}


def main() -> int:
    """Runs the benchmarks named on the command line, or all; returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    options, console = _parser().parse_args(), Console()
    runs = QUICK_RUNS if options.quick else RUNS
    try:
        rows = _measure(options.names or list(BENCHMARKS), runs, console)
    except (LabError, RunFailedError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; stopped the lab")
        return 130
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    console.print(_table(rows, runs))
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt once; a second signal must not interrupt stopping the lab."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs of each side instead of {RUNS}")
    return parser


def _known(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"unknown benchmark {name!r}")
    return name


def _measure(names: list[str], runs: int, console: Console) -> list[Row]:
    rows: list[Row] = []
    with started(runs) as bench:
        for name in names:
            with console.status(f"measuring {name}"):
                rows += BENCHMARKS[name](bench.within(name))
            console.print(f"measured {name}")
    return rows


def _table(rows: list[Row], runs: int) -> Table:
    table = Table("ours / baseline", "ours", "baseline", "unit", "ratio", "goal", "", title=f"medians of {runs} runs")
    for each in rows:
        goal = "" if each["goal"] is None else f"{each['goal_for']} ≤ {each['goal']}"
        figures = [str(each[key]) for key in ("name", "ours", "baseline", "unit", "ratio")]
        table.add_row(*figures, goal, SIGNS[bool(each["met"]) if each["met"] is not None else None])
    return table
