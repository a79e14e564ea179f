"""Names of things in a database, as SQL has to have them."""


def identifier(name: str) -> str:
    """One name in quotes, which a word that SQL has a meaning for needs as well: ``"Tenant"``, ``"user"``."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def qualified(name: str) -> str:
    """The name of a relation, with its schema up to the first dot: ``"public"."Tenant"``."""
    return ".".join(map(identifier, name.split(".", maxsplit=1)))


def literal(text: str) -> str:
    """A text as a value in SQL."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
