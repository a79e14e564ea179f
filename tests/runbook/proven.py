"""Whether the targets of a row exist and are proven: checks by a fault, actions and commands by a test."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from opsproof.command import actions
from opsproof.command.checks import faults as read_faults
from opsproof.command.main import COMMANDS
from opsproof.core import catalogue
from opsproof.core.catalogue import DeclaredCheck
from opsproof.core.installation import CHECKS
from opsproof.core.rounds import ROUNDS
from tests.runbook.targets import Row

ROOT = Path(__file__).parents[2]
EXECUTES = re.compile(r"--apply|\b(?:do|done|whole|run|opsproof|printed)\(")
"""How a test executes the action or command named in the module."""


@cache
def checks() -> dict[str, DeclaredCheck]:
    """The checks by name."""
    return catalogue.read([CHECKS])


@cache
def faults() -> dict[str, list[str]]:
    """The faults that prove each check."""
    return read_faults()


@cache
def production() -> dict[str, Any]:
    """The inventory of production: limits by metric, and jobs."""
    return tomllib.loads((ROOT / "inventory" / "metachat.toml").read_text(encoding="utf-8"))


def problems(row: Row, declared: dict[str, Any]) -> Iterator[str]:
    """The mistakes of a row."""
    if not row.open and all(map(is_page, row.now)):
        yield "neither a target nor open"
    yield from (f"no subject of [open]: {each}" for each in row.open if each not in declared["open"])
    yield from (found for each in row.now if (found := problem(each, declared["proofs"])))
    rounds = {word for each in row.now for word in each.split()[1:2] if each.startswith("opsproof ")} & set(ROUNDS)
    yield from (f"not in {', '.join(rounds)}: {each}" for each in row.now if rounds and _is_outside(each, rounds))
    if row.limit and not _has_limit(row):
        yield f"no such limit: {row.limit}"


def _is_outside(target: str, rounds: set[str]) -> bool:
    return target in checks() and not rounds & set(checks()[target].rounds)


def is_page(target: str) -> bool:
    """Whether a target only explains."""
    return target.startswith("docs/")


def is_job(target: str) -> bool:
    """Whether a target is a job of the schedule, with the time: ``schedule backup: 02:00``."""
    return target.startswith("schedule ")


def problem(target: str, proofs: dict[str, str]) -> str:
    """Why a target does not count: missing or unproven; empty for a proven target."""
    first, *words = target.split()
    if is_page(target):
        return "" if _has_heading(*target.partition("#")[::2]) else f"no such page: {target}"
    if is_job(target):
        return _job_problem(target, proofs)
    if first.startswith("test_"):
        return "" if first in checks() and first in faults() else f"no check, or proven by no fault: {target}"
    if first != "opsproof":
        name, given = first.removesuffix(".py"), [each for each in words if each.startswith("--")]
        is_known = name in actions.summaries() and set(given) <= set(_usage(name))
        return _unproven(target, name, given, proofs) if is_known else f"no such action or option: {target}"
    if words[0] in ROUNDS:
        is_proven = any(words[0] in each.rounds and each.name in faults() for each in checks().values())
        return "" if is_proven else f"no proven check in this round: {target}"
    return _unproven(target, words[0], words[1:], proofs) if words[0] in COMMANDS else f"no such command: {target}"


def _job_problem(target: str, proofs: dict[str, str]) -> str:
    """A complaint, unless the job has the time, and the action is proven with every option."""
    name, _, at = target.removeprefix("schedule ").partition(": ")
    job = production()["hosts"]["vps-00"]["jobs"].get(name, {})
    if job.get("at") != at:
        return f"no such job: {target}"
    words = [each.replace("=", " ", 1) for each in job.get("options", [])]
    action = "" if name in ROUNDS else problem(" ".join([f"{name}.py", *words]), proofs)
    return action or problem("opsproof schedule install", proofs)


@cache
def _usage(action: str) -> list[str]:
    """The options of an action."""
    return re.findall(r"--[a-z-]+", actions.parser(action).format_usage())


def _unproven(target: str, name: str, words: list[str], proofs: dict[str, str]) -> str:
    """A complaint, unless the named test executes the target with every option."""
    path, _, test = proofs.get(target, "").partition("::")
    module, source = _source(ROOT / path, test)
    is_named = re.search(rf"""["' ]{name}["' ]""", module) and all(each in source for each in words)
    return "" if is_named and EXECUTES.search(source) else f"executed by no test: {target}"


@cache
def _source(path: Path, test: str) -> tuple[str, str]:
    """The text of a module and of a test function in it; empty where missing."""
    module = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = [each for each in ast.parse(module).body if isinstance(each, ast.FunctionDef) and each.name == test]
    return module, (ast.get_source_segment(module, found[0]) or "") if found else ""


def _has_heading(page: str, anchor: str) -> bool:
    text = (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).is_file() else ""
    return bool(text) and (not anchor or re.search(rf"^#+ `?{anchor}`?$", text, re.MULTILINE) is not None)


def _has_limit(row: Row) -> bool:
    """Whether a check of the row judges the metric, and the limit has the rule."""
    metric, _, rule = row.limit.partition(" ")
    judged = {each for name in row.now if name in checks() for each in checks()[name].metrics}
    bounds = [production()["limits"].get(metric, {}).get(bound, []) for bound in ("must", "should")]
    rules = [each for found in bounds for each in ([found] if isinstance(found, str) else found)]
    return metric in judged and rule in rules
