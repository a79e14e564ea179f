"""Quoting of identifiers and literals."""

import pytest

from opsproof.postgres.quoting import identifier, literal, qualified


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("user", '"user"'), ("john.doe", '"john.doe"'), ('a"b', '"a""b"'), ("Tenant", '"Tenant"')],
)
def test_identifiers_are_quoted(name, quoted):
    assert identifier(name) == quoted


def test_relation_is_qualified_with_its_schema():
    assert qualified("public.Tenant") == '"public"."Tenant"'
    assert qualified("public.a.b") == '"public"."a.b"'


def test_quotes_in_literals_are_doubled():
    assert literal("it's") == "'it''s'"
