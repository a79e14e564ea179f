"""Logs are rotated every day, kept for a week, and compressed.

Files are judged, not settings alone: pm2-logrotate 3.0.0 is told to compress and does not.
"""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("pm2", "install", "pm2-logrotate")
def test_rotation_is_installed(processes, rotation):
    """Without the module nothing rotates logs, and the disk fills."""
    assert processes["pm2-logrotate"].module, "pm2-logrotate is a process, and no module of PM2"


@pytest.mark.remedy("pm2", "conf", "pm2-logrotate")
def test_rotation_is_configured_as_declared(rotation_settings, rotation, evidence):
    """Set what differs with pm2 set pm2-logrotate:NAME VALUE."""
    evidence("differences", rotation_settings[rotation])
    assert not rotation_settings[rotation], "; ".join(rotation_settings[rotation])


@pytest.mark.remedy("rotate_logs.py", "{log}")
def test_log_is_rotated(rotated_files, log, allowed, evidence):
    """A log that is not rotated grows until the disk is full."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].overdue_s in allowed.rotation_overdue


@pytest.mark.remedy("pm2", "conf", "pm2-logrotate")
def test_rotated_files_cover_retention(rotated_files, log, allowed, evidence):
    """pm2-logrotate keeps a number of files: on busy days, when it rotates by size, that is less than a week."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].covers_s in allowed.rotated_history


@pytest.mark.remedy("clean_logs.py", "{log}")
def test_old_rotated_files_are_removed(rotated_files, log, allowed, evidence):
    """Logs hold personal data, and are kept no longer than they are needed."""
    evidence("rotated files", rotated_files[log].evidence)
    assert rotated_files[log].oldest_s in allowed.rotated_age


@pytest.mark.remedy("rotate_logs.py", "{log}")
def test_rotated_files_are_compressed(rotated_files, log, allowed, evidence):
    """Compressed they take a tenth; the settings say what is wanted, the files what is done."""
    evidence("rotated files", rotated_files[log].evidence)
    assert len(rotated_files[log].plain) in allowed.rotated_uncompressed
