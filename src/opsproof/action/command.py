"""The command line of an action: options, run from plan to proof, exit status.

::

    0  done, or nothing to do; without --apply: the plan was printed
    1  an error in opsproof, with traceback, also recorded in the journal
    2  the command line or the inventory is invalid
    3  refused; nothing was changed
    4  a step failed; the host may have changed
    5  the steps ran, but the finding remains
    6  a measurement failed; nothing was changed
"""

import argparse
import json
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

from opsproof.action import journal, window
from opsproof.action.base import Action, Step, Work
from opsproof.action.lock import held, whoami
from opsproof.action.options import parser
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import Inventory, load

EXITS: dict[type[OpsproofError], tuple[str, int]] = {
    InventoryError: ("usage", 2),
    Refused: ("refused", 3),
    StepFailed: ("failed", 4),
    NotRepaired: ("not repaired", 5),
    MeasurementError: ("unknown", 6),
}
"""The outcome and the exit status of each kind of error."""
UNCHANGED = "nothing was changed"
SHOWN = 20
"""Most warnings that a run names: functions of a loaded database may print any number."""
HINTS = {
    "refused": UNCHANGED,
    "failed": "the host may have changed: run the action without --apply to see the remaining steps",
    "not repaired": "the steps ran",
    "unknown": "nothing more was changed",
}


@dataclass
class ActionRun:
    """The state of a running action."""

    action: type[Action]
    host: str
    plan: list[str] = field(default_factory=list)
    outcome: str = "planned"
    message: str = "nothing was changed: give --apply to run the plan"
    status: int = 0
    began: float = field(default_factory=time.time)
    measured: dict[str, float | str] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    @property
    def named_warnings(self) -> list[str]:
        """The first warnings, and the number of further warnings."""
        more = len(self.warnings) - SHOWN
        return [*list(self.warnings)[:SHOWN], *([f"{more} more warnings"] if more > 0 else [])]

    def end(self, outcome: str, message: str, status: int = 0) -> None:
        """Sets outcome, message and exit status."""
        self.outcome, self.message, self.status = outcome, message, status


def main(action: type[Action], words: list[str] | None = None) -> int:
    """Runs `action` with the command line `words` and returns the exit status."""
    options = parser(action).parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    from rich.console import Console  # rounds read the journal without it

    console = Console(markup=False, highlight=False, soft_wrap=True, quiet=options.json)
    run = ActionRun(action, options.host or "")
    if not action.applies:
        run.message = "nothing was changed: review the statements, then run them yourself"
    try:
        host = _host(load(options.inventory), options.host)
        run.host = host.name
        made = action(Work(host, console.print), options)
        run.measured, run.warnings = made.measured, made.work.warnings
        _run(made, run)
    except OpsproofError as error:
        _fail(run, error)
    except KeyboardInterrupt:
        run.end("interrupted", "interrupted: the host may have changed", 4 if options.apply else 130)
    except Exception as error:
        run.end("broken", f"{type(error).__name__} in opsproof: the host may have changed", 1)
        _conclude(run, options, words)
        raise
    _conclude(run, options, words)
    return run.status


def _host(inventory: Inventory, name: str | None) -> Host:
    if name is None and len(inventory.hosts) == 1:
        return next(iter(inventory.hosts.values()))
    if name not in inventory.hosts:
        known = " or ".join(inventory.hosts)
        raise InventoryError(
            f"--host is required: {known}" if name is None else f"unknown host {name!r}; choose {known}"
        )
    return inventory.hosts[name]


def _run(action: Action, run: ActionRun) -> None:
    with held(action.host, whoami(action.name)) if action.options.apply else nullcontext():
        steps = action.plan()
        run.plan = [step.title for step in steps]
        action.show(run.plan)
        if not steps:
            run.end("nothing to do", "nothing to do")
            return
        if action.applies:
            window.require(action)
            action.guard(steps)
        if action.options.apply:
            _confirm(action)
            _apply(action, steps, run)


def _confirm(action: Action) -> None:
    if action.options.yes or action.options.json or not sys.stdin.isatty():
        return
    if input("run the plan? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed")


def _apply(action: Action, steps: list[Step], run: ActionRun) -> None:
    run.outcome = "begun"
    failed: list[tuple[Step, OpsproofError]] = []
    for number, step in enumerate(steps, 1):
        if any(step.depends_on(each) for each, _ in failed):
            action.work.say(f"  {number}. skipped")
            continue
        started = time.monotonic()
        try:
            _do(step)
        except OpsproofError as error:
            if all(each.depends_on(step) for each in steps[number:]):
                raise _first([*failed, (step, error)]) from error
            failed.append((step, error))
            action.work.say(f"  {number}. failed: {error}")
        else:
            action.work.say(f"  {number}. done in {time.monotonic() - started:.1f} s")
    if failed:
        raise _first(failed)
    try:
        action.prove(steps)
    except (MeasurementError, InventoryError) as error:  # missing resource or limit, but the host was changed
        raise NotRepaired(f"the steps ran, but their result cannot be measured: {error}") from error
    run.end("done", f"done and proven in {time.time() - run.began:.1f} s")


def _first(failed: list[tuple[Step, OpsproofError]]) -> OpsproofError:
    """One error of several failures: the kind of the first, with the messages of all."""
    kind = type(failed[0][1])
    return kind("; ".join(str(error) for _, error in failed))


def _do(step: Step) -> None:
    try:
        step.do()
    except MeasurementError as error:  # earlier steps have changed the host
        raise StepFailed(str(error)) from error


def _fail(run: ActionRun, error: OpsproofError) -> None:
    outcome, status = next((EXITS[kind] for kind in EXITS if isinstance(error, kind)), ("failed", 4))
    hint = "" if outcome == "usage" else f": {HINTS[outcome] if run.outcome == 'begun' else UNCHANGED}"
    run.end(outcome, f"{error}{hint}", status)


def _conclude(run: ActionRun, options: argparse.Namespace, words: list[str] | None) -> None:
    if run.warnings:
        run.measured["warnings"] = "; ".join(run.named_warnings)
    if options.apply and run.outcome != "usage":
        _record(run, options, sys.argv[1:] if words is None else words)
    if options.json:
        said = {"action": run.action.name, "host": run.host, "plan": run.plan, "warnings": run.named_warnings}
        sys.stdout.write(
            json.dumps({**said, "outcome": run.outcome, "message": run.message, "exit": run.status}) + "\n"
        )
    else:
        for each in run.named_warnings:
            sys.stdout.write(f"  {each}\n")
        stream = sys.stdout if run.action.applies and not run.status else sys.stderr
        stream.write(f"{run.action.name}: {run.message}\n")


def _record(run: ActionRun, options: argparse.Namespace, words: list[str]) -> None:
    duration_s = time.time() - run.began
    entry = journal.JournalEntry(
        run.action.name,
        run.host,
        words,
        run.plan,
        run.outcome,
        run.message,
        run.began,
        duration_s,
        run.measured,
    )
    try:
        journal.append(options.reports / "journal.jsonl", entry)
    except OSError as error:
        sys.stderr.write(f"{run.action.name}: the journal cannot be written: {error}\n")


def _interrupt(_number: int, _frame: object) -> None:
    """Interrupts the action. Later signals are ignored: they must not interrupt the cleanup."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
