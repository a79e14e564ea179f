"""Sequences and integer keys have values left."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy(
    "psql", "-c", "SELECT schemaname, sequencename, data_type, last_value FROM pg_sequences ORDER BY 4 DESC NULLS LAST"
)
def test_key_values_are_available(key_ranges, database, allowed, evidence, remembered):
    """Inserts fail when values run out: ALTER column and sequence to bigint in good time."""
    keys = key_ranges[database]
    evidence("fullest sequences", keys.lines(remembered(keys.readings)))
    assert keys.used in allowed.keys_used
    keys.require_readable()
