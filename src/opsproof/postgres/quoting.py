"""Quoting of SQL identifiers and literals."""


def identifier(name: str) -> str:
    """A quoted identifier, also for reserved words: ``"Tenant"``, ``"user"``."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def qualified(name: str) -> str:
    """A quoted relation name; its schema ends at the first dot: ``"public"."Tenant"``."""
    return ".".join(map(identifier, name.split(".", maxsplit=1)))


def literal(text: str) -> str:
    """A quoted string literal."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
