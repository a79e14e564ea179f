"""Files for sudo, each for one purpose, so that an administrator can leave one out."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.privileges import rules
from opsproof.privileges.files import PrivilegeFile
from opsproof.privileges.rules import SudoRule

_WIDTH = 117
_DEBIAN = "For Debian's sudo 1.9.5 and newer."
_INSIDE = (
    "Arguments after the container's name run inside the container: these lines give away the container, whose psql "
    "runs programs, and nothing else. If the image runs as root with a mounted folder of the host, the lines give away "
    "the folder, and perhaps the host: keep the data in a Docker volume."
)
_OWNER = (
    "Everything {user} may do, not only reading: perl runs any program. A narrower rule is impossible. PM2 is asked "
    "over a socket, and write access to the socket is enough to start any program as {user}; a rule for the text of a "
    "single program would look smaller and give away the same. If {login} must not act as {user}, log in as {user} and "
    "omit this line, or omit processes and logs from the inventory."
)
_READING = "Exact commands without wildcards, which only read."
_CONTAINERS = (
    "State and settings of the declared containers.",
    (
        "These lines show names of containers, and only the fields of the template: no environment, no labels, "
        "no commands, no output. Membership in the group docker would amount to root. Put no wildcard into these "
        "lines: sudo compares all arguments as a single text, so a * also matches a further --format that shows every "
        "secret. The template must equal opsproof's to the letter: install the file again with each version of "
        "opsproof. sudo takes the first docker in secure_path: if it is another, make the file with --program=PATH."
    ),
)
_DRILL = (
    "The image must be written as docker inspect shows it: make the file again after an update of the image. The "
    "container has no network, volumes, capabilities or root, so these lines give away only disk space and processors. "
    "Put no wildcard before the name: a free choice of docker run's options amounts to root."
)
_SANDBOX = (
    "The lines grant everything the users of drills may do: they must own nothing but the folder for drills, and be in "
    "no further group. opsproof makes namespaces without network for the cluster, and gives up all rights inside."
)
_EXACT = (
    "Each line is an exact command without wildcards: a further option, for example --cmd, would run any program as "
    "the server's owner. pgBackRest reads options from its environment too, so the environment is fixed."
)
_CLUSTER = (
    "This file gives away the cluster: perl runs any program as the owner. A narrower rule is impossible, as a restore "
    "creates directories, starts servers on them and swaps. Omit the file if opsproof does not restore."
)
_SWAP = "The commands of stop and start, for the swap. Drills do not need them."
_ENVIRONMENT = "Docker reads settings and plugins from HOME and addresses from the environment: both must be root's."


@dataclass(frozen=True)
class SudoUser:
    """The login whom the files permit commands; `folders` of programs that are not in /usr/bin, by program."""

    login: str
    folders: Mapping[str, str] = field(default_factory=dict)

    def line(self, user: str, commands: str) -> str:
        """A line of sudoers that permits `commands` as `user`."""
        return f"{self.login} ALL = ({user}) NOPASSWD: {commands}\n"

    def block(self, alias: str, listed: list[SudoRule]) -> str:
        """The `listed` commands of one user under an alias, with an environment that the login cannot change."""
        commands = ", \\\n".join(f"    {each.placed(dict(self.folders))}" for each in listed)
        permit = self.line(listed[0].user, alias)
        return f"Cmnd_Alias {alias} = \\\n{commands}\n{permit}{_guarded(alias)}"


def _guarded(alias: str) -> str:
    return f"Defaults!{alias} env_reset, always_set_home, !setenv\n"


def _paragraphs(*texts: str) -> str:
    """The `texts` as comments, with an empty comment between two."""
    filled = ["\n".join(f"# {line}" for line in textwrap.wrap(each, _WIDTH, break_on_hyphens=False)) for each in texts]
    return "\n#\n".join(filled) + "\n"


def _file(name: str, content: str, *heading: str) -> PrivilegeFile:
    install = (
        f"visudo -cf {name}.sudoers",
        f"install --owner=root --group=root --mode=0440 {name}.sudoers /etc/sudoers.d/{name}",
    )
    steps = "#\n" + "".join(f"#   {line}\n" for line in install)
    first, *rest = heading
    body = f"#\n{_paragraphs(*rest)}" if rest else ""
    return PrivilegeFile(
        f"{name}.sudoers", _paragraphs(first) + steps + body + content, install, f"/etc/sudoers.d/{name}"
    )


def of_host(host: Host, who: SudoUser, images: Mapping[str, str]) -> list[PrivilegeFile]:
    """The files for `host`: only those with a command that the inventory needs.

    `images` are the images of containers, by the container's name, for drills in a container.
    """
    stanzas = [each for each in host.backups.values() if each.engine == "pgbackrest" and each.run_as]
    found = [*_rounds(host, who), *_contained(host, who), *_drills(host, who, images), *_clusters(host, who)]
    suffixes = [f"-{each.stanza}" if len(stanzas) > 1 else "" for each in stanzas]
    return [*found, *(file for each in zip(stanzas, suffixes, strict=True) for file in _stanza(who, *each))]


def _rounds(host: Host, who: SudoUser) -> list[PrivilegeFile]:
    listed = list(dict.fromkeys([*rules.of_rounds(host), *rules.of_files(host)]))
    owners = dict.fromkeys(each.user for each in listed if each.command == "perl")
    blocks = [
        _paragraphs(_OWNER.format(user=user, login=who.login))
        + who.line(user, SudoRule(user, "perl").placed(dict(who.folders)))
        for user in owners
    ]
    docker = [each for each in listed if each.command.startswith("docker ")]
    if others := [each for each in listed if each.command != "perl" and each not in docker]:
        lines = [who.line(each.user, each.placed(dict(who.folders))) for each in others]
        blocks.append(_paragraphs(_READING) + "".join(lines))
    if docker:
        block = who.block("OPSPROOF_CONTAINERS", docker).partition("Defaults!")[0]
        blocks.append(
            f"{_paragraphs(*_CONTAINERS)}{block}\n{_paragraphs(_ENVIRONMENT)}{_guarded('OPSPROOF_CONTAINERS')}"
        )
    heading = f"sudo rights of opsproof's login on {host.name} for rounds and for actions on logs and files. {_DEBIAN}"
    return [_file("opsproof", "\n" + "\n".join(blocks), heading)] if blocks else []


def _contained(host: Host, who: SudoUser) -> list[PrivilegeFile]:
    """The files for programs in the containers of databases."""
    dumped = [host.databases[each.database] for each in host.backups.values() if each.engine == "pg_dump"]
    kept = [each for each in host.databases.values() if each.maintenance_user]
    purposes = {
        "backup": (rules.of_backup, dumped, "backups"),
        "restore": (rules.of_restore, dumped, "drills and restores, in addition to opsproof-backup.sudoers,"),
        "maintain": (rules.of_maintenance, kept, "maintenance"),
    }
    files = []
    for name, (made, databases, purpose) in purposes.items():
        containers = dict.fromkeys(each.container for each in databases if each.container)
        if listed := [rule for each in containers for rule in made(host, each)]:
            heading = (
                f"sudo rights of opsproof's login on {host.name} for {purpose} of a database in a container. {_DEBIAN}"
            )
            content = who.block(f"OPSPROOF_{name.upper()}", listed)
            files.append(_file(f"opsproof-{name}", content, heading, _INSIDE))
    return files


def _drills(host: Host, who: SudoUser, images: Mapping[str, str]) -> list[PrivilegeFile]:
    drilled = [each for each in host.backups.values() if each.drill == "container"]
    containers = dict.fromkeys(host.databases[each.database].container for each in drilled)
    listed = [rule for each in containers if each in images for rule in rules.of_drill(host, each, images[each])]
    heading = f"sudo rights of opsproof's login on {host.name} for drills in a throwaway container. {_DEBIAN}"
    return [_file("opsproof-drill", who.block("OPSPROOF_DRILL", listed), heading, _DRILL)] if listed else []


def _clusters(host: Host, who: SudoUser) -> list[PrivilegeFile]:
    """The file for drills in a throwaway cluster."""
    users = dict.fromkeys(each.drill_user for each in host.backups.values() if each.drill_user)
    content = "".join(who.line(user, SudoRule(user, "perl").placed(dict(who.folders))) for user in users)
    heading = f"sudo rights of opsproof's login on {host.name} for drills in a throwaway cluster. {_DEBIAN}"
    return [_file("opsproof-drill-cluster", content, heading, _SANDBOX)] if users else []


def _stanza(who: SudoUser, backup: Backup, suffix: str) -> list[PrivilegeFile]:
    alias = re.sub(r"\W", "_", suffix.upper())
    reading, acting = rules.of_stanza(backup)
    content = (
        f"\n{_paragraphs('The weekly round: lists of backups and WAL segments, without their contents.')}"
        f"{who.block(f'OPSPROOF_STANZA{alias}', reading)}"
        f"\n{_paragraphs('Backups, verification, and the expire of pgBackRest.')}"
        f"{who.block(f'OPSPROOF_PGBACKREST{alias}', acting)}"
    )
    heading = f"sudo rights of opsproof's login for backups of stanza {backup.stanza} by pgBackRest. {_DEBIAN}"
    backups = _file(f"opsproof-pgbackrest{suffix}", content, heading, _EXACT)
    return [backups, _cluster(who, backup, suffix)] if backup.data else [backups]


def _cluster(who: SudoUser, backup: Backup, suffix: str) -> PrivilegeFile:
    folders = dict(who.folders)
    swaps = [rules.borrowed(words) for words in (backup.stop, backup.start) if words[:1] == ["sudo"]]
    lines = dict.fromkeys(each.user for each in swaps)
    allowed = [who.line(user, ", ".join(each.placed(folders) for each in swaps if each.user == user)) for user in lines]
    content = f"\n{who.line(backup.run_as, SudoRule(backup.run_as, 'perl').placed(folders))}"
    swap = f"\n{_paragraphs(_SWAP)}{''.join(allowed)}" if allowed else ""
    heading = f"sudo rights of opsproof's login for restores of stanza {backup.stanza} by pgBackRest. {_DEBIAN}"
    return _file(f"opsproof-pgbackrest-restore{suffix}", content + swap, heading, _CLUSTER)
