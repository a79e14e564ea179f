"""Creates the tables of a history file, and migrates a file of an earlier version.

Both happen in the transaction of the caller, which holds the file's lock: a kill leaves the old file or the new one. A
migration compares the new tables with the old ones before it drops them.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby

from opsproof.history.layout import SQLITE, VERSION, statements
from opsproof.history.recording import CheckResult, HistoryConnection, Value, add_results
from opsproof.history.renames import CHECKS, TITLES

_OLD = {
    "verdicts": "run, host, test, verdict, sentence, unknown_since",
    "measurements": "run, host, test, metric, value, unit",
    "samples": "run, host, resource, metric, value, born, taken",
}
"""The tables of layout 2, which are views now, with their columns."""


def version(connection: sqlite3.Connection) -> int | None:
    """The version of the layout; None of an empty file.

    Raises:
        sqlite3.DatabaseError: a newer version of opsproof wrote the file, or another program did.
    """
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if number > VERSION:
        raise sqlite3.DatabaseError(f"written by a newer version of opsproof (layout {number}, known {VERSION})")
    if number:
        return int(number)
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return None
    return 0 if _has(connection, "samples", "noun") else 2


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the file is empty or has the current layout.

    Raises:
        sqlite3.DatabaseError: a newer version of opsproof wrote the file.
    """
    return version(connection) in (None, VERSION)


def bring_up_to_date(connection: sqlite3.Connection, database: HistoryConnection) -> None:
    """Creates or migrates the tables. `database` is the same connection.

    Raises:
        sqlite3.Error: the file has other tables, or the migration would lose rows. The caller rolls back.
    """
    found = version(connection)
    if found == VERSION:
        return
    if found is not None:
        _to_layout_2(connection, found)
        _set_aside(connection)
    for statement in statements(SQLITE):
        connection.execute(statement)
    if found is not None:
        _refill(connection, database)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _to_layout_2(connection: sqlite3.Connection, found: int) -> None:
    if found == 0:
        connection.execute("ALTER TABLE samples RENAME COLUMN noun TO resource")
        for table in ("verdicts", "measurements"):
            connection.executemany(_RENAME_CHECK.format(table), [(new, old, old) for old, new in CHECKS.items()])
        for table in ("measurements", "samples"):
            rows = [(new, old) for old, new in TITLES.items()]
            connection.executemany(f"UPDATE {table} SET metric = ? WHERE metric = ?", rows)  # noqa: S608
    if found < 2:
        connection.execute("ALTER TABLE verdicts ADD COLUMN unknown_since REAL")


_RENAME_CHECK = """
    UPDATE {} SET test = ? || substr(test, length(?) + 1)
     WHERE substr(test, 1, instr(test || '[', '[') - 1) = ?
"""


def _set_aside(connection: sqlite3.Connection) -> None:
    for table, columns in _OLD.items():
        connection.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchall()  # noqa: S608  # raises on other tables
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        connection.execute(f"CREATE INDEX old_{table}_by_run ON old_{table} (run, host)")


def _refill(connection: sqlite3.Connection, database: HistoryConnection) -> None:
    """Records the old runs anew, in their order, and drops the old tables."""
    for run, inventory, cadence in connection.execute("SELECT id, inventory, cadence FROM runs ORDER BY id").fetchall():
        add_results(database, run, inventory, cadence, _old_results(connection, run))
    connection.execute(
        "INSERT OR IGNORE INTO counters (host, resource, metric) SELECT DISTINCT host, resource, metric "
        "FROM old_samples ORDER BY host, resource, metric"
    )
    connection.execute(
        "INSERT OR IGNORE INTO readings SELECT counters.id, taken, run, value, born "
        "FROM old_samples JOIN counters USING (host, resource, metric)"
    )
    for table, columns in _OLD.items():
        _compare(connection, table, columns)
        connection.execute(f"DROP TABLE old_{table}")


def _old_results(connection: sqlite3.Connection, run: int) -> dict[str, list[CheckResult]]:
    values: dict[tuple[str, str], list[Value]] = {}
    query = "SELECT host, test, metric, value, unit FROM old_measurements WHERE run = ? ORDER BY rowid"
    for host, test, metric, value, unit in connection.execute(query, (run,)):
        values.setdefault((host, test), []).append((metric, value, unit, ""))
    query = "SELECT host, test, verdict, sentence, unknown_since FROM old_verdicts WHERE run = ? ORDER BY rowid"
    judged = [
        (host, CheckResult(test, word, sentence, unknown_since, tuple(values.pop((host, test), ()))))
        for host, test, word, sentence, unknown_since in connection.execute(query, (run,))
    ]
    judged += [(host, CheckResult(test, None, values=tuple(each))) for (host, test), each in values.items()]
    return {host: [each for _, each in group] for host, group in _by_host(judged)}


def _by_host(judged: list[tuple[str, CheckResult]]) -> Iterator[tuple[str, Iterator[tuple[str, CheckResult]]]]:
    return groupby(sorted(judged, key=lambda each: each[0]), key=lambda each: each[0])


def _compare(connection: sqlite3.Connection, table: str, columns: str) -> None:
    """Raises an error if a row is lost or made up. A sample recorded twice in the same run counts once."""
    amount = "1" if table == "samples" else "count(*)"
    old, new = (f"SELECT {columns}, {amount} FROM {each} GROUP BY {columns}" for each in (f"old_{table}", table))  # noqa: S608
    for one, other in ((old, new), (new, old)):
        if different := connection.execute(f"{one} EXCEPT {other} LIMIT 1").fetchone():
            raise sqlite3.DatabaseError(
                f"the migration would lose rows of {table}, such as {different}: nothing is changed"
            )


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
