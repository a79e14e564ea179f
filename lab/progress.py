"""Lines of progress."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def say_aloud(line: str) -> None:
    """Prints a line and flushes, also into a pipe."""
    print(line, flush=True)


@contextmanager
def step(say: Say, text: str) -> Iterator[None]:
    """Prints the text with the duration of the block, after the block ends."""
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:6.1f} s  {text}")
