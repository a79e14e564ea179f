"""The log scanner with undated lines beside a gap, NUL bytes, marks of other systems, and access lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsproof.facts import log_formats
from opsproof.inventory.logs import Log
from tests.facts.scanning import DAY, JSON, NOW, TEXT, Logs, Scan, counts, entry, iso, prefix

CRASH = "TypeError: x is not a function\n    at f (/a.js:1:2)\n"
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: bad\n'
PYTHON = ("python", log_formats.words(Log.model_validate({"path": "/x", "format": "python"}))[1], "zone", "0:0")


def python(age: float, level: str, message: str) -> str:
    """A line of Python's logging."""
    return f"{iso(age).replace('T', ' ')[:19]},123 {level} app.db: {message}\n"


@pytest.mark.parametrize("name", ["api-out.log", "api-out.log.1", "api-out.log.1.gz"])
@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ((entry(3 * DAY), CRASH * 40, entry(9)), (40, 40)),
        (("", CRASH * 40, entry(9)), (40, 40)),
        ((entry(3 * DAY), CRASH * 40), (40, 40)),
        ((entry(3 * DAY) * 9000, CRASH * 40_000, entry(9)), (40_000, 40_000)),
        ((entry(3 * DAY), CRASH * 3, entry(9, "ERROR"), CRASH), (5, 3)),
        ((entry(DAY + 60), CRASH * 40, entry(DAY - 60)), (0, 0)),
        ((entry(3 * DAY, "ERROR"), "    at f (/a.js:1:2)\n", entry(9)), (0, 0)),
    ],
    ids=["between", "first", "last", "many", "before a record", "without a gap", "continued"],
)
def test_undated_errors_beside_a_gap_may_be_in_the_window(
    logs: Logs, answer: Any, name: str, parts: tuple[str, ...], found: tuple[int, int]
) -> None:
    """They are as old as the line before or as young as the line behind: days apart."""
    logs("".join(parts), name)
    if name != "api-out.log":
        logs(entry(5))
    result = answer()
    assert (result["errors"], result["unplaced"]) == found


def test_undated_errors_after_a_quiet_rotated_file_may_be_in_the_window(logs: Logs, answer: Any) -> None:
    """The rotated file was last written days ago; the current file begins with a crash."""
    logs(entry(3 * DAY), "api-out.log.1", age=3 * DAY)
    logs(CRASH + entry(9))
    result = answer()
    assert (result["errors"], result["unplaced"]) == (1, 1)


def test_traceback_belongs_to_its_old_record(logs: Logs, answer: Any) -> None:
    """A program crashed three days ago, and was started today."""
    logs(python(3 * DAY, "ERROR", "boom") + TRACE + python(9, "INFO", "started"))
    assert counts(answer(*PYTHON)) == {"lines": 1, "recognized": 1}


def test_old_log_without_later_writes_has_no_unplaced_errors(logs: Logs, answer: Any) -> None:
    """Nobody wrote to the file since its last line."""
    logs(entry(3 * DAY) + CRASH, age=3 * DAY)
    assert counts(answer()) == {}


@pytest.mark.parametrize("nuls", [1, 70_000, 5_000_000])
@pytest.mark.parametrize("name", ["api-out.log", "api-out.log.1", "api-out.log.1.gz"])
def test_nul_bytes_before_the_first_line_are_skipped(logs: Logs, answer: Any, name: str, nuls: int) -> None:
    """A truncated log whose writer does not append has a hole, and so have its copies: they are not the same file."""
    logs(b"\0" * nuls + (entry(80, "ERROR") * 3).encode(), name)
    if name != "api-out.log":
        logs(b"\0" * nuls + entry(9).encode())
    result = answer()
    assert (result["errors"], result["recognized"]) == (3, result["lines"])
    assert result["oldest"] == NOW - 80


def test_hole_of_a_truncated_log_is_not_read(logs: Logs, answer: Any) -> None:
    """A sparse file of 20 GB needs no time."""
    path = logs("")
    with path.open("r+b") as file:
        file.seek(20_000_000_000)
        file.write(entry(9, "ERROR").encode())
    assert counts(answer()) == {"lines": 1, "recognized": 1, "errors": 1}


