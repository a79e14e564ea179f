"""What the log scanner answers, run by the host's own perl against real files."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from opsproof.facts.logs import scanner

PERL = shutil.which("perl") or "perl"
NOW = 1_795_500_000
DAY = 86_400
COUNTS = ("lines", "recognized", "errors", "client_errors", "fatals")

# Replaces a builtin of perl before the program is compiled, so that the clock stands
# still or a file changes at a chosen moment.
CLOCK = f"BEGIN {{ *CORE::GLOBAL::time = sub () {{ {NOW} }} }}"

Scan = Callable[..., subprocess.CompletedProcess[str]]
Logs = Callable[..., Path]


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Write a log; its age in seconds is its own mtime's."""

    def write(content: str | bytes, name: str = "api-out.log", age: float = 0) -> Path:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        os.utime(path, (NOW - age, NOW - age))
        return path

    return write


@pytest.fixture
def run(tmp_path: Path) -> Scan:
    """Run the program with the clock at NOW and, where asked, other builtins replaced."""

    def scan(
        *arguments: object, also: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "perl"
        folder.mkdir(exist_ok=True)
        (folder / "Still.pm").write_text(f"package Still; {CLOCK} {also} 1;")
        command = [PERL, f"-I{folder}", "-MStill", "-e", scanner(), "--", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(environment or {})}
        )

    return scan


@pytest.fixture
def answer(tmp_path: Path, run: Scan) -> Callable[..., dict[str, Any]]:
    """The parsed answer about api-out.log, which must be all that is printed."""

    def parsed(kind: str = "json", window: int = DAY, also: str = "") -> dict[str, Any]:
        done = run(tmp_path / "api-out.log", kind, window, also=also)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.count("\n") == 1
        assert done.stdout.isascii()
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return parsed


def iso(age: float) -> str:
    """The JSON time of `age` seconds before NOW."""
    return datetime.fromtimestamp(NOW - age, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prefix(age: float, offset_minutes: int = 0, colon: bool = True) -> str:
    """PM2's date of `age` seconds before NOW, in the zone of that offset."""
    zone = timezone(timedelta(minutes=offset_minutes))
    text = datetime.fromtimestamp(NOW - age, zone).strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{text[:-2]}:{text[-2:]}: " if colon else f"{text}: "


def entry(age: float | None = 10, level: str = "INFO", *, dated: bool = True, **fields: Any) -> str:
    """One log line as PM2 writes the application's JSON; age None leaves both times out."""
    head = {"level": level} | ({} if age is None else {"time": iso(age)}) | {"pid": 1, "scope": "ApiServer"}
    body = json.dumps(head, separators=(",", ":"), ensure_ascii=False)[:-1] + ',"scope":"ApiServer.Http"'
    rest = json.dumps(fields or {"message": "HTTP request completed"}, separators=(",", ":"), ensure_ascii=False)
    return (prefix(age) if dated and age is not None else "") + body + "," + rest[1:] + "\n"


def refusal(age: float = 10, **status: object) -> str:
    """The ERROR line of a request that failed with this status."""
    err = {"type": "NotFoundError", "message": "Route not found", "stack": "E: x\n    at f [as g] (/a.js:1:2)"}
    return entry(age, "ERROR", requestId="7a", err={**err, **status, "expose": True}, message="Request failed")


def counts(result: dict[str, Any]) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: result[name] for name in COUNTS if result[name]}


def messages(result: dict[str, Any]) -> list[tuple[str, int]]:
    """The commonest messages with their counts."""
    return [(row["message"], row["count"]) for row in result["commonest"]]


ONE = {"lines": 1, "recognized": 1}


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
        (prefix(9) + '{"level":"error","message":"x"}\n', {"lines": 1}),
        (prefix(9) + '{"level":50,"message":"x"}\n', {"lines": 1}),
        (prefix(9) + '{"lvl":"ERROR","message":"x"}\n', {"lines": 1}),
        (prefix(9) + "Listening on 3000\n", {"lines": 1}),
        (prefix(9) + "\n", {"lines": 1}),
        (entry(level="ERROR").rstrip("\n"), ONE | {"errors": 1}),
        (entry(level="ERROR").replace("\n", "\r\n"), ONE | {"errors": 1}),
        (entry(level="ERROR", err="broken").rstrip()[:-5] + "\n", ONE | {"errors": 1}),
    ],
)
def test_a_json_line_is_counted_once_as_what_it_is(
    logs: Logs, answer: Any, line: str, expected: dict[str, int]
) -> None:
    """Only an own key of the line or of its err decides, never the text of a string."""
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
        (["x\n", entry(5)], 1),
        ([entry(DAY + 5), "x\n"], 0),
        (["2026-13-45 99:99:99 +00:00: x\n", entry(5)], 1),
    ],
)
def test_the_window_goes_by_the_time_of_the_lines(logs: Logs, answer: Any, lines: list[str], count: int) -> None:
    """An undated line belongs to the line before it; the JSON time is better than PM2's."""
    logs("".join(lines))
    assert answer()["lines"] == count


