"""System services run, and SSH accepts logins."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy]


@pytest.mark.remedy("systemctl", "--failed", "--no-pager")
def test_no_unit_has_failed(failed_units, systemd, evidence):
    """A failed unit, such as a timer of backups, fails silently: read journalctl -u UNIT."""
    evidence("failed units", failed_units[systemd])
    assert not failed_units[systemd], f"failed: {', '.join(failed_units[systemd])}"


@pytest.mark.remedy("systemctl", "restart", "sshd", effect="open sessions remain")
def test_sshd_accepts_connections(ssh_greetings, sshd):
    """Open sessions survive a failure of sshd: keep a session open until a new login works."""
    assert ssh_greetings[sshd]
