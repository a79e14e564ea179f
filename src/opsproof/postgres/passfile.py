"""Password files of libpq, for connections over a tunnel: libpq itself would look up the local socket.

https://www.postgresql.org/docs/current/libpq-pgpass.html
"""

import re
from pathlib import Path

_FIELD = re.compile(r"(?:[^:\\]|\\.)*")
_ESCAPE = re.compile(r"\\(.)")


def password(path: Path, wanted: tuple[str, str, str, str]) -> str | None:
    """The password in the file at `path` for host, port, database and user; None without a match.

    As in libpq, a file with group or world access is ignored.
    """
    try:
        if path.stat().st_mode & 0o077:
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = (fields[4] for line in lines if len(fields := _fields(line)) == 5 and _fits(fields[:4], wanted))
    return next(found, None)


def _fields(line: str) -> list[str]:
    if line.startswith("#"):
        return []
    parts: list[str] = []
    rest = line
    while len(parts) < 4 and (match := _FIELD.match(rest)) and rest[match.end() : match.end() + 1] == ":":
        parts.append(match[0])
        rest = rest[match.end() + 1 :]
    last = _FIELD.match(rest)
    return [
        *(part if part == "*" else _ESCAPE.sub(r"\1", part) for part in parts),
        _ESCAPE.sub(r"\1", last[0] if last else ""),
    ]


def _fits(fields: list[str], wanted: tuple[str, ...]) -> bool:
    return all(field in ("*", value) for field, value in zip(fields, wanted, strict=True))
