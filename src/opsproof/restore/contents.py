"""What is in a database, against what a manifest says was in the one that was backed up."""

import json
from dataclasses import dataclass, field
from typing import Any

from opsproof.backup import source
from opsproof.backup_store.manifest import Manifest
from opsproof.core.errors import OutputError
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer, Command

Tables = dict[tuple[str, str], int]
SHOWN = 5
_SAME = {
    "schema_sha256": "the schema is another one",
    "grants_sha256": "owners or privileges are others",
    "encoding": "the encoding is another one",
    "large_objects": "the number of large objects is another one",
}
SETTINGS = "SET search_path = pg_catalog; SET row_security = off; SET statement_timeout = 0; SET lock_timeout = '5s';"
_FINE = ("answers", "is empty")
_NOT_ASKED = "is not used"


@dataclass
class ContentFindings:
    """What is wrong with a restored database, and what could not be looked at: a sentence each."""

    flaws: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add(self, other: "ContentFindings") -> None:
        """Takes another's sentences over."""
        self.flaws += other.flaws
        self.unseen += other.unseen


def questions(client: RestoreClient, database: str) -> tuple[Command, Command]:
    """What tells of a database with its schema's digest, and what counts the rows of its tables."""
    server, rows = source.contents()
    scripts = (f"{SETTINGS}\n{server};", f"{SETTINGS}\n{rows}\n\\gexec")
    digest, count = (client.sql(script, database, client.backup.timeout) for script in scripts)
    return digest, count


def server(answer: Answer) -> dict[str, Any]:
    """What an answer to the first of `questions` tells, as a manifest has it.

    Raises:
        MeasurementError: it does not tell it.
    """
    try:
        return dict(json.loads(answer.require("psql").stdout))
    except (ValueError, TypeError) as error:
        raise OutputError(f"psql does not tell what the database is: {error}") from error


def tables(answer: Answer) -> Tables:
    """The rows by schema and table that an answer to the second of `questions` tells.

    Raises:
        MeasurementError: it does not tell them.
    """
    try:
        counted = [json.loads(line.rpartition("\t")[2]) for line in answer.require("psql").stdout.splitlines()]
        return {(schema, table): int(rows) for schema, table, rows in counted}
    except (ValueError, TypeError) as error:
        raise OutputError(f"psql does not tell how many rows there are: {error}") from error


def compared(manifest: Manifest, server: dict[str, Any], tables: Tables) -> ContentFindings:
    """What differs between a manifest and what was told of the restored database."""
    names = sorted({*manifest.tables, *tables})
    rows = [_difference(name, manifest.tables.get(name), tables.get(name)) for name in names]
    flaws = [each for each in rows if each]
    if len(flaws) > SHOWN:
        flaws[SHOWN:] = [f"{len(flaws) - SHOWN} more tables differ"]
    others = [said for key, said in _SAME.items() if server.get(key) != manifest.server.get(key)]
    same_major = int(server["version_num"]) // 10000 == int(manifest.server["version_num"]) // 10000
    if same_major:
        return ContentFindings([*flaws, *others])
    unseen = f"the schema is not compared: it is of {manifest.server['version']}, and this server {server['version']}"
    return ContentFindings(flaws, [unseen])


def _difference(name: tuple[str, str], wanted: int | None, found: int | None) -> str:
    called = ".".join(name)
    if found is None:
        return f"{called} is not there"
    if wanted is None:
        return f"{called} was not in the backup"
    return f"{called} has {found} rows, and had {wanted}" if found != wanted else ""


def soundness(answer: Answer) -> ContentFindings:
    """What an answer to soundness.sql tells.

    Raises:
        MeasurementError: it does not tell it.
    """
    findings = ContentFindings()
    *lines, end = answer.require("psql").stdout.splitlines() or [""]
    if end != '["end"]':
        raise OutputError("psql did not tell of all indexes")
    for line in lines:
        kind, name, *said = json.loads(line)
        if kind == "constraint":
            findings.unseen.append(f"constraint {name} was never validated, where it was backed up either")
        elif kind == "index":
            findings.flaws.append(f"index {name} is not valid")
        elif said == [_NOT_ASKED]:
            findings.unseen.append(f"vector index {name} was not asked: the planner takes another index")
        elif said[0] not in _FINE:
            findings.flaws.append(f"vector index {name}: {said[0]}")
    return findings


def amcheck(answer: Answer) -> ContentFindings:
    """What pg_amcheck found: nothing with status 0, something with 2; else it could not look.

    https://www.postgresql.org/docs/current/app-pgamcheck.html
    """
    if answer.status == 0 and answer.flag == "-":
        return ContentFindings()
    lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
    if answer.status == 2:
        return ContentFindings([f"pg_amcheck: {lines[0][:200] if lines else 'corruption'}"])
    reason = lines[-1][:200] if lines else f"status {answer.status}"
    return ContentFindings([], [f"pages and trees are not checked: {reason}"])


def lost(then: Tables, now: Tables) -> str:
    """What of the rows that are there now a backup has not, or has more of; empty where the counts are the same."""
    grown = {name: now[name] - then.get(name, 0) for name in now if now[name] > then.get(name, 0)}
    shrunk = {name: rows - now.get(name, 0) for name, rows in then.items() if rows > now.get(name, 0)}
    return "; ".join(
        f"{word} {sum(rows.values())} rows ({_listed(rows)})"
        for word, rows in (("lost are", grown), ("back come", shrunk))
        if rows
    )


def _listed(rows: Tables) -> str:
    most = sorted(rows.items(), key=lambda each: -each[1])
    more = [f"{len(most) - SHOWN} more tables"] if len(most) > SHOWN else []
    return ", ".join([*(f"{name[1]} {count}" for name, count in most[:SHOWN]), *more])