def test_times_sizes_and_files_are_told(logs: Logs, answer: Any) -> None:
    """Evidence reaches from the oldest file's first line to the current one's last."""
    logs(entry(9 * DAY) * 2, "api-out__2026-11-15_00-00-00.log.gz", age=8 * DAY)
    logs("undated\n" + entry(3600), "api-out__2026-11-22_00-00-00.log", age=3000)
    path = logs(entry(60) + "undated\n", age=50)
    expected = {"now": NOW, "oldest": NOW - 9 * DAY, "newest": NOW - 60, "modified": NOW - 50}
    result = answer()
    assert expected.items() <= result.items()
    assert (result["size_bytes"], result["files_read"], result["lines"]) == (path.stat().st_size, 2, 3)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((entry(DAY + 9) + entry(90, "ERROR"), entry()), {"lines": 2, "recognized": 2, "errors": 1}),
        ((entry(90, "ERROR"), ""), ONE | {"errors": 1}),
        ((entry(90), "trace\n" + entry()), {"lines": 3, "recognized": 2}),
        ((entry(DAY + 9), "trace\n" + entry()), ONE),
        (("x\ny\n", entry()), {"lines": 3, "recognized": 1}),
        ((entry(90), entry(DAY + 9) + entry()), {"lines": 2, "recognized": 2}),
    ],
    ids=["both in part", "emptied just now", "goes on", "goes on from before", "undated", "misnamed"],
)
def test_rotated_files_belong_to_the_log(
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
        "my-api-out__2026-11-23_00-00-00.log",
        "api-out2__2026-11-23_00-00-00.log",
        "api-out__2026-11-23_00-00-00.log.bak",
        "apixout__2026-11-23_00-00-00.log",
        "api-out__notes.log",
        "api-out-1.log",
    ],
)
def test_other_files_are_another_log(logs: Logs, answer: Any, name: str) -> None:
    """Only the log's own name, two underscores and a date make its rotated file."""
    logs(entry(90, "ERROR"), name)
    logs(entry())
    assert counts(answer()) == ONE


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("copied", [1, 5, 9000])
def test_a_copy_that_was_not_emptied_yet_counts_once(logs: Logs, answer: Any, suffix: str, copied: int) -> None:
    """PM2 copies the log, then empties it: meanwhile the lines stand in both."""
    lines = [entry(9000 - at, "ERROR") for at in range(9000)]
    logs("".join(lines[:copied]), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs("".join(lines))
    assert counts(answer()) == {"lines": 9000, "recognized": 9000, "errors": 9000}


def test_a_file_and_its_packed_twin_count_once(logs: Logs, answer: Any) -> None:
    """gzip keeps the file until the packed one is whole."""
    logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    packed = logs(entry(90), "api-out__2026-11-23_00-00-00.log.gz")
    packed.write_bytes(packed.read_bytes()[:40])
    logs(entry())
    assert counts(answer()) == {"lines": 2, "recognized": 2}


def test_old_rotated_files_are_not_read(logs: Logs, run: Scan) -> None:
    """What was last written before the window holds nothing of it, broken or not."""
    old = logs("", "api-out__2026-11-15_00-00-00.log.gz")
    old.write_bytes(b"broken")
    os.utime(old, (NOW - 2 * DAY, NOW - 2 * DAY))
    done = run(logs(entry()), "json", DAY)
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
        ([f"{prefix(9)}lost\n{prefix(8)}more\n"], (1, 0), "lost"),
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
def test_an_error_of_a_text_log_is_a_headline_or_a_burst(
    logs: Logs, answer: Any, lines: list[str], found: tuple[int, int], first: str | None
) -> None:
    """150 lines of traces are 10 crashes; what says nothing of an error is none."""
    logs("".join(lines))
    result = answer("text")
    assert (result["errors"], result["fatals"], result["client_errors"]) == (*found, 0)
    assert next((message for message, _ in messages(result)), None) == first
    assert result["recognized"] == result["lines"] > 0


def test_a_burst_goes_on_over_a_rotation(logs: Logs, answer: Any) -> None:
    """The trace of an error does not become an error of its own in the next file."""
    logs(f"{prefix(9)}Error: x\n", "api-out__2026-11-23_00-00-00.log")
    logs(f"{prefix(9)}told the parent\n")
    assert answer("text")["errors"] == 1


@pytest.mark.parametrize("kind", ["json", "text"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_undated_lines_are_not_recognized(logs: Logs, answer: Any, kind: str, suffix: str) -> None:
    """Without a date nothing can be said of the window, so nobody may read it as healthy."""
    logs("Error: x\n" + entry(None, "ERROR"), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs("Error: y\n" * 3)
    result = answer(kind)
    assert counts(result) == {"lines": 5}
    assert (result["oldest"], result["newest"], result["commonest"]) == (None, None, [])


def test_undated_lines_follow_the_rotated_ones(logs: Logs, answer: Any) -> None:
    """They are younger than what stands before them in the rotated file."""
    logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    logs(entry(None, "ERROR") + "trace\n")
    assert counts(answer()) == {"lines": 3, "recognized": 2, "errors": 1}


@pytest.mark.parametrize("days", [0, 267, 268, 269, 280, 300, 328, 329, 998, 999, 1000, 9000])
def test_every_day_of_the_calendar_is_known(logs: Logs, answer: Any, days: int) -> None:
    """Among them the ends of February, of a leap year's too, and of the year."""
    logs(entry(days * DAY))
    assert answer()["oldest"] == NOW - days * DAY


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idle_log_tells_when_it_was_last_written(logs: Logs, answer: Any, suffix: str) -> None:
    """Emptied days ago and silent since: the newest rotated file has its last line."""
    logs(entry(9 * DAY), f"api-out__2026-11-15_00-00-00.log{suffix}", age=8 * DAY)
    logs(entry(4 * DAY), f"api-out__2026-11-20_00-00-00.log{suffix}", age=4 * DAY)
    logs("", age=4 * DAY)
    result = answer()
    assert (result["newest"], result["lines"], result["files_read"]) == (NOW - 4 * DAY, 0, 2)


def test_an_empty_log_is_known_to_be_empty(logs: Logs, answer: Any) -> None:
    """No lines, no times, a size of 0: not an error of the scanner."""
    logs("", age=77)
    result = answer()
    assert counts(result) == {}
    assert (result["size_bytes"], result["modified"], result["newest"]) == (0, NOW - 77, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"message": "Request failed", "err": {"message": "Route not found"}}, "Request failed: Route not found"),
        ({"message": "Moved to DLQ", "error": "no channel"}, "Moved to DLQ: no channel"),
        ({"message": "Moved", "error": {"message": "inner", "code": 1}}, "Moved: inner"),
        ({"message": "Moved", "err": "plain"}, "Moved: plain"),
        ({"err": {"message": "only this"}}, "only this"),
        ({"message": 'a \\ b " c / 5° d\n\t\x01 é € \ufffd'}, 'a \\ b " c / 5° d\n\t\x01 é € \ufffd'),
        ({"message": "x" * 150 + " " + "é" * 100}, "x" * 150 + " " + "é" * 49),
        ({"message": "request 7a259e1f-3f2b-4c1d-9e8f-0123456789ab"}, "request …"),
        ({"message": "tenant ten00024 id 64f0c2aa91 cuid clx1a2b3c4d5e6f7g8h9i0j1k"}, "tenant ten… id … cuid …"),
        ({"message": "port 5432 at 0xdeadbeef of 1795500000"}, "port 5432 at … of …"),
        ({"message": "facade decade"}, "facade decade"),
    ],
)
def test_a_message_says_what_failed(logs: Logs, answer: Any, fields: dict[str, Any], expected: str) -> None:
    """Ids collapse, so that one failure of many requests is one message."""
    logs(entry(level="ERROR", **fields))
    assert messages(answer()) == [(expected, 1)]


def test_the_last_of_repeated_keys_counts(logs: Logs, answer: Any) -> None:
    """As in JavaScript, and a nested key of that name is another key."""
    line = entry(level="ERROR", message="first", deep={"message": "deep"}).rstrip("}\n")
    logs(line + '},"message":"last","tail":[{"message":"tail"}]}\n')
    assert messages(answer()) == [("last", 1)]


def test_escapes_and_broken_bytes_are_shown_harmlessly(logs: Logs, answer: Any) -> None:
    """The answer stays ASCII whatever the log holds."""
    message = rb"\u010d \ud83d\ude00 \u0007 " + b"\xff\xfe \xc3\xa9 \xe2\x82 \x00 \xf0\x9f\x98\x80"
    logs(entry(level="ERROR", message="MARK").encode().replace(b"MARK", message))
    shown = answer()["commonest"][0]["message"]
    assert shown.startswith("č \ufffd\ufffd \x07 \ufffd\ufffd é ")
    assert shown.endswith(" \x00 \U0001f600")


def test_the_five_commonest_come_first(logs: Logs, answer: Any) -> None:
    """Most frequent first; what a client caused is no finding."""
    lines = [entry(9, "ERROR", message=f"m{'abcdefg'[n]}") * (n + 1) for n in range(7)]
    logs("".join(lines) + refusal(status=404) * 50 + entry(9, "FATAL", message="end") * 9)
    result = answer()
    assert messages(result) == [("end", 9), ("mg", 7), ("mf", 6), ("me", 5), ("md", 4)]
    assert [row["level"] for row in result["commonest"]] == ["FATAL", *["ERROR"] * 4]


SECRETS = [
    "postgres://metachat:s3cr3tvalue@localhost:5432/x",
    "amqp://u:s3cr3tvalue/x@y@h",
    "password=s3cr3tvalue",
    "Password: s3cr3tvalue",
    'got {"password":"s3cr3tvalue","user":"u"}',
    'got {"password":"a b \\"s3cr3tvalue"}',
    r"twice {\"dbPassword\":\"a s3cr3tvalue\"}",
    "{ passwd: 's3cr3tvalue x' }",
    "SMTP_PASS=s3cr3tvalue",
    "client_secret = s3cr3tvalue",
    "accessToken: s3cr3tvalue",
    "?token=s3cr3tvalue&x=1",
    "refresh_token%3Ds3cr3tvalue",
    "api_key=s3cr3tvalue",
    "X-Api-Key: s3cr3tvalue",
    "apiKey => s3cr3tvalue",
    "JWT_SECRET=s3cr3tvalue",
    "Authorization: Basic s3cr3tvalue==",
    "authorization: Bearer s3cr3tvalue",
    "Cookie: a=b; sid=s3cr3tvalue",
    'Set-Cookie": "sid=s3cr3tvalue; Path=/"',
    "sent Bearer s3cr3tvalue",
    "invalid key sk-ant-s3cr3tvalue-0123",
    "invalid key sk_live_s3cr3tvalue",
    "jwt eyJs3cr3tvalue.eyJzdWIi.SflKx-s3cr3tvalue",
    "EAAGs3cr3tvaluexyz",
    "ghp_s3cr3tvalue0123456789",
    "AKIAS3CR3TVALUE0123",
    "raw Qs3cr3tvalueAbCdEfGhIjKlMnOpQrStUvWx",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_secret_does_not_leave_the_host(logs: Logs, run: Scan, kind: str, secret: str) -> None:
    """Messages are shown to people and kept in reports."""
    logs(entry(level="ERROR", message=secret) if kind == "json" else f"{prefix(9)}Error: {secret}\n")
    path = logs(entry(level="ERROR", message=secret) if kind == "json" else f"{prefix(9)}Error: {secret}\n")
    done = run(path, kind, DAY)
    assert "s3cr3tvalue" not in done.stdout.lower()
    assert "***" in done.stdout


@pytest.mark.parametrize("message", ["3 tests passed: ok", "keyboard: unplugged", "compass north", "GET /x?page=2"])
def test_what_is_no_secret_stays_readable(logs: Logs, answer: Any, message: str) -> None:
    """A scrubbed message that says nothing helps nobody."""
    logs(entry(level="ERROR", message=message))
    assert messages(answer()) == [(message, 1)]


def megabytes(count: float) -> int:
    """Bytes in so many MiB."""
    return int(count * 1024 * 1024)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (entry(50, "ERROR", pad="x" * megabytes(10)) + entry(), {"lines": 2, "recognized": 2, "errors": 1}),
        (entry(50, "ERROR", pad="x" * megabytes(10)), ONE | {"errors": 1}),
        (entry(50) + "y" * megabytes(10) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (entry(50) + "y" * megabytes(10), {"lines": 2, "recognized": 1}),
        (entry(50) + "y" * (megabytes(1) - 1) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (entry(50) + "y" * megabytes(1) + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (entry(50, "ERROR", err={"p": "\\n" * megabytes(0.4)}) + entry(), {"lines": 2, "recognized": 2, "errors": 1}),
        (entry(50) + "\0" * 99999 + "\n" + entry(), {"lines": 3, "recognized": 2}),
        (entry(50) + "\n" * 300_000, {"lines": 300_001, "recognized": 1}),
        (entry(50, "ERROR", deep=0)[:-3] + "[" * 200_000 + "\n", ONE | {"errors": 1}),
        (
            "".join(entry(50, "ERROR", message=f"{n:b}".translate({48: "a", 49: "b"})) for n in range(30_000)),
            dict.fromkeys(COUNTS[:3], 30_000),
        ),
    ],
    ids=["long", "long last", "long other", "unended", "1 MiB", "1 MiB + 1", "escapes", "NUL", "empty", "deep", "many"],
)
def test_odd_lines_are_counted_in_bounded_memory(
    logs: Logs, answer: Any, content: str, expected: dict[str, int]
) -> None:
    """The host has better use for its memory: under 64 MB at the peak."""
    logs(content)
    watch = 'END { open my $f, "<", "/proc/self/status"; my ($kb) = join("", <$f>) =~ /VmHWM:\\s+(\\d+)/;'
    result = answer(also=f"{watch} print STDERR qq(held $kb) if $kb > 64_000 }}")
    assert counts(result) == expected


def test_a_long_text_line_is_one_line(logs: Logs, answer: Any) -> None:
    """Its rest is no other line, wherever the reads cut it."""
    logs(f"{prefix(9)}Error: x" + "y" * megabytes(10) + f"\n{prefix(8)}told\n")
    assert counts(answer("text")) == {"lines": 2, "recognized": 2, "errors": 1}


def test_a_frequent_message_is_not_lost_among_many(logs: Logs, answer: Any) -> None:
    """When there are too many different ones, the rare ones are dropped."""
    letters = {48: "a", 49: "b"}
    many = [entry(50, "ERROR", message=f"{n:b}".translate(letters)) for n in range(25_000)]
    logs("".join([entry(60, "ERROR", message="often") * 50, *many, entry(40, "ERROR", message="often") * 50]))
    assert messages(answer())[0] == ("often", 100)


@pytest.mark.parametrize("kind", ["json", "text"])
@pytest.mark.parametrize("seed", range(3))
def test_garbage_is_only_lines(logs: Logs, answer: Any, kind: str, seed: int) -> None:
    """Bytes at random crash nothing and mean nothing."""
    data = random.Random(seed).randbytes(megabytes(3))
    logs(data)
    assert counts(answer(kind)) == {"lines": data.count(b"\n") + (not data.endswith(b"\n"))}


BROKEN = "BEGIN { *CORE::GLOBAL::%s = sub %s { %s } }"
READ = "(*\\$$;$)", "our $reads++; %s CORE::sysread($_[0], ${$_[1]}, $_[2], $_[3] // 0)"


def reading(perl: str) -> str:
    """Perl that is run before every read of the program, which are counted in $reads."""
    return BROKEN % ("sysread", READ[0], READ[1] % perl)


def test_a_log_emptied_during_the_scan_is_read_from_its_copy(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """pm2-logrotate copied and emptied it: the lines are in the rotated file now."""
    log, copy = logs(entry(50, "ERROR") * 20_000), tmp_path / "api-out__2026-11-24_00-00-00.log"
    move = f'if ($reads == 5) {{ system "cp", "{log}", "{copy}"; truncate "{log}", 0 }}'
    result = answer(also=reading(move))
    assert counts(result) == {"lines": 20_000, "recognized": 20_000, "errors": 20_000}


def test_a_log_emptied_and_grown_again_is_noticed(logs: Logs, answer: Any, tmp_path: Path) -> None:
    """Its size alone does not tell: the first bytes are others."""
    log, copy = logs(entry(50, "ERROR") * 9_000), tmp_path / "api-out__2026-11-24_00-00-00.log"
    later = tmp_path / "later"
    later.write_text(entry(40) * 20_000)
    move = f'if ($reads == 5) {{ system "cp", "{log}", "{copy}"; system qq(cat "{later}" > "{log}") }}'
    assert counts(answer(also=reading(move))) == {"lines": 29_000, "recognized": 29_000, "errors": 9_000}


def test_a_log_emptied_during_every_scan_is_no_answer(logs: Logs, run: Scan, tmp_path: Path) -> None:
    """It ends, and not with counts of what was left."""
    log = logs(entry(50, "ERROR") * 9_000)
    also = reading(f'if ($reads % 3 == 0) {{ system qq(echo $reads > "{log}") }}')
    done = run(log, "json", DAY, also=also)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "api-out.log: rotated during each of three scans\n"


def test_a_log_that_grows_is_read_to_where_it_was(logs: Logs, answer: Any) -> None:
    """A flood cannot keep the scanner reading for ever."""
    log = logs(entry(50) * 9_000)
    also = reading(f'open my $add, ">>", "{log}"; print $add "x\\n" x 1_000_000; close $add;')
    assert counts(answer(also=also)) == {"lines": 9_000, "recognized": 9_000}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_rotated_file_that_vanishes_is_skipped(logs: Logs, answer: Any, suffix: str) -> None:
    """Retention deletes the oldest while the scanner looks at the folder."""
    old = logs(entry(90), f"api-out__2026-11-23_00-00-00.log{suffix}")
    logs(entry())
    listing = f'my @names = CORE::readdir($_[0]); unlink "{old}"; @names'
    assert counts(answer(also=BROKEN % ("readdir", "(*)", listing))) == ONE


def test_a_rotated_file_packed_during_the_scan_is_found_again(logs: Logs, answer: Any) -> None:
    """The plain name is gone, its packed twin holds the lines."""
    old = logs(entry(90), "api-out__2026-11-23_00-00-00.log")
    logs(entry())
    listing = f'my @names = CORE::readdir($_[0]); system "gzip", "-q", "{old}" if -e "{old}"; @names'
    assert counts(answer(also=BROKEN % ("readdir", "(*)", listing))) == {"lines": 2, "recognized": 2}


def test_a_missing_log_is_an_error(tmp_path: Path, run: Scan, logs: Logs) -> None:
    """Its rotated files do not stand in for it."""
    logs(entry(), "api-out__2026-11-23_00-00-00.log")
    done = run(tmp_path / "api-out.log", "json", DAY)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "api-out.log: No such file or directory\n"


def test_what_is_no_file_is_an_error(tmp_path: Path, run: Scan) -> None:
    """A folder or a pipe in the log's place would block or read as empty."""
    (tmp_path / "api-out.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    assert run(tmp_path / "api-out.log", "json", DAY).stderr == "api-out.log: Is a directory\n"
    done = run(tmp_path / "pipe.log", "json", DAY)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("name", ["api-out.log", "api-out__2026-11-23_00-00-00.log"])
def test_a_failing_read_is_an_error(logs: Logs, run: Scan, name: str) -> None:
    """The disk's error must not look like the end of the file."""
    path = logs(entry())
    logs(entry(90), name)
    done = run(path, "json", DAY, also=reading("if ($reads == 3) { $! = 5; return }"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(".log: Input/output error\n")


@pytest.mark.parametrize(
    "name", ["api-out.log", "api-out__2026-11-23_00-00-00.log", "api-out__2026-11-23_00-00-00.log.gz"]
)
def test_an_unreadable_log_is_an_error(logs: Logs, run: Scan, name: str) -> None:
    """Also for the superuser, whom file modes do not stop: a loop of links stands in for them."""
    path = logs(entry())
    bad = path.with_name(name)
    bad.unlink(missing_ok=True)
    bad.symlink_to(bad)
    done = run(path, "json", DAY)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{name}: Too many levels of symbolic links\n"


@pytest.mark.parametrize("kept", [0, 15, 0.5, -9])
def test_a_corrupt_packed_file_of_the_window_is_an_error(logs: Logs, run: Scan, kept: float) -> None:
    """Half a file is not a quiet day."""
    packed = logs("".join(entry(90 - at / 1000) for at in range(50_000)), "api-out__2026-11-23_00-00-00.log.gz")
    data = packed.read_bytes()
    packed.write_bytes(data[: int(len(data) * kept) if kept == 0.5 else int(kept)])
    os.utime(packed, (NOW, NOW))
    done = run(logs(entry()), "json", DAY)
    assert (done.returncode, done.stdout) == (3, "")
    assert "api-out__2026-11-23_00-00-00.log.gz: gzip failed\n" in done.stderr


def test_a_missing_gzip_is_an_error_only_where_it_is_needed(logs: Logs, run: Scan, tmp_path: Path) -> None:
    """A host without gzip can have no packed lines of the window either."""
    path = logs(entry())
    nowhere = {"PATH": str(tmp_path)}
    assert run(path, "json", DAY, environment=nowhere).returncode == 0
    logs(entry(90), "api-out__2026-11-23_00-00-00.log.gz")
    done = run(path, "json", DAY, environment=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "gzip: No such file or directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.log"],
        ["x.log", "json"],
        ["x.log", "xml", "60"],
        ["", "json", "60"],
        ["x.log", "json", "60", "more"],
        *(["x.log", "json", window] for window in ("0", "1h", "-5", "60\n")),
    ],
)
def test_bad_arguments_are_refused(run: Scan, arguments: list[str]) -> None:
    """With the usage, and the exit status that sysexits.h has for it."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "usage: log_scan.pl PATH json|text WINDOW_SECONDS\n"


def test_the_program_runs_as_one_argument(logs: Logs) -> None:
    """That is how it reaches the host, whose clock it then asks."""
    path = logs(entry())
    command = [PERL, "-e", scanner(), str(path), "json", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["newest"] == NOW - 10


def random_log(rng: random.Random) -> Iterator[tuple[float, str]]:
    """Lines in order of time with the age each belongs to: dated twice, once, or not at all."""
    age = 8.0 * DAY
    while age > 0:
        age -= rng.expovariate(1 / rng.choice([2, 900, 20_000])) if rng.random() < 0.9 else 0
        age = round(age, 3)
        level = rng.choice(["INFO", "INFO", "WARN", "ERROR"])
        yield age, entry(age, level, dated=rng.random() < 0.7, pad="x" * rng.choice([0, 90, 900]))
        if rng.random() < 0.2:
            for _ in range(rng.choice([1, 3, 40])):
                yield age, "    at trace" + "y" * rng.choice([0, 60, 3000]) + "\n"


@pytest.mark.parametrize("seed", range(60))
def test_bisection_finds_what_reading_everything_finds(logs: Logs, answer: Any, seed: int) -> None:
    """The window's start may be anywhere, in any file, amid undated lines of any length."""
    rng = random.Random(seed)
    lines = list(random_log(rng))
    window = rng.choice([60, 3600, DAY, 3 * DAY, 30 * DAY])
    cuts = sorted(rng.sample(range(len(lines)), rng.choice([0, 1, 3])))
    names = [f"api-out__2026-11-{10 + n}_00-00-00.log{rng.choice(['', '.gz'])}" for n in range(len(cuts))]
    for name, start, end in zip([*names, "api-out.log"], [0, *cuts], [*cuts, len(lines)], strict=True):
        logs("".join(text for _, text in lines[start:end]), name, age=lines[end - 1][0] - 0.001)
    inside = [text for age, text in lines if age <= window]
    expected = {"lines": len(inside), "errors": sum('"level":"ERROR"' in text for text in inside)}
    expected["recognized"] = sum('"level"' in text for text in inside)
    result = answer(window=window)
    assert {name: result[name] for name in expected} == expected


def test_a_day_of_a_week_reads_little_more_than_the_day(logs: Logs, answer: Any) -> None:
    """What is older costs a few probes, not a pass over it."""
    log = logs("".join(entry(7 * DAY * (1 - at / 50_000)) for at in range(50_000)))
    result = answer()
    assert abs(result["lines"] - 50_000 / 7) < 2
    assert result["bytes_read"] < log.stat().st_size / 5
