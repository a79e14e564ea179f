"""Turns the outcome of a test into a verdict with one sentence."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsproof.core.errors import Absent, InventoryError, MeasurementError, Unusable
from opsproof.core.verdicts import Evidence, Remedy, Verdict
from opsproof.inventory.hosts import Waiver, resource_in
from opsproof.inventory.load import Inventory
from opsproof.round.causes import causes
from opsproof.round.remedies import remedy
from opsproof.round.unknowns import UnknownLimits

VERDICT = "opsproof_verdict"
"""The attribute of pytest reports for the verdict, as built-in types."""
UNKNOWN_EXIT = 6
"""The exit status of pytest if no check failed and any is unknown."""
EXPIRY_NOTICE_DAYS = 14
_WAIVED_IN_SETUP: pytest.StashKey[bool] = pytest.StashKey()
_RECORD: pytest.StashKey[Verdict] = pytest.StashKey()


def record(item: pytest.Item) -> Verdict:
    """The verdict of the check `item`, as recorded so far."""
    if _RECORD not in item.stash:
        params = item.callspec.params  # type: ignore[attr-defined]
        item.stash[_RECORD] = Verdict(item.name, params["host"], resource_in(params)[1])
    return item.stash[_RECORD]


def is_judged(item: pytest.Item) -> bool:
    """Whether a waiver let `item` pass in spite of its setup: the function of the check has no arguments then."""
    return item.stash.get(_WAIVED_IN_SETUP, False)


@dataclass(frozen=True)
class Judge:
    """Judges the checks of an inventory. Without `unknowns`, a check may stay unknown."""

    inventory: Inventory
    unknowns: UnknownLimits | None

    def judge(self, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> None:
        """Adds the verdict of `item` to its `report`, with the sentence as the text of the report."""
        if "host" not in getattr(getattr(item, "callspec", None), "params", {}):
            return
        verdict = record(item)
        if not is_judged(item):
            self._decide(verdict, item, call, report)
        if report.when == "setup" and report.outcome == "passed":  # pytest reports the result after the call
            item.stash[_WAIVED_IN_SETUP] = True
        else:
            setattr(report, VERDICT, verdict.to_plain())

    def _decide(self, verdict: Verdict, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> None:
        verdict.advice, verdict.subject = _advice(item), item.path.parent.name
        if call.excinfo is None:
            _judge_returned(verdict)
        else:
            _judge_raised(verdict, call.excinfo)
            if self.unknowns is not None and verdict.verdict == "unknown":
                self.unknowns.enforce(verdict, item)
            report.longrepr = verdict.sentence
        _waive(verdict, self.inventory.waivers, report)
        if verdict.verdict in ("failed", "warned") and verdict.unknown_since is None:
            verdict.remedy = self._remedy(item, verdict, call.excinfo)
        if verdict.verdict != "passed":
            verdict.causes = causes(item, self.inventory.hosts)
            self._add_contacts(verdict, item)
        item.user_properties.extend(_properties(verdict))

    def _add_contacts(self, verdict: Verdict, item: pytest.Item) -> None:
        host = self.inventory.hosts[verdict.host]
        given, called = resource_in(item.callspec.params)  # type: ignore[attr-defined]
        resource = host.resources(given)[called] if given else None
        verdict.owner, verdict.see = host.owner_of(resource), host.links_of(resource)
        today = datetime.datetime.now(tz=datetime.UTC).date()
        named = (each for each in self.inventory.acknowledged if f"{each.check}[{each.on}]" == verdict.test)
        verdict.acknowledged = next((each.said(today) for each in named), "")

    def _remedy(
        self, item: pytest.Item, verdict: Verdict, excinfo: pytest.ExceptionInfo[BaseException] | None
    ) -> Remedy:
        error = None if excinfo is None else excinfo.value
        kind = "unusable" if isinstance(error, Unusable) else "absent" if isinstance(error, Absent) else ""
        return remedy(item, self.inventory.hosts, verdict.repaired_with, kind, verdict.repaired_by)


def _judge_returned(verdict: Verdict) -> None:
    worst = next((each for each in verdict.measurements if each.verdict == "warned"), None)
    verdict.verdict = "warned" if worst else "passed"
    verdict.sentence = worst.sentence if worst else "; ".join(each.sentence for each in verdict.measurements)


def _judge_raised(verdict: Verdict, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    error = excinfo.value
    if isinstance(error, (AssertionError, Absent)):
        verdict.verdict, verdict.sentence = "failed", _failure(verdict, error)
    elif isinstance(error, (MeasurementError, InventoryError)):
        verdict.verdict, verdict.sentence = "unknown", str(error)
    else:
        verdict.verdict, verdict.sentence = "unknown", f"error in the check: {type(error).__name__}: {error}"
        verdict.evidence.append(Evidence("traceback", _frames(excinfo)))


def _frames(excinfo: pytest.ExceptionInfo[BaseException]) -> tuple[str, ...]:
    """The traceback without the frames of pytest, the innermost last."""
    frames = [entry for entry in excinfo.traceback if not {"_pytest", "pluggy"} & set(Path(entry.path).parts)]
    return tuple(f"{entry.path}:{entry.lineno + 1}: {str(entry.statement).strip()}" for entry in frames)


def _failure(verdict: Verdict, error: BaseException) -> str:
    broken = [each.sentence for each in verdict.measurements if each.verdict == "failed"]
    if broken:
        return broken[0]
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].removeprefix("assert ")


def _waive(verdict: Verdict, waivers: tuple[Waiver, ...], report: Any) -> None:
    waiver = next((each for each in waivers if f"{each.check}[{each.on}]" == verdict.test), None)
    if waiver is None or verdict.verdict != "failed":
        return
    days_left = (waiver.expires - datetime.datetime.now(tz=datetime.UTC).date()).days
    if days_left < 0:
        verdict.sentence += f" (the waiver of {waiver.owner} expired on {waiver.expires})"
    elif waiver.ceiling is not None and not _under(verdict, waiver.ceiling):
        verdict.sentence += f" (not within the ceiling of the waiver of {waiver.owner})"
    else:
        verdict.verdict = "warned" if days_left < EXPIRY_NOTICE_DAYS else "waived"
        verdict.sentence += f" (waived until {waiver.expires} by {waiver.owner}: {waiver.reason})"
        report.outcome, report.longrepr = "passed", None


def _under(verdict: Verdict, ceiling: float) -> bool:
    values = [each.value for each in verdict.measurements]
    return (
        verdict.unknown_since is None
        and bool(values)
        and all(not isinstance(value, str) and value <= ceiling for value in values)
    )


def _advice(item: pytest.Item) -> str:
    text: str = getattr(item.function, "__doc__", None) or ""  # type: ignore[attr-defined]
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def _properties(verdict: Verdict) -> list[tuple[str, str]]:
    texts = [
        ("host", verdict.host),
        ("verdict", verdict.verdict),
        ("sentence", verdict.sentence),
        ("remedy", str(verdict.remedy)),
    ]
    texts += [("owner", verdict.owner), *(("see", link) for link in verdict.see)]
    texts += [("acknowledged", verdict.acknowledged)]
    texts += [("cause", each) for each in verdict.causes]
    measured = [(each.metric, f"{each.value} {each.unit} (limit {each.limit})") for each in verdict.measurements]
    return [(name, value) for name, value in texts + measured if value]
