"""The command line of an action: its options, its course from plan to proof, its exit status.

::

    0  done, or nothing to do; without --apply, the plan was shown
    1  a mistake of opsproof's own, with its traceback; the journal has it too
    2  the command line or the inventory is wrong
    3  refused, with nothing changed
    4  a step failed, and the host may have changed
    5  the steps ran, and the finding is still there
    6  something could not be measured, with nothing changed
"""

import argparse
import json
import os
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.action import journal
from opsproof.action.base import Action, Step, Work
from opsproof.action.lock import held, whoami
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
"""The outcome of each error, in a word and as an exit status."""
HINTS = {
    "refused": "nothing was changed",
    "failed": "the host may have changed: run it again without --apply to see what is left",
    "not repaired": "the steps ran",
    "unknown": "nothing more was changed",
}


@dataclass
class ActionRun:
    """How an action went so far."""

    action: type[Action]
    host: str
    plan: list[str] = field(default_factory=list)
    outcome: str = "planned"
    message: str = "nothing was changed: give --apply to do it"
    status: int = 0
    began: float = field(default_factory=time.time)
    measured: dict[str, float | str] = field(default_factory=dict)

    def end(self, outcome: str, message: str, status: int = 0) -> None:
        """Says how it ended."""
        self.outcome, self.message, self.status = outcome, message, status


def main(action: type[Action], words: list[str] | None = None) -> int:
    """Runs `action` as its script is told to on the command line; the exit status."""
    options = _parser(action).parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(markup=False, highlight=False, soft_wrap=True, quiet=options.json)
    course = ActionRun(action, options.host or "")
    if not action.applies:
        course.message = "nothing was changed: it is for a person to decide"
    try:
        host = _host(load(options.inventory), options.host)
        course.host = host.name
        made = action(Work(host, console.print), options)
        course.measured = made.measured
        _run(made, course)
    except OpsproofError as error:
        _fail(course, error)
    except KeyboardInterrupt:
        course.end("interrupted", "interrupted: the host may have changed", 4 if options.apply else 130)
    except Exception as error:
        course.end("broken", f"{type(error).__name__} in opsproof itself: the host may have changed", 1)
        _conclude(course, options, words)
        raise
    _conclude(course, options, words)
    return course.status


def _parser(action: type[Action]) -> argparse.ArgumentParser:
    text = sys.modules[action.__module__].__doc__ or ""
    parser = argparse.ArgumentParser(
        prog=f"actions/{action.name}.py",
        description=text,
        epilog="exit: 0 done, 2 usage, 3 refused, 4 a step failed, 5 the finding is still there, 6 not measured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path(os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY))
    reports = Path(os.environ.get("OPSPROOF_REPORTS", DEFAULT_REPORTS))
    parser.add_argument("--inventory", type=Path, default=default, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--reports", type=Path, default=reports, metavar="FOLDER", help="of the journal (%(default)s)")
    parser.add_argument("--host", metavar="NAME", help="may be left out where the inventory has one host")
    if action.applies:
        parser.add_argument("--apply", action="store_true", help="do what the plan says; without it nothing is changed")
        parser.add_argument("--yes", action="store_true", help="do not ask before it begins")
    else:
        parser.set_defaults(apply=False, yes=False)
    parser.add_argument("--json", action="store_true", help="say it as one JSON object")
    action.add_arguments(parser)
    return parser


def _host(inventory: Inventory, name: str | None) -> Host:
    if name is None and len(inventory.hosts) == 1:
        return next(iter(inventory.hosts.values()))
    if name not in inventory.hosts:
        known = ", ".join(inventory.hosts)
        raise InventoryError(f"--host: {'say one' if name is None else f'{name!r} is none'} of {known}")
    return inventory.hosts[name]


def _run(action: Action, course: ActionRun) -> None:
    with held(action.host, whoami(action.name)) if action.options.apply else nullcontext():
        steps = action.plan()
        course.plan = [step.title for step in steps]
        action.show(course.plan)
        if not steps:
            course.end("nothing to do", "nothing to do")
        elif action.options.apply:
            action.guard(steps)
            _confirm(action)
            _apply(action, steps, course)


def _confirm(action: Action) -> None:
    if action.options.yes or action.options.json or not sys.stdin.isatty():
        return
    if input("do it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed")


def _apply(action: Action, steps: list[Step], course: ActionRun) -> None:
    course.outcome = "begun"
    failed: list[tuple[Step, OpsproofError]] = []
    for number, step in enumerate(steps, 1):
        if any(step.depends_on(each) for each, _ in failed):
            action.work.say(f"  {number}. left out")
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
    except (MeasurementError, InventoryError) as error:  # what is gone or undeclared: the host was changed all the same
        raise NotRepaired(f"the steps ran, and what they did cannot be measured: {error}") from error
    course.end("done", f"done and proven in {time.time() - course.began:.1f} s")


def _first(failed: list[tuple[Step, OpsproofError]]) -> OpsproofError:
    """What is raised of several failures: the first, in its own kind; what the others say stands behind it."""
    kind = type(failed[0][1])
    return kind("; ".join(str(error) for _, error in failed))


def _do(step: Step) -> None:
    try:
        step.do()
    except MeasurementError as error:  # also what a step asks in between: the steps before it have changed the host
        raise StepFailed(str(error)) from error


def _fail(course: ActionRun, error: OpsproofError) -> None:
    outcome, status = next((EXITS[kind] for kind in EXITS if isinstance(error, kind)), ("failed", 4))
    hint = HINTS.get(outcome, "")
    course.end(outcome, f"{error}{f': {hint}' if hint else ''}", status)


def _conclude(course: ActionRun, options: argparse.Namespace, words: list[str] | None) -> None:
    if options.apply and course.outcome != "usage":
        _write_down(course, options, sys.argv[1:] if words is None else words)
    if options.json:
        said = {"action": course.action.name, "host": course.host, "plan": course.plan}
        sys.stdout.write(
            json.dumps({**said, "outcome": course.outcome, "message": course.message, "exit": course.status}) + "\n"
        )
    else:
        stream = sys.stdout if course.action.applies and not course.status else sys.stderr
        stream.write(f"{course.action.name}: {course.message}\n")


def _write_down(course: ActionRun, options: argparse.Namespace, words: list[str]) -> None:
    duration_s = time.time() - course.began
    entry = journal.JournalEntry(
        course.action.name,
        course.host,
        words,
        course.plan,
        course.outcome,
        course.message,
        course.began,
        duration_s,
        course.measured,
    )
    try:
        journal.append(options.reports / "journal.jsonl", entry)
    except OSError as error:
        sys.stderr.write(f"{course.action.name}: the journal cannot be written: {error}\n")


def _interrupt(_number: int, _frame: object) -> None:
    """Stops once; a second signal must not cut the cleaning up short."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
