"""No sequence and no integer key comes to its end."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy(
    "psql", "-c", "SELECT schemaname, sequencename, data_type, last_value FROM pg_sequences ORDER BY 4 DESC NULLS LAST"
)
def test_key_values_are_available(key_ranges, database, allowed, evidence, remembered):
    """Inserts fail when it ends: ALTER the column to bigint, and the sequence with AS bigint, while there is time."""
    keys = key_ranges[database]
    evidence("the fullest", keys.lines(remembered(keys.readings)))
    assert keys.used in allowed.keys_used
    keys.require_readable()
