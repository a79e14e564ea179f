"""Folders of logs stay small, and no single file in them is large.

A platform in trouble writes 1 GB of logs in an hour.
"""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("clean_logs.py")
def test_log_folder_size_is_within_limit(folder_sizes, log_folder, allowed, evidence):
    """Look at the largest files first; what is past its time is removed by the command below."""
    evidence("largest files", folder_sizes[log_folder].evidence)
    assert folder_sizes[log_folder].size_bytes in allowed.log_folder_size


@pytest.mark.remedy("rotate_logs.py")
def test_log_file_size_is_within_limit(folder_sizes, log_folder, allowed, evidence):
    """A large file was not rotated in time, or is none that anybody rotates."""
    evidence("largest files", folder_sizes[log_folder].evidence)
    assert folder_sizes[log_folder].largest_bytes in allowed.log_file_size


@pytest.mark.remedy("pm2", "logs", "PM2", "--nostream")
def test_pm2_own_log_size_is_within_limit(pm2_log_sizes, pm2, allowed, evidence):
    """PM2's own log tells of every restart: one that grows tells of a crash loop."""
    evidence("largest files", pm2_log_sizes.evidence)
    assert pm2_log_sizes.largest_bytes in allowed.log_file_size
