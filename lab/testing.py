"""A pytest fixture: one live lab for a whole test session."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import lock, ports
from lab.errors import LabError
from lab.instance import Lab
from lab.layout import DEFAULT_HOME


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A live, healthy lab on ports of its own; its data folder is reused by later sessions."""
    with ExitStack() as stack:
        home = _own_home(stack)
        Lab(home).down()
        live = Lab(home, ports.free(), ports.free())
        live.up()
        yield live
        live.down()


def _own_home(stack: ExitStack) -> Path:
    """The first cached home that no other test session uses at this moment."""
    for number in itertools.count(1):
        home = DEFAULT_HOME / ("tests" if number == 1 else f"tests-{number}")
        try:
            stack.enter_context(lock.held(home / "session.lock"))
        except LabError:
            continue
        return home
    raise AssertionError
