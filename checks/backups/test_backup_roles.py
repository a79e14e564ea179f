"""The role for dumps can read everything."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("psql")
def test_backup_role_can_dump_everything(backup_roles, dumped_backup, evidence, repair_with):
    """The next backup would be refused: a role lost BYPASSRLS, or a new table or large object lacks a grant."""
    role = backup_roles[dumped_backup]
    evidence("obstacles", role.obstacles)
    repair_with("-c", role.repairs)
    assert not role.obstacles, role.obstacles[0]
