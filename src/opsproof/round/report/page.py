"""The HTML page of a run, in the file of pytest-html, whose own table gets no rows."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.core.units import show_moment
from opsproof.core.verdicts import Verdict
from opsproof.history.past import Earlier, earlier, past
from opsproof.round import grouping
from opsproof.round.judging import UNKNOWN_EXIT, VERDICT
from opsproof.round.report import changes, content, head, index, table
from opsproof.round.report.templates import environment, read

if TYPE_CHECKING:
    import jinja2

    from opsproof.round.run import Run


class ReportPage:
    """Hooks of pytest-html for a run."""

    def __init__(self, config: pytest.Config, run: "Run", before: Path | None) -> None:
        self._config = config
        self._run = run
        self._before = before
        self._errors: list[str] = []

    @cached_property
    def _template(self) -> "jinja2.Template":
        return environment().get_template("page.html.jinja")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Removes the metadata about this machine."""
        from pytest_metadata.plugin import metadata_key

        self._config.stash[metadata_key].clear()

    def pytest_html_report_title(self, report: Any) -> None:
        """Sets the title."""
        report.title = f"opsproof: {self._run.cadence}, {show_moment(self._run.started)}"

    def pytest_runtestloop(self) -> None:
        """Compiles the templates while hosts are queried."""
        _ = self._template, environment().get_template("parts.html.jinja")

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Leaves the table of pytest-html empty, and keeps errors outside of checks."""
        cells.clear()
        if report.outcome == "failed" and getattr(report, VERDICT, None) is None:
            self._errors.append(f"{report.nodeid}: {report.longreprtext.strip()}")

    def pytest_html_results_summary(self, prefix: list[str], session: pytest.Session) -> None:
        """Renders the page."""
        prefix.append(self._template.render(self._values(session)))

    def _values(self, session: pytest.Session) -> dict[str, Any]:
        run, verdicts = self._run, self._run.verdicts
        checks = table.by_check(verdicts)
        static = len(verdicts) <= table.MOST_ROWS
        incomplete = _shortfall(verdicts, session)
        return {
            "round": run.cadence,
            "started": run.started,
            "took": head.took(run),
            "inventory": self._config.option.inventory.name,
            "hosts": list(dict.fromkeys(each.host for each in verdicts)) or list(run.inventory.hosts),
            "origin": head.origin(run),
            "links": self._links(),
            "counts": run.tally(),
            "bad": sum(each.verdict not in ("passed", "waived") for each in verdicts),
            "matrix": table.matrix(verdicts),
            "subjects": sorted({each.subject for each in verdicts}),
            "checks": content.shown_checks(checks, self._earlier() if static else {}, static=static),
            "static": static,
            "folded": len(verdicts) > table.OPEN_ROWS,
            "packed": table.packed(checks, whole=not static),
            "script": read("page.js"),
            "most": content.MOST_FINDINGS,
            "readings": content.readings(verdicts),
            **self._findings(static=static),
            **self._compared(is_complete=not incomplete),
            "complaints": [*run.notices, *run.history.complaints, *self._errors, *incomplete],
        }

    def _earlier(self) -> dict[str, Earlier]:
        return earlier(self._run.history, str(self._config.option.inventory), self._run.cadence)

    def _links(self) -> list[tuple[str, str]]:
        """Title and address of pages in the same folder."""
        folder, facts = self._config.option.reports, self._config.option.facts
        if Path(self._config.option.htmlpath).parent != folder:
            return []
        before = [("Previous", self._before.name)] if self._before else []
        return [*before, *([("Index", index.FILE)] if not facts or (folder / index.FILE).exists() else [])]

    def _findings(self, *, static: bool) -> dict[str, Any]:
        """The findings, and apart from them the waived ones."""
        history, found = self._run.history, grouping.findings(self._run.verdicts)
        causes = [(each.cause.host, each.cause.test) for each in (one.first for one in found[: content.MOST_FINDINGS])]
        before = past(history, causes)
        shown = [
            content.shown_finding(
                each,
                before,
                history.streak(*place) if (place := (each.first.cause.host, each.first.cause.test)) in before else None,
                linked=static,
            )
            for each in found
        ]
        return {
            "findings": [each for each in shown if not each.only_waived],
            "waived": [each for each in shown if each.only_waived],
            "flapping": [
                f"{test} on {host}"
                for (host, test), runs in before.items()
                if changes.is_flapping([each.verdict for each in runs])
            ],
        }

    def _compared(self, *, is_complete: bool) -> dict[str, Any]:
        last = self._run.history.last_run(str(self._config.option.inventory), self._run.cadence)
        hosts = self._config.option.host
        is_whole = is_complete and not hosts
        return {
            "changes": changes.changes(self._run.verdicts, last, is_complete=is_whole),
            "compared": bool(last),
        }


def _shortfall(verdicts: list[Verdict], session: pytest.Session) -> list[str]:
    """Warnings for a page that is incomplete or empty."""
    if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, UNKNOWN_EXIT):
        return [f"the run was interrupted after {len(verdicts)} checks"]
    return [] if verdicts else ["no check was judged"]
