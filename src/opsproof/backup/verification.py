"""What `pgbackrest verify` finds when it reads a repository back, all of it.

Its exit status says nothing: 2.45 ends with 0 whatever it finds. Nor does its first word: it is `ok` for a backup
whose manifest is gone, and the command does not ask whether the archive holds what a backup needs of the log. So each
line counts here, and each backup that is known must be among them.
"""

import re
from collections.abc import Iterable

from opsproof.backup_store.pgbackrest import Stanza, in_repository
from opsproof.core.errors import OutputError
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer, Command, argv

_STATUS = re.compile(r"^status: (\w+)$", re.MULTILINE)
_BACKUP = re.compile(r"^ +backup: (\S+), status: ([^,]+), total files checked: (\d+), total valid files: (\d+)$")
_LOG = re.compile(r"^ +archiveId: (\S+), total WAL checked: (\d+), total valid WAL: (\d+)$")
_COUNTS = re.compile(r"^ +((?:[a-z ]+: \d+(?:, )?)+)$")


def command(backup: Backup) -> Command:
    """The command that reads the repository of a declared backup."""
    return argv(*in_repository(backup, "--output", "text", "--verbose", "verify"), timeout_s=backup.timeout)


def parse(answer: Answer, stanza: Stanza) -> list[str]:
    """What an answer tells that is wrong with a stanza whose backups are known; none where all is as it was.

    Raises:
        MeasurementError: it does not tell.
    """
    status = _STATUS.search(answer.stdout)
    if status is None or answer.flag != "-":
        answer.require("pgbackrest verify")
        raise OutputError("pgbackrest verify does not tell what it found")
    lines = answer.stdout[status.end() :].splitlines()
    verified, found = _read(lines)
    missing = [f"{each.label} was not read" for each in stanza.backups if each.label not in verified]
    found += [*missing, *(f"{each} is not in the archive" for each in stanza.missing())]
    if not found and (answer.status or status[1] != "ok"):
        raise OutputError(f"pgbackrest verify says {status[1]!r} with status {answer.status}, and not why")
    return found


def _read(lines: Iterable[str]) -> tuple[set[str], list[str]]:
    """The backups that are good, or that something is said of, and what is said."""
    backups: set[str] = set()
    found: list[str] = []
    of = ""
    for line in lines:
        if match := _BACKUP.match(line):
            of = match[1]
            backups.add(of)
            if match[2] != "valid" or match[3] != match[4]:
                found.append(f"{of} is {match[2]}: {match[4]} of {match[3]} files are what they were")
        elif match := _LOG.match(line):
            of = f"the log of {match[1]}"
            if match[2] != match[3]:
                found.append(f"{match[3]} of {match[2]} segments of {of} are what they were")
        elif match := _COUNTS.match(line):
            wrong = [each for each in match[1].split(", ") if not each.endswith(": 0")]
            found += [f"{of}: {', '.join(wrong)}"] if wrong else []
        elif line.strip():
            found.append(line.strip())
    return backups, found
