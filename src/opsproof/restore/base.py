"""Options of restores and drills, and the choice of the declared backup."""

from argparse import ArgumentParser
from functools import cached_property

from opsproof.backup.declared import DeclaredBackups
from opsproof.core.errors import InventoryError
from opsproof.inventory.backups import Backup
from opsproof.restore.server import RestoreClient

STAMP = "%Y%m%dT%H%M%SZ"
"""strftime format of the time in the names of new databases and directories."""


class RestoreAction(DeclaredBackups):
    """An action that restores a backup into a new database or a new cluster."""

    name = ""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds the options that choose the backup and the source."""
        parser.add_argument("--backup", metavar="NAME", help="a declared backup; optional if only one is declared")
        parser.add_argument("--set", metavar="SET", help="backup set, without suffixes (default: the newest)")
        parser.add_argument(
            "--from",
            dest="target",
            metavar="TARGET",
            help="source of copies: a folder on the host, ssh://user@host/path, s3://bucket/path",
        )
        parser.add_argument(
            "--identity", type="path", metavar="FILE", help="file on this machine with the age secret key for --from"
        )
        parser.add_argument("--archive", metavar="FILE", help="any pg_dump archive on the host, instead of a set")
        parser.add_argument("--to", metavar="TIME", help="pgBackRest: target time with zone (default: end of WAL)")
        parser.add_argument("--untrusted", action="store_true", help="allow an archive without a manifest")
        parser.add_argument("--trust-code", action="store_true", help="run the archive's code with rights of others")

    @cached_property
    def backup_name(self) -> str:
        """The name of the declared backup to restore.

        Raises:
            InventoryError: the name is unknown, several backups are declared, or options contradict.
        """
        if self.options.identity and not self.options.target:
            raise InventoryError("--identity is only valid with --from")
        if self.options.archive and (self.options.set or self.options.target):
            raise InventoryError("--archive is not valid with --set or --from")
        if len(self.chosen) > 1:
            raise InventoryError(f"--backup is required: {' or '.join(self.chosen)}")
        return self.chosen[0]

    @cached_property
    def backup(self) -> Backup:
        """The declared backup; fetched and unpacked files are put into the folder of the backup."""
        return self.host.backups[self.backup_name]

    @cached_property
    def engine(self) -> str:
        """The engine of the backup.

        Raises:
            InventoryError: an option is not valid for the engine.
        """
        options, engine = self.options, self.host.backups[self.backup_name].engine
        dumps = {"--archive": options.archive, "--untrusted": options.untrusted, "--trust-code": options.trust_code}
        accepts = {"--accept-differences": getattr(options, "accept_differences", False)}
        wrong = {
            "pg_dump": {"--to": options.to},
            "pgbackrest": {"--from": options.target, **dumps, **accepts},
            "files": {"--to": options.to, **dumps},
        }
        for name, given in wrong[engine].items():
            if given:
                raise InventoryError(f"{name} is not valid for engine {engine}")
        return engine

    @cached_property
    def client(self) -> RestoreClient:
        """The PostgreSQL client programs for the backup."""
        return RestoreClient(self.host, self.backup)
