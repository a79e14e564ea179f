"""Databases fit their server."""

import pytest

pytestmark = pytest.mark.weekly


def test_database_size_is_within_limit(database_sizes, database, allowed):
    """Backups, restores and maintenance slow down with size: plan a separate server."""
    assert database_sizes[database] in allowed.database_size
