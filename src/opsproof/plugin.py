"""The pytest plugin: options, the course of a run, and its exit status."""

import gc
import os
from pathlib import Path

import pytest

from opsproof import fixtures
from opsproof.errors import InventoryError
from opsproof.facts import REGISTRY
from opsproof.models import NOUNS
from opsproof.run import RUN, Run

UNKNOWN_EXIT = 6
_LISTINGS = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
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
        default=Path(os.environ.get("OPSPROOF_INVENTORY", "inventory/metachat.toml")),
        metavar="FILE",
        help="hosts, what they run and their limits (default: $OPSPROOF_INVENTORY, then %(default)s)",
    )
    group.addoption(
        "--reports",
        type=Path,
        default=Path(os.environ.get("OPSPROOF_REPORTS", "reports")),
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
    config.pluginmanager.register(fixtures.FactFixtures(), "opsproof-facts")
    if any(config.getoption(each, None) for each in _LISTINGS) or not _runs_checks(config):
        return
    run = _prepared(config)
    config.stash[RUN] = run
    config.pluginmanager.register(run, "opsproof-run")
    gc.disable()  # a run ends before its garbage would matter; looking for it takes a tenth of its time
    run.prepare()
    if not run.is_worker and not config.option.collectonly:
        from opsproof import report, terminal  # workers and listings write none

        report.prepare(config, run)
        config.pluginmanager.register(terminal.Terminal(config, run), "opsproof-terminal")


def _refuse_lost_inventory(config: pytest.Config) -> None:
    # pytest takes a word behind a space for a path of tests, and looks for its settings there.
    for option in ("--inventory", "--reports", "--save-facts", "--facts"):
        if option in config.invocation_params.args:
            raise pytest.UsageError(f"write {option}=FILE, with an equals sign, for a file outside this folder")


def _runs_checks(config: pytest.Config) -> bool:
    tests = config.rootpath / "tests"
    paths = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    return not all(path.is_relative_to(tests) for path in paths)


def _prepared(config: pytest.Config) -> Run:
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        raise pytest.UsageError(_USAGE)
    try:
        return Run(config)
    except InventoryError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives a test that names a noun, or a fact, one case for each that the inventory declares."""
    run = metafunc.config.stash.get(RUN, None)
    if run is None or "host" not in metafunc.fixturenames:
        return
    nouns = [noun for noun in NOUNS if noun in metafunc.fixturenames]
    if len(nouns) > 1:
        raise pytest.UsageError(f"{metafunc.function.__name__} names two nouns: {', '.join(nouns)}")
    if nouns:
        cases = [(host, name) for host in run.inventory.hosts.values() for name in host.nouns(nouns[0])]
        ids = ["-".join(filter(None, (host.name, name))) for host, name in cases]
        metafunc.parametrize(("host", nouns[0]), [(h.name, n) for h, n in cases], indirect=["host"], ids=ids)
    else:
        metafunc.parametrize("host", list(run.inventory.hosts), indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drops what no host declares."""
    if RUN in config.stash:
        items[:] = [item for item in items if isinstance(_host_of(item), str | None)]


def _host_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("host") if callspec else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plans which facts to ask of which host, from what the selected tests name."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return
    for item in session.items:
        host = _host_of(item)
        for name in getattr(item, "fixturenames", ()):
            if host is not None and name in REGISTRY:
                run.want(host, name, item.callspec.params)  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Asks all hosts at once; a worker of xdist asks each when it gets its checks."""
    run = session.config.stash.get(RUN, None)
    if run is not None and not session.testsfailed:
        run.start_gathering()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Deals out whole hosts to xdist's workers."""
    run = config.stash.get(RUN, None)
    if run is None:
        return None
    from opsproof.distribution import HostScheduling  # a run without workers needs none

    return HostScheduling(config, log, run.inventory.hosts)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Exit 6 when nothing failed, but something is unknown."""
    run = session.config.stash.get(RUN, None)
    if run is None or run.is_worker or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    counts = run.tally()
    failed = counts["failed"] or (session.config.option.strict_warnings and counts["warned"])
    if failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif counts["unknown"]:
        session.exitstatus = UNKNOWN_EXIT
