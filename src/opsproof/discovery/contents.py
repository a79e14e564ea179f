"""The contents of a database that an inventory can declare."""

import re
from datetime import datetime, timedelta
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.discovery.toml import Value
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database
from opsproof.postgres.client import DatabaseClient
from opsproof.postgres.connection import Result
from opsproof.round.gathering import submitted

OPERATORS = {"l2": "<->", "ip": "<#>", "cosine": "<=>", "l1": "<+>"}
"""The operator of each operator class of pgvector, by the word in its name."""
_BOUND = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")
_SETTING = "the application may set {} itself, which is not visible: confirm"


def ask(host: Host, database: Database) -> Result:
    """The contents, asked by the role of the dsn."""
    client = DatabaseClient()
    try:
        return submitted(host, database, [scripts.sql("discovery/contents")], client)()[0]
    finally:
        client.close()


def seen(result: Result, database: Database, container: str = "") -> Sight:
    """The database with its partitioned tables and vector indexes; unseen if the query failed.

    `container` is the only container of PostgreSQL on the host, if any.
    """
    try:
        ((partitioned, vectors, settings, superusers, standbys, archived, name),) = result.require()
    except MeasurementError as error:
        way = "for a missing role or password, the SQL of opsproof privileges, after this inventory is written"
        return Sight(unseen=[Unseen(f"the database {database.dsn}: {error}", way)])
    fields: dict[str, Value] = {"dsn": database.dsn, "superusers": superusers}
    fields |= {"password_file": database.password_file} if database.password_file else {}
    fields |= {"container": container} if container else {}
    fields |= {"standbys": [each for each in standbys if each]} if any(standbys) else {}
    fields |= {"archived": True} if archived else {}
    doubt = f"belongs to the container {container}, by image and name" if container else ""
    sight = Sight([Entry("databases", name, fields, doubt)])
    for each in partitioned:
        sight.add(_partitioned(name, each))
    return _with_indexes(sight, name, vectors, settings)


def _partitioned(database: str, found: dict[str, Any]) -> Sight:
    span = span_of(found["bounds"] or []) if found["strategy"] == "r" else ""
    table = found["table"]
    if not span:
        return Sight(remarks=[f"{table} of {database} is not partitioned by day, week or month: not checked"])
    fields: dict[str, Value] = {"database": database, "table": table}
    return Sight([Entry("partitioned", table, {**fields, **({} if span == "month" else {"by": span})})])


def span_of(bounds: list[str]) -> str:
    """The time span of partitions, by most of their bounds: day, week or month; empty for any other."""
    spans = [span for each in bounds if (span := _span(each))]
    return max(sorted(set(spans)), key=spans.count) if spans else ""


def _span(bound: str) -> str:
    try:
        ((first, last),) = _BOUND.findall(bound)
        start, end = (datetime.fromisoformat(each).replace(tzinfo=None) for each in (first, last))
    except ValueError:
        return ""
    lengths = {timedelta(days=1): "day", timedelta(days=7): "week"}
    return lengths.get(end - start, "month" if timedelta(days=28) <= end - start <= timedelta(days=31) else "")


def _with_indexes(sight: Sight, database: str, vectors: list[dict[str, Any]], settings: list[str]) -> Sight:
    for each in vectors:
        word = next((word for word in OPERATORS if f"_{word}_" in each["class"]), "")
        if not word or not each["column"]:
            sight.remarks.append(f"{each['index']} of {database} has an expression or an unknown class: not checked")
            continue
        setting = "probes" if each["method"] == "ivfflat" else "ef_search"
        given = {name: int(text) for name, text in (one.split("=", 1) for one in settings) if text.isdigit()}
        fields: dict[str, Value] = {key: each[key] for key in ("table", "column", "method")}
        fields |= {"database": database, "operator": OPERATORS[word]}
        known = given.get(f"{each['method']}.{setting}")
        fields |= {setting: known} if known else {}
        confirm = "is invalid now; " if not each["valid"] else ""
        sight.entries.append(Entry("vector_indexes", each["index"], fields, confirm + _SETTING.format(setting)))
    return sight
