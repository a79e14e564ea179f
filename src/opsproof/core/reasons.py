"""The reason of a failure, in the messages of a program."""

import re

MOST = 300
"""Longest reason, in characters."""
_ERROR = re.compile(r"\b(?:ERROR|FATAL|PANIC): |: (?:error|fatal): ")
_WARNING = re.compile(r"(?:(?:pg_\w+|psql)\S*: )?WARNING: |(?:pg_\w+|psql)\S*: warning: ")
_SECRET = re.compile(r"(?i)(password\s*[=:]?\s*|://[^\s/:@]*:)('(?:[^'\\]|\\.)*'|[^\s@]+)")
_BESIDE = re.compile(
    r"\s*\^[\^~ ]*$|LINE \d+:|\s*(?:HINT|DETAIL|CONTEXT|QUERY|STATEMENT|LOCATION): "
    r"|\S+: (?:hint|detail|warning): |(?:Query|Command) was: |\t"
)
"""Lines with the place or the statement of an error, or with a hint."""


def warnings(printed: str) -> list[str]:
    """The warnings of the server and of PostgreSQL's programs, each once, without passwords and control characters."""
    found = [line.strip() for line in printed.splitlines() if _WARNING.match(line.strip())]
    plain = ("".join(each if each.isprintable() else "?" for each in line) for line in dict.fromkeys(found))
    return [_SECRET.sub(r"\1***", line)[:MOST] for line in plain]


def is_addition(line: str) -> bool:
    """Whether a line gives only the place or the statement of an error, or a hint."""
    return _BESIDE.match(line) is not None


def reason(printed: str) -> str:
    """The first error line of PostgreSQL's programs, else the last line that is no addition; empty without lines."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    others = [line for line in lines if not is_addition(line)]
    return (errors[:1] or others[-1:] or lines[-1:] or [""])[0].strip()[:MOST]