def test_nul_bytes_of_a_crashed_host_hide_no_line(logs: Logs, answer: Any) -> None:
    """A power cut leaves zeroed blocks in the middle of a log."""
    logs((entry(90) + "\0" * 4096 + entry(9, "ERROR") + entry(5)).encode())
    assert counts(answer()) == {"lines": 3, "recognized": 3, "errors": 1}


def test_byte_order_mark_is_skipped(logs: Logs, answer: Any) -> None:
    """Editors and Windows' programs write it."""
    logs("\ufeff" + entry(9, "ERROR"))
    assert counts(answer()) == {"lines": 1, "recognized": 1, "errors": 1}


def test_times_at_the_end_of_lines_of_windows_are_read(logs: Logs, answer: Any) -> None:
    """A carriage return is no part of a line."""
    logs(f"ERROR boom {NOW - 2 * DAY}\r\nERROR boom {NOW - 9}\r\n")
    assert answer("pattern", r"level=1,time=2 ^(?P<level>\w+) .* (?P<time>\d+)$")["errors"] == 1


def test_line_of_ten_megabytes_counts_once(logs: Logs, answer: Any) -> None:
    """Only its first bytes are read."""
    logs(entry(90, "ERROR", message="x" * 10_000_000) + entry(9, "ERROR"))
    assert counts(answer()) == {"lines": 2, "recognized": 2, "errors": 2}


def test_links_to_the_same_file_count_once(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """Some backups link a log before they rotate it."""
    logs(entry(9, "ERROR")).with_name("api-out.log.1").hardlink_to(tmp_path / "api-out.log")
    assert answer()["errors"] == 1


@pytest.mark.parametrize(("suffix", "tool"), [("zst", "zstd"), ("lz4", "lz4"), ("Z", "gzip"), ("zip", "gzip")])
def test_file_of_a_missing_or_failing_unpacker_is_an_error(
    logs: Logs, run: Scan, suffix: str, tool: str, tmp_path: Path
) -> None:
    """Its lines are never left out silently."""
    logs(b"no archive", f"api-out.log.1.{suffix}")
    path = logs(entry())
    assert run(path, DAY, *JSON).returncode == 3
    done = run(path, DAY, *JSON, environment={"PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (3, f"{tool}: No such file or directory\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (python(9, "SEVERE", "no INFO"), {"errors": 1}),
        (python(9, "AUDIT", "cannot read INFO of a user"), {"recognized": 0}),
        (python(9, "NOTICE", "ERROR pages rendered"), {}),
        (python(9, "SUCCESS", "ERROR pages rendered"), {}),
        (python(9, "HTTP - ERROR -", "boom"), {"errors": 1}),
        (python(9, "[MainThread] DB.pool ERROR", "boom"), {"errors": 1}),
        (f"{iso(9)} | ALERT    | app:run:1 - no INFO\n", {"fatals": 1}),
    ],
)
def test_level_of_python_is_the_first_word_in_capitals(
    logs: Logs, answer: Any, line: str, expected: dict[str, int]
) -> None:
    """A program's own level is not replaced by a word of the message."""
    logs(line + python(5, "INFO", "x"))
    wanted = {"lines": 2, "recognized": 2} | expected
    if "recognized" in expected:
        wanted["recognized"] = 1
    assert counts(answer(*PYTHON)) == wanted


COMBINED = '::1 - - [24/Nov/2026:05:59:00 +0000] "GET /x HTTP/1.1" %s "-" "curl/8"'


@pytest.mark.parametrize(
    ("line", "suggested"),
    [
        (COMBINED % "200 12", "nginx-combined"),
        (COMBINED % "304 -", "nginx-combined"),
        (COMBINED % "- -", "nginx-combined"),
        ("::1 - GET /x HTTP/1.1 200 12 - 3.2 ms", "pattern"),
        ("GET /x 200 3.2 ms - 12", "pattern"),
        ("\x1b[0mGET /x \x1b[32m200\x1b[0m 3.2 ms - 12\x1b[0m", "pattern"),
    ],
)
def test_access_lines_in_a_text_log_need_another_format(
    logs: Logs, answer: Callable[..., dict[str, Any]], line: str, suggested: str
) -> None:
    """As morgan writes them: requests are no errors."""
    logs(f"{prefix(9)}{line}\n" * 9)
    result = answer(*TEXT)
    assert result["leveled"] == 9
    assert log_formats.suggest(result["unread"]) == f"format {suggested}"
