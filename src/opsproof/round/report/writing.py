"""Writes the reports. A report that cannot be written hides no finding, and leaves no partial file."""

import os
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from _pytest.junitxml import LogXML, xml_key

from opsproof.core import files
from opsproof.round.report import index, pruning, results, textfile
from opsproof.round.report.names import NEXT
from opsproof.round.run import Run

UNWRITTEN_EXIT = pytest.ExitCode.INTERNAL_ERROR
"""The exit status if no check failed or was unknown, but a report or the history cannot be written."""
_ERRORS = (OSError, UnicodeError)


class XmlReport(LogXML):
    """The JUnit XML of pytest, whose errors are left to `attempt`."""

    def __init__(self, config: pytest.Config, path: str, run: Run) -> None:
        ini = ("junit_suite_name", "junit_logging", "junit_duration_report", "junit_family", "junit_log_passing_tests")
        super().__init__(path, config.option.junitprefix, *map(config.getini, ini))
        self._run = run
        self._is_written = False
        config.stash[xml_key] = self

    def pytest_sessionfinish(self) -> None:
        """Writes the file."""
        path = Path(self.logfile)
        self._is_written = attempt(self._run, path, super().pytest_sessionfinish)
        if not self._is_written:
            _remove(path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Names the file, if it was written."""
        if self._is_written:
            super().pytest_terminal_summary(terminalreporter, config)


class ReportWriter:
    """Writes the files and the history of a run, which may fail, and sets the exit status."""

    def __init__(self, config: pytest.Config, run: Run, before: Path | None) -> None:
        self._config = config
        self._run = run
        self._before = before

    def pytest_runtestloop(self) -> None:
        """Compiles the template of the index while hosts are queried."""
        index.template()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Runs directly around the hook of pytest-html, which pytest calls last."""
        page = Path(self._config.option.htmlpath)
        try:
            result = yield
        except _ERRORS as error:
            _tell(self._run, page, error)
            _remove(page)
            for plugin in [each for each in self._config.pluginmanager.get_plugins() if _writes_html(each)]:
                self._config.pluginmanager.unregister(plugin)  # its summary would name the file
            result = None
        if self._config.option.save_facts:
            attempt(self._run, self._config.option.save_facts, self._run.save_facts)
        if (path := self._config.option.json) and self._run.is_judged(int(session.exitstatus)):
            attempt(self._run, path, lambda: files.replace(path, results.text(self._run), mode=0o600))
        if self._run.record(int(session.exitstatus)):
            self._conclude(self._config.option.reports)
        if self._config.option.prometheus_textfile and self._run.is_complete(int(session.exitstatus)):
            self._publish(self._config.option.prometheus_textfile)
        if (self._run.unwritten or self._run.history.unrecorded) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = UNWRITTEN_EXIT
        return result

    def _conclude(self, folder: Path) -> None:
        """Rewrites the index, and removes expired reports if every file of this run is written."""
        attempt(self._run, folder / index.FILE, lambda: index.write(self._run, folder))
        if self._before:
            before, page = self._before, Path(self._config.option.htmlpath)
            attempt(self._run, before, lambda: link_next(before, page.name) if page.parent == before.parent else None)
        keep_s = self._run.inventory.keep_reports_s
        if keep_s is None or self._run.unwritten:
            return
        for path in pruning.expired(folder, self._run.history, keep_s, self._before):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._run.notices.append(f"{path} cannot be removed: {error.strerror}")

    def _publish(self, path: Path) -> None:
        """Writes the metrics; a failure is told, and changes no exit status."""
        try:
            textfile.write(self._run, path)
        except _ERRORS as error:
            self._run.notices.append(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")


def link_next(page: Path, name: str) -> None:
    """Adds a link to the next page `name` of the same round, and keeps mode and time of the page.

    A page that another run has removed stays removed.

    Raises:
        OSError: the page cannot be replaced; the old one stays.
    """
    with suppress(FileNotFoundError):
        text, status = page.read_text(encoding="utf-8"), page.stat()
        linked = text.replace(NEXT, f'<li><a href="{quote(name)}">Next</a></li>', 1)
        if linked != text:
            files.replace(page, linked, status.st_mode & 0o777)
            os.utime(page, ns=(status.st_atime_ns, status.st_mtime_ns))


def attempt(run: Run, path: Path, write: Callable[[], None]) -> bool:
    """Writes the file `path`, and returns whether that succeeded; a failure is told in the summary."""
    try:
        write()
    except _ERRORS as error:
        _tell(run, path, error)
        return False
    return True


def _tell(run: Run, path: Path, error: Exception) -> None:
    run.unwritten.append(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")


def _remove(path: Path) -> None:
    """Removes a partial file, if possible."""
    with suppress(OSError):
        if path.is_file():
            path.unlink()


def _writes_html(plugin: object) -> bool:
    return type(plugin).__module__.startswith("pytest_html.")
