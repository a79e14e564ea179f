"""Faults of log files and their lines."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab import Lab
from lab.fault import causes, shows
from lab.faults.fault import fault
from lab.logs import line

COUNTS = ("test_log_errors_are_within_limit", "test_client_errors_are_within_limit", "test_log_has_no_fatal_errors")
"""The checks that count lines of a log."""
API = "lab-api-out"
API_ERROR = "lab-api-error"


@contextmanager
def _appended(path: Path, lines: list[str]) -> Iterator[None]:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)
    yield
    path.write_text(
        "".join(each for each in path.read_text(encoding="utf-8").splitlines(keepends=True) if each not in lines),
        encoding="utf-8",
    )


def _failures(count: int, age: timedelta, status: int) -> list[str]:
    moment = datetime.now(UTC).replace(tzinfo=None) - age
    error = {"type": "Error", "message": "proof: injected failure", "status": status, "statusCode": status}
    fields = f'"err":{json.dumps(error, separators=(",", ":"))}'
    return [
        line(moment + timedelta(milliseconds=n), "ERROR", ("ApiServer",), fields, "Request failed")
        for n in range(count)
    ]


@fault(failed=(f"test_log_errors_are_within_limit[{API}]",), touches=("logs",))
@shows("proof: injected failure")
def error_burst_in_the_last_hour(lab: Lab) -> Iterator[None]:
    """Twenty server errors."""
    with _appended(lab.layout.logs / "api-out.log", _failures(20, timedelta(minutes=5), 500)):
        yield


@fault(touches=("logs",))
def error_burst_30_hours_ago(lab: Lab) -> Iterator[None]:
    """Errors older than the window do not count, in any file."""
    moment = datetime.now(UTC) - timedelta(hours=24, minutes=30)
    old = lab.layout.logs / f"api-out__{moment:%Y-%m-%d_%H-%M-%S}.log.gz"
    old.write_bytes(gzip.compress("".join(_failures(50, timedelta(hours=30), 500)).encode()))
    yield
    old.unlink()


@fault(failed=(f"test_log_growth_is_within_limit[{API}]",), touches=("logs",))
@shows(r"^(?:59|60)\d{6} bytes in .*api-out__")
def log_flood(lab: Lab) -> Iterator[None]:
    """Sixty megabytes of the same line within a minute, rotated and compressed since."""
    moment = datetime.now(UTC) - timedelta(minutes=20)
    flood = lab.layout.logs / f"api-out__{moment:%Y-%m-%d_%H-%M-%S}.log.gz"
    text = line(moment.replace(tzinfo=None), "INFO", ("ApiServer",), "", "Disconnecting Prisma client").encode()
    flood.write_bytes(gzip.compress(text * (60_000_000 // len(text)), compresslevel=1))
    yield
    flood.unlink()


@fault(touches=("logs",))
def burst_of_client_errors(lab: Lab) -> Iterator[None]:
    """Three hundred requests for missing pages are client errors, and normal."""
    with _appended(lab.layout.logs / "api-out.log", _failures(300, timedelta(minutes=5), 404)):
        yield


@fault(warned=(f"test_client_errors_are_within_limit[{API}]",), touches=("logs",))
@shows("proof: injected failure")
def flood_of_client_errors(lab: Lab) -> Iterator[None]:
    """A scanner, or a removed route."""
    with _appended(lab.layout.logs / "api-out.log", _failures(1200, timedelta(minutes=5), 404)):
        yield


@fault(failed=(f"test_log_has_no_fatal_errors[{API}]",), touches=("logs",))
@shows("Unrecoverable error")
def fatal_line(lab: Lab) -> Iterator[None]:
    """A process logged a fatal error."""
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    with _appended(lab.layout.logs / "api-out.log", [line(moment, "FATAL", ("ApiServer",), "", "Unrecoverable error")]):
        yield


@fault(failed=(f"test_log_errors_are_within_limit[{API}]",), touches=("logs",))
@shows("proof: injected failure")
def clock_jump_hides_errors(lab: Lab) -> Iterator[None]:
    """Twenty errors, and behind them lines dated years back: bisection alone would skip the errors."""
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=30)
    old = [line(moment - timedelta(days=3000), "INFO", ("ApiServer",), f'"n":{n}', "Heartbeat") for n in range(12_000)]
    path = lab.layout.logs / "api-out.log"
    misdated = "".join([*_failures(20, timedelta(minutes=40), 500), *old])
    path.write_text(misdated + path.read_text(encoding="utf-8"), encoding="utf-8")
    yield
    path.write_text(path.read_text(encoding="utf-8").removeprefix(misdated), encoding="utf-8")


@fault(failed=(f"test_log_errors_are_within_limit[{API}]",), touches=("logs",))
@shows("TypeError: proof")
def stacks_in_the_json_log(lab: Lab) -> Iterator[None]:
    """Twelve exceptions that the logger never saw: text between lines of JSON."""
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    texts = [f"TypeError: proof {letter}\n" + "    at run (api.js:1:1)\n" for letter in "abcdefghijkl"]
    lines = [f"{moment:%Y-%m-%d %H:%M:%S} +00:00: {each}\n" for text in texts for each in text.splitlines()]
    with _appended(lab.layout.logs / "api-out.log", lines):
        yield


@fault(warned=(f"test_client_errors_are_within_limit[{API_ERROR}]",), touches=("logs",))
@shows("Insecure HTTP request blocked")
def refused_requests_on_stderr(lab: Lab) -> Iterator[None]:
    """The application warns of each request without https on stderr: the inventory counts them as client errors."""
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    text = f"{moment:%Y-%m-%d %H:%M:%S} +00:00: Insecure HTTP request blocked\n"
    with _appended(lab.layout.logs / "api-error.log", [text] * 1200):
        yield


@fault(failed=("test_log_errors_are_within_limit[lab-worker-error]",), touches=("logs",))
@shows("proof: injected crash")
def crashes_on_stderr(lab: Lab) -> Iterator[None]:
    """Twelve stack traces, each line with a date."""
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=10)
    trace = ("Error: proof: injected crash", "    at run (worker.js:1:1)", "    at main (worker.js:2:2)")
    stamps = [start + timedelta(seconds=10 * n) for n in range(12)]
    lines = [f"{stamp:%Y-%m-%d %H:%M:%S} +00:00: {text}\n" for stamp in stamps for text in trace]
    with _appended(lab.layout.logs / "worker-error.log", lines):
        yield


@fault(warned=("test_log_is_active[lab-worker-out]",), touches=("logs", "pm2", "switches"))
@shows("Waiting for the broker")
def silent_log(lab: Lab) -> Iterator[None]:
    """The worker runs, and has written nothing for two hours."""
    path = lab.layout.logs / "worker-out.log"
    lab.faults(silent=True, process="worker")
    before = path.read_bytes()
    moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=2)
    path.write_text(line(moment, "INFO", ("Worker",), "", "Waiting for the broker"), encoding="utf-8")
    yield
    lab.faults()
    path.write_bytes(before)


@fault(
    failed=(f"test_rotated_files_cover_retention[{API}]",),
    unknown=tuple(f"{check}[{API}]" for check in COUNTS),
    touches=("logs", "switches"),
)
@shows(r"\A(?:.*\n){1,4}\Z")
@causes("test_log_errors_are_within_limit", "test_rotated_files_cover_retention")
def log_of_another_format(lab: Lab) -> Iterator[None]:
    """A new logger writes lines without a level: errors cannot be counted, so the verdict is unknown."""
    folder = lab.layout.logs
    lab.faults(silent=True, process="api")
    kept = {path: path.read_bytes() for path in folder.glob("api-out*")}
    for path in kept:
        path.unlink()
    now = datetime.now(UTC)
    (folder / "api-out.log").write_text(f"{now:%Y-%m-%d %H:%M:%S} +00:00: GET /health 200\n" * 50, encoding="utf-8")
    yield
    for path, content in kept.items():
        path.write_bytes(content)
    lab.faults()


@fault(
    failed=tuple(
        f"{check}[lab-worker-error]" for check in (*COUNTS, "test_log_is_active", "test_log_growth_is_within_limit")
    ),
    touches=("logs",),
)
@causes("test_log_errors_are_within_limit")
def log_gone(lab: Lab) -> Iterator[None]:
    """The declared file does not exist."""
    path = lab.layout.logs / "worker-error.log"
    aside = path.with_suffix(".aside")
    path.rename(aside)
    yield
    aside.rename(path)
