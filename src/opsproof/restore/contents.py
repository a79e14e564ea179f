"""Comparison of a restored database with the manifest of the backup."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opsproof.backup import source
from opsproof.backup_store.manifest import Manifest
from opsproof.core import scripts
from opsproof.core.errors import OutputError
from opsproof.core.reasons import reason
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer, Command

Tables = dict[tuple[str, str], int]
SHOWN = 5
LONGEST = 400_000
"""Longest sentence, in characters: 100 definitions of 3,000 characters fit."""
SHOWN_CHARACTERS = 200
_SAME = {
    "encoding": "encoding differs",
    "large_objects": "number of large objects differs",
}
SETTINGS = "SET row_security = off; SET statement_timeout = 0; SET lock_timeout = '5s';"
_FINE = {"answers", "is empty"}
_NOT_QUERIED = {
    "is not used": "the planner chose another plan",
    "runs code": "the query would run functions of the database",
}
_INVALID = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""Errors of parsing: code of an archive may choose what a server for a drill prints."""


@dataclass
class ContentFindings:
    """Flaws of a restored database, and checks that could not be made; a sentence for each.

    `differences` are definitions that differ from the backup, although rows and indexes are whole.
    """

    flaws: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def add(self, other: "ContentFindings") -> None:
        """Adds the sentences of `other`."""
        self.flaws += other.flaws
        self.unchecked += other.unchecked
        self.differences += other.differences

    def failure(self, backup: str) -> str:
        """A sentence with all flaws of the backup; empty without flaws."""
        return printable(f"{backup} failed verification: {'; '.join(self.flaws)}") if self.flaws else ""

    def difference(self, backup: str) -> str:
        """A sentence with the number of differences from the backup, and the first; empty without differences."""
        more = f", and {len(self.differences) - 1} more" if len(self.differences) > 1 else ""
        return printable(f"{backup} is whole, but differs: {self.differences[0]}{more}") if self.differences else ""

    def report(self, say: Callable[[str], None], measured: dict[str, Any]) -> None:
        """Prints differences and the checks that could not be made, and records both for the journal."""
        for each in (*self.differences, *self.unchecked):
            say(f"     {printable(each)}")
        if self.unchecked:
            measured["not_checked"] = printable("; ".join(self.unchecked))
        if self.differences:
            measured["differences"] = printable("; ".join(self.differences))


def printable(text: str) -> str:
    """A sentence without control characters and of limited length: code of an archive may choose its words."""
    return "".join(each if each.isprintable() else "?" for each in text[:LONGEST])


def properties(client: RestoreClient, database: str) -> Command:
    """The command that reads the properties of a database, with the digest of the schema."""
    return client.sql(f"{SETTINGS}\n{source.contents()};", database, client.backup.timeout)


def counting(client: RestoreClient, database: str) -> Command:
    """The command that counts the rows of all tables."""
    return client.sql(counting_script(), database, client.backup.timeout)


def counting_script() -> str:
    """The psql script of a superuser that counts the rows of all tables, without running code of the database."""
    return f"{SETTINGS}\n{scripts.sql('restore/rows')}"


def parse_counted(answer: Answer) -> Tables:
    """The row counts printed by `counting_script`, by schema and table.

    Raises:
        MeasurementError: psql failed, or the output is not valid.
    """
    try:
        lines = [line for line in answer.require("psql").stdout.splitlines() if line.startswith(("[", "COPY "))]
        named = zip(map(json.loads, lines[::2]), lines[1::2], strict=True)
        return {(str(schema), str(table)): int(rows.removeprefix("COPY ")) for (schema, table), rows in named}
    except _INVALID as error:
        raise OutputError(f"psql printed no row counts: {_shown(error)}") from error


def parse_server(answer: Answer) -> dict[str, Any]:
    """The properties printed by the command of `properties`, by the keys of `Manifest.server`.

    Raises:
        MeasurementError: psql failed, or the output is not valid.
    """
    printed = answer.require("psql").stdout
    try:
        found = dict(json.loads(printed))
        found["version_num"], found["version"] = int(found["version_num"]), str(found["version"])
        for part in ("objects", "grants"):
            found[part] = {str(kind): (int(count), str(digest)) for kind, (count, digest) in dict(found[part]).items()}
    except _INVALID as error:
        raise OutputError(f"psql printed no database properties: {_shown(error)}") from error
    return found


def _shown(error: Exception) -> str:
    return " ".join(str(error).split())[:SHOWN_CHARACTERS]


