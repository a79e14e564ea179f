"""Plain short lines of progress."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def say_aloud(line: str) -> None:
    """Prints one line at once, also into a pipe."""
    print(line, flush=True)


@contextmanager
def step(say: Say, text: str) -> Iterator[None]:
    """Says the text with the seconds it took, once it is done."""
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:6.1f} s  {text}")
