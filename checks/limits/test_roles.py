"""Superusers are declared, and passwords do not expire soon."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy("psql", effect="takes the role's rights")
def test_superusers_are_declared(database_roles, database, evidence, repair_with_sql):
    """A superuser can change all data, and run programs on the host: ALTER ROLE ... NOSUPERUSER."""
    unknown = database_roles[database].undeclared_superusers
    evidence(
        "undeclared superusers", [*unknown, "query: SELECT rolname FROM pg_roles WHERE rolsuper"] if unknown else []
    )
    repair_with_sql("ALTER ROLE {name} NOSUPERUSER", unknown)
    assert not unknown, f"undeclared superusers of {database}: {', '.join(unknown)}"


@pytest.mark.remedy("psql", "-c", "SELECT rolname, rolvaliduntil FROM pg_roles WHERE rolvaliduntil < 'infinity'")
def test_expiring_passwords_are_declared(database_roles, database, evidence):
    """An unplanned expiry is an outage: ALTER ROLE ... VALID UNTIL 'infinity', or declare it."""
    unexpected = database_roles[database].unexpected
    evidence("differences", unexpected)
    assert not unexpected, unexpected[0]


@pytest.mark.remedy("psql", effect="changes the password: clients with the old one are locked out")
def test_passwords_do_not_expire_soon(database_roles, database, allowed, evidence, repair_with_sql):
    """After expiry the role cannot log in: set a new password and a new expiry date."""
    roles = database_roles[database]
    evidence("expiring passwords", [str(each) for each in roles.expiring])
    if roles.expiring:
        repair_with_sql(r"\password {name}", [roles.expiring[0].name])
        repair_with_sql(f"ALTER ROLE {{name}} VALID UNTIL '{roles.in_a_quarter}'", [roles.expiring[0].name])
        assert roles.expiring[0].expires_s in allowed.password_left
