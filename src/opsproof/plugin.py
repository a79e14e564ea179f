"""The pytest plugin: its options, and what it registers for a run of checks.

What takes long to load is imported when a run of checks is certain, and while the process that
asks databases loads beside it.
"""

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.core.errors import InventoryError
from opsproof.postgres.client import DatabaseClient

if TYPE_CHECKING:
    from opsproof.round.run import Run

_LISTINGS = ("help", "version", "markers", "cacheshow")
_USAGE = """\
say which round to run, or which checks:
  pytest -m daily            (or weekly, monthly, quarterly, predeploy, postdeploy)
  pytest checks/disks        (one subject)
  pytest tests               (the project's own tests; touches no production host)"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What can be said on the command line."""
    group = parser.getgroup("opsproof")
    group.addoption(
        "--inventory",
        type=Path,
        default=Path(os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY)),
        metavar="FILE",
        help="hosts, what they run and their limits (default: $OPSPROOF_INVENTORY, then %(default)s)",
    )
    group.addoption(
        "--reports",
        type=Path,
        default=Path(os.environ.get("OPSPROOF_REPORTS", DEFAULT_REPORTS)),
        metavar="FOLDER",
        help="where reports and the history go (default: $OPSPROOF_REPORTS, then %(default)s)",
    )
    group.addoption("--save-facts", type=Path, metavar="FILE", help="keep the raw answers of this run")
    group.addoption("--facts", type=Path, metavar="FILE", help="judge the answers in FILE; no host is contacted")
    group.addoption("--strict-warnings", action="store_true", help="let a warning fail the run")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepares a run of checks; the project's own tests, and pytest's listings, are left alone."""
    if config.inipath is None:
        _refuse_lost_inventory(config)
        return
    if config.getoption("showfixtures", None) or config.getoption("show_fixtures_per_test", None):
        _register_fixtures(config)
    elif not any(config.getoption(each, None) for each in _LISTINGS) and _runs_checks(config):
        _require_choice(config)
        gc.disable()  # a run ends before its garbage would matter; looking for it takes a tenth of its time
        _register_run(config)


def _register_fixtures(config: pytest.Config) -> None:
    from opsproof.round import fixtures

    config.pluginmanager.register(fixtures.FactFixtures(), "opsproof-facts")


def _register_run(config: pytest.Config) -> None:
    _require_folders(config)
    client = DatabaseClient() if _asks(config) else None
    from opsproof.round import collection
    from opsproof.round.run import RUN

    _register_fixtures(config)
    run = config.stash[RUN] = _run(config, client)
    config.pluginmanager.register(run, "opsproof-run")
    config.pluginmanager.register(collection, "opsproof-course")
    if not run.is_worker and not config.option.collectonly:
        from opsproof.round import report, terminal

        report.prepare(config, run)
        config.pluginmanager.register(terminal.Terminal(config, run), "opsproof-terminal")


def _require_folders(config: pytest.Config) -> None:
    save: Path | None = config.option.save_facts
    try:
        config.option.reports.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--reports={config.option.reports}: {error.strerror}") from error
    for folder in (config.option.reports, save.parent if save else config.option.reports):
        if not os.access(folder, os.W_OK):
            raise pytest.UsageError(f"{folder}: no folder that can be written to")


def _asks(config: pytest.Config) -> bool:
    """Whether this process itself asks hosts: not where xdist's workers do, or where nobody does."""
    others_do = hasattr(config, "workerinput") or config.getoption("numprocesses", None)
    return not (others_do or config.option.facts or config.option.collectonly)


def _run(config: pytest.Config, client: DatabaseClient | None) -> "Run":
    from opsproof.round.run import Run

    try:
        return Run(config, client)
    except InventoryError as error:
        if client is not None:
            client.close()
        raise pytest.UsageError(str(error)) from error


def _refuse_lost_inventory(config: pytest.Config) -> None:
    # pytest takes a word behind a space for a path of tests, and looks for its settings there.
    for option in ("--inventory", "--reports", "--save-facts", "--facts"):
        if option in config.invocation_params.args:
            raise pytest.UsageError(f"write {option}=FILE, with an equals sign, for a file outside this folder")


def _runs_checks(config: pytest.Config) -> bool:
    tests = config.rootpath / "tests"
    paths = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    return not all(path.is_relative_to(tests) for path in paths)


def _require_choice(config: pytest.Config) -> None:
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        raise pytest.UsageError(_USAGE)
