"""Lines shown by running tests, bypassing output capture: moments of kills, and results of proofs."""

from collections.abc import Callable, Iterator

import pytest

from tests.harness import extent


def show(config: pytest.Config, text: str) -> None:
    """Shows a text, except in xdist workers, without a terminal."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            reporter.write_line(f"\n{text}")


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line."""
    return lambda text: show(pytestconfig, text)


def show_rows(request: pytest.FixtureRequest, rows: list[str]) -> Iterator[None]:
    """Shows `rows` below the seed after the test or module; a fixture yields from the generator."""
    yield
    show(request.config, "\n".join([f"seed {extent.seed()}", *rows]))
