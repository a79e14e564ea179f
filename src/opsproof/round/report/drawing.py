"""Numbers of the drawings: a value against its limit as a bar, and earlier values in the band of the limit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from opsproof.core.limits import Measurement
from opsproof.core.units import show

WIDTH, HEIGHT = 120, 28
"""The size of a sparkline."""


@dataclass(frozen=True)
class Mark:
    """A bound of a limit at `place` percent of the bar: ``must`` or ``should``, and its text."""

    rule: str
    place: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A value against its limit: `filled` percent of the bar, the marks of the limit, and all of it in words."""

    filled: float
    marks: tuple[Mark, ...]
    words: str
    verdict: str


@dataclass(frozen=True)
class Sparkline:
    """Earlier values, each run of measured ones as points of a line; `low` and `height` place the allowed band."""

    lines: tuple[str, ...]
    low: float
    height: float
    words: str


def bar(measured: Measurement) -> Bar | None:
    """The bar of a number with a limit; None for words and infinite values."""
    value, bounds = measured.value, measured.bounds
    if isinstance(value, str) or not bounds or not isfinite(value):
        return None
    highest = max(value, *(each[2] for each in bounds))
    lowest = min(0.0, value, *(each[2] for each in bounds))
    span = (highest - lowest) * 1.1 or 1.0
    if measured.unit == "percent" and lowest >= 0 and highest <= 100:
        span = 100.0
    marks = tuple(
        Mark(rule, _percent(bound - lowest, span), f"{rule} {sign} {show(bound, measured.unit)}")
        for rule, sign, bound in bounds
    )
    text = f"{measured.metric} {show(value, measured.unit)}; {', '.join(each.text for each in marks)}"
    return Bar(_percent(value - lowest, span), marks, text, measured.verdict)


def sparkline(values: Sequence[float | None], measured: Measurement) -> Sparkline | None:
    """Earlier values, the oldest first, None for a run without measurement; None with fewer than two values.

    The band is what the limit `measured` allows without failure.
    """
    known = [each for each in values if each is not None and isfinite(each)]
    if len(known) < 2:
        return None
    must = [each for each in measured.bounds if each[0] == "must"]
    lowest = min([*known, *(each[2] for each in must)])
    highest = max([*known, *(each[2] for each in must)])
    span = highest - lowest or 1.0

    def height(value: float) -> float:
        return round(2 + (HEIGHT - 4) * (1 - (value - lowest) / span), 1)

    top = min([height(bound) for _, sign, bound in must if sign.startswith("<")], default=0.0)
    bottom = max([height(bound) for _, sign, bound in must if sign.startswith(">")], default=float(HEIGHT))
    low, high = show(min(known), measured.unit), show(max(known), measured.unit)
    text = f"{measured.metric} in the last {len(values)} runs, {len(known)} measured: {low} to {high}"
    return Sparkline(tuple(_lines(values, height)), top, max(bottom - top, 0.0), text)


def _lines(values: Sequence[float | None], height: Callable[[float], float]) -> Iterator[str]:
    """The points of each line; a line ends where a run has no value. A value alone is a short line."""
    step = WIDTH / max(len(values) - 1, 1)
    points: list[str] = []
    for place, value in enumerate([*values, None]):
        if value is not None and isfinite(value):
            points.append(f"{round(place * step, 1)},{height(value)}")
        elif points:
            yield " ".join(points if len(points) > 1 else [points[0], _beside(points[0])])
            points = []


def _beside(point: str) -> str:
    across, down = point.split(",")
    return f"{float(across) + 1.5},{down}"


def _percent(part: float, whole: float) -> float:
    return round(max(0.0, min(100.0, part / whole * 100)), 2)
