"""Tables stay of a size that can be vacuumed, dumped and rebuilt in a night."""

import pytest

pytestmark = pytest.mark.monthly


def test_largest_table_can_be_maintained(relation_sizes, database, allowed, evidence, earlier):
    """Maintenance takes longer with every gigabyte: partition it, or let old rows go."""
    sizes = relation_sizes[database]
    for title, found in (("largest tables", sizes.tables), ("largest indexes", sizes.indexes)):
        evidence(title, [each.line(earlier(f"size of {each.name}", each.size_bytes, sizes.now)) for each in found])
    assert sizes.largest_bytes in allowed.table_size
