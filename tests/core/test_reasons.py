"""The reason is picked from what programs print around it."""

import pytest

from opsproof.core.reasons import reason, warnings


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("", ""),
        ("\n \n", ""),
        ("first\nlast\n", "last"),
        (
            'ERROR:  relation "x" does not exist\nLINE 1: SELECT * FROM x\n                      ^\n',
            'ERROR:  relation "x" does not exist',
        ),
        (
            "psql:<stdin>:3: ERROR:  42601: syntax error at end of input\nLINE 1: SELECT (\n  ^\nLOCATION:  f, s.l:1\n",
            "psql:<stdin>:3: ERROR:  42601: syntax error at end of input",
        ),
        (
            "pg_dump: error: ERROR:  permission denied\npg_dump: detail: Query was: LOCK TABLE public.t\n",
            "pg_dump: error: ERROR:  permission denied",
        ),
        (
            'pg_restore: error: ERROR:  no type "vector"\nLINE 4: e vector(3)\n  ^\nCommand was: SELECT (\n);\n\n',
            'pg_restore: error: ERROR:  no type "vector"',
        ),
        (
            "psql: error: connection failed: No such file or directory\n\tIs the server running locally?\n",
            "psql: error: connection failed: No such file or directory",
        ),
        (
            "P00   WARN: repo is old\nP00  ERROR: [055]: unable to load info file\n            HINT: is it there?\n",
            "P00  ERROR: [055]: unable to load info file",
        ),
        ("the server is gone\nHINT: look at its log\n", "the server is gone"),
        ("    ^\n", "^"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_reason_is_neither_place_nor_statement_nor_advice(printed, expected):
    assert reason(printed) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("pg_dump: warning: a\npg_dump: detail: b\npg_dump: warning: a\n", ["pg_dump: warning: a"]),
        ("WARNING:  a\nDETAIL:  b\n", ["WARNING:  a"]),
        ("psql:<stdin>:3: WARNING:  01000: a\n", ["psql:<stdin>:3: WARNING:  01000: a"]),
        ("pg_restore: WARNING:  a\n", ["pg_restore: WARNING:  a"]),
        ("NOTICE:  a WARNING: b\nperl: warning: Setting locale failed.\npg_restore: creating TABLE x\n", []),
        ("WARNING:  password=x host", ["WARNING:  password=*** host"]),
        ("WARNING:  ALTER ROLE a PASSWORD 'it\\'s b'", ["WARNING:  ALTER ROLE a PASSWORD ***"]),
        ("WARNING:  \x1b[31ma", ["WARNING:  ?[31ma"]),
        ("WARNING:  postgres://a:b@host/", ["WARNING:  postgres://a:***@host/"]),
    ],
)
def test_warnings_are_kept_without_passwords_and_control_characters(printed, expected):
    assert warnings(printed) == expected
