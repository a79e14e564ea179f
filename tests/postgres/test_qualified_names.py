"""Every query names objects outside pg_catalog with their schema: the search path has no other schema."""

import ast
import re

import pytest

from opsproof.core.scripts import PACKAGE
from opsproof.postgres.connection import ask

STATEMENT = re.compile(r"\s*(?:--.*\n\s*)*(?:WITH|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|SET|VACUUM|ANALYZE)\s")
NOT_NAMES = re.compile(
    r"\$(\w*)\$.*?\$\1\$|E?'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|:'\w+'|(?<!:):\w+|%\(?\w+\)?s?", re.DOTALL
)
"""Literals, comments and parameters. Statements that a query makes with format() are no part of the search."""
WITH_SCHEMA = re.compile(r"(?:\w+|:?\"[^\"]+\"|\{\w+\})\s*\.\s*(?:\w+|\"[^\"]+\"|\{\w+\})|OPERATOR\([^)]*\)")
EXTRACTED = re.compile(r"\bextract\s*\(\s*\w+\s+FROM\b|\bDISTINCT\s+FROM\b", re.IGNORECASE)
SYNTAX = {"=>", ":=", "values", "exists", "array", "public"}
ELSEWHERE = {
    ("facts/sql/bloat_measurements.sql", "suspect"),  # a common table expression in front of the file's text
    ("facts/bloat.py", "pgstattuple_approx"),  # shown to a person, who has another search path
}
DECLARED = (
    re.compile(r"\b(\w+)(?:\s*\([\w\s,]*\))?\s+AS\s+(?:(?:NOT\s+)?MATERIALIZED\s+)?\("),  # a common table expression
    re.compile(r"\bAS\s+(\w+)"),
    re.compile(r"\)\s+(?:WITH ORDINALITY\s+)?(\w+)\s*\("),  # the alias of a row source, with columns
)
USES = {
    "relation": re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+|LATERAL\s+)?(\w+)\b(?!\s*[.(])"),
    "function": re.compile(r"(?<![\w.\"])([a-z_]\w*)\s*\("),
    "type": re.compile(r"::\s*(\w+)\b(?!\s*\.)"),
    "operator": re.compile(r"(?<![-+*/<>=~!@#%^&|`?])([-+*/<>=~!@#%^&|`?]{2,})"),
}
KNOWN = """
SELECT word FROM pg_get_keywords()
 UNION SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace
 UNION SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
 UNION SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
 UNION SELECT oprname FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
"""


def unqualified(query, known):
    """The names without a schema that pg_catalog does not have, and that the query does not declare."""
    text = EXTRACTED.sub("extract(", WITH_SCHEMA.sub("pg_class", NOT_NAMES.sub(" '' ", query)))
    declared = {name for pattern in DECLARED for name in pattern.findall(text)}
    found = {(kind, name) for kind, pattern in USES.items() for name in pattern.findall(text)}
    return sorted((kind, name) for kind, name in found if name.lower() not in known | SYNTAX and name not in declared)


def queries():
    """The text of each query by its place: SQL files, statements in Python, and Perl with statements."""
    for path in sorted(PACKAGE.rglob("*.sql")):
        yield str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")
    for path in sorted(
        set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("history/*.py"))
    ):  # sessions of the history find its schema alone
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.value
    for path in sorted(PACKAGE.rglob("*.pl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from ((f"{path.name}:{number}", line) for number, line in enumerate(lines, 1) if STATEMENT.match(line))


@pytest.fixture
def known(postgres):
    (found,) = ask(postgres.target(), [KNOWN])
    return {name for (name,) in found.rows}


def test_queries_name_the_schema_of_each_object_outside_pg_catalog(known):
    found = {(place.partition(":")[0], name) for place, query in queries() for _, name in unqualified(query, known)}
    assert found == ELSEWHERE


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("SELECT 1 FROM pg_stat_statements", ("relation", "pg_stat_statements")),
        ("SELECT 1 FROM pg_class JOIN LATERAL chunks ON true", ("relation", "chunks")),
        ("SELECT a <=> b FROM pg_class", ("operator", "<=>")),
        ("SELECT pgstatindex(oid) FROM pg_class", ("function", "pgstatindex")),
        ("SELECT '[1]'::vector", ("type", "vector")),
    ],
)
def test_name_without_a_schema_is_found(known, query, name):
    assert unqualified(query, known) == [name]
    qualified = query.replace(name[1], f"OPERATOR(public.{name[1]})" if name[0] == "operator" else f"public.{name[1]}")
    assert unqualified(qualified, known) == []
