"""Records a run in a history: extends the spans of unchanged verdicts and values, and begins the others."""

from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from opsproof.core.units import show
from opsproof.core.verdicts import ORDER, Sample, Verdict
from opsproof.history.layout import MARK

T = TypeVar("T", float | str, str)
Row = Sequence[Any]
Value = tuple[str, float | str, str, str]
"""Metric, value, unit and limit."""


class HistoryConnection(Protocol):
    """A connection in a transaction. Parameters of statements are marked with `?`."""

    def query(self, statement: str, values: Row = ()) -> list[Any]:
        """The rows of a statement."""

    def write(self, statement: str, rows: Sequence[Row]) -> None:
        """Executes a statement for each of `rows`."""


@dataclass(frozen=True)
class CheckResult:
    """What a run found by a check of a host; `verdict` is None if only values are known."""

    test: str
    verdict: str | None
    sentence: str = ""
    unknown_since: float | None = None
    values: tuple[Value, ...] = ()
    samples: tuple[tuple[str, Sample], ...] = ()


def results(verdicts: Iterable[Verdict]) -> dict[str, list[CheckResult]]:
    """The results of a run by host."""
    found: dict[str, list[CheckResult]] = {}
    for each in verdicts:
        values = tuple((one.metric, _encodable(one.value), one.unit, one.limit) for one in each.measurements)
        samples = tuple((each.resource, one) for one in each.samples)
        test, sentence = _encodable(each.test), _encodable(each.sentence)
        result = CheckResult(test, each.verdict, sentence, each.unknown_since, values, samples)
        found.setdefault(each.host, []).append(result)
    return found


