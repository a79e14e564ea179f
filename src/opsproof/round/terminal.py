"""Terminal output of a run: each cause once in a sentence, with its remedy, hosts and consequences."""

import re
from typing import Any

import pytest

from opsproof.core.verdicts import Verdict
from opsproof.round.grouping import Finding, Group, findings
from opsproof.round.run import Run

EVIDENCE_LINES, OTHERS = 6, 5
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
        """Prints the findings by cause, the worst first, the round trips and complaints of the history."""
        terminalreporter.reportchars = ""
        terminalreporter.currentfspath = None  # its line has ended; write_line would end it again
        found = findings(self._run.verdicts)
        if found:
            terminalreporter.section("findings")
        for each in found:
            _write(terminalreporter, each)
        trips = self._run.round_trips
        if any(trips.values()):
            terminalreporter.write_line(f"round trips: {trips['shell']} to hosts, {trips['sql']} to databases")
        for notice in self._run.notices:
            terminalreporter.write_line(_plain(notice), yellow=True)
        for unwritten in self._run.unwritten:
            terminalreporter.write_line(unwritten, red=True)
        for complaint in self._run.history.complaints:
            terminalreporter.write_line(f"{complaint}", yellow=True)


def _write(terminal: Any, finding: Finding) -> None:
    cause = finding.first.cause
    _write_sentence(terminal, "", cause, cause.sentence)
    terminal.write_line(f"{'':8}{_plain(cause.test)}", light=True)
    for line in [line for each in cause.evidence for line in each.lines][:EVIDENCE_LINES]:
        terminal.write_line(f"{'':10}{_plain(line)}", light=True)
    said = {"next": cause.remedy, "owner": cause.owner, "acknowledged": cause.acknowledged, "see": " ".join(cause.see)}
    for title, text in said.items():
        if text:
            terminal.write_line(f"{'':8}{title}: {_plain(str(text))}")
    _write_hosts(terminal, finding)
    _write_consequences(terminal, finding.first)


def _write_hosts(terminal: Any, finding: Finding) -> None:
    """The further hosts with the finding, each with its own sentence, and the few hosts without it."""
    others = finding.groups[1:]
    for each in others[:OTHERS]:
        terminal.write_line(f"{'':8}also on {_plain(each.cause.host)}: {_plain(each.cause.sentence)}")
    if len(others) > OTHERS:
        terminal.write_line(f"{'':8}and on {len(others) - OTHERS} more hosts, named in the report")
    if finding.spared:
        terminal.write_line(f"{'':8}not on {', '.join(map(_plain, finding.spared))}")


def _write_consequences(terminal: Any, group: Group) -> None:
    found = group.consequences
    if found:
        terminal.write_line(f"{'':8}explains {len(found)} more {'finding' if len(found) == 1 else 'findings'}:")
    for each in found[:OTHERS]:
        is_same = each.sentence == group.cause.sentence
        _write_sentence(terminal, f"{'':10}", each, each.test if is_same else each.sentence)
    if len(found) > OTHERS:
        terminal.write_line(f"{'':10}and {len(found) - OTHERS} more, in the report")


def _write_sentence(terminal: Any, indent: str, verdict: Verdict, text: str) -> None:
    colour = {"failed": "red", "unknown": "purple"}.get(verdict.verdict, "yellow")
    terminal.write(f"{indent}{verdict.verdict.upper():8}", **{colour: True, "bold": True})
    terminal.write(f"{_plain(text)}\n")


def _plain(text: str) -> str:
    """`text` without control characters: names and log lines come from hosts."""
    return _CONTROL.sub("\ufffd", text)
