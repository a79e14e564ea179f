"""Timings in local time: texts, days, both changes of the clock; windows; time zones."""

import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from opsproof.core.timings import parse, parse_window, zone_at

BERLIN = ZoneInfo("Europe/Berlin")


def moment(text, zone=BERLIN, fold=0):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def firings(text, start, number, zone=BERLIN):
    found = islice(parse(text).after(moment(start, zone), zone), number)
    return [datetime.datetime.fromtimestamp(each, zone).isoformat() for each in found]


@pytest.mark.parametrize(
    "text",
    ["02:00", "Monday 07:10", "first Sunday 03:00", "first Monday of January, April, July, October 08:00"],
)
def test_timing_is_shown_as_written(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "2:00", "24:00", "12:60", "monday 07:00", "second Sunday 03:00", "Monday of May 01:00", "Today 01:00"),
        *("first Monday of Mai 08:00", "0 3 * * *", "02:00\n"),
    ],
)
def test_text_without_a_timing_is_refused(text):
    with pytest.raises(ValueError, match="is no timing like '02:00', 'Monday 07:10'"):
        parse(text)


def test_first_sunday_is_the_first_of_each_month_and_no_other_day():
    found = firings("first Sunday 03:00", "2026-11-30T22:00", 14, ZoneInfo("UTC"))
    assert [each[:10] for each in found] == [
        *("2026-12-06", "2027-01-03", "2027-02-07", "2027-03-07", "2027-04-04", "2027-05-02", "2027-06-06"),
        *("2027-07-04", "2027-08-01", "2027-09-05", "2027-10-03", "2027-11-07", "2027-12-05", "2028-01-02"),
    ]


def test_first_monday_of_some_months_skips_the_others():
    found = firings("first Monday of January, April, July, October 08:00", "2026-11-30T22:00", 5)
    assert [each[:10] for each in found] == ["2027-01-04", "2027-04-05", "2027-07-05", "2027-10-04", "2028-01-03"]


def test_time_that_the_clock_skips_fires_once_at_the_end_of_the_gap():
    assert firings("02:30", "2026-03-28T00:00", 3) == [
        *("2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00")
    ]


def test_time_in_the_repeated_hour_fires_once_at_its_first_occurrence():
    assert firings("02:30", "2026-10-24T12:00", 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland", "America/Havana", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("text", ["00:30", "02:10", "23:50", "Sunday 02:30", "first Sunday 02:30"])
def test_last_firing_is_the_one_that_was_next_before(zone, text):
    """For two years from the begin of 2026, with all changes of the clock."""
    zone, timing, now = ZoneInfo(zone), parse(text), moment("2026-01-01T00:00", ZoneInfo("UTC"))
    for firing in islice(timing.after(now, zone), 24):
        assert timing.last(firing, zone) == firing
        assert timing.last(firing + 1799, zone) == firing
        assert next(timing.after(firing - 1, zone)) == firing


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [("01:00-05:00", ("01:00", "04:59"), ("00:59", "05:00")), ("22:00-02:00", ("23:00", "01:59"), ("02:00", "21:59"))],
)
def test_window_has_its_start_and_not_its_end(window, inside, outside):
    found = parse_window(window)
    assert str(found) == window
    assert [found.contains(moment(f"2026-06-01T{time}"), BERLIN) for time in (*inside, *outside)] == [True] * 2 + [
        False
    ] * 2


@pytest.mark.parametrize("text", ["", "01:00", "01:00-01:00", "Monday 01:00-02:00", "1-5"])
def test_text_without_a_window_is_refused(text):
    with pytest.raises(ValueError, match="is no window like '01:00-05:00'"):
        parse_window(text)


def test_time_zone_is_where_etc_localtime_leads():
    assert zone_at("/usr/share/zoneinfo/Europe/Berlin\n") == BERLIN
    assert zone_at("/usr/share/zoneinfo/Etc/UTC\n").key == "Etc/UTC"
    assert zone_at("/etc/localtime\n").key == "UTC"
    with pytest.raises(ValueError, match=r"/etc/localtime leads to '/tmp/x'"):
        zone_at("/tmp/x")
