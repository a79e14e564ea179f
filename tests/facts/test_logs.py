import json
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, CommandError, MeasurementError
from opsproof.core.limits import Estimate, Limit, parse_rule
from opsproof.facts.logs import DEFAULT_WINDOW_S, READING, LogReports
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.transport.shell import Answer, run

LOG = Log(path="/logs/api-out.log", format="pm2-json")


def answer(recorded, **changes):
    return Answer(0, json.dumps(json.loads(recorded("log_scan.json").stdout) | changes))


def empty(recorded, **changes):
    none = {"lines": 0, "recognized": 0, "errors": 0, "newest": None, "oldest": None, "size_bytes": 0, "rotations": []}
    return answer(recorded, **none | changes)


def parse(answer, log=LOG):
    return LogReports().parse(answer, "api-out", log)


def test_report_holds_scanner_counts(recorded):
    report = parse(recorded("log_scan.json"))
    found = json.loads(recorded("log_scan.json").stdout)
    assert (report.errors, report.client_errors, report.fatals) == (3, found["client_errors"], 0)
    assert report.commonest == (("Request failed: timeout after 1000 ms", 3),)
    assert report.silence_s == found["now"] - found["newest"]
    assert report.starts == found["oldest"]
    assert report.span_s == 86400


UNREAD = Limit("unread lines", "percent", parse_rule("< 1%", "percent"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"recognized": 5729}, "unread lines 1.002246414 % (limit < 1 %): 58 of 5787 lines are not pm2-json"),
        (
            {"leveled": 5787},
            "unread lines 100 % (limit < 1 %): 5787 lines of a text log have a level: declare format python",
        ),
        (
            {"oldest": None},
            "unread lines 100 % (limit < 1 %): no line has a time, or the times have no zone: declare zone",
        ),
    ],
    ids=["unread", "leveled", "undated"],
)
def test_unread_lines_leave_the_count_unknown(recorded, changes, complaint):
    report = parse(answer(recorded, unread=["2026-11-30 12:00:00,123 INFO app started"], **changes))
    with pytest.raises(MeasurementError) as caught:
        report.require_read(UNREAD)
    assert str(caught.value) == complaint
    assert report.unread == ("2026-11-30 12:00:00,123 INFO app started",)


def test_few_unread_lines_are_recorded(recorded):
    measured = []
    report = parse(answer(recorded, recognized=5730))
    report.require_read(replace(UNREAD, record=measured.append))
    assert [each.sentence for each in measured] == ["unread lines 1 %, within the limit (< 1 %)"]


def test_evidence_names_ignored_lines_and_text_logs(recorded):
    report = parse(answer(recorded, ignored=4), Log(path="/logs/api-error.log", format="text"))
    assert report.evidence[1:3] == ["every record of a text log counts as an error", "4 ignored by the inventory"]


def test_empty_log_is_silent_since_truncation(recorded):
    report = parse(empty(recorded, modified=400, rotations=[300], now=1000))
    assert (report.errors, report.silence_s, report.starts) == (0, 600, 300)


NOW = 1_795_473_427
HOUR, DAY = 3600, 86400


def bounded(found, *earlier, log=LOG):
    """Whether the three errors are a number, given the earlier readings."""
    report = parse(found, log)
    return report.bounded(report.errors, {READING: list(earlier)}) == report.errors


def reading(age_s, last_s=None, starts_s=0.0):
    """A reading of some age, with the ages of the last line and of the start of the lines."""
    return Counter(0.0 if last_s is None else NOW - last_s, NOW - (starts_s or age_s), NOW - age_s)


@pytest.mark.parametrize(("reach_s", "whole"), [(DAY, True), (DAY - 1, False), (7 * 60, False)])
def test_log_is_whole_only_if_lines_reach_back_over_the_span(recorded, reach_s, whole):
    assert bounded(answer(recorded, oldest=NOW - reach_s)) is whole


def test_count_of_partial_log_has_no_upper_bound(recorded):
    report = parse(answer(recorded, oldest=NOW - 7 * 60, errors=134))
    found = report.bounded(134, {READING: []})
    assert found == Estimate(134, inf, "lines reach back 7 min (1 d needed)")
    assert report.evidence[0] == "lines reach back 7 min"
    limit = Limit("errors", "count", parse_rule("< 500", "count"))
    with pytest.raises(MeasurementError, match=r"^errors 134 or more \(limit < 500\): lines reach back 7 min"):
        limit.judge(found)


def test_errors_without_a_time_make_a_range(recorded):
    report = parse(answer(recorded, errors=40, unplaced=38))
    assert report.bounded(40, {READING: []}) == Estimate(2, 40, "38 in lines without a time")
    assert report.bounded(0, {READING: []}) == 0
    assert report.evidence[1] == "38 in lines without a time, in or before the time span"
    lost = parse(answer(recorded, errors=40, unplaced=38, oldest=NOW - 7 * 60))
    assert (lost.bounded(40, {READING: []}).low, lost.bounded(40, {READING: []}).high) == (2, inf)


