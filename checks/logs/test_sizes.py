"""Log folders and log files stay small.

A platform in trouble writes 1 GB of logs in an hour.
"""

import pytest

pytestmark = pytest.mark.weekly


LARGEST = pytest.mark.remedy("du", "-ah", "--apparent-size", "{log_folder}")


@LARGEST
def test_log_folder_size_is_within_limit(folder_sizes, log_folder, allowed, evidence):
    """Check the largest files first; clean_logs.py removes expired files."""
    evidence("largest files", folder_sizes[log_folder].evidence)
    assert folder_sizes[log_folder].size_bytes in allowed.log_folder_size


@LARGEST
def test_log_file_size_is_within_limit(folder_sizes, log_folder, allowed, evidence):
    """A large file missed its rotation, or has no rotation at all: rotate_logs.py."""
    evidence("largest files", folder_sizes[log_folder].evidence)
    assert folder_sizes[log_folder].largest_bytes in allowed.log_file_size


@pytest.mark.remedy("pm2 logs", "-ah", "--apparent-size")
def test_pm2_own_log_size_is_within_limit(pm2_log_sizes, pm2, allowed, evidence):
    """PM2's own log records every restart: growth means a crash loop."""
    evidence("largest files", pm2_log_sizes.evidence)
    assert pm2_log_sizes.largest_bytes in allowed.log_file_size
