"""Timings of scheduled jobs in local time: `02:00`, `Monday 07:10`, `first Sunday of January, July 03:00`."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from zoneinfo import ZoneInfo

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEK_DAYS = 7
LONGEST_DAYS = 380
"""No two firings are further apart: the first weekday of one month of the year."""
_TIMING = re.compile(r"(?:(?P<first>first )?(?P<weekday>\w+day)(?: of (?P<months>\w+(?:, ?\w+)*))? )?(\d\d):(\d\d)")


@dataclass(frozen=True)
class Timing:
    """The days and the time of day of a job: `weekday` counts from Monday, 0; `months` is empty for all months.

    With `is_first`, only the first such weekday of a month counts.
    """

    hour: int
    minute: int
    weekday: int | None = None
    is_first: bool = False
    months: tuple[int, ...] = ()

    def falls_on(self, day: datetime.date) -> bool:
        """Whether the job runs on a day."""
        return (
            self.weekday in (None, day.weekday())
            and (not self.is_first or day.day <= WEEK_DAYS)
            and (not self.months or day.month in self.months)
        )

    def after(self, moment: float, zone: ZoneInfo) -> Iterator[float]:
        """The firings after a moment, in seconds since 1970, in order and without end."""
        start = datetime.datetime.fromtimestamp(moment, zone).date()
        days = (start + datetime.timedelta(days=number) for number in count())
        return (firing for day in days if self.falls_on(day) and (firing := self._on(day, zone)) > moment)

    def last(self, moment: float, zone: ZoneInfo) -> float:
        """The last firing up to a moment, in seconds since 1970."""
        start = datetime.datetime.fromtimestamp(moment, zone).date()
        days = (start - datetime.timedelta(days=number) for number in range(LONGEST_DAYS))
        return next(firing for day in days if self.falls_on(day) and (firing := self._on(day, zone)) <= moment)

    def _on(self, day: datetime.date, zone: ZoneInfo) -> float:
        """The firing of a day: in a repeated hour the first, for a time that the clock skips, the end of the gap."""
        wanted = datetime.datetime.combine(day, datetime.time(self.hour, self.minute), zone)
        instants = (datetime.datetime.fromtimestamp(wanted.timestamp() - 60 * number, zone) for number in count())
        found = next(instants)
        if (found.hour, found.minute) == (self.hour, self.minute):
            return found.timestamp()
        return next(each for each in instants if each.utcoffset() == wanted.utcoffset()).timestamp() + 60

    def __str__(self) -> str:
        of = f" of {', '.join(MONTHS[month - 1] for month in self.months)}" if self.months else ""
        day = f"{'first ' if self.is_first else ''}{WEEKDAYS[self.weekday]}{of} " if self.weekday is not None else ""
        return f"{day}{self.hour:02}:{self.minute:02}"


def parse(text: str) -> Timing:
    """The timing in `text`.

    Raises:
        ValueError: `text` is no timing; the message shows examples.
    """
    found = _TIMING.fullmatch(text)
    names = [each.strip() for each in (found["months"] or "").split(",") if each] if found else []
    if (
        found is None
        or found["weekday"] not in (None, *WEEKDAYS)
        or not {*names} <= {*MONTHS}
        or (names and not found["first"])
        or not (int(found[4]) < 24 and int(found[5]) < 60)
    ):
        raise ValueError(
            f"{text[:80]!r} is no timing like '02:00', 'Monday 07:10', 'first Sunday 03:00' or "
            "'first Monday of January, July 08:00'"
        )
    weekday = WEEKDAYS.index(found["weekday"]) if found["weekday"] else None
    months = tuple(sorted(MONTHS.index(each) + 1 for each in {*names}))
    return Timing(int(found[4]), int(found[5]), weekday, bool(found["first"]), months)


@dataclass(frozen=True)
class Window:
    """A part of each day in local time, in minutes since midnight; it may cross midnight."""

    start: int
    end: int

    def contains(self, moment: float, zone: ZoneInfo) -> bool:
        """Whether a moment in seconds since 1970 is inside."""
        local = datetime.datetime.fromtimestamp(moment, zone)
        return self.has(Timing(local.hour, local.minute))

    def has(self, timing: Timing) -> bool:
        """Whether a time of day is inside."""
        minute = timing.hour * 60 + timing.minute
        return (minute - self.start) % 1440 < (self.end - self.start) % 1440

    def __str__(self) -> str:
        return "-".join(f"{each // 60:02}:{each % 60:02}" for each in (self.start, self.end))


def parse_window(text: str) -> Window:
    """The window in `text`, such as ``01:00-05:00``.

    Raises:
        ValueError: `text` is no window, or is empty.
    """
    try:
        start, end = (parse(each) for each in text.split("-"))
    except ValueError:
        start = end = Timing(0, 0)
    if start == end or start.weekday is not None or end.weekday is not None:
        raise ValueError(f"{text[:80]!r} is no window like '01:00-05:00'")
    return Window(start.hour * 60 + start.minute, end.hour * 60 + end.minute)


def zone_at(path: str) -> ZoneInfo:
    """The time zone of the file to which /etc/localtime leads; UTC without such a file, as in the C library.

    Raises:
        ValueError: the path names no time zone.
    """
    name = path.strip().rpartition("zoneinfo/")[2]
    try:
        return ZoneInfo("UTC" if name == "/etc/localtime" else name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"/etc/localtime leads to {path.strip()[:80]!r}: link it to a file in /usr/share/zoneinfo"
        ) from error
