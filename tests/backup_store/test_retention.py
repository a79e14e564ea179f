import calendar

import pytest

from opsproof.backup_store.dump_folder import began, set_name_at
from opsproof.backup_store.retention import expired
from opsproof.inventory.backups import Backup

NOW = calendar.timegm((2026, 11, 25, 3, 0, 0))
DAY = 86400


def policy(**more):
    return Backup.model_validate({"database": "d", "folder": "/b", "user": "u", "keep": "30d", **more})


def ages(*days):
    return [set_name_at("d", NOW - age * DAY) for age in days]


def days(sets):
    return [round((NOW - began(each)) / DAY) for each in sets]


def test_set_name_contains_start_time():
    assert set_name_at("meta-chat", NOW) == "meta-chat_20261125T030000Z"
    assert began("meta-chat_20261125T030000Z") == NOW


def test_backups_expire_after_the_declared_time():
    assert days(expired(ages(*range(60)), policy(), NOW)) == list(range(59, 30, -1))


@pytest.mark.parametrize("least", [1, 3, 10])
def test_newest_backups_never_expire(least):
    sets = ages(*range(100, 108))
    assert len(sets) - len(expired(sets, policy(keep_least=least), NOW)) == min(least, len(sets))


def test_keep_weekly_keeps_the_newest_of_each_week():
    gone = expired(ages(*range(70)), policy(keep_weekly=3), NOW)
    kept = sorted(set(range(31, 70)) - set(days(gone)))
    assert len(kept) == 3
    assert kept[0] == 31
    assert kept[2] - kept[1] == 7


def test_keep_monthly_keeps_the_newest_of_each_month():
    gone = expired(ages(*range(400)), policy(keep_monthly=12), NOW)
    kept = sorted({*ages(*range(31, 400))} - {*gone})
    assert len({each.partition("_")[2][:6] for each in kept}) == len(kept) == 12


def test_daily_pruning_keeps_what_the_policy_promises():
    """One backup a day for three years: the policy is met at the end, without gaps."""
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


def test_no_backups_expire_without_backups():
    assert expired([], policy(), NOW) == []


def test_backups_dated_in_the_future_neither_expire_nor_expire_others():
    ahead = ages(-1, -2, -400)
    assert expired([*ahead, *ages(40, 41, 42)], policy(keep_least=3), NOW) == []
    assert days(expired([*ahead, *ages(40, 41, 42)], policy(keep_least=1), NOW)) == [42, 41]


def test_nothing_expires_after_the_clock_was_set_back():
    assert expired(ages(*range(100)), policy(keep_least=1, keep="1d"), NOW - 500 * DAY) == []


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_weekly_and_monthly_backups_stay_at_any_time_of_day(hour):
    """Backups at a fixed hour, pruned on days across two years: enough weekly and monthly backups stay."""
    rules = policy(keep="7d", keep_weekly=4, keep_monthly=3, keep_least=1)
    for day in range(0, 730, 31):
        now = NOW + day * DAY + hour * 3600
        sets = [set_name_at("d", now - age * DAY) for age in range(200)]
        kept = sorted({*sets} - {*expired(sets, rules, now)})
        old = [each for each in kept if now - began(each) > 7 * DAY]
        assert 4 <= len(old) <= 7
        months = {each.partition("_")[2][:6] for each in old}
        assert len(months) >= 3
