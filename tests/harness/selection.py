"""Which tests need the embedded lab, or a server that takes long, by the fixtures that they ask for."""

from collections.abc import Iterable

import pytest

SERVERS = frozenset({"any_cluster", "lab", "lab_tools", "planted", "postgres_server", "s3_server", "site", "small_lab"})
"""Fixtures that start a lab, PostgreSQL or a server of S3's protocol; what builds on them needs them too."""
MARKED = ("docker", "pgbackrest")
"""Markers of tests that need more than the embedded lab, and say so themselves."""


def mark_by_fixtures(items: Iterable[pytest.Item]) -> None:
    """Marks with `lab` each test whose fixtures start a server.

    Call it before pytest deselects by `-m`, so in a hook with `tryfirst`.
    """
    for item in items:
        if not SERVERS.isdisjoint(_fixtures(item)) and not any(map(item.get_closest_marker, MARKED)):
            item.add_marker(pytest.mark.lab)


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
