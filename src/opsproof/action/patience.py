"""Polling with a time limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def patiently(look: Callable[[], T], is_enough: Callable[[T], object], seconds: float, every_s: float) -> T:
    """Calls `look` every `every_s` seconds until `is_enough`, for `seconds` at most; returns the last result."""
    deadline = time.monotonic() + seconds
    while not is_enough(found := look()) and time.monotonic() < deadline:
        time.sleep(every_s)
    return found
