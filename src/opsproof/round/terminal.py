"""Terminal output of a run: each finding in a sentence, with its remedy."""

import re
from typing import Any

import pytest

from opsproof.core.verdicts import Verdict, findings
from opsproof.round.run import Run

EVIDENCE_LINES = 6
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Terminal:
    """The header and the summary of a run."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run

    def pytest_sessionstart(self) -> None:
        """Shows checks by their paths from the root folder, as the report does, also from another current folder."""
        self._config.pluginmanager.getplugin("terminalreporter").startpath = self._config.rootpath

    def pytest_report_header(self) -> str:
        """The path of the inventory."""
        return f"inventory: {self._config.option.inventory}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Switches tracebacks off. Errors of the collection are still shown by pytest."""
        if session.testsfailed:
            return
        self._config.option.tbstyle = "no"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Prints the findings, the worst first, the round trips and complaints of the history."""
        terminalreporter.reportchars = ""
        terminalreporter.currentfspath = None  # its line has ended; write_line would end it again
        found = findings(self._run.verdicts)
        if found:
            terminalreporter.section("findings")
        for group in found:
            _write(terminalreporter, group)
        trips = self._run.round_trips
        if any(trips.values()):
            terminalreporter.write_line(f"round trips: {trips['shell']} to hosts, {trips['sql']} to databases")
        for notice in self._run.notices:
            terminalreporter.write_line(_plain(notice), yellow=True)
        for each in self._run.unwritten:
            terminalreporter.write_line(each, red=True)
        for complaint in self._run.history.complaints:
            terminalreporter.write_line(f"{complaint}", yellow=True)


def _write(terminal: Any, group: list[Verdict]) -> None:
    first = group[0]
    colour = {"failed": "red", "unknown": "purple"}.get(first.verdict, "yellow")
    terminal.write(f"{first.verdict.upper():8}", **{colour: True, "bold": True})
    terminal.write(f"{_plain(first.sentence)}\n")
    for verdict in group:
        terminal.write_line(f"{'':8}{_plain(verdict.test)}", light=True)
        for line in [line for each in verdict.evidence for line in each.lines][:EVIDENCE_LINES]:
            terminal.write_line(f"{'':10}{_plain(line)}", light=True)
        if verdict.remedy:
            terminal.write_line(f"{'':8}next: {_plain(str(verdict.remedy))}")
    for title, text in (("owner", first.owner), ("see", " ".join(first.see))):
        if text:
            terminal.write_line(f"{'':8}{title}: {_plain(text)}")


def _plain(text: str) -> str:
    """`text` without control characters: names and log lines come from hosts."""
    return _CONTROL.sub("\ufffd", text)
