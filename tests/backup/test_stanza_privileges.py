"""The sudoers file permits exactly the pgBackRest commands that opsproof runs."""

import re
import shutil
import subprocess

import pytest

from opsproof.backup import expiry, verification
from opsproof.backup_store import pgbackrest
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import run


@pytest.fixture
def declared(everything):
    return everything.hosts["vps-01"].backups["ledger"]


@pytest.fixture
def permitted(repository):
    text = (repository / "docs" / "privileges" / "opsproof-pgbackrest.sudoers").read_text()
    return re.findall(r"^    /usr/bin/(pgbackrest [^\\,\n]*?),? ?\\?$", text, re.MULTILINE)


def asked(declared, tmp_path, script):
    """Command lines of pgBackRest run by the program on the host, logged by a fake pgbackrest."""
    script(tmp_path / "bin" / "pgbackrest", f'echo "pgbackrest $*" >> {tmp_path}/asked; echo "{{}}"')
    host = Host(transport="local://", path=[str(tmp_path / "bin")])
    (answer,) = run(host, (pgbackrest.stanza_command(declared.model_copy(update={"run_as": "", "folder": ""})),))
    assert answer.status == 0, answer.stderr
    return (tmp_path / "asked").read_text().splitlines()


def test_sudoers_permits_exactly_the_commands_used(declared, permitted, tmp_path, script):
    made = [
        pgbackrest.in_repository(declared, "--type", kind, "--no-expire-auto", "backup")
        for kind in ("full", "diff", "incr")
    ]
    others = [
        each.argv
        for each in (verification.command(declared), expiry.dry_run_command(declared), expiry.expire_command(declared))
    ]
    said = [" ".join(words[5:]) for words in (*made, *others, pgbackrest.pgbackrest(declared, "check"))]
    assert sorted([*said, *asked(declared, tmp_path, script)]) == sorted(permitted)


@pytest.mark.skipif(shutil.which("visudo") is None, reason="needs sudo")
@pytest.mark.parametrize("name", ["opsproof-pgbackrest", "opsproof-pgbackrest-restore"])
def test_sudoers_files_are_valid(repository, name):
    path = repository / "docs" / "privileges" / f"{name}.sudoers"
    subprocess.run(["visudo", "--check", "--quiet", f"--file={path}"], check=True)
    rules = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in rules if re.search(r"[*?\[]", line)]
