"""Password files of libpq."""

import pytest

from opsproof.postgres.passfile import password

WANTED = ("127.0.0.1", "5432", "metachat", "monitor")


@pytest.fixture
def look_up(tmp_path):
    def look_up(text, mode=0o600):
        path = tmp_path / "pgpass"
        path.write_text(text)
        path.chmod(mode)
        return password(path, WANTED)

    return look_up


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:5432:metachat:monitor:secret\n", "secret"),
        ("*:*:*:monitor:secret\n", "secret"),
        ("other:5432:metachat:monitor:no\n127.0.0.1:5432:*:*:secret\n*:*:*:*:late\n", "secret"),
        ("# 127.0.0.1:5432:metachat:monitor:no\n\n*:*:*:*:secret\n", "secret"),
        ("*:*:*:*:se\\:cr\\\\et\n", "se:cr\\et"),
        ("*:*:*:*:secret:rest\n", "secret"),
        ("127.0.0.1:5432:meta\\:chat:monitor:no\n", None),
        ("127.0.0.1:5432:metachat:\n", None),
        ("garbage\n", None),
        ("", None),
    ],
)
def test_first_matching_line_gives_the_password(look_up, text, found):
    assert look_up(text) == found


def test_readable_by_others_is_ignored(look_up):
    assert look_up("*:*:*:*:secret\n", mode=0o644) is None


def test_missing_file_gives_no_password(tmp_path):
    assert password(tmp_path / "none", WANTED) is None
