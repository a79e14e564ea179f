"""Words of a command line."""

import re
from pathlib import Path

from opsproof.core import units

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes that are not UTF-8."""


def required(text: str) -> str:
    """The `text` of an option. An empty text is often an unset shell variable.

    Raises:
        ValueError: `text` is empty or blank, contains control characters, or is not UTF-8.
    """
    if not text.strip():
        raise ValueError("the value is empty (an unset shell variable?)")
    if _UNPRINTABLE.search(text):
        raise ValueError(f"{text!a} contains control characters, or is not UTF-8")
    return text


def path(text: str) -> Path:
    """The path in the `text` of an option.

    Raises:
        ValueError: `text` is empty or blank.
    """
    return Path(required(text))


def duration(text: str) -> float:
    """The duration in `text`, such as ``30s`` or ``5min``, in seconds.

    Raises:
        ValueError: `text` is no duration, or is negative.
    """
    return _not_negative(units.parse(text, "seconds"))


def _not_negative(number: float) -> float:
    if number < 0:
        raise ValueError(f"{number:g} is negative")
    return number


def seconds(text: str) -> float:
    """The seconds in `text`, without a unit.

    Raises:
        ValueError: `text` is no number, or is negative.
    """
    return _not_negative(units.parse(text, "count"))


def count(text: str) -> int:
    """The count in `text`.

    Raises:
        ValueError: `text` is no whole number, or is negative.
    """
    number = _not_negative(units.parse(text, "count"))
    if number != int(number):
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)
