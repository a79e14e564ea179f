"""The log scanner against the runbook's greps and awks, over a log of seven days."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from measure import REPOSITORY, Row, row

from opsproof.facts import log_formats
from opsproof.facts.logs import scanner
from opsproof.inventory.logs import Log

CACHE = REPOSITORY / ".lab" / "bench-logs"
DAY = 86_400
WEEK = 7 * DAY
MEAN_LINE_BYTES = 395
STACK = "".join(f"\\n    at Layer.handle [as handle_request] (/home/deploy/app/layer.js:{n}5:5)" for n in range(6))

# As the runbook writes them, but for the folder.
ERRORS = r"""grep "\"level\":\"ERROR\"" {folder}/api-out.log 2>/dev/null | wc -l"""
DURATION = r"""grep "durationMs" {folder}/api-out__*.log 2>/dev/null | awk -F'"durationMs":' '{{print $2}}' | \
awk -F',' '{{sum+=$1; count++}} END {{print "Average: " sum/count "ms"}}'"""
REQUESTS = r"""grep '"statusCode"' {folder}/api-out__*.log 2>/dev/null | wc -l"""
FAILURES = r"""grep '"statusCode":5' {folder}/api-out__*.log 2>/dev/null | wc -l"""


def _request(chance: random.Random, request: str) -> str:
    status = 500 if chance.random() < 0.004 else 200
    return (
        f'"scope":"ApiServer","scope":"ApiServer.Http","requestId":"{request}","correlationId":"{request}",'
        f'"method":"GET","route":"/health","statusCode":{status},"durationMs":{chance.random() * 50:.6f},'
        '"message":"HTTP request completed"'
    )


def _notice(chance: random.Random, request: str) -> str:
    tenant = f"ten{chance.randrange(60):05d}"
    return f'"scope":"Worker","correlationId":"{request}","tenantId":"{tenant}","message":"Channel refreshed"'


def _refusal(chance: random.Random, request: str) -> str:
    what = f"Route not found: GET /{chance.getrandbits(24):06x}"
    return (
        f'"scope":"ApiServer","requestId":"{request}","correlationId":"{request}","err":{{"type":"NotFoundError",'
        f'"message":"{what}","stack":"NotFoundError: {what}{STACK}","status":404,"statusCode":404,"expose":true}},'
        '"message":"Request failed"'
    )


def _dead_letter(chance: random.Random, request: str) -> str:
    tenant = f"ten{chance.randrange(60):05d}"
    return (
        f'"scope":"QueueConsumer","correlationId":"{request}","queue":"tenant.{tenant}.channel.whatsapp.inbound.queue",'
        f'"routingKey":"tenant.{tenant}.dlq","error":"Channel whatsapp not configured for tenant {tenant}",'
        '"message":"Message moved to DLQ"'
    )


KINDS = (("INFO", _request, 80), ("INFO", _notice, 9), ("ERROR", _refusal, 9), ("ERROR", _dead_letter, 2))


def _lines(size_bytes: int, end: float) -> Iterator[str]:
    """Lines of a busy week, evenly spread, in the mix of a real host's log."""
    chance = random.Random(1)
    weights = [share for _, _, share in KINDS]
    count = size_bytes // MEAN_LINE_BYTES
    for number in range(count):
        at = datetime.fromtimestamp(end - WEEK * (1 - (number + 1) / count), UTC)
        level, fields, _ = chance.choices(KINDS, weights)[0]
        stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        head = f'{{"level":"{level}","time":"{stamp}","pid":25457,"hostname":"vm"'
        yield f"{at:%Y-%m-%d %H:%M:%S} +00:00: {head},{fields(chance, f'{chance.getrandbits(128):032x}')}}}\n"


def week_log(folder: Path, megabytes: int) -> Path:
    """A log of `megabytes`, created once; its mtime is the time of the last line.

    The runbook reads some figures from rotated files: folder `rotated` has the same bytes under a rotated name.
    """
    log = folder / f"{megabytes}mb" / "api-out.log"
    rotated = log.parent / "rotated" / "api-out__2026-11-23_00-00-00.log"
    if rotated.exists():
        return log
    rotated.parent.mkdir(parents=True, exist_ok=True)
    end = time.time()
    with log.open("w", encoding="ascii") as file:
        file.writelines(_lines(megabytes * 1_000_000, end))
    os.utime(log, (end, end))
    rotated.hardlink_to(log)
    return log


def _seconds(command: list[str]) -> float:
    """Wall time of a command without LC_ALL, as on the host."""
    environment = {name: value for name, value in os.environ.items() if name != "LC_ALL"}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def _runbook(log: Path, *pipelines: str) -> float:
    folders = {ERRORS: log.parent}
    return sum(
        _seconds(["bash", "-c", pipeline.format(folder=folders.get(pipeline, log.parent / "rotated"))])
        for pipeline in pipelines
    )


def _ours(log: Path, seconds: int) -> float:
    """Time to scan the last `seconds` before the end of the log."""
    window = int(time.time() - log.stat().st_mtime) + seconds
    words = log_formats.words(Log.model_validate({"path": str(log), "format": "pm2-json"}))
    return _seconds([shutil.which("perl") or "perl", "-e", scanner(), "--", str(log), str(window), *words])


def compare(megabytes: int, runs: int, folder: Path = CACHE) -> list[Row]:
    """Medians of alternating runs over a log in the page cache."""
    log = week_log(folder, megabytes)
    _runbook(log, ERRORS)
    week, day, daily, monthly = [], [], [], []
    for _ in range(runs):
        week.append(_ours(log, WEEK + 60))
        daily.append(_runbook(log, ERRORS))
        day.append(_ours(log, DAY))
        monthly.append(_runbook(log, DURATION, REQUESTS, FAILURES))
    all_passes = median([one + other for one, other in zip(daily, monthly, strict=True)])
    one_grep = median(daily)
    name = f"{megabytes} MB log"
    return [
        row(f"{name}, 7 days / all the runbook's commands", (median(week), all_passes), "s", goal=1.0),
        row(f"{name}, 24 hours of 7 days / all the runbook's commands", (median(day), all_passes), "s", goal=0.333),
        row(f"{name}, 24 hours of 7 days / the daily grep alone", (median(day), one_grep), "s"),
        row(f"{name}, 7 days / the daily grep alone", (median(week), one_grep), "s"),
    ]
