"""A week of log files as written by the platform and rotated by pm2-logrotate, but not at midnight."""

import gzip
import os
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import IO

Writer = Callable[[random.Random, datetime, int], str]

HOSTNAME = "lab"
PID = 25457
ROUTES = ("/api/conversations", "/api/messages", "/api/channels", "/api/documents", "/health", "/api/health/ready")
LOST_PATHS = ("/favicon.ico", "/wp-login.php", "/robots.txt", "/.env", "/api/unknown")
CLIENT_ERROR_EVERY = 50
HEARTBEAT_EVERY = 25
SERVER_ERRORS_A_DAY = 3
COMPRESSION = 1
CRASH = (
    "Error: Connection terminated unexpectedly",
    "    at Client._handleErrorEvent (client.js:403:19)",
    "    at Socket.emit (node:events:524:28)",
    "    at TCP.<anonymous> (node:net:343:12)",
)
DAY = timedelta(days=1)
ROTATED_AGO = timedelta(hours=1)
"""Age of the last rotation. Not at midnight: a lab running past midnight would keep a file beyond a week."""
LASTS = timedelta(hours=20)
"""Lifetime of a history since the last rotation; after a day the oldest file exceeds a week."""


def history(folder: Path, now: datetime, days: int = 7, lines_per_day: int = 4000, plain_days: int = 0) -> None:
    """Writes rotated files of the past `days`, `plain_days` of them uncompressed, and current files up to `now` (UTC).

    The same arguments give the same bytes. A request costs about 330 bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = now.replace(tzinfo=None, microsecond=0)
    rotated = now - ROTATED_AGO
    for name, writer in (("api-out", _api_line), ("worker-out", _worker_line)):
        for age in range(days):
            end = rotated - age * DAY
            path = folder / f"{name}__{end:%Y-%m-%d_%H-%M-%S}.log{'' if 1 <= age <= plain_days else '.gz'}"
            _write(path, _lines(name, writer, end - DAY, end, lines_per_day), end)
        _write(folder / f"{name}.log", _lines(name, writer, rotated, now, lines_per_day), now)
    for name in ("api-error", "worker-error"):
        _write_crashes(folder, name, rotated)
        _write(folder / f"{name}.log", (), now)


def remove(folder: Path) -> None:
    """Deletes every current and rotated file."""
    for path in [*folder.glob("*.log"), *folder.glob("*.log.gz")]:
        path.unlink()


def are_old(names: Iterable[str]) -> bool:
    """Whether a history exceeds `LASTS`, judged by file names; also True without files."""
    newest = max((name for name in names if name.startswith("api-out__")), default=None)
    if newest is None:
        return True
    rotated = datetime.strptime(newest[9:28], "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
    return datetime.now(UTC) - rotated > LASTS


def line(moment: datetime, level: str, scopes: tuple[str, ...], fields: str, message: str) -> str:
    """A line with PM2's date before the JSON; the JSON repeats the key "scope" for each scope.

    `moment` is in UTC, without zone; `fields` is JSON text.
    """
    stamp = f"{moment.isoformat('T', 'milliseconds')}Z"
    nested = "".join(f'"scope":"{scope}",' for scope in scopes)
    head = f'{{"level":"{level}","time":"{stamp}","pid":{PID},"hostname":"{HOSTNAME}",{nested}'
    return f'{moment.isoformat(" ", "seconds")} +00:00: {head}{fields}{"," if fields else ""}"message":"{message}"}}\n'


def _api_line(rng: random.Random, moment: datetime, number: int) -> str:
    if number % HEARTBEAT_EVERY == 0:
        return line(moment, "INFO", ("ApiServer",), f'"uptime":{number * 20}', "Heartbeat")
    ids = _ids(rng)
    if number % CLIENT_ERROR_EVERY == 1:
        lost = rng.choice(LOST_PATHS)
        failure = _failure("NotFoundError", f"Route not found: GET {lost}", 404)
        return line(moment, "ERROR", ("ApiServer",), f"{ids},{failure}", "Request failed") + _request(
            moment, ids, lost, 404, 0.4
        )
    return _request(moment, ids, rng.choice(ROUTES), 200, 2 + rng.expovariate(0.05))


def _worker_line(rng: random.Random, moment: datetime, number: int) -> str:
    tenant = f"ten{rng.randrange(1, 201):05d}"
    return line(
        moment, "INFO", ("Worker",), f'"tenantId":"{tenant}","conversations":1,"uptime":{number * 5}', "Heartbeat"
    )


def _server_error(rng: random.Random, name: str, moment: datetime) -> str:
    if name == "api-out":
        ids = _ids(rng)
        failure = _failure("InternalServerError", "timeout after 1000 ms", 500)
        return line(moment, "ERROR", ("ApiServer",), f"{ids},{failure}", "Request failed") + _request(
            moment, ids, "/api/messages", 500, 1001
        )
    tenant = f"ten{rng.randrange(1, 201):05d}"
    queue = f"tenant.{tenant}.channel.whatsapp.inbound.queue"
    fields = (
        f'"queue":"{queue}","routingKey":"{queue}.dlq","error":"Channel whatsapp not configured for tenant {tenant}"'
    )
    return line(moment, "ERROR", ("QueueConsumer",), fields, "Message moved to DLQ")


def _request(moment: datetime, ids: str, route: str, status: int, milliseconds: float) -> str:
    fields = f'{ids},"method":"GET","route":"{route}","statusCode":{status},"durationMs":{milliseconds:.6f}'
    return line(moment, "INFO", ("ApiServer", "ApiServer.Http"), fields, "HTTP request completed")


def _failure(kind: str, message: str, status: int) -> str:
    stack = f"{kind}: {message}\\n    at answer (/home/deploy/meta-chat-platform/api.js:73:46)"
    expose = "true" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "false"
    detail = f'"stack":"{stack}","status":{status},"statusCode":{status},"expose":{expose}'
    return f'"err":{{"type":"{kind}","message":"{message}",{detail}}}'


def _ids(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    identity = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return f'"requestId":"{identity}","correlationId":"{identity}"'


def _lines(name: str, writer: Writer, start: datetime, end: datetime, lines_per_day: int) -> Iterator[str]:
    rng = random.Random(f"{name} {start:%Y-%m-%d}")
    pause = DAY / lines_per_day
    error_every = max(lines_per_day // SERVER_ERRORS_A_DAY, 1)
    for number in range(int((end - start) / pause)):
        moment = start + number * pause
        yield writer(rng, moment, number)
        if number % error_every == error_every // 2:
            yield _server_error(rng, name, moment)


def _write(path: Path, lines: Iterable[str], end: datetime) -> None:
    with _open(path) as file:
        file.writelines(lines)
    _date(path, end)


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", compresslevel=COMPRESSION, encoding="utf-8")
    return path.open("w", encoding="utf-8")


def _write_crashes(folder: Path, name: str, rotated: datetime) -> None:
    """Two crashes, days ago; as in production each line of a stack trace has its own date."""
    for age in (5, 3):
        end = rotated - age * DAY
        moment = end - DAY / 3
        lines = [f"{moment:%Y-%m-%d %H:%M:%S} +00:00: {text}\n" for text in CRASH]
        _write(folder / f"{name}__{end:%Y-%m-%d_%H-%M-%S}.log.gz", lines, end)


def _date(path: Path, moment: datetime) -> None:
    seconds = moment.replace(tzinfo=UTC).timestamp()
    os.utime(path, (seconds, seconds))
