"""System services run, and SSH accepts logins."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy]


@pytest.mark.remedy("systemctl", "--failed")
def test_no_unit_has_failed(failed_units, systemd, evidence):
    """A failed timer silently makes no backup: read journalctl -u UNIT."""
    evidence("failed units", failed_units[systemd])
    assert not failed_units[systemd], f"failed: {', '.join(failed_units[systemd])}"


@pytest.mark.remedy("sshd", "-t")
def test_sshd_accepts_connections(ssh_greetings, sshd):
    """An open session outlives sshd: keep one session until a new login works."""
    assert ssh_greetings[sshd]
