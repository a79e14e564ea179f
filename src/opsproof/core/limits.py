"""Limits: the allowed values of a metric, declared in the inventory and judged with ``in``.

A value outside ``must`` fails, a value outside ``should`` warns::

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
    """A comparison such as ``< 80``, in the metric's unit."""

    sign: str
    value: float

    def holds(self, value: float) -> bool:
        """Whether `value` satisfies the comparison."""
        return _OPERATORS[self.sign](value, self.value)


@dataclass(frozen=True)
class OneOf:
    """The allowed words of a metric whose unit is ``word``."""

    words: tuple[str, ...]

    def holds(self, value: str) -> bool:
        """Whether `value` is an allowed word."""
        return value in self.words


Rule = tuple[Bound, ...] | OneOf


@dataclass(frozen=True)
class Estimate:
    """A value between `low` and `high`; `why` explains the range."""

    low: float
    high: float
    why: str


@dataclass(frozen=True)
class AtLeast:
    """A lower bound of a value; `why` explains the missing rest. Within the limit it warns: the value may be higher."""

    value: float
    why: str


@dataclass(frozen=True)
class Measurement:
    """A value and its verdict: passed, warned or failed."""

    metric: str
    value: float | str
    unit: str
    limit: str
    verdict: str
    sentence: str
    source: str = ""
    bounds: tuple[tuple[str, str, float], ...] = ()
    """Each bound of the limit: ``must`` or ``should``, the sign, and the value in `unit`."""


@dataclass(frozen=True)
class Limit:
    """The allowed values of a metric; ``value in limit`` judges the value and records the measurement.

    `over` is the time span of a metric that looks back, in seconds, or None. `subject` is the measured thing, such as
    ``/var``. `singular` is the title for an amount of 1, for metrics that count things.
    """

    metric: str
    unit: str
    must: Rule | None = None
    should: Rule | None = None
    over: float | None = None
    source: str = ""
    subject: str = ""
    singular: str = ""
    record: Callable[[Measurement], None] = field(default=lambda _: None, compare=False)

    def __contains__(self, value: float | str | Estimate | AtLeast) -> bool:
        measurement = self.judge(value)
        self.record(measurement)
        return measurement.verdict != "failed"

    def judge(self, value: float | str | Estimate | AtLeast) -> Measurement:
        """The measurement of `value`, with its verdict.

        Raises:
            MeasurementError: the verdicts on the two ends of an estimate differ.
        """
        if isinstance(value, Estimate):
            return self._judge_estimate(value)
        if isinstance(value, AtLeast):
            return self._judge_least(value)
        rule, bound, verdict = self._broken(value)
        sentence = self._phrase(self._shown_beside(value, bound), value) + self._compared(rule)
        return Measurement(self.metric, value, self.unit, str(self), verdict, sentence, self.source, self._bounds)

    def _judge_estimate(self, value: Estimate) -> Measurement:
        low, high = self.judge(value.low), self.judge(value.high)
        if low.verdict != high.verdict:
            span = f"{self._show(value.low)} {'or more' if isinf(value.high) else f'to {self._show(value.high)}'}"
            raise MeasurementError(f"{self._phrase(span)} (limit {self}): {value.why}")
        return low if isinf(value.high) else high

    def _judge_least(self, value: AtLeast) -> Measurement:
        found = self.judge(value.value)
        if found.verdict == "failed":
            return found
        amount = self._phrase(f"at least {self._show(value.value)}", value.value)
        return replace(found, verdict="warned", sentence=f"{amount} (limit {self}): {value.why}")

    @property
    def _bounds(self) -> tuple[tuple[str, str, float], ...]:
        rules = (("must", self.must), ("should", self.should))
        return tuple((name, part.sign, part.value) for name, rule in rules if isinstance(rule, tuple) for part in rule)

    def _broken(self, value: float | str) -> tuple[Rule | None, Bound | None, str]:
        """The rule that `value` breaks, the bound of the rule that it breaks, and the verdict."""
        for rule, verdict in ((self.must, "failed"), (self.should, "warned")):
            for part in (rule,) if isinstance(rule, OneOf) else rule or ():
                if not part.holds(value):  # type: ignore[arg-type]  # the inventory gives words a OneOf
                    return rule, part if isinstance(part, Bound) else None, verdict
        return None, None, "passed"

    def _phrase(self, shown: str, amount: float | str = "") -> str:
        text = f"{self.metric} {shown}"
        if self.singular:
            text = f"{shown} {self.singular if amount == 1 else self.metric}"
        return f"{self.subject}: {text}" if self.subject else text

    def _compared(self, broken: Rule | None) -> str:
        if isinstance(broken, OneOf):
            return f" (expected {self._rule_text(broken)})"
        if broken is not None:
            return f" (limit {self._rule_text(broken)})"
        return ", as expected" if self.unit == "word" else f", within the limit ({self})"

    def _shown_beside(self, value: float | str, bound: Bound | None) -> str:
        shown = self._show(value)
        if bound is None or isinstance(value, str) or value == bound.value or shown != self._show(bound.value):
            return shown
        return units.show_exactly(value, self.unit)

    def _show(self, value: float | str) -> str:
        return units.show(value, self.unit)

    @property
    def rules(self) -> str:
        """Both rules and the time span: ``must < 80 %, should < 70 %``."""
        rules = [
            f"{name} {self._rule_text(rule)}" for name, rule in (("must", self.must), ("should", self.should)) if rule
        ]
        return ", ".join([*rules, *([f"over {units.show(self.over, 'seconds')}"] if self.over else [])])

    def __str__(self) -> str:
        return self._rule_text(self.must if self.must is not None else self.should)

    def _rule_text(self, rule: Rule | None) -> str:
        if isinstance(rule, OneOf):
            return " or ".join(rule.words)
        return " and ".join(f"{part.sign} {self._show(part.value)}" for part in rule or ())


