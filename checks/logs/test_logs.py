"""Application logs show few errors, and are being written.

Errors count by the time of each line, over current and rotated files; client errors (4xx) count
separately. Lines removed within the time span, and many lines in no declared format, leave
the number of errors unknown.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.postdeploy]
REOPENED = ("reopened", "--lines=5")
ERRORS = pytest.mark.remedy("errors", "--lines=50", absent=REOPENED)


@ERRORS
def test_log_errors_are_within_limit(log_reports, log, allowed, evidence, remembered):
    """Start with the commonest message below."""
    report = log_reports[log]
    evidence("commonest messages", report.evidence)
    evidence("unread lines", report.unread)
    report.require_read(allowed.log_unread)
    assert report.bounded(report.errors, remembered(report.reading)) in allowed.log_errors


@pytest.mark.remedy("tail", "--lines=200", absent=REOPENED)
def test_client_errors_are_within_limit(log_reports, log, allowed, remembered):
    """A burst of 4xx is a broken client, a scanner or a removed route."""
    report = log_reports[log]
    report.require_read(allowed.log_unread)
    assert report.bounded(report.client_errors, remembered(report.reading)) in allowed.client_errors


@ERRORS
def test_log_has_no_fatal_errors(log_reports, log, allowed, remembered):
    """A process logs a FATAL line just before it ends: read the lines before."""
    report = log_reports[log]
    report.require_read(allowed.log_unread)
    assert report.bounded(report.fatals, remembered(report.reading)) in allowed.log_fatals


@pytest.mark.remedy("tail", "--lines=5", absent=REOPENED)
def test_log_is_active(log_reports, log, allowed):
    """A silent log hides errors: the process hangs, or needs `pm2 reloadLogs`, because its file was moved away."""
    assert log_reports[log].silence_s in allowed.log_silence


@pytest.mark.remedy("log sizes", absent=REOPENED)
def test_log_growth_is_within_limit(log_reports, log, allowed, evidence):
    """A flood fills the disk, and rotates earlier lines away: look for repeated messages at the end of the log."""
    evidence("commonest messages", log_reports[log].evidence)
    assert log_reports[log].growth_bytes in allowed.log_growth
