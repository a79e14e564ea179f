"""Debian's cron itself, at both changes of the clock, on a clock that runs two hundred times as fast."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from opsproof.core.timings import parse
from opsproof.schedule.crontab import fields

NEEDED = ("cron", "crontab", "faketime")
SCRIPT = """
mount --bind "$1/spool" /var/spool/cron/crontabs
mount --bind /usr/share/zoneinfo/Europe/Berlin /etc/localtime
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
crontab "$1/table"
timeout 24 faketime -f "@$2 x200" cron -f
"""
"""In namespaces of its own: another folder of crontabs, another time zone, and no running cron in sight."""

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, NEEDED)) or not Path("/var/spool/cron/crontabs").exists(),
        reason=f"needs root, {', '.join(NEEDED)}",
    ),
]


@pytest.mark.parametrize(
    "start", ["2026-03-29 01:58:30", "2026-10-25 02:28:30"], ids=["the hour that is skipped", "the repeated hour"]
)
def test_debian_cron_runs_each_job_once(tmp_path, start):
    """For 80 minutes, on a Sunday."""
    (tmp_path / "spool").mkdir()
    jobs = {"daily": "02:30", "sunday": "Sunday 02:30", "monday": "Monday 02:30", "later": "04:30"}
    lines = [f"{fields(parse(timing))} echo {name} >> {tmp_path}/fired\n" for name, timing in jobs.items()]
    (tmp_path / "table").write_text("".join(lines))
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-ec", SCRIPT, "sh", str(tmp_path), start]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 124, done.stderr
    assert sorted((tmp_path / "fired").read_text().split()) == ["daily", "sunday"]
