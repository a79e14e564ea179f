"""24 firings of each timing: as the crontab's fields and systemd's calendar events say, and as declared."""

import datetime
import re
import shutil
import subprocess
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from opsproof.core.timings import parse
from opsproof.schedule.crontab import FIRST_WEEK, fields
from opsproof.schedule.units import on_calendar

TIMINGS = [
    *("02:00", "02:30", "07:00", "23:30", "Monday 07:10", "Sunday 02:30", "Sunday 23:15", "first Sunday 03:00"),
    *("first Sunday 02:30", "first Sunday 23:45", "first Monday of January, April, July, October 08:00"),
]
BERLIN = ZoneInfo("Europe/Berlin")
STARTS = ["2026-02-20T12:00:00+01:00", "2026-09-20T12:00:00+02:00"]
"""Before the changes of the clock in spring and in autumn."""


def declared(text, start):
    found = islice(parse(text).after(start.timestamp(), BERLIN), 24)
    return [datetime.datetime.fromtimestamp(each, BERLIN) for each in found]


def by_cron(timing, start):
    """The firings of cron's fields on which the condition of the line holds, as a shell runs it."""
    condition = FIRST_WEEK.replace("\\%", "%").removesuffix(" && ") if timing.is_first else "true"
    for firing in CronSim(fields(timing), start):
        shell = f'date() {{ command date --date={firing:%Y-%m-%d} "$@"; }}; {condition}'
        if not timing.is_first or subprocess.run(["sh", "-c", shell], check=False).returncode == 0:
            yield firing


@pytest.mark.parametrize("start", STARTS, ids=["spring", "autumn"])
@pytest.mark.parametrize("text", TIMINGS)
def test_cron_fires_as_declared(text, start):
    """cronsim follows Debian's cron at changes of the clock: a skipped job runs at the end of the gap."""
    start = datetime.datetime.fromisoformat(start).astimezone(BERLIN)
    found = islice(by_cron(parse(text), start), 24)
    assert [each.timestamp() for each in found] == [each.timestamp() for each in declared(text, start)]


def test_cron_would_run_on_every_sunday_with_both_fields():
    """The mistake that `FIRST_WEEK` prevents: cron runs on days 1 to 7, and on Sundays."""
    start = datetime.datetime.fromisoformat("2026-12-01T00:00")
    assert sum(each.month == 12 for each in islice(CronSim("0 3 1-7 * 0", start), 31)) == 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("start", STARTS, ids=["spring", "autumn"])
@pytest.mark.parametrize("text", TIMINGS)
def test_systemd_fires_after_each_declared_firing_within_an_hour(text, start):
    """Of the two firings, the first may fall out where the clock changes; the second never does."""
    start = datetime.datetime.fromisoformat(start)
    firings = sorted({each for event in on_calendar(parse(text)) for each in elapses(event, start)})
    for due in declared(text, start):
        assert any(0 <= each - due.timestamp() <= 3600 for each in firings), due
    assert all(any(-1 < each - due.timestamp() <= 7200 for due in declared(text, start)) for each in firings[:40])


def elapses(event, start):
    words = ["systemd-analyze", "calendar", f"--base-time={start:%Y-%m-%d %H:%M:%S}", "--iterations=26", event]
    printed = subprocess.run(words, capture_output=True, text=True, check=True, env={"TZ": "Europe/Berlin"}).stdout
    found = re.findall(r"\(in UTC\): \w+ (\S+ \S+) UTC", printed)
    assert len(found) == 26
    return [datetime.datetime.fromisoformat(f"{each}+00:00").timestamp() for each in found]
