"""PostgreSQL releases with security fixes, known when opsproof was released."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from opsproof.core.ages import age
from opsproof.core.errors import MeasurementError


@dataclass(frozen=True)
class Release:
    """Releases of one day: minor version by major version, and the CVEs fixed in at least one of them."""

    date: str
    minors: dict[int, int]
    fixes: tuple[str, ...]

    def of(self, major: int) -> str:
        """Text for one major version."""
        return f"{major}.{self.minors[major]} of {self.date}: {', '.join(self.fixes)}"


@dataclass(frozen=True)
class Releases:
    """Security releases of all known major versions, and the end of support of each.

    https://www.postgresql.org/support/security/ and https://www.postgresql.org/support/versioning/
    """

    as_of: str
    ends: dict[int, str]
    security: tuple[Release, ...]

    def missed(self, major: int, minor: int) -> list[Release]:
        """Security releases of `major` after `minor`, the newest first.

        Raises:
            MeasurementError: the major version is unknown.
        """
        self._require(major)
        return [each for each in self.security if each.minors.get(major, 0) > minor]

    def supported_s(self, major: int, now: float) -> float:
        """Seconds until support for `major` ends.

        Raises:
            MeasurementError: the major version is unknown.
        """
        self._require(major)
        return _seconds(self.ends[major]) - now

    def age_s(self, now: float) -> float:
        """Age of the release list, in seconds."""
        return age(_seconds(self.as_of), now, "the release list")

    def _require(self, major: int) -> None:
        if major not in self.ends:
            known = f"{min(self.ends)} to {max(self.ends)}"
            raise MeasurementError(f"unknown PostgreSQL version {major} (known: {known}): update opsproof")


def _seconds(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


@cache
def releases() -> Releases:
    """The release list shipped with opsproof."""
    known = json.loads(Path(__file__).with_name("postgres_releases.json").read_text(encoding="utf-8"))
    ends = {int(major): day for major, day in known["ends"].items()}
    return Releases(known["as_of"], ends, tuple(_release(**each) for each in known["security_releases"]))


def _release(date: str, minors: dict[str, int], fixes: list[str]) -> Release:
    return Release(date, {int(major): minor for major, minor in minors.items()}, tuple(fixes))
