"""Lines that tests show while they run, past the capture of output: moments of kills, and what was proven."""

from collections.abc import Callable, Iterator

import pytest

from tests.harness import extent


def show(config: pytest.Config, text: str) -> None:
    """Shows a text; a worker of xdist has no terminal, and shows none."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            reporter.write_line(f"\n{text}")


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Shows a line."""
    return lambda text: show(pytestconfig, text)


def show_rows(request: pytest.FixtureRequest, rows: list[str]) -> Iterator[None]:
    """Shows `rows`, below the seed that repeats them, once the test or module ends; a fixture yields from this."""
    yield
    show(request.config, "\n".join([f"seed {extent.seed()}", *rows]))
