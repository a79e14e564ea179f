"""Backups that pgBackRest would expire by its own retention, found by a dry run."""

import re
from dataclasses import dataclass

from opsproof.backup_store.pgbackrest import Stanza, in_repository
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import Answer, Command, argv

_EXPIRES = re.compile(r"remove expired backup (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Expiry:
    """Retention settings by name, such as ``full``, and labels of the backups due to expire now."""

    settings: dict[str, str]
    due: tuple[str, ...]

    @property
    def policy(self) -> str:
        """The settings as text; without settings, pgBackRest expires nothing."""
        said = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return said or "not set: backups never expire"

    def after(self, stanza: Stanza, kind: str) -> list[str]:
        """Labels of the backups that expire after one more backup of type `kind`, dependent backups included.

        A new full backup expires the oldest full backup if retention is by count. For retention by time, only the
        backups due now are known.
        """
        full = self.settings.get("full", "")
        counted = self.settings.get("full-type", "count") == "count" and full.isdigit()
        fulls = [each.label for each in stanza.backups if each.kind == "full"]
        most = int(full) - (kind == "full") if counted else len(fulls)
        gone = {*self.due, *fulls[: max(0, len(fulls) - most)]}
        return [each.label for each in stanza.backups if gone & {each.label, *each.needs}]


def dry_run_command(backup: Backup) -> Command:
    """The dry run of expire; pgBackRest refuses the command while a backup runs."""
    return argv(*in_repository(backup, "--dry-run", "--log-level-console", "info", "expire"), timeout_s=60)


def expire_command(backup: Backup) -> Command:
    """The command that expires backups."""
    return argv(*in_repository(backup, "expire"), timeout_s=backup.timeout)


def parse(answer: Answer, backup: Backup) -> Expiry:
    """Settings and expiring backups from the answer to `dry_run_command`.

    Raises:
        MeasurementError: the dry run failed.
    """
    text = answer.require("pgbackrest expire").stdout
    settings = re.findall(rf"--repo{backup.repo}-retention-([a-z-]+)=(\S+)", text)
    return Expiry(dict(settings), tuple(_EXPIRES.findall(text)))
