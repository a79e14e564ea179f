"""Application logs show few errors, and are being written.

Errors count by the time of each line, over current and rotated files; client errors (4xx) count
separately.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.postdeploy]
READ = pytest.mark.remedy("tail", "--lines=200")


@READ
def test_log_errors_are_within_limit(log_reports, log, allowed, evidence):
    """Start with the commonest message below."""
    evidence("commonest messages", log_reports[log].evidence)
    assert log_reports[log].errors in allowed.log_errors


@READ
def test_client_errors_are_within_limit(log_reports, log, allowed):
    """A burst of 4xx is a broken client, a scanner or a removed route."""
    assert log_reports[log].client_errors in allowed.client_errors


@READ
def test_log_has_no_fatal_errors(log_reports, log, allowed):
    """A process logs a FATAL line just before it ends: read the lines before."""
    assert log_reports[log].fatals in allowed.log_fatals


@pytest.mark.remedy("pm2", "reloadLogs")
def test_log_is_active(log_reports, log, allowed):
    """A silent log hides errors: the process hangs, or writes to a file that was moved away."""
    assert log_reports[log].silence_s in allowed.log_silence
