"""What pgBackRest lets go by its own retention: it is asked beforehand, and nothing is changed by asking."""

import re
from dataclasses import dataclass

from opsproof.backup_store.pgbackrest import Stanza, in_repository
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer, Command, argv

_EXPIRES = re.compile(r"remove expired backup (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Expiry:
    """The settings of the retention by their names, such as ``full``, and the backups that it lets go now."""

    settings: dict[str, str]
    due: tuple[str, ...]

    @property
    def policy(self) -> str:
        """The settings for a reader; pgBackRest lets nothing go where there are none."""
        said = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return said or "none: nothing is ever let go"

    def after(self, stanza: Stanza, kind: str) -> list[str]:
        """What of a stanza goes once one more backup of a kind is there; a full one pushes the oldest full one out.

        Where the retention of full backups is a time, only what is due already is known.
        """
        keeps = self.settings.get("full", "")
        counted = self.settings.get("full-type", "count") == "count" and keeps.isdigit()
        fulls = [each.label for each in stanza.backups if each.kind == "full"]
        most = int(keeps) - (kind == "full") if counted else len(fulls)
        gone = {*self.due, *fulls[: max(0, len(fulls) - most)]}
        return [each.label for each in stanza.backups if gone & {each.label, *each.needs}]


def dry_run_command(backup: Backup) -> Command:
    """The question for an `Expiry`; it is refused while a backup runs."""
    return argv(*in_repository(backup, "--dry-run", "--log-level-console", "info", "expire"), timeout_s=60)


def expire_command(backup: Backup) -> Command:
    """The command that lets go."""
    return argv(*in_repository(backup, "expire"), timeout_s=backup.timeout)


def parse(answer: Answer, backup: Backup) -> Expiry:
    """What an answer to `dry_run_command` tells.

    Raises:
        MeasurementError: it tells nothing.
    """
    text = answer.require("pgbackrest expire").stdout
    settings = re.findall(rf"--repo{backup.repo}-retention-([a-z-]+)=(\S+)", text)
    return Expiry(dict(settings), tuple(_EXPIRES.findall(text)))
