"""Problems that `pgbackrest verify` finds in a whole repository.

The exit status is no evidence: pgBackRest 2.45 exits with 0 regardless of errors. Nor is the status line: `ok` is
printed even if the manifest of a backup is missing, and verify does not check whether the archive holds the WAL needed
by a backup. So every line of the output is parsed, and every known backup must appear.
"""

import re
from collections.abc import Iterable

from opsproof.backup_store.pgbackrest import Stanza, in_repository
from opsproof.core.errors import OutputError
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import Answer, Command, argv

_STATUS = re.compile(r"^status: (\w+)$", re.MULTILINE)
_BACKUP = re.compile(r"^ +backup: (\S+), status: ([^,]+), total files checked: (\d+), total valid files: (\d+)$")
_LOG = re.compile(r"^ +archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)$")
_COUNTS = re.compile(r"^ +((?:[a-z ]+: \d+(?:, )?)+)$")


def command(backup: Backup) -> Command:
    """The command that verifies the repository of a declared backup."""
    return argv(*in_repository(backup, "--output", "text", "--verbose", "verify"), timeout_s=backup.timeout)


def parse(answer: Answer, stanza: Stanza) -> list[str]:
    """Problems of a stanza from the answer to `command`; empty if the repository is intact.

    Raises:
        MeasurementError: verify failed, or reported no reason for an error.
    """
    status = _STATUS.search(answer.stdout)
    if status is None or answer.flag != "-":
        answer.require("pgbackrest verify")
        raise OutputError("pgbackrest verify reported no result")
    lines = answer.stdout[status.end() :].splitlines()
    verified, found = _read(lines)
    missing = [f"{each.label} was not verified" for each in stanza.backups if each.label not in verified]
    found += [*missing, *(f"WAL {each} is missing from the archive" for each in stanza.missing())]
    if not found and (answer.status or status[1] != "ok"):
        raise OutputError(f"pgbackrest verify reported {status[1]!r} with exit status {answer.status} and no reason")
    return found


def _read(lines: Iterable[str]) -> tuple[set[str], list[str]]:
    """Labels of all backups in the output, and the problems reported."""
    backups: set[str] = set()
    found: list[str] = []
    subject = ""
    for line in lines:
        if match := _BACKUP.match(line):
            subject = match[1]
            backups.add(subject)
            if match[2] != "valid" or match[3] != match[4]:
                found.append(f"{subject} is {match[2]}: {match[4]} of {match[3]} files are valid")
        elif match := _LOG.match(line):
            subject = f"WAL of {match[1]}"
            if match[2] != match[3]:
                found.append(f"{subject}: {match[3]} of {match[2]} segments are valid")
        elif match := _COUNTS.match(line):
            wrong = [each for each in match[1].split(", ") if not each.endswith(": 0")]
            found += [f"{subject}: {', '.join(wrong)}"] if wrong else []
        elif line.strip():
            found.append(line.strip())
    return backups, found
