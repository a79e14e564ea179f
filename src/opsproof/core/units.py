"""Parsing and formatting of sizes, durations, percentages and counts."""

import datetime
import re
from math import isinf

UNITS: dict[str, dict[str, float]] = {
    "percent": {"%": 1},
    "bytes": {
        "B": 1,
        "kB": 10**3,
        "MB": 10**6,
        "GB": 10**9,
        "TB": 10**12,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
    },
    "seconds": {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800},
    "count": {"": 1},
}
_QUANTITY = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*")


def parse(text: str | float, unit: str) -> float:
    """The value of `text` in `unit` (percent, bytes, seconds or count): ``"26h"`` is 93600 seconds.

    Raises:
        ValueError: `text` is not a number with a suffix of `unit`.
    """
    suffixes = UNITS[unit]
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in suffixes:
        raise ValueError(f"{str(text)[:80]!r} is not {_example(unit)}")
    value = float(match[1]) * suffixes[match[2]]
    if isinf(value):
        raise ValueError(f"{str(text)[:20]!r}… is too large")
    return value


def _example(unit: str) -> str:
    return {
        "percent": "a percentage like '80%'",
        "bytes": "a size like '10MB' or '512MiB'",
        "seconds": "a duration like '30s', '26h' or '7d'",
        "count": "a plain number like 5",
    }[unit]


def show(value: float | str, unit: str) -> str:
    """`value` rounded and with its unit: ``show(83.1, "percent")`` is ``"83.1 %"``."""
    if isinstance(value, str):
        return value
    if unit == "percent":
        return f"{_short(value)} %"
    if unit == "bytes":
        return "unlimited" if isinf(value) else _scaled(value, ("B", "kB", "MB", "GB", "TB"), 1000)
    if unit == "seconds":
        return _duration(value)
    return _short(value)


def show_exactly(value: float, unit: str) -> str:
    """`value` in its base unit, not rounded: ``80.04 %``, for which `show` gives ``80 %``."""
    suffix = {"percent": " %", "bytes": " B", "seconds": " s"}.get(unit, "")
    return f"{value:.10g}{suffix}"


def show_moment(moment: float) -> str:
    """A time in seconds since 1970, as date and time of this machine's time zone."""
    return datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M %Z")


def _scaled(value: float, suffixes: tuple[str, ...], step: int) -> str:
    for suffix in suffixes[:-1]:
        if abs(value) < step:
            return f"{_short(value)} {suffix}"
        value /= step
    return f"{_short(value)} {suffixes[-1]}"


def _duration(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{_short(seconds * 1000)} ms"
    for suffix, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length or (abs(seconds) >= length and seconds % length == 0):
            return f"{_short(seconds / length)} {suffix}"
    return f"{_short(seconds)} s"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
