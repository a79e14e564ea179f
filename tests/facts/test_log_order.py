"""The log scanner with lines out of order, and the growth of a log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.facts.scanning import DAY, NOW, Logs, counts, entry

HOUR, YEARS = 3600, 2500 * 24


def spread(count: int, first: float, last: float, level: str = "INFO") -> str:
    """Lines of decreasing age."""
    return "".join(entry(first + (last - first) * n / count, level) for n in range(count))


@pytest.mark.parametrize("name", ["api-out.log", "api-out.log.1.gz"])
@pytest.mark.parametrize(
    "parts",
    [
        [(300, 20, 19, "ERROR"), (5, 19, 18, "FATAL"), (1500, YEARS, YEARS, "INFO"), (400, 9, 0, "INFO")],
        [(400, 60, 20, "INFO"), (300, 20, 19, "ERROR"), (5, 19, 18, "FATAL"), (1500, YEARS, YEARS, "INFO")],
        [(50, YEARS + 9, YEARS + 8, "INFO"), (300, 20, 19, "ERROR"), (5, 19, 18, "FATAL"), (1500, YEARS, YEARS, "INFO"),
         (400, 9, 0, "INFO")],
        [(300, 20, 19, "ERROR"), (5, 19, 18, "FATAL"), (1500, 46, 45, "INFO"), (400, 9, 0, "INFO")],
        [(9, 90, 80, "INFO"), (300, 20, 19, "ERROR"), (5, 19, 18, "FATAL"), (1500, 46, 45, "INFO"), (40, 9, 0, "INFO")],
        [(900, -YEARS, -YEARS, "INFO"), (400, 60, 20, "INFO"), (300, 20, 19, "ERROR"), (5, 19, 18, "FATAL")],
    ],
    ids=["middle", "end", "both", "a day back", "after older lines", "years ahead"],
)  # fmt: skip
def test_errors_before_misdated_lines_are_found(
    logs: Logs, answer: Any, name: str, parts: Iterable[tuple[int, float, float, str]]
) -> None:
    """A clock that jumped: bisection alone skips what comes before."""
    content = "".join(spread(count, first * HOUR, last * HOUR, level) for count, first, last, level in parts)
    content = content.replace('"pid":1', f'"pid":1,"pad":"{"x" * 900}"')
    logs(content, name)
    if name != "api-out.log":
        logs(entry())
    result = answer()
    assert (result["errors"], result["fatals"]) == (300, 5)
    assert result["disordered"] or name != "api-out.log"


@pytest.mark.parametrize("name", ["api-out.log", "api-out.log.1.gz"])
def test_few_errors_between_older_lines_are_found(logs: Logs, answer: Any, name: str) -> None:
    """Both ends of a block are older than the window, and the errors are not."""
    hours = [(5, 90, 89, "INFO"), (20, 20, 19, "ERROR"), (1500, 46, 45, "INFO"), (40, 9, 0, "INFO")]
    logs("".join(spread(count, first * HOUR, last * HOUR, level) for count, first, last, level in hours), name)
    if name != "api-out.log":
        logs(entry())
    assert answer()["errors"] == 20


def test_line_from_the_future_does_not_begin_the_window(logs: Logs, answer: Any) -> None:
    """Old errors behind it stay old."""
    logs(entry(60 * HOUR) + entry(-9 * DAY) * 900 + spread(900, 59 * HOUR, 50 * HOUR, "ERROR") + spread(900, 9, 0))
    assert counts(answer()) == {"lines": 900, "recognized": 900}


def test_log_of_future_lines_only_is_read(logs: Logs, answer: Any) -> None:
    """The host's clock may be wrong as well."""
    logs(spread(900, -2 * HOUR, -3 * HOUR, "ERROR"))
    assert answer()["errors"] == 900


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_log_with_gaps_and_small_jumps_is_in_order(logs: Logs, answer: Any, suffix: str) -> None:
    """Quiet hours, a clock set back by minutes, and lines of several processes are usual."""
    logs(spread(500, 90 * HOUR, 80 * HOUR) + spread(500, 30 * HOUR, 28 * HOUR), f"api-out.log.1{suffix}")
    logs(spread(500, 20 * HOUR, 10 * HOUR) + spread(500, 10.8 * HOUR, 0, "ERROR"))
    result = answer()
    assert (result["errors"], result["lines"], result["disordered"]) == (500, 1000, 0)


@pytest.mark.parametrize(
    ("parts", "a_minute"),
    [
        ([(20_000, 20 * HOUR, 0)], 1 / 1200),
        ([(2000, 20 * HOUR, HOUR), (60_000, HOUR, HOUR - 60), (2000, HOUR - 60, 0)], 60 / 64 / 10),
        ([(20_000, 420, 0)], 1 / 10),
        ([(2000, 30 * HOUR, 24 * HOUR), (20_000, 3 * HOUR, HOUR)], 1 / 120),
        ([(60_000, 40 * HOUR, 39 * HOUR), (5000, 20 * HOUR, 0)], 5 / 65 / 1200),
    ],
    ids=["evenly", "a flood of a minute", "seven minutes only", "two hours", "flood before the window"],
)
def test_growth_is_of_the_busiest_ten_minutes(
    logs: Logs, answer: Any, parts: list[tuple[int, float, float]], a_minute: float
) -> None:
    """As a share of all bytes; a flood shows even if the rest of the day is quiet."""
    log = logs("".join(spread(*part) for part in parts))
    assert answer()["growth"] == pytest.approx(log.stat().st_size * a_minute, rel=0.25)


def test_growth_includes_rotated_files(logs: Logs, answer: Any) -> None:
    """A flood is rotated by size, and compressed, within minutes."""
    size = sum(
        len(logs(spread(5000, 500 - 50 * n, 450 - 50 * n), f"api-out.log.{9 - n}").read_bytes()) for n in range(9)
    )
    size += logs(spread(5000, 50, 0)).stat().st_size
    assert answer()["growth"] == pytest.approx(size / 10, rel=0.02)


def test_log_without_lines_has_no_growth(logs: Logs, answer: Any) -> None:
    """An empty log, and a log without lines in the window."""
    logs("")
    assert answer()["growth"] == 0
    logs(entry(9 * DAY), age=9 * DAY)
    assert (answer()["growth"], answer()["newest"]) == (0, NOW - 9 * DAY)
