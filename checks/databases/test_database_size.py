"""Databases stay of a size that their server was made for."""

import pytest

pytestmark = pytest.mark.weekly


def test_database_size_is_within_limit(database_sizes, database, allowed):
    """Backups, restores and maintenance take longer with every gigabyte: plan a server of its own."""
    assert database_sizes[database] in allowed.database_size