@pytest.mark.parametrize(("first_round_s", "whole"), [(2 * HOUR, True), (3 * HOUR, False)])
def test_log_is_whole_since_its_first_round(recorded, first_round_s, whole):
    readings = [reading(age_s, age_s) for age_s in (first_round_s, HOUR)]
    assert bounded(answer(recorded, oldest=NOW - 2 * HOUR), *readings) is whole


def test_log_is_not_born_after_lines_of_its_first_round(recorded):
    lost = answer(recorded, oldest=NOW - 2 * HOUR)
    assert not bounded(lost, reading(HOUR, HOUR, starts_s=9 * DAY))


@pytest.mark.parametrize(("since_s", "whole"), [(2 * HOUR, True), (3 * HOUR, True), (3 * HOUR + 1, False)])
def test_log_is_whole_since_its_declared_begin(recorded, since_s, whole):
    log = LOG.model_copy(update={"since": datetime.fromtimestamp(NOW - since_s, UTC)})
    assert bounded(answer(recorded, oldest=NOW - 2 * HOUR), log=log) is whole


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({"modified": NOW - DAY}, True),
        ({"modified": NOW - HOUR}, False),
        ({"modified": NOW - HOUR, "rotations": [NOW - DAY]}, True),
        ({"modified": NOW - DAY, "lines": 4, "size_bytes": 9, "recognized": 4}, False),
    ],
    ids=["untouched", "just emptied", "empty for days", "without dates"],
)
def test_empty_log_is_whole_since_its_files_were_written(recorded, changes, whole):
    assert bounded(empty(recorded, **changes)) is whole


@pytest.mark.parametrize(
    ("earlier", "rotations", "whole"),
    [
        (reading(23 * HOUR, None, 9 * DAY), [NOW - HOUR], True),
        (reading(23 * HOUR, 50 * HOUR, 9 * DAY), [NOW - 70 * HOUR, NOW - HOUR], True),
        (reading(23 * HOUR, None, 9 * DAY), [NOW - 2 * HOUR, NOW - HOUR], False),
        (reading(23 * HOUR, 24 * HOUR, 9 * DAY), [NOW - HOUR], False),
        (reading(50 * HOUR, None, 9 * DAY), [NOW - HOUR], False),
    ],
    ids=["empty", "quiet", "rotated twice since", "busy", "long ago"],
)
def test_first_lines_of_quiet_log_are_whole(recorded, earlier, rotations, whole):
    first = reading(40 * DAY)
    assert bounded(answer(recorded, oldest=NOW - 2 * HOUR, rotations=rotations), first, earlier) is whole


@pytest.mark.parametrize(("ahead_s", "silence_s"), [(60, -60), (9 * DAY, 400)])
def test_line_from_the_future_does_not_hide_silence(recorded, ahead_s, silence_s):
    report = parse(answer(recorded, newest=NOW + ahead_s, modified=NOW - 400))
    assert report.silence_s == silence_s


def test_missing_log_is_absent():
    with pytest.raises(Absent, match=r"^/logs/api-out.log is declared, but does not exist$"):
        parse(Answer(2, "", "api-out.log: No such file or directory\n"))


@pytest.mark.parametrize(
    ("status", "stderr"), [(2, "api-out.log: Permission denied\n"), (3, "gzip: failed\n"), (64, "usage\n"), (255, "")]
)
def test_unreadable_log_raises(status, stderr):
    with pytest.raises(CommandError, match=f"the log scanner ended with status {status}"):
        parse(Answer(status, "", stderr))


@pytest.mark.parametrize(
    ("limits", "window"), [({}, DEFAULT_WINDOW_S), ({"log_errors": {"must": "< 5", "over": "2h"}}, 7200)]
)
def test_window_is_time_span_of_the_error_limit(limits, window):
    host = Host.model_validate({"transport": "local://", "limits": limits, "run_as": "deploy"}).placed("vps", ())
    command = LogReports().command(host, "api-out", LOG)
    assert command.argv[-4:] == ("/logs/api-out.log", f"{window:.0f}", "pm2-json", "time level message")
    assert command.user == "deploy"


def test_a_real_log_is_scanned_on_the_host(tmp_path):
    path = tmp_path / "api-out.log"
    path.write_text('2026-01-01 00:00:00 +00:00: {"level":"ERROR","time":"2026-01-01T00:00:00.000Z","message":"old"}\n')
    host = Host(transport="local://").placed("vps", ())
    log = Log(path=str(path), format="pm2-json")
    (found,) = run(host, (LogReports().command(host, "api-out", log),))
    report = LogReports().parse(found, "api-out", log)
    assert (report.errors, report.commonest) == (0, ())
    assert report.silence_s == report.now - report.starts > 86_400
