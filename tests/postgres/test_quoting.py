import pytest

from opsproof.postgres.quoting import identifier, literal, qualified


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("user", '"user"'), ("john.doe", '"john.doe"'), ('a"b', '"a""b"'), ("Tenant", '"Tenant"')],
)
def test_a_name_is_quoted_whatever_it_is(name, quoted):
    assert identifier(name) == quoted


def test_a_relation_is_named_with_its_schema():
    assert qualified("public.Tenant") == '"public"."Tenant"'
    assert qualified("public.a.b") == '"public"."a.b"'


def test_a_text_ends_where_it_ends():
    assert literal("it's") == "'it''s'"
