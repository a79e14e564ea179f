"""Users who can delete or overwrite off-site copies, compared with what a real user can do."""

import datetime
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from opsproof.backup_store import deleters
from opsproof.backup_store.s3 import Bucket
from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.round import copies
from opsproof.transport.shell import labelled

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
DESTROY = 'chmod u+w "$1" 2>&-; rm -f -- "$1/$2" 2>&-; [ ! -e "$1/$2" ] || { chmod u+w "$1/$2" 2>&-; : > "$1/$2"; }'
ROOT = Path(__file__).parents[2]
NAME = "metachat_20261125T021500Z"


@pytest.mark.parametrize(
    ("me", "entries", "expected"),
    [
        ("0 root", ["0700 0 root 1 0 .", "0600 0 root 1 0 a"], ["the login root has all rights"]),
        ("7 vault", ["0700 7 vault 1 0 .", "0600 7 vault 1 0 a"], ["the login vault: owner of the folder"]),
        ("7 vault", ["0700 7 vault 1 0 .", "0600 7 vault 1 1 a"], []),
        ("7 vault", ["1770 0 vault 1 0 .", "0440 0 vault 0 0 a"], []),
        ("7 vault", ["1770 0 vault 1 0 .", "0440 0 vault 0 0 a", "0600 7 vault 1 0 b"],
         ["the login vault: owner of b"]),
        ("7 vault", ["0755 0 root 0 0 .", "0666 0 root 1 0 a"],
         ["the login vault: may write to a", "the group root: may write to a", "every user: may write to a"]),
        ("7 vault", ["0777 0 root 1 0 .", "0444 0 root 0 0 a"],
         ["the login vault: may write to the folder, which has no sticky bit",
          "the group root: may write to the folder", "every user: may write to the folder"]),
        ("7 vault", ["0700 7 vault 1 0 ."], ["the login vault: owner of the folder"]),
    ],
)  # fmt: skip
def test_users_follow_from_owner_mode_and_attributes(me, entries, expected):
    assert deleters.parse({"me": [me], "entry": entries}) == expected


def test_empty_folder_of_another_user_is_unknown():
    with pytest.raises(OutputError, match="no complete copy shows whether"):
        deleters.parse({"me": ["7 vault"], "entry": ["1770 0 vault 1 0 ."]})


@pytest.fixture
def folder():
    """A folder that each user of the machine can reach."""
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        made = Path(root) / "copies"
        made.mkdir()
        yield made
        subprocess.run(["chattr", "-R", "-i", "-a", made], capture_output=True, check=False)


def found(folder, *names):
    """The users by the program, run by the user nobody."""
    words = [*AS_NOBODY, "perl", "-e", scripts.perl("backup_store/deleters"), "--", folder, *names]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return deleters.parse(labelled(said, "the listing"))


def is_destroyed(folder, name):
    """Whether nobody can remove or empty a file."""
    before = (folder / name).read_bytes()
    subprocess.run([*AS_NOBODY, "sh", "-c", DESTROY, "sh", folder, name], capture_output=True, check=False)
    return not (folder / name).exists() or (folder / name).read_bytes() != before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize(
    ("of_folder", "of_file", "attribute"),
    [
        ((NOBODY, 0, 0o700), (NOBODY, 0, 0o600), ""),
        ((NOBODY, 0, 0o500), (0, 0, 0o400), ""),
        ((0, NOBODY, 0o1770), (NOBODY, NOBODY, 0o600), ""),
        ((0, NOBODY, 0o1770), (0, NOBODY, 0o440), ""),
        ((0, NOBODY, 0o1770), (0, NOBODY, 0o660), ""),
        ((0, NOBODY, 0o770), (0, NOBODY, 0o440), ""),
        ((0, 0, 0o755), (0, 0, 0o644), ""),
        ((0, 0, 0o755), (NOBODY, 0, 0o400), ""),
        ((NOBODY, 0, 0o700), (NOBODY, 0, 0o600), "+i"),
        ((NOBODY, 0, 0o700), (NOBODY, 0, 0o600), "+a"),
    ],
)
def test_login_is_named_if_and_only_if_a_file_can_be_destroyed(folder, of_folder, of_file, attribute):
    path = folder / f"{NAME}.dump"
    path.write_bytes(b"rows")
    for each, (uid, gid, mode) in ((path, of_file), (folder, of_folder)):
        os.chown(each, uid, gid)
        each.chmod(mode)
    if attribute and subprocess.run(["chattr", attribute, path], capture_output=True, check=False).returncode:
        pytest.skip("the file system has no such attribute")
    named = [each for each in found(folder, path.name) if each.startswith("the login ")]
    assert bool(named) == is_destroyed(folder, path.name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_documented_program_protects_complete_copies_alone(folder):
    text = (ROOT / "docs" / "privileges.md").read_text(encoding="utf-8")
    program = re.search(r"```sh\n(# /usr/local/sbin/keep-copies.*?)```", text, re.DOTALL)[1]
    os.chown(folder, 0, NOBODY)
    folder.chmod(0o1770)
    running, old = NAME.replace("2026", "2027"), NAME.replace("2026", "2024")
    for name in (f"{NAME}.dump", f"{NAME}.sha256", f"{running}.dump.partial", f"{running}.copying", f"{old}.dump"):
        path = folder / name
        path.write_bytes(b"rows")
        os.chown(path, NOBODY if not name.startswith(old) else 0, NOBODY)
        path.chmod(0o600)
        os.utime(path, (0, 0) if name.startswith(old) else None)
    (folder / f"{NAME}.globals.sql").symlink_to("/etc/hostname")
    owner = Path("/etc/hostname").stat()
    subprocess.run(["sh", "-c", program.replace("/srv/backups/vps-00", str(folder))], check=True)
    assert found(folder, f"{NAME}.dump", f"{NAME}.sha256") == []
    assert not is_destroyed(folder, f"{NAME}.dump")
    assert is_destroyed(folder, f"{running}.dump.partial")
    assert not (folder / f"{old}.dump").exists()
    assert (owner.st_uid, owner.st_mode) == (Path("/etc/hostname").stat().st_uid, Path("/etc/hostname").stat().st_mode)
    assert (
        subprocess.run([*AS_NOBODY, "cat", folder / f"{NAME}.dump"], capture_output=True, check=True).stdout == b"rows"
    )


def test_objects_of_a_bucket_are_protected_by_a_lock_in_compliance_mode_alone(s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    s3.put_object(Bucket="locked", Key="a", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    s3.put_object(Bucket="locked", Key="b", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    s3.put_object(Bucket="copies", Key="a", Body=b"x")
    assert Bucket("locked", "").deleters(["a"]) == []
    assert Bucket("copies", "").deleters(["a"]) == [
        "the login: overwrites objects, of which the bucket keeps no versions"
    ]
    with pytest.raises(MeasurementError, match="keeps versions, and nothing shows whether the login deletes them"):
        Bucket("locked", "").deleters(["a", "b"])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("s3://bucket/path", ["aws", "s3api", "get-object-lock-configuration", "--bucket", "bucket"]),
        ("ssh://backup@vault-00/srv/a b", ["ssh", "backup@vault-00", "ls -la '/srv/a b'"]),
        ("ssh://vault:22/srv?ssh_config=/c", ["ssh", "-F", "/c", "-p", "22", "vault", "ls -la /srv"]),
    ],
)
def test_remedy_lists_copies_from_here(target, words):
    assert copies.listing(target) == words