def compare(manifest: Manifest, server: dict[str, Any], tables: Tables) -> ContentFindings:
    """The differences between a manifest and the restored database.

    Names, owners and privileges are compared only within a major version: versions differ in types and privileges.
    """
    empty = {each.name for each in manifest.not_dumped if each.kind == "rows of unlogged table"}
    names = sorted(each for each in {*manifest.tables, *tables} if ".".join(each) not in empty)
    rows = [_difference(name, manifest.tables.get(name), tables.get(name)) for name in names]
    flaws = [each for each in rows if each]
    if len(flaws) > SHOWN:
        flaws[SHOWN:] = [f"{len(flaws) - SHOWN} more tables differ"]
    flaws += [flaw for key, flaw in _SAME.items() if server.get(key) != manifest.server.get(key)]
    if "objects" not in manifest.server:
        return ContentFindings(flaws, ["names and owners of objects not compared: the manifest has none"])
    if int(server["version_num"]) // 10000 == int(manifest.server["version_num"]) // 10000:
        return ContentFindings(flaws, [], _object_differences(_dumped(manifest), server))
    versions = f"backup from {manifest.server['version']}, server {server['version']}"
    return ContentFindings(flaws, [f"names and owners of objects not compared: {versions}"])


def _dumped(manifest: Manifest) -> dict[str, Any]:
    """The number and digest of objects in the dump: all subscriptions are left out, or none."""
    without = {each.kind for each in manifest.not_dumped} & {"subscription"}
    sides = {part: manifest.server[part].items() for part in ("objects", "grants")}
    return {part: {kind: one for kind, one in side if kind not in without} for part, side in sides.items()}


def _object_differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Types of objects that differ from the backed-up database in number, names, owners or privileges."""
    differences = {}
    for part, title in {"grants": "owners or privileges", "objects": "names"}.items():
        for kind in {*expected[part], *found[part]}:
            (wanted, digest), (number, other) = (side[part].get(kind, (0, "")) for side in (expected, found))
            if digest != other:
                count = f"{number} (expected {wanted})" if number != wanted else f"{title} differ"
                differences[kind] = f"compared with the backed-up database, type {kind}: {count}"
    return [differences[kind] for kind in sorted(differences)]


def _difference(name: tuple[str, str], wanted: int | None, found: int | None) -> str:
    table = ".".join(name)
    if found is None:
        return f"{table} is missing"
    if wanted is None:
        return f"{table} is not in the manifest"
    return f"{table} has {found} rows (expected {wanted})" if found != wanted else ""


def parse_soundness(answer: Answer) -> ContentFindings:
    """The findings printed by soundness.sql.

    Raises:
        MeasurementError: psql failed, or the output has no end line.
    """
    findings = ContentFindings()
    *lines, end = answer.require("psql").stdout.splitlines() or [""]
    if end != '["end"]':
        raise OutputError("psql did not print all indexes")
    try:
        answers = [(kind, name, [str(each) for each in result]) for kind, name, *result in map(json.loads, lines)]
    except _INVALID as error:
        raise OutputError(f"psql printed no indexes: {_shown(error)}") from error
    for kind, name, result in answers:
        if kind == "constraint":
            findings.unchecked.append(f"constraint {name} is NOT VALID, as in the backed-up database")
        elif kind == "index":
            findings.flaws.append(f"index {name} is not valid")
        elif set(result) <= _NOT_QUERIED.keys():
            findings.unchecked += [f"vector index {name} was not queried: {_NOT_QUERIED[each]}" for each in result]
        elif not set(result) <= _FINE:
            findings.flaws.append(f"vector index {name}: {'; '.join(result)}")
    return findings


def parse_amcheck(answer: Answer) -> ContentFindings:
    """The findings of pg_amcheck: none with exit status 0, corruption with 2; otherwise the check could not run.

    https://www.postgresql.org/docs/current/app-pgamcheck.html
    """
    if answer.status == 0 and answer.flag == "-":
        return ContentFindings()
    lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
    if answer.status == 2:
        return ContentFindings([f"pg_amcheck: {lines[0][:200] if lines else 'corruption'}"])
    why = reason(answer.stdout + answer.stderr) or f"status {answer.status}"
    return ContentFindings([], [f"heap and B-trees not checked: {why}"])


def row_changes(then: Tables, now: Tables) -> str:
    """How the row counts would change from `now` back to `then`; empty if all counts are equal."""
    grown = {name: now[name] - then.get(name, 0) for name in now if now[name] > then.get(name, 0)}
    shrunk = {name: rows - now.get(name, 0) for name, rows in then.items() if rows > now.get(name, 0)}
    return "; ".join(
        f"rows {verb}: {sum(rows.values())} ({_listed(rows)})"
        for verb, rows in (("lost", grown), ("restored", shrunk))
        if rows
    )


def _listed(rows: Tables) -> str:
    most = sorted(rows.items(), key=lambda each: -each[1])
    more = [f"{len(most) - SHOWN} more tables"] if len(most) > SHOWN else []
    return ", ".join([*(f"{name[1]} {count}" for name, count in most[:SHOWN]), *more])
