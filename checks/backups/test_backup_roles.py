"""The role for dumps can read everything."""

import pytest

pytestmark = [pytest.mark.weekly, pytest.mark.caused_by("test_database_accepts_connections", on="database")]


@pytest.mark.remedy("psql")
def test_backup_role_can_dump_everything(backup_roles, dumped_backup, evidence, repair_with):
    """The next backup would be refused: a role lost BYPASSRLS, or a new table or large object lacks a grant."""
    role = backup_roles[dumped_backup]
    evidence("obstacles", role.obstacles)
    repair_with("-c", role.repairs)
    assert not role.obstacles, role.obstacles[0]


@pytest.mark.remedy("psql")
def test_backup_leaves_nothing_out(not_dumped, dumped_backup, evidence, repair_with):
    """pg_dump leaves out what the role may not see, without an error: dump as a superuser, or declare `not_dumped`."""
    found = not_dumped[dumped_backup]
    evidence("not in backups", [str(each) for each in found.all])
    repair_with("-c", found.statements)
    assert not found.losses, f"not in backups: {found.losses[0]}"
