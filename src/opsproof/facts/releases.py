"""The releases of PostgreSQL that fixed vulnerabilities, as they were known when this was shipped."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from opsproof.core.errors import MeasurementError


@dataclass(frozen=True)
class Release:
    """A day's releases: the minor version of each major one, and what at least one of them fixed."""

    date: str
    minors: dict[int, int]
    fixes: tuple[str, ...]

    def of(self, major: int) -> str:
        """The release of a major version in words."""
        return f"{major}.{self.minors[major]} of {self.date}: {', '.join(self.fixes)}"


@dataclass(frozen=True)
class Releases:
    """All security releases of the major versions that are known, and when support for each ends.

    https://www.postgresql.org/support/security/ and https://www.postgresql.org/support/versioning/
    """

    as_of: str
    ends: dict[int, str]
    security: tuple[Release, ...]

    def missed(self, major: int, minor: int) -> list[Release]:
        """Those of a major version that came after one of its minor versions, the newest first.

        Raises:
            MeasurementError: nothing is known of the major version.
        """
        self._require(major)
        return [each for each in self.security if each.minors.get(major, 0) > minor]

    def supported_s(self, major: int, now: float) -> float:
        """Seconds for which a major version is still mended.

        Raises:
            MeasurementError: nothing is known of the major version.
        """
        self._require(major)
        return _seconds(self.ends[major]) - now

    def age_s(self, now: float) -> float:
        """Seconds since this was last brought up to date."""
        return now - _seconds(self.as_of)

    def _require(self, major: int) -> None:
        if major not in self.ends:
            known = f"{min(self.ends)} to {max(self.ends)}"
            raise MeasurementError(f"nothing is known of PostgreSQL {major}, only of {known}: update opsproof")


def _seconds(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


@cache
def releases() -> Releases:
    """What is known of them."""
    known = json.loads(Path(__file__).with_name("postgres_releases.json").read_text(encoding="utf-8"))
    ends = {int(major): day for major, day in known["ends"].items()}
    return Releases(known["as_of"], ends, tuple(_release(**each) for each in known["security_releases"]))


def _release(date: str, minors: dict[str, int], fixes: list[str]) -> Release:
    return Release(date, {int(major): minor for major, minor in minors.items()}, tuple(fixes))
