"""Limits: the allowed range of a measured value, stated in the inventory and judged with ``in``.

``must`` decides between passed and failed, ``should`` between passed and warned::

    disk_used = { must = "< 80%", should = "< 70%", source = "runbook" }
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isinf

from opsproof.core import units
from opsproof.core.errors import InventoryError, MeasurementError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BOUND = re.compile(r"\s*(<=|<|>=|>)\s*(.+)")


@dataclass(frozen=True)
class Bound:
    """One side of a range: ``< 80`` in the metric's unit."""

    sign: str
    value: float

    def holds(self, value: float) -> bool:
        """Whether `value` is on the allowed side."""
        return _OPERATORS[self.sign](value, self.value)


@dataclass(frozen=True)
class OneOf:
    """The allowed words of a metric without numbers."""

    words: tuple[str, ...]

    def holds(self, value: str) -> bool:
        """Whether `value` is an allowed word."""
        return value in self.words


Rule = tuple[Bound, ...] | OneOf


@dataclass(frozen=True)
class Estimate:
    """A value known only to lie between `low` and `high`, and why no more is known."""

    low: float
    high: float
    why: str


@dataclass(frozen=True)
class AtLeast:
    """The least that a value can be, and why no more is known; never judged better than a warning."""

    value: float
    why: str


@dataclass(frozen=True)
class Measurement:
    """A value as one limit judged it; `verdict` is passed, warned or failed."""

    metric: str
    value: float | str
    unit: str
    limit: str
    verdict: str
    sentence: str
    source: str = ""


@dataclass(frozen=True)
class Limit:
    """The allowed values of one metric on one host; ``value in limit`` judges and records.

    `over` is the time span that the metric looks back, in seconds, or None.
    """

    metric: str
    unit: str
    must: Rule | None = None
    should: Rule | None = None
    over: float | None = None
    source: str = ""
    subject: str = ""
    record: Callable[[Measurement], None] = field(default=lambda _: None, compare=False)

    def __contains__(self, value: float | str | Estimate | AtLeast) -> bool:
        measurement = self.judge(value)
        self.record(measurement)
        return measurement.verdict != "failed"

    def judge(self, value: float | str | Estimate | AtLeast) -> Measurement:
        """What this limit says of `value`.

        Raises:
            MeasurementError: an estimate whose ends would be judged differently.
        """
        if isinstance(value, Estimate):
            return self._judge_estimate(value)
        if isinstance(value, AtLeast):
            return self._judge_least(value)
        broken, verdict = self._broken(value)
        return Measurement(
            self.metric, value, self.unit, str(self), verdict, self._sentence(value, broken), self.source
        )

    def _judge_estimate(self, value: Estimate) -> Measurement:
        low, high = self.judge(value.low), self.judge(value.high)
        if low.verdict != high.verdict:
            span = f"lies between {self._show(value.low)} and {self._show(value.high)}"
            if isinf(value.high):
                span = f"is {self._show(value.low)} or more"
            raise MeasurementError(f"{self.metric}{self.subject} {span}, the limit is {self}: {value.why}")
        return low if isinf(value.high) else high

    def _judge_least(self, value: AtLeast) -> Measurement:
        found = self.judge(value.value)
        if found.verdict == "failed":
            return found
        sentence = f"{self.metric}{self.subject} are at least {self._show(value.value)}: {value.why}"
        return replace(found, verdict="warned", sentence=sentence)

    def _broken(self, value: float | str) -> tuple[Bound | OneOf | None, str]:
        for rule, verdict in ((self.must, "failed"), (self.should, "warned")):
            for part in (rule,) if isinstance(rule, OneOf) else rule or ():
                if not part.holds(value):  # type: ignore[arg-type]  # the inventory gives words a OneOf
                    return part, verdict
        return None, "passed"

    def _sentence(self, value: float | str, broken: Bound | OneOf | None) -> str:
        if isinstance(broken, OneOf):
            return f"{self.metric}{self.subject} is {value}, not {' or '.join(broken.words)}"
        said = f"{self.metric} {self._shown_beside(value, broken)}{self.subject}"
        if broken is None:
            return f"{said} keeps the limit of {self}"
        wrong, right = ("over", "under") if broken.sign.startswith("<") else ("under", "over")
        if value == broken.value:
            return f"{said} is at the limit of {self._show(broken.value)}, and must be {right} it"
        return f"{said} is {wrong} the limit of {self._show(broken.value)}"

    def _shown_beside(self, value: float | str, bound: Bound | None) -> str:
        shown = self._show(value)
        if bound is None or isinstance(value, str) or value == bound.value or shown != self._show(bound.value):
            return shown
        return units.show_exactly(value, self.unit)

    def _show(self, value: float | str) -> str:
        return units.show(value, self.unit)

    def __str__(self) -> str:
        return self._rule_text(self.must if self.must is not None else self.should)

    def _rule_text(self, rule: Rule | None) -> str:
        if isinstance(rule, OneOf):
            return " or ".join(rule.words)
        return " and ".join(f"{part.sign} {self._show(part.value)}" for part in rule or ())


def parse_rule(text: str | list[str], unit: str) -> Rule:
    """The rule written as `text`: ``"< 80%"``, ``[">= 200", "< 300"]`` or, for words, the words.

    Raises:
        ValueError: an unknown sign, or a quantity of another unit.
    """
    parts = [text] if isinstance(text, str) else text
    if not parts:
        raise ValueError("a limit must allow something")
    if unit == "word":
        return OneOf(tuple(parts))
    return tuple(_bound(part, unit) for part in parts)


def _bound(text: str, unit: str) -> Bound:
    match = _BOUND.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} does not start with <, <=, > or >=")
    return Bound(match[1], units.parse(match[2], unit))


class Allowed:
    """The limits that hold for one check: ``value in allowed.disk_used``."""

    def __init__(
        self, look_up: Callable[[str], Limit | None], subject: str, record: Callable[[Measurement], None]
    ) -> None:
        self._look_up = look_up
        self._subject = subject
        self._record = record

    def __getattr__(self, name: str) -> Limit:
        """The limit of the metric `name`.

        Raises:
            InventoryError: none is declared.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        limit = self._look_up(name)
        if limit is None:
            raise InventoryError(f"limits.{name} is not declared in the inventory, so nothing is judged by it")
        return replace(limit, subject=self._subject, record=self._record)
