"""Names of things in a database, as SQL has to have them."""

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def identifier(name: str) -> str:
    """A name with quotes where it needs them, and with its schema where it has one: ``public."Tenant"``."""
    return ".".join(each if _PLAIN.fullmatch(each) else _quoted(each) for each in name.split(".", maxsplit=1))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
