"""Reports and histories that cannot be written hide no finding."""

import os
import re
import sqlite3
import subprocess
from contextlib import closing, suppress

import pytest

DISKS = "checks/disks"
BROKEN = "echo 'df: cannot read table of mounted file systems' >&2; exit 1"


@pytest.fixture
def full_disk(tmp_path):
    """A folder without free space."""
    folder = tmp_path / "no-room"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "opsproof", folder]
    if os.geteuid() or subprocess.run(words, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    with (folder / "filler").open("wb") as file, suppress(OSError):
        file.write(bytes(1 << 20))
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("disks", "status"), [({"calm": 120}, 3), ({"calm": 120, "full": 831}, 1), ({"mute": BROKEN}, 6)], ids=str
)
def test_report_on_a_full_disk_hides_no_finding(estate, prove, full_disk, disks, status):
    found = prove(estate(**disks), DISKS, f"--save-facts={full_disk}/facts.json", reports=full_disk)
    assert (found.status, "Traceback" in found.text) == (status, False), found.text
    for ending in ("html", "xml", "facts.json"):
        pattern = rf"^{full_disk}/\S*{ending} cannot be written: No space left on device$"
        assert re.search(pattern, found.text, re.MULTILINE), found.text
    if "full" in disks:
        assert "FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text
    assert {path.name for path in full_disk.iterdir()} <= {"filler", "history.sqlite"}
    assert "enerated" not in found.text


def spoil_newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


SPOILED = {
    "corrupt": lambda path: path.write_bytes(b"no database " * 100),
    "newer": spoil_newer,
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize(
    "case",
    [
        (kind, disks, status)
        for kind in SPOILED
        for disks, status in (({"calm": 120}, 3), ({"full": 831}, 1), ({"mute": BROKEN}, 6))
    ],
    ids=str,
)
def test_history_that_cannot_be_written_hides_no_finding(estate, prove, tmp_path, case):
    kind, disks, status = case
    (tmp_path / "reports").mkdir()
    SPOILED[kind](tmp_path / "reports" / "history.sqlite")
    found = prove(estate(**disks), DISKS, reports=tmp_path / "reports")
    assert (found.status, "Traceback" in found.text) == (status, False), found.text
    pattern = r"^history \S+history.sqlite: [^\n]+: this run is not recorded$"
    assert len(re.findall(pattern, found.text, re.MULTILINE)) == 1, found.text
    if "full" in disks:
        assert "FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text


@pytest.mark.parametrize(("used", "status"), [(120, 3), (831, 1)])
def test_locked_history_hides_no_finding(estate, prove, tmp_path, used, status):
    (tmp_path / "reports").mkdir()
    with closing(sqlite3.connect(tmp_path / "reports" / "history.sqlite")) as other:
        other.execute("CREATE TABLE held (x)")
        other.execute("BEGIN EXCLUSIVE")
        found = prove(estate(full=used), DISKS, reports=tmp_path / "reports")
    assert found.status == status
    assert "history.sqlite: database is locked: this run is not recorded" in found.text
    assert ("FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text) == (status == 1)
