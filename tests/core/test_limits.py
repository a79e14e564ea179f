"""Limits: which values they allow, and the sentence of each verdict."""

from math import inf

import pytest

from opsproof.core.errors import InventoryError, MeasurementError
from opsproof.core.limits import Allowed, AtLeast, Bound, Estimate, Limit, OneOf, parse_rule

SINGULAR = {"services down": "service down", "backups": "backup", "restarts": "restart"}


def limit(must=None, should=None, metric="disk used", unit="percent", subject="/"):
    rules = [text if text is None else parse_rule(text, unit) for text in (must, should)]
    return Limit(metric, unit, *rules, subject=subject, singular=SINGULAR.get(metric, ""))


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [("<", True, False, False), ("<=", True, True, False), (">", False, False, True), (">=", False, True, True)],
)
def test_comparison_signs(sign, below, at, above):
    rule = limit(f"{sign} 80%")
    assert (79.9 in rule, 80 in rule, 80.1 in rule) == (below, at, above)


@pytest.mark.parametrize(
    ("text", "unit", "rule"),
    [
        ("< 80%", "percent", (Bound("<", 80),)),
        (" >=10MB", "bytes", (Bound(">=", 10_000_000),)),
        ([">= 200", "< 300"], "count", (Bound(">=", 200), Bound("<", 300))),
        (["healthy", "degraded"], "word", OneOf(("healthy", "degraded"))),
        ("online", "word", OneOf(("online",))),
    ],
)
def test_rules_are_parsed(text, unit, rule):
    assert parse_rule(text, unit) == rule


@pytest.mark.parametrize(
    ("text", "unit", "complaint"),
    [
        ("80%", "percent", "does not start with <, <=, > or >="),
        ("= 80%", "percent", "does not start with"),
        ("=> 80%", "percent", "does not start with"),
        ("", "percent", "does not start with"),
        ("< 80", "percent", "is not a percentage"),
        ("< 1h", "bytes", "is not a size"),
        ([], "percent", "an empty limit"),
        ([], "word", "an empty limit"),
    ],
)
def test_malformed_rule_raises(text, unit, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_rule(text, unit)


@pytest.mark.parametrize(
    ("rule", "value", "verdict", "sentence"),
    [
        (limit("< 80%"), 83.1, "failed", "/: disk used 83.1 % (limit < 80 %)"),
        (limit("< 80%"), 80, "failed", "/: disk used 80 % (limit < 80 %)"),
        (limit("< 80%"), 80.04, "failed", "/: disk used 80.04 % (limit < 80 %)"),
        (limit("< 80%"), 12, "passed", "/: disk used 12 %, within the limit (< 80 %)"),
        (limit("> 5%", metric="memory available", subject="vps"), 4, "failed",
         "vps: memory available 4 % (limit > 5 %)"),
        (limit("> 5%", metric="memory available", subject=""), 4, "failed", "memory available 4 % (limit > 5 %)"),
        (limit("< 80%", "< 70%"), 75, "warned", "/: disk used 75 % (limit < 70 %)"),
        (limit("< 80%", "< 70%"), 70, "warned", "/: disk used 70 % (limit < 70 %)"),
        (limit("< 80%", "< 70%"), 81, "failed", "/: disk used 81 % (limit < 80 %)"),
        (limit("< 80%", "< 70%"), 69, "passed", "/: disk used 69 %, within the limit (< 80 %)"),
        (limit(None, "< 70%"), 99, "warned", "/: disk used 99 % (limit < 70 %)"),
        (limit(None, "< 70%"), 1, "passed", "/: disk used 1 %, within the limit (< 70 %)"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", "health"), 403, "failed",
         "health: HTTP status 403 (limit >= 200 and < 300)"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", "health"), 101, "failed",
         "health: HTTP status 101 (limit >= 200 and < 300)"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", "health"), 200, "passed",
         "health: HTTP status 200, within the limit (>= 200 and < 300)"),
        (limit(None, "< 1", "services down", "count", "health"), 1, "warned",
         "health: 1 service down (limit < 1)"),
        (limit(None, "< 1", "services down", "count", "health"), 2, "warned",
         "health: 2 services down (limit < 1)"),
        (limit(">= 3", None, "backups", "count", "metachat"), 0, "failed",
         "metachat: 0 backups (limit >= 3)"),
        (limit(["healthy", "degraded"], ["healthy"], "health status", "word", "api"), "unhealthy", "failed",
         "api: health status unhealthy (expected healthy or degraded)"),
        (limit(["healthy", "degraded"], ["healthy"], "health status", "word", "api"), "degraded", "warned",
         "api: health status degraded (expected healthy)"),
        (limit(["healthy", "degraded"], ["healthy"], "health status", "word", "api"), "healthy", "passed",
         "api: health status healthy, as expected"),
    ],
)  # fmt: skip
def test_verdict_and_sentence_of_a_value(rule, value, verdict, sentence):
    measurement = rule.judge(value)
    assert (measurement.verdict, measurement.sentence) == (verdict, sentence)
    assert (value in rule) == (verdict != "failed")


@pytest.mark.parametrize(("low", "high", "verdict"), [(0, 4, "passed"), (5, 9, "failed")])
def test_estimate_is_judged_if_both_ends_agree(low, high, verdict):
    assert limit("< 5", unit="count").judge(Estimate(low, high, "a short history")).verdict == verdict


@pytest.mark.parametrize(("low", "high"), [(0, 5), (2, 4), (0, 9)])
def test_estimate_across_the_limit_raises(low, high):
    rule = limit("< 5", "< 3", "restarts", "count", "meta-chat-api")
    complaint = rf"^meta-chat-api: {low} to {high} restarts \(limit < 5\): a short history$"
    with pytest.raises(MeasurementError, match=complaint):
        Estimate(low, high, "a short history") in rule  # noqa: B015  # judging raises


def test_open_ended_estimate_across_the_limit_raises():
    rule = limit("< 36d", None, "index age", "seconds", "chunks_idx")
    with pytest.raises(MeasurementError, match=r"^chunks_idx: index age 3 d or more \(limit < 36 d\): no earlier run$"):
        Estimate(3 * 86400, inf, "no earlier run") in rule  # noqa: B015  # judging raises


def test_a_lower_bound_within_the_limit_warns():
    rule = limit("< 5", None, "restarts", "count", "meta-chat-api")
    measurement = rule.judge(AtLeast(1, "PM2 was restarted"))
    assert measurement.verdict == "warned"
    assert measurement.sentence == "meta-chat-api: at least 1 restart (limit < 5): PM2 was restarted"
    assert rule.judge(AtLeast(7, "PM2 was restarted")).sentence == "meta-chat-api: 7 restarts (limit < 5)"


def test_judging_records_value_unit_limit_and_source():
    seen = []
    declared = Limit("disk used", "percent", parse_rule("< 80%", "percent"), source="runbook")
    allowed = Allowed({"disk_used": declared}.get, "/", seen.append)

    assert 12 in allowed.disk_used
    (measurement,) = seen
    assert (measurement.metric, measurement.value, measurement.unit) == ("disk used", 12, "percent")
    assert (measurement.limit, measurement.source) == ("< 80 %", "runbook")
    assert measurement.sentence == "/: disk used 12 %, within the limit (< 80 %)"


def test_undeclared_limit_raises():
    allowed = Allowed({}.get, "", lambda _: None)
    with pytest.raises(InventoryError, match=r"limits.disk_used is not declared"):
        5 in allowed.disk_used  # noqa: B015  # looking it up raises
