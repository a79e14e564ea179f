"""No sequence and no integer key comes to its end."""

import pytest

pytestmark = pytest.mark.monthly


def test_keys_are_left(key_ranges, database, allowed, evidence, earlier):
    """Inserts fail when it ends: ALTER the column to bigint, and the sequence with AS bigint, while there is time."""
    keys = key_ranges[database]
    fullest = [(each, earlier(f"sequence {each.sequence}", each.value, keys.now)) for each in keys.found.rows[:10]]
    lines = [each.line(known, keys.now) for each, known in fullest]
    evidence("the fullest", [*lines, f"again: {keys.found.again}"] if lines else [])
    assert keys.used in allowed.keys_used
    keys.require_readable()
