"""Hooks of a run of checks: parametrization, the plan of facts, the start of gathering, the exit status."""

import pytest

from opsproof.facts import REGISTRY
from opsproof.inventory.hosts import RESOURCES, Acknowledgement, Waiver
from opsproof.round.judging import UNKNOWN_EXIT
from opsproof.round.run import RUN

_NEEDLESS: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes a test with the declared resources of its argument, else with the hosts."""
    run = metafunc.config.stash[RUN]
    if "host" not in metafunc.fixturenames:
        return
    resources = [resource for resource in RESOURCES if resource in metafunc.fixturenames]
    if len(resources) > 1:
        raise pytest.UsageError(f"{metafunc.function.__name__} names two resources: {', '.join(resources)}")
    if resources:
        cases = run.inventory.cases(resources[0])
        metafunc.parametrize(("host", resources[0]), list(cases.values()), indirect=["host"], ids=list(cases))
    else:
        metafunc.parametrize("host", list(run.inventory.hosts), indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects checks whose resource no host declares, and looks for waivers and acknowledgements of no check."""
    config.stash[_NEEDLESS] = _needless(config, {item.name for item in items})
    undeclared = [item for item in items if not _is_declared(item)]
    if undeclared:
        config.hook.pytest_deselected(items=undeclared)
        items[:] = [item for item in items if _is_declared(item)]


def _needless(config: pytest.Config, names: set[str]) -> list[str]:
    """The entries without a check among `names`, as complaints; none unless all checks of all hosts are collected."""
    run = config.stash[RUN]
    if run.is_worker or config.option.host or not run.has_all_checks:
        return []
    tables: dict[str, tuple[Waiver | Acknowledgement, ...]] = {
        "waivers": run.inventory.waivers,
        "acknowledged": run.inventory.acknowledged,
    }
    named = [(table, f"{each.check}[{each.on}]") for table, entries in tables.items() for each in entries]
    return [f"{table}: no check {name}: correct or remove the entry" for table, name in named if name not in names]


def _is_declared(item: pytest.Item) -> bool:
    return isinstance(_host_of(item), str | None)


def _host_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("host") if callspec else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plans the facts of each host from the fixtures of the selected tests.

    Raises:
        UsageError: a waiver or an acknowledgement names no check, or no case of the check.
    """
    run = session.config.stash[RUN]
    if needless := session.config.stash.get(_NEEDLESS, []):
        raise pytest.UsageError(f"{run.inventory.path}: {needless[0]}")
    for item in session.items:
        host = _host_of(item)
        for name in getattr(item, "fixturenames", ()):
            if host is not None and name in REGISTRY:
                run.want(host, name, item.callspec.params)  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Starts to query all hosts. xdist workers start with their first check."""
    if not session.testsfailed:
        session.config.stash[RUN].start_gathering()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Starts to query all hosts of an xdist worker with its first check."""
    run, host = item.config.stash[RUN], _host_of(item)
    if run.is_worker and host is not None:
        run.start_share(host)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Distributes whole hosts to xdist workers."""
    from opsproof.round.workers import HostScheduling  # not needed without workers

    return HostScheduling(config, log, list(config.stash[RUN].inventory.hosts))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Sets exit status 6 if no check failed and any is unknown."""
    run = session.config.stash[RUN]
    if run.is_worker or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    counts = run.tally()
    failed = counts["failed"] or (session.config.option.strict_warnings and (counts["warned"] or run.notices))
    if failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif counts["unknown"]:
        session.exitstatus = UNKNOWN_EXIT
