"""The days, weeks or months of a calendar, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_DAYS = {"day": 1, "week": 7}
MONDAY = date(2001, 1, 1)


@dataclass(frozen=True)
class SpanCalendar:
    """Spans of a day, a week or a month; weeks begin on the weekday of `anchor`."""

    by: str = "month"
    anchor: date = MONDAY

    def start(self, day: date) -> date:
        """The first day of the span with `day`."""
        if self.by == "month":
            return day.replace(day=1)
        return day - timedelta(days=(day - self.anchor).days % _DAYS[self.by])

    def after(self, start: date) -> date:
        """The first day of the next span."""
        if self.by == "month":
            return date(start.year + start.month // 12, start.month % 12 + 1, 1)
        return start + timedelta(days=_DAYS[self.by])

    def title(self, start: date) -> str:
        """The span as text: ``2026-12``, or the first day of a week."""
        return f"{start:%Y-%m}" if self.by == "month" else f"{start:%Y-%m-%d}"

    def spans(self, first: date, count: int) -> Iterator[tuple[datetime, datetime]]:
        """Start and end of `count` spans from `first` on."""
        for _ in range(count):
            end = self.after(first)
            yield datetime.combine(first, time()), datetime.combine(end, time())
            first = end

    def last(self, first: date, count: int) -> date:
        """The start of the span `count` spans after `first`."""
        for _ in range(count):
            first = self.after(first)
        return first
