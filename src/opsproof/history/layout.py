"""The tables and views of a history, in SQLite's and in PostgreSQL's words.

A *line* is the sequence of runs of one round of one inventory on one host. `visits` holds the runs of each line, with
the number of verdicts of each kind; `due` is the time by which the next run is expected. A verdict or value that stays
the same from run to run is a single row, a *span*: it holds in all visits of its line from `first_run` to `last_run`. A
visit without a verdict or value ends the span, so a gap is never shown as unchanged. A series is a metric of a check;
`rule` is the limit that judged it last.

The views `verdicts`, `measurements` and `samples` have a row for each verdict, value and sample of each run.
"""

from dataclasses import dataclass

VERSION = 3
"""The version of the layout. Version 0 has older names of checks and titles of metrics, version 1 no `unknown_since`,
version 2 a row for each verdict and value of each run."""
MARK = "\x1f"
"""Stands in `texts` for the value in a sentence, so that sentences differ only if more than the value differs."""
FORGOTTEN = "…"
"""Stands in a sentence for a value of which only the week's summary is kept."""


@dataclass(frozen=True)
class Dialect:
    """The words in which two databases differ: an automatic key, types, a clustered table, values of either type."""

    key: str
    real: str
    number: str
    clustered: str
    value: str
    mean: str


SQLITE = Dialect("INTEGER PRIMARY KEY", "REAL", "NUMERIC", " WITHOUT ROWID", "coalesce(number, word)", "weeks.mean")
POSTGRESQL = Dialect(
    "INTEGER PRIMARY KEY GENERATED ALWAYS AS IDENTITY",
    "DOUBLE PRECISION",
    "DOUBLE PRECISION",
    "",
    "coalesce(to_jsonb(number), to_jsonb(word))",
    "to_jsonb(weeks.mean)",
)


def statements(dialect: Dialect) -> list[str]:
    """The statements that create the tables and views."""
    words = {
        "key": dialect.key,
        "real": dialect.real,
        "number": dialect.number,
        "clustered": dialect.clustered,
        "value": dialect.value,
        "mean": dialect.mean,
        "mark": MARK,
        "forgotten": FORGOTTEN,
    }
    return [each.strip().format(**words) for each in (_RUNS + _TABLES + _VIEWS).split(";") if each.strip()]


_RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    id {key}, started {real} NOT NULL, inventory TEXT NOT NULL, cadence TEXT NOT NULL
);
"""
_TABLES = """
CREATE INDEX runs_by_start ON runs (started);
CREATE TABLE lines (
    id {key}, inventory TEXT NOT NULL, cadence TEXT NOT NULL, host TEXT NOT NULL, due {real},
    UNIQUE (host, cadence, inventory)
);
CREATE TABLE visits (
    line INTEGER NOT NULL REFERENCES lines, run INTEGER NOT NULL REFERENCES runs,
    failed INTEGER NOT NULL, unknown INTEGER NOT NULL, warned INTEGER NOT NULL, waived INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    PRIMARY KEY (line, run)
){clustered};
CREATE INDEX visits_by_run ON visits (run);
CREATE TABLE checks (
    id {key}, line INTEGER NOT NULL REFERENCES lines, test TEXT NOT NULL, nr INTEGER NOT NULL,
    UNIQUE (line, test, nr)
);
CREATE INDEX checks_by_test ON checks (test);
CREATE TABLE texts (
    id {key}, text TEXT NOT NULL, has_value INTEGER NOT NULL,
    UNIQUE (text, has_value)
);
CREATE TABLE judged (
    check_id INTEGER NOT NULL REFERENCES checks, last_run INTEGER NOT NULL, first_run INTEGER NOT NULL,
    verdict TEXT NOT NULL, text_id INTEGER NOT NULL REFERENCES texts, unknown_since {real},
    PRIMARY KEY (check_id, last_run)
){clustered};
CREATE TABLE series (
    id {key}, check_id INTEGER NOT NULL REFERENCES checks,
    metric TEXT NOT NULL, unit TEXT NOT NULL, nr INTEGER NOT NULL, rule TEXT NOT NULL,
    UNIQUE (check_id, metric, unit, nr)
);
CREATE TABLE measured (
    series_id INTEGER NOT NULL REFERENCES series, last_run INTEGER NOT NULL, first_run INTEGER NOT NULL,
    number {number}, word TEXT, shown TEXT,
    PRIMARY KEY (series_id, last_run)
){clustered};
CREATE TABLE weeks (
    series_id INTEGER NOT NULL REFERENCES series, last_run INTEGER NOT NULL, amount INTEGER NOT NULL,
    low {number} NOT NULL, high {number} NOT NULL, mean {number} NOT NULL,
    PRIMARY KEY (series_id, last_run)
){clustered};
CREATE TABLE counters (
    id {key}, host TEXT NOT NULL, resource TEXT NOT NULL, metric TEXT NOT NULL,
    UNIQUE (host, resource, metric)
);
CREATE TABLE readings (
    counter_id INTEGER NOT NULL REFERENCES counters, taken {real} NOT NULL, run INTEGER NOT NULL REFERENCES runs,
    value {real} NOT NULL, born {real} NOT NULL,
    PRIMARY KEY (counter_id, taken, run, value, born)
){clustered};
"""
_VIEWS = """
CREATE VIEW verdicts AS
SELECT visits.run, lines.host, checks.test, judged.verdict,
       CASE WHEN texts.has_value = 0 THEN texts.text
            ELSE replace(texts.text, '{mark}', coalesce((
                SELECT max(measured.shown) FROM series
                  JOIN measured ON measured.series_id = series.id
                   AND measured.last_run >= visits.run AND measured.first_run <= visits.run
                 WHERE series.check_id = checks.id), '{forgotten}'))
        END AS sentence,
       judged.unknown_since
  FROM visits
  JOIN lines ON lines.id = visits.line
  JOIN checks ON checks.line = lines.id
  JOIN judged ON judged.check_id = checks.id AND judged.last_run >= visits.run AND judged.first_run <= visits.run
  JOIN texts ON texts.id = judged.text_id;
CREATE VIEW measurements AS
SELECT visits.run, lines.host, checks.test, series.metric, {value} AS value, series.unit
  FROM visits
  JOIN lines ON lines.id = visits.line
  JOIN checks ON checks.line = lines.id
  JOIN series ON series.check_id = checks.id
  JOIN measured ON measured.series_id = series.id
   AND measured.last_run >= visits.run AND measured.first_run <= visits.run
UNION ALL
SELECT weeks.last_run AS run, lines.host, checks.test, series.metric, {mean} AS value, series.unit
  FROM lines
  JOIN checks ON checks.line = lines.id
  JOIN series ON series.check_id = checks.id
  JOIN weeks ON weeks.series_id = series.id;
CREATE VIEW samples AS
SELECT readings.run, counters.host, counters.resource, counters.metric, readings.value, readings.born, readings.taken
  FROM counters
  JOIN readings ON readings.counter_id = counters.id;
"""
