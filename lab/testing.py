"""Pytest fixtures: a live lab for the whole session, or only the lab's programs."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import lock, node, ports
from lab.errors import LabError
from lab.instance import Lab
from lab.layout import DEFAULT_HOME, Layout
from lab.progress import say_aloud


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A live, healthy lab on free ports; later sessions reuse the data folder."""
    with ExitStack() as stack:
        home = _own_home(stack)
        Lab(home).down()
        live = Lab(home, ports.free(), ports.free())
        live.up()
        yield live
        live.down()


@pytest.fixture(scope="session")
def lab_tools() -> Iterator[Path]:
    """The folder with the lab's node, npm and pm2; nothing is started."""
    with ExitStack() as stack:
        layout = Layout(_own_home(stack))
        layout.create()
        node.prepare(layout, say_aloud)
        yield layout.bin


def _own_home(stack: ExitStack) -> Path:
    """The first cached home not in use by another test session."""
    for number in itertools.count(1):
        home = DEFAULT_HOME / ("tests" if number == 1 else f"tests-{number}")
        try:
            stack.enter_context(lock.held(home / "session.lock"))
        except LabError:
            continue
        return home
    raise AssertionError
