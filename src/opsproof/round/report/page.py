"""The HTML page of pytest-html, extended with verdicts, measured values and remedies.

pytest-html has a fixed set of outcomes. A hidden column maps each verdict to an outcome, so that filters and sorting
work; the page shows the name of the verdict.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.core.units import show, show_moment
from opsproof.core.verdicts import Verdict, findings, from_plain
from opsproof.round.judging import UNKNOWN_EXIT, VERDICT

if TYPE_CHECKING:
    import jinja2

    from opsproof.round.run import Run

HEADING = '<th class="sortable col-{name}" data-column-type="{name}">{title}</th>'
CARRIERS = {"failed": "Failed", "unknown": "Error", "warned": "XFailed", "waived": "Skipped", "passed": "Passed"}
"""The outcome of pytest-html for each verdict."""


class ReportPage:
    """Hooks of pytest-html for a run."""

    def __init__(self, config: pytest.Config, run: "Run") -> None:
        self._config = config
        self._run = run
        self._data: Any = None

    @cached_property
    def _templates(self) -> "jinja2.Environment":
        import jinja2  # pytest-html loads jinja2 only to write the page

        source = Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {"measured": _measured, "day": show_moment}
        environment.globals["page"] = environment.from_string(source).make_module()
        return environment

    def _render(self, macro: str, *values: Any) -> str:
        return str(getattr(self._templates.globals["page"], macro)(*values))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Replaces the metadata about this machine with inventory and round."""
        from pytest_metadata.plugin import metadata_key

        metadata = self._config.stash[metadata_key]
        metadata.clear()
        metadata |= {"inventory": self._config.option.inventory.name, "round": self._run.cadence}

    def pytest_html_report_title(self, report: Any) -> None:
        """Sets the title."""
        self._data = report
        report.title = f"opsproof: {self._run.cadence}, {show_moment(self._run.started)}"

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Sets the columns."""
        titles = {"result": "Carrier", "verdict": "Verdict", "test": "Check", "found": "Found", "limit": "Limit"}
        cells[:] = [HEADING.format(name=name, title=title) for name, title in titles.items()]

    def pytest_runtestloop(self) -> None:
        """Compiles the templates while hosts are queried."""
        _ = self._templates

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Renders a row per verdict."""
        plain = getattr(report, VERDICT, None)
        if plain is not None:
            verdict = from_plain(plain)
            cells[:] = self._render("row", verdict, CARRIERS[verdict.verdict]).split("\n")
        elif report.outcome == "passed":
            cells.clear()

    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Renders the details of a row."""
        plain = getattr(report, VERDICT, None)
        if plain is not None:
            data[:] = [self._render("details", from_plain(plain))]

    def pytest_html_results_summary(self, prefix: list[str], session: pytest.Session) -> None:
        """Renders the changes since the last run and the findings."""
        counts = self._run.tally()
        for verdict, carrier in CARRIERS.items():
            self._data.outcomes[carrier.lower()].update(label=verdict, value=counts[verdict])
        run, history = self._run, self._run.history
        before = history.last_run(str(self._config.option.inventory), run.cadence)
        changes = [
            (each, before[each.test]) for each in run.verdicts if before.get(each.test, each.verdict) != each.verdict
        ]
        found = findings(run.verdicts)
        bad = [each for group in found for each in group if each.verdict in ("failed", "unknown")]
        streaks = {each.test: history.streak(each.host, each.test) for each in bad}
        prefix.append(
            self._render(
                "summary",
                counts,
                changes,
                found,
                streaks,
                [*run.notices, *history.complaints, *_shortfall(run.verdicts, session)],
            )
        )


def _shortfall(verdicts: list[Verdict], session: pytest.Session) -> list[str]:
    """Warnings for a page that is incomplete or empty."""
    if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, UNKNOWN_EXIT):
        return [f"the run was interrupted after {len(verdicts)} checks"]
    return [] if verdicts else ["no check was judged"]


def _measured(verdict: Verdict) -> str:
    return ", ".join(show(each.value, each.unit) for each in verdict.measurements)
