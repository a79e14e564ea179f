import pytest

from opsproof.core.errors import InventoryError, MeasurementError
from opsproof.core.limits import Allowed, Bound, Estimate, Limit, OneOf, parse_rule


def limit(must=None, should=None, metric="disk used", unit="percent", subject=" on /"):
    rules = [text if text is None else parse_rule(text, unit) for text in (must, should)]
    return Limit(metric, unit, *rules, subject=subject)


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [("<", True, False, False), ("<=", True, True, False), (">", False, False, True), (">=", False, True, True)],
)
def test_each_sign_holds_on_its_side(sign, below, at, above):
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
def test_a_rule_is_read_as_it_is_written(text, unit, rule):
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
        ([], "percent", "must allow something"),
        ([], "word", "must allow something"),
    ],
)
def test_a_rule_that_cannot_be_read_says_why(text, unit, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_rule(text, unit)


@pytest.mark.parametrize(
    ("rule", "value", "verdict", "sentence"),
    [
        (limit("< 80%"), 83.1, "failed", "disk used 83.1 % on / is over the limit of 80 %"),
        (limit("< 80%"), 80, "failed", "disk used 80 % on / is at the limit of 80 %, and must be under it"),
        (limit("< 80%"), 12, "passed", "disk used 12 % on / keeps the limit of < 80 %"),
        (limit("> 5%", metric="memory available", subject=""), 4, "failed",
         "memory available 4 % is under the limit of 5 %"),
        (limit("< 80%", "< 70%"), 75, "warned", "disk used 75 % on / is over the limit of 70 %"),
        (limit("< 80%", "< 70%"), 70, "warned", "disk used 70 % on / is at the limit of 70 %, and must be under it"),
        (limit("< 80%", "< 70%"), 81, "failed", "disk used 81 % on / is over the limit of 80 %"),
        (limit("< 80%", "< 70%"), 69, "passed", "disk used 69 % on / keeps the limit of < 80 %"),
        (limit(None, "< 70%"), 99, "warned", "disk used 99 % on / is over the limit of 70 %"),
        (limit(None, "< 70%"), 1, "passed", "disk used 1 % on / keeps the limit of < 70 %"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", " of health"), 403, "failed",
         "HTTP status 403 of health is over the limit of 300"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", " of health"), 101, "failed",
         "HTTP status 101 of health is under the limit of 200"),
        (limit([">= 200", "< 300"], None, "HTTP status", "count", " of health"), 200, "passed",
         "HTTP status 200 of health keeps the limit of >= 200 and < 300"),
        (limit(["healthy", "degraded"], ["healthy"], "health", "word", ""), "unhealthy", "failed",
         "health is unhealthy, not healthy or degraded"),
        (limit(["healthy", "degraded"], ["healthy"], "health", "word", ""), "degraded", "warned",
         "health is degraded, not healthy"),
        (limit(["healthy", "degraded"], ["healthy"], "health", "word", ""), "healthy", "passed",
         "health healthy keeps the limit of healthy or degraded"),
    ],
)  # fmt: skip
def test_a_verdict_reads_like_a_sentence(rule, value, verdict, sentence):
    measurement = rule.judge(value)
    assert (measurement.verdict, measurement.sentence) == (verdict, sentence)
    assert (value in rule) == (verdict != "failed")


@pytest.mark.parametrize(("low", "high", "verdict"), [(0, 4, "passed"), (5, 9, "failed")])
def test_an_estimate_is_judged_where_both_its_ends_agree(low, high, verdict):
    assert limit("< 5", unit="count").judge(Estimate(low, high, "a short history")).verdict == verdict


@pytest.mark.parametrize(("low", "high"), [(0, 5), (2, 4), (0, 9)])
def test_an_estimate_over_which_a_limit_runs_is_not_judged(low, high):
    rule = limit("< 5", "< 3", "restarts", "count", " of meta-chat-api")
    complaint = f"restarts of meta-chat-api lies between {low} and {high}, the limit is < 5: a short history"
    with pytest.raises(MeasurementError, match=f"^{complaint}$"):
        Estimate(low, high, "a short history") in rule  # noqa: B015  # judging raises


def test_judging_puts_value_unit_limit_and_source_on_record():
    seen = []
    declared = Limit("disk used", "percent", parse_rule("< 80%", "percent"), source="runbook")
    allowed = Allowed({"disk_used": declared}.get, " on /", seen.append)

    assert 12 in allowed.disk_used
    (measurement,) = seen
    assert (measurement.metric, measurement.value, measurement.unit) == ("disk used", 12, "percent")
    assert (measurement.limit, measurement.source) == ("< 80 %", "runbook")
    assert measurement.sentence == "disk used 12 % on / keeps the limit of < 80 %"


def test_a_limit_that_is_not_declared_judges_nothing():
    allowed = Allowed({}.get, "", lambda _: None)
    with pytest.raises(InventoryError, match=r"limits.disk_used is not declared"):
        5 in allowed.disk_used  # noqa: B015  # looking it up raises
