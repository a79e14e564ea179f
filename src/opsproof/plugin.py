"""The pytest plugin: command-line options, and registration of the plugins of a run.

Slow imports happen only in a run of checks, while the database worker process starts.
"""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.core import extensions, words
from opsproof.core.errors import InventoryError
from opsproof.core.rounds import ROUNDS
from opsproof.postgres.client import DatabaseClient

if TYPE_CHECKING:
    from opsproof.round.run import Run

T = TypeVar("T")
_MARKERS = (
    *(f"{name}: {question}" for name, question in ROUNDS.items()),
    "remedy: command that repairs a finding; {name} in an argument is replaced by the parameter of the test",
    "caused_by: checks whose failure explains a finding: of the same resource, or on=what the resource belongs to",
)
_OPTIONS = ("--inventory", "--reports", "--history", "--save-facts", "--facts", "--json", "--prometheus-textfile")
_LISTINGS = ("help", "version", "markers", "cacheshow")
_USAGE = """\
choose a round or checks:
  pytest -m daily            (or weekly, monthly, quarterly, predeploy, postdeploy)
  pytest checks/disks        (one subject)
  pytest tests               (the project's own tests; touches no production host)"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the command-line options."""
    group = parser.getgroup("opsproof")
    group.addoption(
        "--inventory",
        type=_path("--inventory"),
        default=os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY),
        metavar="FILE",
        help="inventory of hosts and limits (default: $OPSPROOF_INVENTORY, then %(default)s)",
    )
    group.addoption(
        "--reports",
        type=_path("--reports"),
        default=os.environ.get("OPSPROOF_REPORTS", DEFAULT_REPORTS),
        metavar="FOLDER",
        help="folder of reports and history (default: $OPSPROOF_REPORTS, then %(default)s)",
    )
    group.addoption(
        "--history",
        type=_converted("--history or $OPSPROOF_HISTORY", _history_url),
        default=os.environ.get("OPSPROOF_HISTORY") or None,
        metavar="URL",
        help="history of several machines: postgresql://role@server/database (default: $OPSPROOF_HISTORY, then a file)",
    )
    group.addoption(
        "--save-facts", type=_path("--save-facts"), metavar="FILE", help="save the raw answers of the hosts to FILE"
    )
    group.addoption(
        "--facts", type=_path("--facts"), metavar="FILE", help="judge the saved answers in FILE; contact no host"
    )
    group.addoption("--json", type=_path("--json"), metavar="FILE", help="write the results of the run as JSON to FILE")
    group.addoption(
        "--prometheus-textfile",
        type=_converted("--prometheus-textfile", _textfile),
        metavar="FILE",
        help="write metrics of a complete run for the textfile collector of node_exporter; FILE ends in .prom",
    )
    group.addoption(
        "--host", type=_text("--host"), action="append", metavar="NAME", help="check this host only; may be repeated"
    )
    group.addoption("--strict-warnings", action="store_true", help="fail the run on warnings")


def _path(option: str) -> Callable[[str], Path]:
    return _converted(option, words.path)


def _textfile(text: str) -> Path:
    path = words.path(text)
    if path.suffix != ".prom":
        raise ValueError(f"{text!r} does not end in .prom: node_exporter reads only such files")
    return path


def _text(option: str) -> Callable[[str], str]:
    return _converted(option, words.required)


def _history_url(text: str) -> str:
    from opsproof.history.server import history_url

    return history_url(text)


def _converted(option: str, convert: Callable[[str], T]) -> Callable[[str], T]:
    def converted(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:  # argparse would print its usage too
            raise pytest.UsageError(f"{option}: {error}") from error

    return converted


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepares a run of checks, unless pytest runs the project's own tests or only lists something."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    _refuse_repeated_options(config)
    if config.inipath is None:
        _refuse_separate_values(config)
        _refuse_other_folder(config)
        return
    if config.getoption("showfixtures", None) or config.getoption("show_fixtures_per_test", None):
        _register_fixtures(config)
    elif not any(config.getoption(each, None) for each in _LISTINGS) and _runs_checks(config):
        _require_choice(config)
        gc.disable()  # collecting garbage takes a tenth of the time of a run
        _register_run(config)


def _register_fixtures(config: pytest.Config) -> None:
    from opsproof.round import fixtures

    config.pluginmanager.register(fixtures.FactFixtures(), "opsproof-facts")


def _register_run(config: pytest.Config) -> None:
    if config.option.prometheus_textfile and config.option.facts:
        raise pytest.UsageError("--prometheus-textfile is not valid with --facts: saved answers are not the present")
    _require_folders(config)
    client = DatabaseClient() if _asks(config) else None
    from opsproof.round import collection
    from opsproof.round.run import RUN

    _register_fixtures(config)
    run = config.stash[RUN] = _run(config, client)
    config.pluginmanager.register(run, "opsproof-run")
    run.start_ahead()
    if run.has_all_checks:
        config.args.extend(map(str, extensions.check_folders()))
    config.pluginmanager.register(collection, "opsproof-collection")
    if not run.is_worker and not config.option.collectonly:
        from opsproof.round import report, terminal

        report.prepare(config, run)
        config.pluginmanager.register(terminal.Terminal(config, run), "opsproof-terminal")


def _require_folders(config: pytest.Config) -> None:
    save: Path | None = config.option.save_facts
    try:
        config.option.reports.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise pytest.UsageError(f"--reports={config.option.reports}: a file, not a folder: choose a folder") from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise pytest.UsageError(
            f"--reports={config.option.reports}: {why}: choose a folder that you may write"
        ) from error
    for folder in (config.option.reports, save.parent if save else config.option.reports):
        if not os.access(folder, os.W_OK):
            raise pytest.UsageError(f"{folder}: not a writable folder")


def _asks(config: pytest.Config) -> bool:
    """Whether this process queries all hosts: false with xdist workers, with saved facts and with --collect-only."""
    workers_do = hasattr(config, "workerinput") or config.getoption("numprocesses", None)
    return not (workers_do or config.option.facts or config.option.collectonly)


def _run(config: pytest.Config, client: DatabaseClient | None) -> "Run":
    from opsproof.round.run import Run

    try:
        return Run(config, client)
    except InventoryError as error:
        if client is not None:
            client.close()
        raise pytest.UsageError(str(error)) from error


def _refuse_repeated_options(config: pytest.Config) -> None:
    names = [str(word).partition("=")[0] for word in config.invocation_params.args]
    for option in _OPTIONS:
        if names.count(option) > 1:
            raise pytest.UsageError(f"{option}: given twice")


def _refuse_separate_values(config: pytest.Config) -> None:
    # pytest takes a separate FILE for a test path, and looks for its ini-file there.
    for option in _OPTIONS:
        if option in config.invocation_params.args:
            raise pytest.UsageError(f"use {option}=FILE, with an equals sign, for a file outside this folder")


def _refuse_other_folder(config: pytest.Config) -> None:
    names = {str(word).partition("=")[0] for word in config.invocation_params.args}
    if names & {*_OPTIONS} or config.option.markexpr in ROUNDS:
        raise pytest.UsageError(f"no checks in {config.invocation_params.dir}: run pytest in the folder of opsproof")


def _runs_checks(config: pytest.Config) -> bool:
    tests = config.rootpath / "tests"
    paths = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    return not all(path.is_relative_to(tests) for path in paths)


def _require_choice(config: pytest.Config) -> None:
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        raise pytest.UsageError(_USAGE)
