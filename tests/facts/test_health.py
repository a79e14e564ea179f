"""Health answers as JSON at a path, as text, and by a pattern."""

import time

import pytest
from pydantic import ValidationError

from opsproof.core.errors import Absent, OutputError
from opsproof.facts.endpoints import Response
from opsproof.facts.health import Health, reader
from opsproof.inventory.endpoints import Endpoint

URL = "http://127.0.0.1/health"


def health(body, **fields):
    return Response(URL, 200, 0.1, body, read=reader(Endpoint(url=URL, **fields))).health


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        ({"answer": "json", "path": "status"}, '{"status": "UP"}', "UP"),
        ({"answer": "json", "path": "checks.1.ok"}, '{"checks": [{}, {"ok": true}]}', "true"),
        ({"answer": "json", "path": "0"}, "[7]", "7"),
        ({"answer": "text"}, "OK\n", "OK"),
        ({"answer": "pattern", "pattern": "^Active connections: "}, "x\nActive connections: 2", "healthy"),
        ({"answer": "pattern", "pattern": "state=(?P<status>\\w+)"}, "a=1\nstate=ready\n", "ready"),
    ],
)
def test_status_is_read(fields, body, status):
    assert health(body, **fields) == Health(status)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"answer": "json", "path": "status"}, "<html>"),
        ({"answer": "json", "path": "status"}, '{"state": "UP"}'),
        ({"answer": "json", "path": "status"}, '"UP"'),
        ({"answer": "json", "path": "status"}, '{"status": {"db": "UP"}}'),
        ({"answer": "json", "path": "status"}, "[" * 100_000),
        ({"answer": "json", "path": "a.x"}, '{"a": []}'),
        ({"answer": "text"}, ""),
        ({"answer": "text"}, "OK\nbut not all"),
        ({"answer": "text"}, "<!doctype html><title>Maintenance</title>"),
        ({"answer": "text"}, "long " * 50),
        ({"answer": "pattern", "pattern": "state=(?P<status>\\w*)"}, "state="),
    ],
)
def test_body_without_status_is_unknown(fields, body):
    with pytest.raises(OutputError, match="without health status"):
        health(body, **fields)


def test_missing_pattern_is_a_failure():
    with pytest.raises(Absent, match="the pattern is not in the answer: 'Maintenance'"):
        health("Maintenance", answer="pattern", pattern="Welcome")


def test_slow_search_is_given_up():
    started = time.monotonic()
    with pytest.raises(OutputError, match="the pattern takes longer than 1 s"):
        health("a" * 60_000, answer="pattern", pattern="a*a*a*b")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"answer": "json"}, '`path` is missing for answer = "json": add it'),
        ({"answer": "pattern"}, '`pattern` is missing for answer = "pattern": add it'),
        ({"answer": "text", "path": "status"}, '`path` is not valid for answer = "text": remove it'),
        ({"answer": "pattern", "pattern": "(a+)+"}, "the time would be exponential"),
    ],
)
def test_keys_fit_the_kind_of_answer(fields, message):
    with pytest.raises(ValidationError, match=message):
        Endpoint(url=URL, **fields)
