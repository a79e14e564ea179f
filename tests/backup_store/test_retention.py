import calendar

import pytest

from opsproof.backup_store.dump_folder import began, set_name_at
from opsproof.backup_store.retention import expired
from opsproof.inventory.resources import Backup

NOW = calendar.timegm((2026, 11, 25, 3, 0, 0))
DAY = 86400


def policy(**more):
    return Backup.model_validate({"database": "d", "folder": "/b", "user": "u", "keep": "30d", **more})


def ages(*days):
    return [set_name_at("d", NOW - age * DAY) for age in days]


def days(sets):
    return [round((NOW - began(each)) / DAY) for each in sets]


def test_a_name_tells_when_it_began():
    assert set_name_at("meta-chat", NOW) == "meta-chat_20261125T030000Z"
    assert began("meta-chat_20261125T030000Z") == NOW


def test_all_are_kept_for_the_time_that_is_declared_and_no_longer():
    assert days(expired(ages(*range(60)), policy(), NOW)) == list(range(59, 30, -1))


@pytest.mark.parametrize("least", [1, 3, 10])
def test_the_newest_are_always_kept_however_old(least):
    sets = ages(*range(100, 108))
    assert len(sets) - len(expired(sets, policy(keep_least=least), NOW)) == min(least, len(sets))


def test_beyond_that_the_newest_of_each_week_stays():
    gone = expired(ages(*range(70)), policy(keep_weekly=3), NOW)
    kept = sorted(set(range(31, 70)) - set(days(gone)))
    assert len(kept) == 3
    assert kept[0] == 31
    assert kept[2] - kept[1] == 7


def test_beyond_that_the_newest_of_each_month_stays():
    gone = expired(ages(*range(400)), policy(keep_monthly=12), NOW)
    kept = sorted({*ages(*range(31, 400))} - {*gone})
    assert len({each.partition("_")[2][:6] for each in kept}) == len(kept) == 12


def test_what_stays_today_stays_tomorrow_until_its_time_comes():
    """A backup a day for three years: never fewer than the policy says, never a gap where one should be."""
    rules, sets = policy(keep_weekly=4, keep_monthly=6), []
    for day in range(1000):
        now = NOW + day * DAY
        sets.append(set_name_at("d", now))
        gone = expired(sets, rules, now)
        sets = [each for each in sets if each not in gone]
    last = NOW + 999 * DAY
    old = sorted(round((last - began(each)) / DAY) for each in sets)
    assert old[:31] == list(range(31))
    assert len({set_name_at("d", last - age * DAY)[:8] for age in old}) >= 7
    assert 31 + 6 <= len(old) <= 31 + 4 + 6


def test_nothing_is_lost_where_there_is_nothing():
    assert expired([], policy(), NOW) == []


def test_what_is_from_the_future_neither_goes_nor_makes_others_go():
    ahead = ages(-1, -2, -400)
    assert expired([*ahead, *ages(40, 41, 42)], policy(keep_least=3), NOW) == []
    assert days(expired([*ahead, *ages(40, 41, 42)], policy(keep_least=1), NOW)) == [42, 41]


def test_a_clock_that_was_set_back_lets_nothing_go():
    assert expired(ages(*range(100)), policy(keep_least=1, keep="1d"), NOW - 500 * DAY) == []


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_a_week_and_a_month_are_represented_at_whatever_hour_of_whatever_day(hour):
    """Every day of two years at a time of the day, judged on each: what stays of a whole week is its last backup."""
    rules = policy(keep="7d", keep_weekly=4, keep_monthly=3, keep_least=1)
    for day in range(0, 730, 31):
        now = NOW + day * DAY + hour * 3600
        sets = [set_name_at("d", now - age * DAY) for age in range(200)]
        kept = sorted({*sets} - {*expired(sets, rules, now)})
        old = [each for each in kept if now - began(each) > 7 * DAY]
        assert 4 <= len(old) <= 7
        months = {each.partition("_")[2][:6] for each in old}
        assert len(months) >= 3
