"""What a host must not lose is in a backup."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("backup.py", "--apply")
def test_declared_data_is_backed_up(host, uncovered_data, repair_by, evidence):
    """Lost with the disk: declare a backup with the path or of the database, or the reason as `no_backup`."""
    evidence("without a backup", map(str, uncovered_data))
    if looks := dict.fromkeys(each.look for each in uncovered_data if each.look):
        repair_by("ls", "-ld", *looks)
    assert not uncovered_data, f"{host.name}: {uncovered_data[0]}"


@pytest.mark.remedy("backup.py", "--backup", "{files_backup}", "--apply", absent=("backups",))
def test_backup_holds_every_file(backups, files_backup, evidence):
    """A restore cannot bring back a file that was missing, closed or being written during the backup."""
    lacking = backups[files_backup].lacking_files
    evidence("missing files", lacking)
    assert not lacking, f"missing from {backups[files_backup].newest}: {'; '.join(lacking[:3])}"
