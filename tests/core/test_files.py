"""Files replaced as a whole."""

import os

import pytest

from opsproof.core import files


def test_file_is_replaced_with_the_mode(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text("old")
    files.replace(path, "new", mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_stays_if_the_text_cannot_be_written(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("old")
    with pytest.raises(UnicodeError):
        files.replace(path, "\ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["index.html"]  # noqa: PTH208  also hidden names