def parse_rule(text: str | list[str], unit: str) -> Rule:
    """The rule in `text`: ``"< 80%"``, ``[">= 200", "< 300"]`` or a list of words.

    Raises:
        ValueError: unknown comparison or wrong unit.
    """
    parts = [text] if isinstance(text, str) else text
    if not parts:
        raise ValueError("an empty limit allows no value")
    if unit == "word":
        if compared := [part for part in parts if part.strip()[:1] in ("<", ">")]:
            raise ValueError(f"{compared[0]!r} is a comparison: write the allowed words")
        return OneOf(tuple(parts))
    return tuple(_bound(part, unit) for part in parts)


def is_within(should: Rule, must: Rule) -> bool:
    """Whether `should` allows nothing on the wrong side of `must`; bounds in opposite directions are not compared."""
    if isinstance(should, OneOf) or isinstance(must, OneOf):
        return isinstance(should, OneOf) and isinstance(must, OneOf) and {*should.words} <= {*must.words}
    pairs = [(inner, outer) for inner in should for outer in must if inner.sign[0] == outer.sign[0]]
    return all(
        inner.value <= outer.value if outer.sign[0] == "<" else inner.value >= outer.value for inner, outer in pairs
    )


def _bound(text: str, unit: str) -> Bound:
    match = _BOUND.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} does not start with <, <=, > or >=")
    return Bound(match[1], units.parse(match[2], unit))


class Allowed:
    """The limits of one check: ``value in allowed.disk_used``."""

    def __init__(
        self, look_up: Callable[[str], Limit | None], subject: str, record: Callable[[Measurement], None]
    ) -> None:
        self._look_up = look_up
        self._subject = subject
        self._record = record

    def __getattr__(self, name: str) -> Limit:
        """The limit of the metric `name`.

        Raises:
            InventoryError: the inventory declares no limit for the metric.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        limit = self._look_up(name)
        if limit is None:
            raise InventoryError(f"limits.{name} is not declared in the inventory")
        return replace(limit, subject=self._subject, record=self._record)
