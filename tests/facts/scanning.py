"""Log lines in the platform's format, and the clock of the log scanner's tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

PERL = shutil.which("perl") or "perl"
NOW = 1_795_500_000
DAY = 86_400
JSON = ("pm2-json", "time level message")
TEXT = ("text", "")
ONE = {"lines": 1, "recognized": 1}
COUNTS = ("lines", "recognized", "errors", "client_errors", "fatals")

# Replaces a builtin of perl before the program is compiled, to stop the clock or change a
# file at a chosen moment.
CLOCK = f"BEGIN {{ *CORE::GLOBAL::time = sub () {{ {NOW} }} }}"

Scan = Callable[..., subprocess.CompletedProcess[str]]
Logs = Callable[..., Path]


def iso(age: float) -> str:
    """JSON time, `age` seconds before NOW."""
    return datetime.fromtimestamp(NOW - age, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prefix(age: float, offset_minutes: int = 0, colon: bool = True) -> str:
    """PM2's date prefix, `age` seconds before NOW, in a time zone."""
    zone = timezone(timedelta(minutes=offset_minutes))
    text = datetime.fromtimestamp(NOW - age, zone).strftime("%Y-%m-%d %H:%M:%S %z")
    return f"{text[:-2]}:{text[-2:]}: " if colon else f"{text}: "


def entry(age: float | None = 10, level: str = "INFO", *, dated: bool = True, **fields: Any) -> str:
    """A log line as PM2 writes the application's JSON; without times if age is None."""
    head = {"level": level} | ({} if age is None else {"time": iso(age)}) | {"pid": 1, "scope": "ApiServer"}
    body = json.dumps(head, separators=(",", ":"), ensure_ascii=False)[:-1] + ',"scope":"ApiServer.Http"'
    rest = json.dumps(fields or {"message": "HTTP request completed"}, separators=(",", ":"), ensure_ascii=False)
    return (prefix(age) if dated and age is not None else "") + body + "," + rest[1:] + "\n"


def refusal(age: float = 10, **status: object) -> str:
    """ERROR line of a request that failed with an HTTP status."""
    err = {"type": "NotFoundError", "message": "Route not found", "stack": "E: x\n    at f [as g] (/a.js:1:2)"}
    return entry(age, "ERROR", requestId="7a", err={**err, **status, "expose": True}, message="Request failed")


def counts(result: dict[str, Any]) -> dict[str, int]:
    """Counts other than 0."""
    return {name: result[name] for name in COUNTS if result[name]}


def messages(result: dict[str, Any]) -> list[tuple[str, int]]:
    """The commonest messages with their counts."""
    return [(row["message"], row["count"]) for row in result["commonest"]]
