"""Counts and time window of the log scanner."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.facts.scanning import DAY, JSON, NOW, ONE, TEXT, Logs, Scan, counts, entry, iso, messages, prefix, refusal


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (entry(), ONE),
        (entry(dated=False), ONE),
        (entry(level="WARN"), ONE),
        (entry(level="ERROR"), ONE | {"errors": 1}),
        (entry(level="ERROR", dated=False), ONE | {"errors": 1}),
        (entry(level="FATAL"), ONE | {"fatals": 1}),
        (refusal(status=404, statusCode=404), ONE | {"client_errors": 1}),
        (refusal(statusCode=401), ONE | {"client_errors": 1}),
        (refusal(status="404"), ONE | {"client_errors": 1}),
        (refusal(note="a {brace", status=404), ONE | {"client_errors": 1}),
        (refusal(status=None, statusCode=429), ONE | {"client_errors": 1}),
        (refusal(status=500, statusCode=500), ONE | {"errors": 1}),
        (refusal(), ONE | {"errors": 1}),
        (refusal(response={"status": 404}), ONE | {"errors": 1}),
        (refusal(**{'x"status': 404}), ONE | {"errors": 1}),
        (refusal(status=4040), ONE | {"errors": 1}),
        (refusal(note='"status":404,'), ONE | {"errors": 1}),
        (entry(level="ERROR", message="x", status=404), ONE | {"errors": 1}),
        (entry(level="ERROR", ctx={"err": {"status": 404}}), ONE | {"errors": 1}),
        (entry(level="FATAL", err={"status": 404}), ONE | {"fatals": 1}),
        (entry(message='got {"level":"ERROR"} and \\"level":"FATAL"'), ONE),
        (entry(message='{"level":"ERROR","err":{"status":500}}'), ONE),
        (entry(nested={"level": "ERROR"}), ONE),
        (f'{{"time":"{iso(9)}","nested":{{"level":"FATAL"}},"level":"ERROR","message":"x"}}\n', ONE | {"errors": 1}),
        (prefix(9) + 'said {"level":"ERROR"}\n', {"lines": 1}),
        (prefix(9) + '{"level":"error","message":"x"}\n', ONE | {"errors": 1}),
        (prefix(9) + '{"level":50,"message":"x"}\n', ONE | {"errors": 1}),
        (prefix(9) + '{"level":"odd","message":"x"}\n', {"lines": 1}),
        (prefix(9) + '{"level":500,"message":"x"}\n', {"lines": 1}),
        (prefix(9) + '{"level":4,"message":"x"}\n', {"lines": 1}),
        (prefix(9) + '{"lvl":"ERROR","message":"x"}\n', {"lines": 1}),
        (prefix(9) + "Listening on 3000\n", {"lines": 1}),
        (prefix(9) + "\n", ONE),
        (entry(level="ERROR").rstrip("\n"), ONE | {"errors": 1}),
        (entry(level="ERROR").replace("\n", "\r\n"), ONE | {"errors": 1}),
        (entry(level="ERROR", err="broken").rstrip()[:-5] + "\n", ONE | {"errors": 1}),
    ],
)
def test_json_line_counts_once_by_level(logs: Logs, answer: Any, line: str, expected: dict[str, int]) -> None:
    """Only top-level keys and keys of err decide, never the text of a string."""
    logs(line)
    assert counts(answer()) == expected


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([entry(DAY)], 1),
        ([entry(DAY + 0.001)], 0),
        ([prefix(DAY) + "x\n"], 1),
        ([prefix(DAY + 1) + "x\n"], 0),
        ([prefix(DAY, 120) + "x\n"], 1),
        ([prefix(DAY + 1, 120) + "x\n"], 0),
        ([prefix(DAY, -210, colon=False) + "x\n"], 1),
        ([prefix(DAY + 1, -210, colon=False) + "x\n"], 0),
        ([prefix(DAY + 60) + entry(DAY, dated=False)], 1),
        ([prefix(DAY) + entry(DAY + 60, dated=False)], 0),
        ([entry(-30)], 1),
        ([entry(DAY + 1)] * 200 + [entry(DAY)] * 500, 500),
        ([entry(DAY + 5), "x\n", "y\n", entry(DAY - 5), "z\n"], 2),
        (["x\n", entry(5)], 2),
        ([entry(DAY + 5), "x\n"], 1),
        (["2026-13-45 99:99:99 +00:00: x\n", entry(5)], 2),
    ],
)
def test_window_uses_time_of_lines(logs: Logs, answer: Any, lines: list[str], count: int) -> None:
    """Undated lines are as old as the line before, or behind a gap as the line behind; JSON's time overrides PM2's."""
    logs("".join(lines))
    assert answer()["lines"] == count


def test_answer_has_times_sizes_and_files(logs: Logs, answer: Any) -> None:
    """Evidence reaches from the oldest file's first line to the current one's last."""
    logs(entry(9 * DAY) * 2, "api-out__2026-11-15_00-00-00.log.gz", age=8 * DAY)
    logs("undated\n" + entry(3600), "api-out__2026-11-22_00-00-00.log", age=3000)
    path = logs(entry(60) + "undated\n", age=50)
    expected = {"now": NOW, "oldest": NOW - 9 * DAY, "newest": NOW - 60, "modified": NOW - 50}
    result = answer()
    assert expected.items() <= result.items()
    assert (result["size_bytes"], result["files_read"], result["lines"]) == (path.stat().st_size, 2, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((entry(DAY + 9) + entry(90, "ERROR"), entry()), {"lines": 2, "recognized": 2, "errors": 1}),
        ((entry(90, "ERROR"), ""), ONE | {"errors": 1}),
        ((entry(90), "trace\n" + entry()), {"lines": 3, "recognized": 2}),
        ((entry(DAY + 9), "trace\n" + entry()), {"lines": 2, "recognized": 1}),
        ((entry(DAY + 9), "  trace\n" + entry()), ONE),
        (("x\ny\n", entry()), {"lines": 3, "recognized": 1}),
        ((entry(90), entry(DAY + 9) + entry()), {"lines": 2, "recognized": 2}),
    ],
    ids=["both in part", "emptied just now", "goes on", "unread", "goes on from before", "undated", "misnamed"],
)
def test_rotated_files_are_scanned(
    logs: Logs, answer: Any, suffix: str, parts: tuple[str, str], expected: dict[str, int]
) -> None:
    """Plain or packed, a rotated file is the earlier part of the log."""
    logs(parts[0], f"api-out__2026-11-23_00-00-00.log{suffix}", age=80)
    logs(parts[1])
    result = answer()
    assert counts(result) == expected
    assert result["newest"] == NOW - (10 if parts[1] else 90)


@pytest.mark.parametrize(
    "name",
    [
        *("api-out.log.1", "api-out.log.12.gz", "api-out.1.log", "api-out.log.2.xz", "api-out.log.3.bz2"),
        *("api-out.log-20261123", "api-out.log-20261123.gz", "api-out.log-2026112305", "api-out.log-1795392000"),
        *("api-out-20261123.log", "api-out-2026-11-23.log.gz", "api-out.2026-11-23.log", "api-out_20261123.log"),
        *("api-out.log.2026-11-23", "api-out.log.2026-11-23_13-05-09.gz", "api-out-2026-11.log"),
        *("api-out-2026-11-23T13-05-09.123.log.gz", "api-out-2026-11-23.0.log.gz", "api-out__2026-11-23.log"),
    ],
)
def test_rotated_files_of_every_program_are_scanned(logs: Logs, answer: Any, name: str) -> None:
    """Of logrotate, by number, date or seconds; of Python, cronolog, Caddy, logback, pm2-logrotate."""
    logs(entry(2 * DAY) + entry(90, "ERROR"), name)
    logs(entry())
    result = answer()
    assert counts(result) == {"lines": 2, "recognized": 2, "errors": 1}
    assert (result["oldest"], result["rotations"]) == (NOW - 2 * DAY, [NOW])


@pytest.mark.parametrize(
    "names",
    [
        ["api-out.log.10", "api-out.log.9.gz", "api-out.log.1"],
        ["api-out.log-20261109", "api-out.log-20261110.gz", "api-out.log-20261121"],
        ["api-out-2026-11-09.9.log", "api-out-2026-11-09.10.log", "api-out-2026-11-10.0.log"],
        ["api-out.log-20261109", "api-out.log.2", "api-out.log.1"],
    ],
)
def test_rotated_files_are_in_order_of_time(logs: Logs, answer: Any, names: list[str]) -> None:
    """The oldest file decides how far back the lines reach; undated lines continue the file before."""
    for days, name in zip((9, 5, 3), names, strict=True):
        logs(entry(days * DAY) + "undated\n", name, age=days * DAY - 1)
    logs("undated\n")
    result = answer(window=4 * DAY)
    assert (result["oldest"], result["lines"]) == (NOW - 9 * DAY, 3)


def test_log_without_ending_has_rotated_files(logs: Logs, run: Scan) -> None:
    """As in /var/log/syslog.1."""
    logs(entry(90, "ERROR"), "syslog.1")
    assert json.loads(run(logs(entry(), "syslog"), DAY, *JSON).stdout)["errors"] == 1


def test_the_log_may_link_to_its_newest_file(logs: Logs, answer: Any) -> None:
    """As cronolog links it: the newest file is counted once."""
    logs(entry(DAY - 9, "ERROR"), "api-out-2026-11-23.log")
    dated = logs(entry(90, "ERROR"), "api-out-2026-11-24.log")
    dated.with_name("api-out.log").symlink_to(dated)
    assert counts(answer()) == {"lines": 2, "recognized": 2, "errors": 2}


@pytest.mark.parametrize(
    "name",
    [
        "my-api-out__2026-11-23_00-00-00.log",
        "api-out2__2026-11-23_00-00-00.log",
        "api-out__2026-11-23_00-00-00.log.bak",
        "apixout__2026-11-23_00-00-00.log",
        "api-out__notes.log",
        "api-out-1.log",
        "api-out-12345.log",
        "api-out.log.12345",
        "api-out.log.1.part",
        "my-api-out.log.1",
        "api-out2.log.1",
    ],
)
def test_files_of_other_logs_are_skipped(logs: Logs, answer: Any, name: str) -> None:
    """A rotated file has the log's exact name, and a date or number."""
    logs(entry(90, "ERROR"), name)
    logs(entry())
    assert counts(answer()) == ONE


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("copied", [1, 5, 9000])
def test_copy_before_truncation_counts_once(logs: Logs, answer: Any, suffix: str, copied: int) -> None:
    """PM2 copies a log, then truncates it: meanwhile both files have the lines."""
    lines = [entry(9000 - at, "ERROR") for at in range(9000)]
    logs("".join(lines[:copied]), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs("".join(lines))
    assert counts(answer()) == {"lines": 9000, "recognized": 9000, "errors": 9000}


def test_file_and_its_gz_twin_count_once(logs: Logs, answer: Any) -> None:
    """gzip keeps the original until the compressed file is complete."""
    logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    packed = logs(entry(90), "api-out__2026-11-23_00-00-00.log.gz")
    packed.write_bytes(packed.read_bytes()[:40])
    logs(entry())
    assert counts(answer()) == {"lines": 2, "recognized": 2}


def test_old_rotated_files_are_not_read(logs: Logs, run: Scan) -> None:
    """A file last written before the window is skipped, corrupt or not."""
    old = logs("", "api-out__2026-11-15_00-00-00.log.gz")
    old.write_bytes(b"broken")
    os.utime(old, (NOW - 2 * DAY, NOW - 2 * DAY))
    done = run(logs(entry()), DAY, *JSON)
    assert (done.returncode, json.loads(done.stdout)["files_read"]) == (0, 1)


def crash(age: float, headline: str = "TypeError: x is not a function") -> str:
    """Node's words at an uncaught error, each line with PM2's date."""
    lines = ["/home/deploy/app/a.js:10", "    throw new Error('x')", "    ^", "", headline, "    at f (/a.js:1:2)"]
    return "".join(f"{prefix(age)}{line}\n" for line in [*lines, "    at g (/b.js:3:4)", "", "Node.js v20.20.2"])


WARNING = "(node:123) Warning: Setting x"
HINT = "(Use `node --trace-warnings ...` to show where the warning was created)"


@pytest.mark.parametrize(
    ("lines", "found", "first"),
    [
        ([crash(100 - 9 * n) for n in range(10)], (10, 0), "TypeError: x is not a function"),
        ([crash(50), crash(50)], (2, 0), "TypeError: x is not a function"),
        ([crash(50, "Error [ERR_X]: y")], (1, 0), "Error [ERR_X]: y"),
        ([crash(50, "PrismaClientKnownRequestError: ")], (1, 0), "PrismaClientKnownRequestError: "),
        ([crash(50, "Uncaught RangeError: y")], (1, 0), "Uncaught RangeError: y"),
        ([crash(50, "boom")], (1, 0), "boom"),
        ([crash(50, "FATAL ERROR: Reached heap limit")], (0, 1), "FATAL ERROR: Reached heap limit"),
        ([f"{prefix(9)}{WARNING}\n{prefix(9)}{HINT}\n"], (0, 0), None),
        ([f"{prefix(9)}(node:123) UnhandledPromise\n"], (1, 0), "(node:123) UnhandledPromise"),
        ([f"{prefix(9)}{WARNING}\n{prefix(8)}lost\n"], (1, 0), "lost"),
        ([f"{prefix(9)}lost\n{prefix(8)}more\n"], (2, 0), "lost"),
        ([f"{prefix(9)}lost\n{prefix(7)}more\n"], (2, 0), "lost"),
        ([f"{prefix(9)}Error: x\n{prefix(8)}more\n"], (1, 0), "Error: x"),
        ([f"{prefix(9)}Node.js v20.20.2\n"], (0, 0), None),
        ([f"{prefix(9)}    at f (/a.js:1:2)\n"], (0, 0), None),
        ([f"{prefix(9)}/a.js:1\n{prefix(9)}throw 1\n{prefix(9)}^\n"], (0, 0), None),
        ([f"{prefix(9)}Error: x\r\n{prefix(9)}    at f\r\n"], (1, 0), "Error: x"),
        ([f"{prefix(9)}Error: x\n    at f\nError: y\n"], (2, 0), "Error: x"),
        ([crash(DAY + 9), crash(50)], (1, 0), "TypeError: x is not a function"),
    ],
)
def test_text_log_error_is_a_headline_or_a_burst(
    logs: Logs, answer: Any, lines: list[str], found: tuple[int, int], first: str | None
) -> None:
    """150 trace lines are 10 crashes; lines without error marks count as no error."""
    logs("".join(lines))
    result = answer(*TEXT)
    assert (result["errors"], result["fatals"], result["client_errors"]) == (*found, 0)
    assert next((message for message, _ in messages(result)), None) == first
    assert result["recognized"] == result["lines"] > 0


def test_burst_continues_across_rotation(logs: Logs, answer: Any) -> None:
    """An error's trace is not another error in the next file."""
    logs(f"{prefix(9)}Error: x\n", "api-out__2026-11-23_00-00-00.log")
    logs(f"{prefix(9)}told the parent\n")
    assert answer(*TEXT)["errors"] == 1


@pytest.mark.parametrize("kind", [JSON, TEXT])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_undated_lines_are_not_recognized(logs: Logs, answer: Any, kind: tuple[str, str], suffix: str) -> None:
    """Without dates the window is unknown, and the log must not pass as healthy."""
    logs("Error: x\n" + entry(None, "ERROR"), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs("Error: y\n" * 3)
    result = answer(*kind)
    assert counts(result) == {"lines": 5}
    assert (result["oldest"], result["newest"], result["commonest"]) == (None, None, [])


def test_undated_lines_continue_the_rotated_file(logs: Logs, answer: Any) -> None:
    """Undated lines are younger than the rotated file's lines."""
    logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    logs(entry(None, "ERROR") + "trace\n")
    assert counts(answer()) == {"lines": 3, "recognized": 2, "errors": 1}


@pytest.mark.parametrize("days", [0, 267, 268, 269, 280, 300, 328, 329, 998, 999, 1000, 9000])
def test_every_calendar_day_is_converted(logs: Logs, answer: Any, days: int) -> None:
    """Among them the ends of February, of a leap year's too, and of the year."""
    logs(entry(days * DAY))
    assert answer()["oldest"] == NOW - days * DAY


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idle_log_has_time_of_last_line(logs: Logs, answer: Any, suffix: str) -> None:
    """Truncated days ago and silent since: the newest rotated file has the last line."""
    logs(entry(9 * DAY), f"api-out__2026-11-15_00-00-00.log{suffix}", age=8 * DAY)
    logs(entry(4 * DAY), f"api-out__2026-11-20_00-00-00.log{suffix}", age=4 * DAY)
    logs("", age=4 * DAY)
    result = answer()
    assert (result["newest"], result["lines"], result["files_read"]) == (NOW - 4 * DAY, 0, 2)


def test_empty_log_has_no_lines(logs: Logs, answer: Any) -> None:
    """No lines, no times, a size of 0: not an error of the scanner."""
    logs("", age=77)
    result = answer()
    assert counts(result) == {}
    assert (result["size_bytes"], result["modified"], result["newest"]) == (0, NOW - 77, None)
