"""Metrics of a run for the textfile collector of Prometheus' node_exporter.

Names and units follow https://prometheus.io/docs/practices/naming/, the format
https://prometheus.io/docs/instrumenting/exposition_formats/. Labels are names of the inventory, never texts of hosts.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opsproof.core import files
from opsproof.core.verdicts import ORDER, Verdict

if TYPE_CHECKING:
    from opsproof.round.run import Run

MODE = 0o644
"""node_exporter reads the file as another user."""
MOST_CHARACTERS = 200
"""Of a label: a longer name is cut."""
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_UNITS = ("percent", "bytes", "seconds", "count")
_FAMILIES = {
    "opsproof_completed_timestamp_seconds": "Time at which the last complete run ended, since 1970.",
    "opsproof_duration_seconds": "Duration of the run.",
    "opsproof_verdicts": "Number of checks of a host with a verdict.",
    "opsproof_check_verdict": "Verdict of a check: 0 passed, 1 waived, 2 warned, 3 unknown, 4 failed.",
    "opsproof_value_percent": "Measured value of a metric in percent.",
    "opsproof_value_bytes": "Measured value of a metric in bytes.",
    "opsproof_value_seconds": "Measured value of a metric in seconds.",
    "opsproof_value_count": "Measured value of a metric of countable things.",
    "opsproof_limit_percent": "Bound of the limit of a metric in percent.",
    "opsproof_limit_bytes": "Bound of the limit of a metric in bytes.",
    "opsproof_limit_seconds": "Bound of the limit of a metric in seconds.",
    "opsproof_limit_count": "Bound of the limit of a metric of countable things.",
}
Sample = tuple[str, dict[str, str], float]
"""The name of the family, labels and value."""


def write(run: "Run", path: Path) -> None:
    """Writes the metrics of a complete run; a reader sees the old file or the new one.

    The draft does not end in .prom, so that node_exporter does not read it.

    Raises:
        OSError: the file cannot be written; the old one stays.
    """
    files.replace(path, "".join(lines(samples(run))), mode=MODE)
    path.chmod(MODE)


def samples(run: "Run") -> Iterator[Sample]:
    """The samples of a run, each with a label for the inventory and the round."""
    of_run = {"inventory": run.config.option.inventory.name, "round": run.cadence}
    yield "opsproof_completed_timestamp_seconds", of_run, time.time()
    yield "opsproof_duration_seconds", of_run, time.time() - run.started
    for host in dict.fromkeys(each.host for each in run.verdicts):
        for word in ORDER:
            count = sum(each.verdict == word for each in run.verdicts if each.host == host)
            yield "opsproof_verdicts", {**of_run, "host": host, "verdict": word}, count
    for each in run.verdicts:
        yield from _of_check(each, of_run)


def _of_check(verdict: Verdict, of_run: Mapping[str, str]) -> Iterator[Sample]:
    labels = {**of_run, "host": verdict.host, "check": verdict.check, "resource": verdict.resource}
    yield "opsproof_check_verdict", labels, len(ORDER) - 1 - ORDER.index(verdict.verdict)
    for each in verdict.measurements:
        if each.unit in _UNITS and not isinstance(each.value, str):
            yield f"opsproof_value_{each.unit}", {**labels, "metric": each.metric}, each.value
            for rule, sign, bound in each.bounds:
                yield (
                    f"opsproof_limit_{each.unit}",
                    {**labels, "metric": each.metric, "rule": rule, "sign": sign},
                    bound,
                )


def lines(found: Iterable[Sample]) -> Iterator[str]:
    """The samples by family, each label set once: of equal ones the last."""
    by_family: dict[str, dict[str, float]] = {name: {} for name in _FAMILIES}
    for family, labels, value in found:
        by_family[family][_labels(labels)] = value
    for family, rows in by_family.items():
        if rows:
            yield f"# HELP {family} {_FAMILIES[family]}\n# TYPE {family} gauge\n"
        for text, value in rows.items():
            yield f"{family}{{{text}}} {value!r}\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def escaped(text: str) -> str:
    """The value of a label: valid UTF-8, escaped, without control characters, bounded."""
    plain = text.encode(errors="replace").decode()[:MOST_CHARACTERS]
    return "".join(c if c == "\n" or c.isprintable() else "\ufffd" for c in plain).translate(_ESCAPED)