def _encodable(value: T) -> T:
    """`value`; a text without lone surrogates, which JSON of a host may contain, and no database stores."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def add_run(database: HistoryConnection, started: float, inventory: str, cadence: str) -> int:
    """The number of a new run."""
    statement = "INSERT INTO runs (started, inventory, cadence) VALUES (?, ?, ?) RETURNING id"
    return int(database.query(statement, (started, inventory, cadence))[0][0])


def add_results(
    database: HistoryConnection, run: int, inventory: str, cadence: str, found: dict[str, list[CheckResult]]
) -> None:
    """Records the results of the newest run by host."""
    for host, each in found.items():
        _Visit(database, run, _line(database, inventory, cadence, host)).add(each)
        _add_samples(database, run, host, each)


def _line(database: HistoryConnection, *name: str) -> int:
    found = database.query("SELECT id FROM lines WHERE inventory = ? AND cadence = ? AND host = ?", name)
    if not found:
        statement = "INSERT INTO lines (inventory, cadence, host) VALUES (?, ?, ?) RETURNING id"
        found = database.query(statement, name)
    return int(found[0][0])


@dataclass
class _Spans:
    """The spans of a table: the open ones by owner, each as its first run and state, and what a visit does to them."""

    table: str
    owner: str
    columns: tuple[str, ...]
    open: dict[int, tuple[int, Row]] = field(default_factory=dict)
    extended: list[Row] = field(default_factory=list)
    begun: list[Row] = field(default_factory=list)

    def read(self, database: HistoryConnection, previous: int, owners: str, values: Row) -> None:
        """Reads the spans that hold in the visit `previous`, of the owners that a query selects."""
        columns = ", ".join(("first_run", *self.columns))
        statement = (
            f"SELECT {self.owner}, {columns} FROM {self.table} "  # noqa: S608  # names of this module
            f"WHERE last_run = ? AND {self.owner} IN ({owners})"
        )
        for owner, first, *state in database.query(statement, (previous, *values)):
            self.open[owner] = (first, state)

    def put(self, owner: int, run: int, state: Row) -> None:
        """Extends the open span of `owner`, or begins a span if the state differs."""
        first, before = self.open.get(owner, (0, ()))
        if first and [*before] == [*state]:
            self.extended.append((run, owner, first))
        else:
            self.begun.append((owner, run, run, *state))

    def write(self, database: HistoryConnection, previous: int) -> None:
        """Writes what the visit changed."""
        extend = f"UPDATE {self.table} SET last_run = ? WHERE {self.owner} = ? AND first_run = ? AND last_run = ?"  # noqa: S608
        database.write(extend, [(*each, previous) for each in self.extended])
        places = ", ".join("?" * (3 + len(self.columns)))
        database.write(f"INSERT INTO {self.table} VALUES ({places})", self.begun)  # noqa: S608


class _Visit:
    """The newest visit of a line."""

    def __init__(self, database: HistoryConnection, run: int, line: int) -> None:
        self._database, self._run, self._line = database, run, line
        self._previous = database.query("SELECT coalesce(max(run), 0) FROM visits WHERE line = ?", (line,))[0][0]
        self._checks = {
            tuple(name): key for key, *name in database.query("SELECT id, test, nr FROM checks WHERE line = ?", (line,))
        }
        statement = """
            SELECT series.id, rule, check_id, metric, unit, series.nr FROM series
              JOIN checks ON checks.id = check_id WHERE line = ?
        """
        found = database.query(statement, (line,))
        self._series = {tuple(name): key for key, _, *name in found}
        self._rules = {key: rule for key, rule, *_ in found}
        self._new_rules: list[Row] = []
        self._texts: dict[tuple[Any, ...], int] = {}
        self._judged = _Spans("judged", "check_id", ("verdict", "text_id", "unknown_since"))
        self._measured = _Spans("measured", "series_id", ("number", "word", "shown"))

    def add(self, found: list[CheckResult]) -> None:
        """Records the results."""
        checks = "SELECT id FROM checks WHERE line = ?"
        self._judged.read(self._database, self._previous, checks, (self._line,))
        self._read_texts()
        series = "SELECT series.id FROM series JOIN checks ON checks.id = check_id WHERE line = ?"
        self._measured.read(self._database, self._previous, series, (self._line,))
        kinds = Tally(each.verdict for each in found)
        counts = [kinds[each] for each in ORDER]
        self._database.write("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", [(self._line, self._run, *counts)])
        seen: Tally[str] = Tally()
        for each in found:
            check = self._key(self._checks, "checks (line, test, nr)", (self._line,), (each.test, seen[each.test]))
            seen[each.test] += 1
            self._put(check, each)
        self._judged.write(self._database, self._previous)
        self._measured.write(self._database, self._previous)
        self._database.write("UPDATE series SET rule = ? WHERE id = ?", self._new_rules)

    def _read_texts(self) -> None:
        """Reads the texts of the previous visit: most come again."""
        statement = """
            SELECT id, text, has_value FROM texts WHERE id IN (
                SELECT text_id FROM judged JOIN checks ON checks.id = check_id WHERE last_run = ? AND line = ?)
        """
        found = self._database.query(statement, (self._previous, self._line))
        self._texts = {(text, has_value): key for key, text, has_value in found}

    def _put(self, check: int, result: CheckResult) -> None:
        text, place, shown = template(result.sentence, result.values)
        if result.verdict is not None:
            self._judged.put(
                check, self._run, (result.verdict, self._text(text, int(place >= 0)), result.unknown_since)
            )
        seen: Tally[tuple[str, str]] = Tally()
        for number, (metric, value, unit, rule) in enumerate(result.values):
            name = (check, metric, unit, seen[metric, unit])
            seen[metric, unit] += 1
            series = self._key(self._series, "series (rule, check_id, metric, unit, nr)", (rule,), name)
            if self._rules.setdefault(series, rule) != rule:
                self._new_rules.append((rule, series))
            word = value if isinstance(value, str) else None
            state = (None if word is not None else value, word, shown if number == place else None)
            self._measured.put(series, self._run, state)

    def _key(self, known: dict[Any, int], place: str, owner: Row, name: Row) -> int:
        if name not in known:
            values = (*owner, *name)
            statement = f"INSERT INTO {place} VALUES ({', '.join('?' * len(values))}) RETURNING id"  # noqa: S608
            known[name] = self._database.query(statement, values)[0][0]
        return known[name]

    def _text(self, *text: Any) -> int:
        if text not in self._texts:
            found = self._database.query("SELECT id FROM texts WHERE text = ? AND has_value = ?", text)
            statement = "INSERT INTO texts (text, has_value) VALUES (?, ?) RETURNING id"
            self._texts[text] = (found or self._database.query(statement, text))[0][0]
        return self._texts[text]


def template(sentence: str, values: Sequence[Value]) -> tuple[str, int, str]:
    """`sentence` with a mark in place of a measured value, the number of the value, and the value as shown.

    The number is -1 if no value is in the sentence.
    """
    for number, (_, value, unit, _) in enumerate(() if MARK in sentence else values):
        shown = show(value, unit)
        start = f" {sentence} ".find(f" {shown}")
        while shown and start >= 0:
            end = start + len(shown)
            if sentence[end : end + 1] in ("", *" ,;:)"):
                return f"{sentence[:start]}{MARK}{sentence[end:]}", number, shown
            start = f" {sentence} ".find(f" {shown}", start + 1)
    return sentence, -1, ""


def _add_samples(database: HistoryConnection, run: int, host: str, found: list[CheckResult]) -> None:
    samples = {
        (resource, each.metric, each.taken, each.value, each.born)
        for result in found
        for resource, each in result.samples
    }
    if not samples:
        return
    statement = "SELECT id, resource, metric FROM counters WHERE host = ?"
    counters = {tuple(name): key for key, *name in database.query(statement, (host,))}
    for name in {(resource, metric) for resource, metric, *_ in samples} - counters.keys():
        statement = "INSERT INTO counters (host, resource, metric) VALUES (?, ?, ?) RETURNING id"
        counters[name] = database.query(statement, (host, *name))[0][0]
    rows = [(counters[resource, metric], taken, run, *rest) for resource, metric, taken, *rest in samples]
    database.write("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", rows)
