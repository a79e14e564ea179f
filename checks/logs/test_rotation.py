"""Logs are rotated daily, kept for a week, and compressed.

Files decide, not only settings: pm2-logrotate 3.0.0 ignores its compress setting.
"""

import pytest

pytestmark = pytest.mark.weekly

FILES = {"without_pm2": ("rotated files",)}
INSTALL = ("pm2", "install", "pm2-logrotate")


@pytest.mark.remedy(*INSTALL, effect="installs the newest release", unusable=("pm2", "resurrect"))
@pytest.mark.caused_by("test_pm2_daemon_is_running", on="host")
def test_rotation_is_installed(processes, rotation):
    """Without pm2-logrotate logs grow until the disk is full."""
    assert processes["pm2-logrotate"].module, "pm2-logrotate runs as a process, not as a PM2 module"


@pytest.mark.remedy("rotation", effect="restarts pm2-logrotate")
def test_rotation_is_configured_as_declared(rotation_settings, rotation, evidence):
    """A size or a number of files that is too large fills the disk; one too small loses the lines of a busy day."""
    evidence("differences", rotation_settings[rotation])
    assert not rotation_settings[rotation], "; ".join(rotation_settings[rotation])


@pytest.mark.remedy("rotate_logs.py", "--apply", "{log}", **FILES)
def test_log_is_rotated(rotated_files, log, allowed, evidence):
    """An unrotated log grows until the disk is full."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].overdue_s in allowed.rotation_overdue


@pytest.mark.remedy("log sizes")
def test_rotated_files_cover_retention(rotated_files, log, allowed, evidence):
    """Rotation keeps a fixed number of files, and may rotate busy logs by size: keep more files to cover more days."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].covers_s in allowed.rotated_history


@pytest.mark.remedy("clean_logs.py", "--apply", "{log}", **FILES)
def test_old_rotated_files_are_removed(rotated_files, log, allowed, evidence):
    """Logs contain personal data: keep them no longer than needed."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].oldest_s in allowed.rotated_age


@pytest.mark.remedy("rotate_logs.py", "--apply", "{log}", **FILES)
def test_rotated_files_are_compressed(rotated_files, log, allowed, evidence):
    """Compression saves nine tenths of the space. Files of other rotators are compressed by their own settings."""
    evidence("rotated files", rotated_files[log].evidence)
    assert len(rotated_files[log].plain) in allowed.rotated_uncompressed
