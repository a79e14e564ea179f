"""The commands of rounds and actions that sudo must permit for the login of a host."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.backup import expiry, verification
from opsproof.backup_store import file_tree, pgbackrest
from opsproof.core.errors import InventoryError
from opsproof.facts import REGISTRY
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.restore.copy import HAS_PERL
from opsproof.restore.throwaway import FREE, SUFFIX, starting
from opsproof.transport.shell import Command

FOLDER = "/usr/bin"
"""Where sudoers expects programs, without another path."""
NEEDS = {"container_names": "docker", "processes": "pm2", "pm2_log_sizes": "pm2", "listeners": "listening"}
"""The facts of a whole host that may run as another user, and the table of the inventory that calls for each."""
_ESCAPED = re.compile(r"([\\,:=#])")
_WILD = re.compile(r"([*?\[\]])")


@dataclass(frozen=True)
class SudoRule:
    """A permitted command, as sudoers writes it, without the folder of the program; run as `user`."""

    user: str
    command: str

    def placed(self, folders: dict[str, str]) -> str:
        """The command with the path of its program: in `folders`, else in /usr/bin."""
        program = self.command.partition(" ")[0]
        return f"{folders.get(program, FOLDER)}/{self.command}"


def written(words: Iterable[str], *, wild: bool = False) -> str:
    """The `words` as sudoers writes them; with `wild`, their wildcards match any text.

    Raises:
        InventoryError: a word begins like a regular expression of sudoers, or contains a line break.
    """
    text = " ".join(_ESCAPED.sub(r"\\\1", each) for each in words)
    if "\n" in text or " ^" in f" {text}":
        raise InventoryError(f"sudoers cannot hold this command: {text!r}")
    return text if wild else _WILD.sub(r"\\\1", text)


def commands_of_rounds(host: Host) -> list[Command]:
    """The commands of all facts of declared resources of `host`."""
    commands = []
    for name, kind in REGISTRY.items():
        fact = kind()
        if isinstance(fact, ShellFact) and name in NEEDS and getattr(host, NEEDS[name]) is not None:
            commands.append(fact.command(host))
        elif isinstance(fact, ResourceFact):
            commands += [fact.command(host, *item) for item in host.resources(fact.resource).items()]
    return commands


def of_rounds(host: Host) -> list[SudoRule]:
    """The commands of all facts of `host` that run as another user; perl with any program."""
    borrowed = [each for each in commands_of_rounds(host) if each.user]
    rules = [SudoRule(each.user, "perl" if each.argv[0] == "perl" else written(each.argv)) for each in borrowed]
    return sorted(set(rules), key=rules.index)


def of_files(host: Host) -> list[SudoRule]:
    """Perl as each user whose files are backed up."""
    users = dict.fromkeys(file_tree.user(host, each) for each in host.backups.values() if each.engine == "files")
    return [SudoRule(each, "perl") for each in users if each]


def of_container(host: Host, container: str, *commands: Iterable[str]) -> list[SudoRule]:
    """The `commands` in a container, by the user with access to Docker; wildcards match any text."""
    inside = ("docker", "exec", "-i", container)
    return (
        [SudoRule(host.docker_as, written((*inside, *each), wild=True)) for each in commands] if host.docker_as else []
    )


def of_backup(host: Host, container: str) -> list[SudoRule]:
    """The client programs of backups in a container."""
    return of_container(host, container, ("pg_restore", "--list"), ("pg_dump", "*"), ("pg_dumpall", "*"), ("psql", "*"))


def of_restore(host: Host, container: str) -> list[SudoRule]:
    """The programs of restores and drills in a container, besides those of backups."""
    return of_container(
        host,
        container,
        ("pg_restore", "*"),
        ("pg_amcheck", "*"),
        ("df", "*"),
        ("perl", "-e", "*"),
        ("sh", "-c", "*", "/tmp/opsproof.restore"),  # noqa: S108
        ("rm", "-f", "--", "/tmp/opsproof.restore"),  # noqa: S108
    )


def of_maintenance(host: Host, container: str) -> list[SudoRule]:
    """The programs of maintenance in a container."""
    return of_container(
        host,
        container,
        ("psql", "*"),
        ("df", "--block-size=1", "--output=avail", "--", "*"),
        ("stat", "--dereference", "--format=%d", "--", "*"),
        ("cat", "/sys/fs/cgroup/memory.max"),
        ("cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    )


def of_drill(host: Host, container: str, image: str) -> list[SudoRule]:
    """The commands of drills in a throwaway container of `image`."""
    drill = f"{container}{SUFFIX}"
    about = [("docker", *starting(drill, image)), ("docker", "rm", "--force", "--volumes", drill)]
    start, end = [SudoRule(host.docker_as, written(each)) for each in about]
    inside = [*of_container(host, container, FREE, HAS_PERL), start, *of_container(host, drill, ("*",)), end]
    return inside if host.docker_as else []


def of_stanza(backup: Backup) -> tuple[list[SudoRule], list[SudoRule]]:
    """The pgBackRest commands of the weekly round, and of backups and verification."""
    listing = ("--output", "json")
    reading = [
        pgbackrest.in_repository(backup, *listing, "repo-ls", f"backup/{backup.stanza}"),
        pgbackrest.in_repository(backup, *listing, "--recurse", "repo-ls", f"archive/{backup.stanza}"),
        pgbackrest.in_repository(backup, *listing, "info"),
    ]
    making = [
        pgbackrest.in_repository(backup, "--type", kind, "--no-expire-auto", "backup")
        for kind in ("full", "diff", "incr")
    ]
    acting = [
        pgbackrest.pgbackrest(backup, "check"),
        expiry.dry_run_command(backup).argv,
        *making,
        verification.command(backup).argv,
        expiry.expire_command(backup).argv,
    ]
    return [borrowed(each) for each in reading], [borrowed(each) for each in acting]


def borrowed(words: Iterable[str]) -> SudoRule:
    """The rule for a command line that begins with sudo; as root, if sudo names no user."""
    rest = list(words)
    user = rest[rest.index("-u") + 1] if "-u" in rest[:4] else "root"
    own = (
        [each for each in rest if each not in ("sudo", "-n", "--")]
        if "--" not in rest
        else rest[rest.index("--") + 1 :]
    )
    return SudoRule(user, written(own))
