"""What a run says on the terminal: each finding in one sentence, with its remedy."""

from typing import Any

import pytest

from opsproof.run import Run
from opsproof.verdicts import ORDER, Verdict


class Terminal:
    """The header and the closing summary of a run of checks."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run

    def pytest_report_header(self) -> str:
        """Names the inventory."""
        return f"inventory: {self._config.option.inventory}"

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """From here on every finding is one sentence; what breaks before is shown as pytest does."""
        if session.testsfailed:
            return
        self._config.option.tbstyle = "no"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The findings, the worst first, and where the report is."""
        terminalreporter.reportchars = ""
        findings = [each for each in self._run.verdicts if each.verdict != "passed"]
        if findings:
            terminalreporter.section("findings")
        for verdict in sorted(findings, key=lambda each: ORDER.index(each.verdict)):
            _write(terminalreporter, verdict)
        trips = self._run.round_trips
        if any(trips.values()):
            terminalreporter.write_line(f"round trips: {trips['shell']} to hosts, {trips['sql']} to databases")
        for complaint in self._run.history.complaints:
            terminalreporter.write_line(f"history: {complaint}", yellow=True)


def _write(terminal: Any, verdict: Verdict) -> None:
    colour = {"failed": "red", "unknown": "purple"}.get(verdict.verdict, "yellow")
    terminal.write(f"{verdict.verdict.upper():8}", **{colour: True, "bold": True})
    terminal.write(f"{verdict.test}: {verdict.sentence}\n")
    for each in verdict.evidence:
        for line in each.lines[:5]:
            terminal.write_line(f"{'':10}{line}", light=True)
    if verdict.remedy:
        terminal.write_line(f"{'':8}repair: {verdict.remedy}")
