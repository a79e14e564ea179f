"""Looking again until something is as it should be, for as long as that may take."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def patiently(look: Callable[[], T], is_enough: Callable[[T], object], seconds: float, every_s: float) -> T:
    """The first that `look` gives and that is enough, or what it gives after so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_enough(found := look()) and time.monotonic() < deadline:
        time.sleep(every_s)
    return found
