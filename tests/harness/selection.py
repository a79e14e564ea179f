"""Marks tests that need the embedded lab or a slow server, by their fixtures."""

from collections.abc import Iterable

import pytest

SERVERS = frozenset(
    {"any_cluster", "lab", "lab_tools", "planted", "postgres_server", "s3_server", "site", "small_lab", "zoo"}
)
"""Fixtures that start a lab, PostgreSQL or an S3 server; dependent fixtures also count."""
MARKED = ("docker", "pgbackrest", "shop")
"""Explicit markers of tests that need more than the embedded lab."""


def mark_by_fixtures(items: Iterable[pytest.Item]) -> None:
    """Marks with `lab` each test whose fixtures start a server.

    Call before pytest deselects by `-m`, so in a hook with `tryfirst`.
    """
    for item in items:
        if not SERVERS.isdisjoint(_fixtures(item)) and not any(map(item.get_closest_marker, MARKED)):
            item.add_marker(pytest.mark.lab)


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
