"""The reports of a run: a self-contained HTML file and a JUnit XML file."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.round.report.page import ReportPage
from opsproof.round.report.writing import ReportWriter, XmlReport

if TYPE_CHECKING:
    from opsproof.round.run import Run


def prepare(config: pytest.Config, run: "Run") -> None:
    """Directs the report writers of pytest to the reports folder, and extends the HTML page."""
    folder = config.option.reports
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.datetime.fromtimestamp(run.started).astimezone().strftime("%Y-%m-%d_%H-%M-%S.%f")[:-3]
    stem = folder / f"{moment}_{''.join(c if c.isalnum() else '-' for c in run.cadence)}"
    options: Any = config.option
    options.htmlpath = options.htmlpath or f"{stem}.html"
    xml = XmlReport(config, options.xmlpath or f"{stem}.xml", run)
    options.xmlpath = None  # pytest would write a report of its own
    options.self_contained_html = True
    options.css.append(str(Path(__file__).with_name("report.css")))
    config.pluginmanager.register(xml)
    config.pluginmanager.register(ReportPage(config, run), "opsproof-page")
    config.pluginmanager.register(ReportWriter(config, run), "opsproof-writer")
