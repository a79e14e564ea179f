"""Backups: folders with dumps, stanzas of pgBackRest, and cron jobs for backups."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsproof.discovery.rights import Rights
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.discovery.toml import Value
from opsproof.transport.shell import Answer, Command, argv

INFO = ("pgbackrest", "--output=json", "info")
SERVER_OWNER = "postgres"
_MAKERS = re.compile(r"\b(pg_dump(?:all)?|pg_basebackup|pgbackrest|barman|wal-g|restic|borg|borgmatic|opsproof)\b")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class FoundStanza:
    """A stanza of pgBackRest: data directory and databases of the cluster, and the user with access."""

    name: str
    data: str = ""
    databases: tuple[str, ...] = ()
    run_as: str = ""


def requests(rights: Rights) -> dict[str, Command]:
    """The lists of pgBackRest's stanzas, as the login, and as the server's owner if sudo permits."""
    made = {"pgbackrest": argv(*INFO)}
    if rights.permit(SERVER_OWNER, *INFO):
        made["pgbackrest as owner"] = argv(*INFO, user=SERVER_OWNER)
    return made


def stanzas(answers: Mapping[str, Answer], configured: Sequence[tuple[str, str]]) -> list[FoundStanza]:
    """The stanzas in the answers to `requests`, and those `configured`, as pairs of a name and a data directory."""
    folders = dict(configured)
    found: dict[str, FoundStanza] = {}
    for name, run_as in (("pgbackrest", ""), ("pgbackrest as owner", SERVER_OWNER)):
        if name in answers and answers[name].status == 0:
            for each in json.loads(answers[name].stdout or "[]"):
                databases = {one for backup in each["backup"] for one in _databases(backup)}
                stanza = FoundStanza(each["name"], folders.get(each["name"], ""), tuple(sorted(databases)), run_as)
                found.setdefault(each["name"], stanza)
    return [*found.values(), *(FoundStanza(name, data) for name, data in folders.items() if name not in found)]


def _databases(backup: Mapping[str, object]) -> list[str]:
    listed = backup.get("database-ref") or []
    return [str(each["name"]) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def of_stanzas(found: Sequence[FoundStanza], databases: Sequence[str]) -> Sight:
    """Each stanza with the only known database of the host; unseen without a database."""
    if len(databases) != 1:
        way = "--dsn of a database of its server, which adds the table to backups"
        return Sight(unseen=[Unseen(f"the stanza {each.name} of pgBackRest", way) for each in found])
    return Sight([_stanza(each, databases[0]) for each in found])


def _stanza(found: FoundStanza, database: str) -> Entry:
    fields: dict[str, Value] = {"database": database, "engine": "pgbackrest", "stanza": found.name}
    fields |= {"run_as": found.run_as} if found.run_as else {}
    fields |= {"data": found.data} if found.data else {}
    return Entry("backups", _named(found.name), fields, f"confirm that {database} is in the cluster of the stanza")


def _named(name: str) -> str:
    return name if _NAME.fullmatch(name) else re.sub(r"[^A-Za-z0-9-]", "-", f"b-{name}")


def of_folders(found: Sequence[tuple[str, str, str]], databases: Sequence[str]) -> Sight:
    """Each folder with backups by opsproof, as folder, name and database; unseen without the declared database.

    The database is empty for backups of files.
    """
    sight = Sight()
    for folder, name, database in found:
        if not database:
            way = 'a table under backups with engine = "files", the folder, and the paths of its manifests'
            sight.unseen.append(Unseen(f"the backups of files {name} in {folder}", way))
            continue
        if database not in databases:
            way = f'--dsn="... dbname={database}", which adds the table to backups'
            sight.unseen.append(Unseen(f"the backups {name} in {folder}", way))
            continue
        fields: dict[str, Value] = {"database": database, "folder": folder, "user": "opsproof_backup"}
        doubt = "user, restore_user, load_user, passfiles, tables and off_site are those of your setup"
        sight.entries.append(Entry("backups", _named(name), fields, doubt))
    return sight


def of_empty(folders: Sequence[str]) -> Sight:
    """Empty folders for backups, unseen until the first backup."""
    way = "a table under backups with the folder; then opsproof do backup --apply"
    return Sight(unseen=[Unseen(f"the backups in {each}, which is empty", way) for each in folders])


def of_further(dumps: Sequence[tuple[str, str]], jobs: Sequence[tuple[str, str]], crontab: Answer) -> Sight:
    """Remarks about dumps and jobs of further programs."""
    remarks = [f"{count} dumps by another program in {folder}: not checked" for folder, count in dumps]
    remarks += [f"{program} runs by {path}: no check reads its result" for path, program in jobs]
    own = {each for line in crontab.stdout.splitlines() if line[:1] != "#" for each in _MAKERS.findall(line)}
    return Sight(remarks=[*remarks, *(f"{each} runs by the login's crontab" for each in sorted(own))])


def closed(paths: Sequence[str], rights: Rights) -> Sight:
    """Files and folders closed to the login."""
    shown = ", ".join(sorted(paths))
    way = f"setfacl -m u:{rights.login}:rX for each; opsproof needs no other right there"
    return Sight(unseen=[Unseen(f"the contents of {shown}", way)] if paths else [])
