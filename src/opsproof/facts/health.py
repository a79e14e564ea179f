"""Health answers of several shapes: JSON, text, and answers with a pattern."""

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opsproof.core.errors import Absent
from opsproof.inventory.endpoints import Endpoint

FIGURES = ("memory", "process")
"""Entries among the services of a health answer that are not services."""
LONGEST_STATUS = 100
SEARCHED = 2**16
"""Characters at the beginning of an answer that a pattern is searched in."""
SEARCH_S = 1.0


@dataclass(frozen=True)
class Health:
    """The status of a platform, and services reported down."""

    status: str
    down: tuple[str, ...] = ()


Reader = Callable[[str], Health]
"""Reads the body of an answer; ValueError, LookupError, TypeError or RecursionError for a body without a status."""


def reader(endpoint: Endpoint) -> Reader:
    """The reader for the answers of `endpoint`."""
    if endpoint.answer == "json":
        return partial(_at, endpoint.path)
    if endpoint.answer == "text":
        return _text
    return partial(_matched, endpoint.pattern) if endpoint.answer == "pattern" else of_platform


def of_platform(body: str) -> Health:
    """JSON with status and services; the status is "contradictory" for healthy with a service down."""
    answer = json.loads(body)
    status, services = str(answer["status"]), dict(answer["services"])
    states = {name: state for name, state in services.items() if name not in FIGURES}
    if not states:
        raise ValueError("no services")
    down = tuple(name for name, state in sorted(states.items()) if not _is_up(state))
    return Health("contradictory" if status == "healthy" and down else status, down)


def _is_up(state: Any) -> bool:
    # Two formats exist: "up" and {"status": "up"}.
    return bool((state.get("status") if isinstance(state, dict) else state) == "up")


def _at(path: str, body: str) -> Health:
    """The value at a path of keys and positions in JSON: text, a number, or true and false."""
    found = json.loads(body)
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return Health(_status(found if isinstance(found, str) else json.dumps(found)))


def _text(body: str) -> Health:
    return Health(_status(body.strip()))


def _status(text: str) -> str:
    if not text or len(text) > LONGEST_STATUS or not text.isprintable() or text[0] in "[{<":
        raise ValueError("no status")
    return text


def _matched(pattern: str, body: str) -> Health:
    """The group "status" of the pattern, or "healthy" for a pattern without that group."""
    with _within(SEARCH_S):
        found = re.search(pattern, body[:SEARCHED], re.MULTILINE)
    if found is None:
        raise Absent(f"the pattern is not in the answer: {body[:80]!r}")
    return Health(_status(found.groupdict().get("status", "healthy") or ""))


@contextmanager
def _within(limit_s: float) -> Iterator[None]:
    """Ends a search that takes longer: expressions may need the square of the length, or more."""
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("a pattern is searched only in the main thread")
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up(*_: object) -> None:
    raise ValueError(f"the pattern takes longer than {SEARCH_S:g} s")
