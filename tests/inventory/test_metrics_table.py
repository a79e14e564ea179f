"""The table of metrics in docs/inventory.md."""

import pytest

from opsproof.inventory import metrics_table


def test_committed_table_is_current(repository):
    document = (repository / "docs" / "inventory.md").read_text(encoding="utf-8")
    assert document == metrics_table.updated(document, repository / "checks"), "run: make schema"


def test_a_row_lists_every_check_that_uses_the_metric(tmp_path):
    for check in ("test_b", "test_a"):
        text = f"def {check}(allowed):\n    limit = allowed.disk_used\n    assert 1 in limit\n"
        (tmp_path / f"{check}.py").write_text(f"{text}\n\ndef helper(allowed):\n    return allowed.swap_used\n")
    rows = metrics_table.table(tmp_path)
    assert "| `disk_used` | percent | Share of a file system's bytes in use | `test_a`, `test_b` |" in rows
    assert "| `swap_used` | percent | Share of swap space in use |  |" in rows


def test_text_around_the_table_is_kept(tmp_path):
    document = f"before\n\n{metrics_table.HEADER}\n|---|---|---|---|\n| old | row | | |\n\nafter\n"
    found = metrics_table.updated(document, tmp_path)
    assert found.startswith(f"before\n\n{metrics_table.HEADER}\n")
    assert found.endswith("|\n\nafter\n")
    assert "| old |" not in found


def test_document_without_a_table_raises(tmp_path):
    with pytest.raises(ValueError, match="is not in list"):
        metrics_table.updated("no table\n", tmp_path)
