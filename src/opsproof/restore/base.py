"""What restores and drills share: their options, and the declared backup that they are about."""

from argparse import ArgumentParser
from functools import cached_property
from pathlib import Path

from opsproof.backup.declared import DeclaredBackups
from opsproof.core.errors import InventoryError
from opsproof.inventory.resources import Backup
from opsproof.restore.server import RestoreClient

STAMP = "%Y%m%dT%H%M%SZ"
"""The time in the name of a new database or directory."""


class RestoreAction(DeclaredBackups):
    """An action that makes a new database, or a new cluster, from a backup."""

    name = ""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which backup, and from where."""
        parser.add_argument("--backup", metavar="NAME", help="a declared backup; not needed where there is one")
        parser.add_argument("--set", metavar="SET", default="", help="its name without suffixes; else the newest")
        parser.add_argument(
            "--from",
            dest="target",
            default="",
            metavar="TARGET",
            help="where copies lie: a folder of the host, ssh://user@host/path, s3://bucket/path",
        )
        parser.add_argument(
            "--identity", type=Path, metavar="FILE", help="with the secret key of age, on this machine, for such copies"
        )
        parser.add_argument("--archive", metavar="FILE", help="any archive of pg_dump on the host, in place of a set")
        parser.add_argument("--to", metavar="TIME", help="pgBackRest: a moment with its zone; else the end of the log")
        parser.add_argument("--untrusted", action="store_true", help="an archive without a manifest may be read")

    @cached_property
    def backup_name(self) -> str:
        """The one declared backup that it is about.

        Raises:
            InventoryError: there is none of this name, or several to choose from.
        """
        if self.options.identity and not self.options.target:
            raise InventoryError("--identity is for copies that lie elsewhere: --from says where")
        if len(self.chosen) > 1:
            raise InventoryError(f"--backup: say one of {', '.join(self.chosen)}")
        return self.chosen[0]

    @cached_property
    def backup(self) -> Backup:
        """It, as it is declared: what is fetched or unpacked is put into its folder."""
        return self.host.backups[self.backup_name]

    @cached_property
    def uses_pgbackrest(self) -> bool:
        """Whether pgBackRest makes the backup.

        Raises:
            InventoryError: an option is not valid for its engine.
        """
        options = self.options
        uses = self.host.backups[self.backup_name].engine == "pgbackrest"
        wrong = {"--from": options.target, "--archive": options.archive, "--untrusted": options.untrusted}
        for name, given in wrong.items() if uses else [("--to", options.to)]:
            if given:
                raise InventoryError(f"{name}: not with the engine {self.host.backups[self.backup_name].engine}")
        return uses

    @cached_property
    def client(self) -> RestoreClient:
        """PostgreSQL's programs for it."""
        return RestoreClient(self.host, self.backup)
