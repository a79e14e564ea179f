"""Reviews: when a person last compared the inventory with the hosts, and when that is due again."""

import datetime
from dataclasses import dataclass

from opsproof.core.units import show


@dataclass(frozen=True)
class Review:
    """The last review of a host, or of a whole file: `where` is its table, `every_s` the longest time to the next."""

    where: str
    day: datetime.date
    every_s: float

    def problem(self, today: datetime.date) -> str:
        """Why the review does not count on `today`; empty if it does."""
        age = today - self.day
        if age.days < 0:
            return f"{self.where}: reviewed: {self.day} is in the future: correct the date"
        if age.total_seconds() <= self.every_s:
            return ""
        shown = f"{self.day}, {age.days} days ago (limit {show(self.every_s, 'seconds')})"
        return f"{self.where}: reviewed on {shown}: compare the inventory with the host, then set `reviewed`"
