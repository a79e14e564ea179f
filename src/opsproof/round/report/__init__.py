"""The reports of a run: a self-contained HTML file and a JUnit XML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.round.report.names import stem
from opsproof.round.report.page import ReportPage
from opsproof.round.report.writing import ReportWriter, XmlReport

if TYPE_CHECKING:
    from opsproof.round.run import Run


def prepare(config: pytest.Config, run: "Run") -> None:
    """Directs the report writers of pytest to the reports folder, and extends the HTML page."""
    folder = config.option.reports
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / stem(run.started, run.cadence)
    options: Any = config.option
    options.htmlpath = options.htmlpath or f"{path}.html"
    xml = XmlReport(config, options.xmlpath or f"{path}.xml", run)
    options.xmlpath = None  # pytest would write a report of its own
    options.self_contained_html = True
    options.css.append(str(Path(__file__).with_name("report.css")))
    config.pluginmanager.register(xml)
    before = _before(config, run)
    config.pluginmanager.register(ReportPage(config, run, before), "opsproof-page")
    config.pluginmanager.register(ReportWriter(config, run, before), "opsproof-writer")


def _before(config: pytest.Config, run: "Run") -> Path | None:
    """The page of the last run of the same round, if it is in the folder of the reports."""
    started = run.history.last_start(str(config.option.inventory), run.cadence)
    path = config.option.reports / f"{stem(started, run.cadence)}.html" if started else None
    return path if path is not None and path.exists() else None
