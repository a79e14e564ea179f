"""Minimal Debian systems, made by debootstrap once a fortnight and kept in the user's cache."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

BOOTSTRAP = Path(__file__).with_name("bootstrap.sh")
FORTNIGHT = 14
ARCHIVE = "base.tar"


def entry(suite: str) -> str:
    """The cache entry of a suite's system, a folder with `ARCHIVE`; changes every fortnight."""
    digest = hashlib.sha256(BOOTSTRAP.read_bytes() + today().encode())
    return f"debian-{suite}-{digest.hexdigest()[:16]}"


def today() -> str:
    """The start of the current fortnight, as ISO date."""
    return fortnight(datetime.now(UTC).date())


def fortnight(day: date) -> str:
    """The start of the fortnight of a day, as ISO date."""
    return date.fromordinal(day.toordinal() // FORTNIGHT * FORTNIGHT).isoformat()
