"""Writes TOML: names and values from hosts may contain any character."""

import json
import re
from collections.abc import Mapping

Value = str | int | bool | list[str] | list[int] | dict[str, "Value"]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def text(value: str) -> str:
    """A basic string: https://toml.io/en/v1.0.0#string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key, quoted where it is not bare."""
    return name if _BARE.fullmatch(name) else text(name)


def value(given: Value) -> str:
    """A string, number, boolean, list or inline table."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, dict):
        return inline(given)
    if isinstance(given, list):
        return f"[{', '.join(map(value, given))}]"
    return text(given) if isinstance(given, str) else str(given)


def inline(fields: Mapping[str, Value]) -> str:
    """An inline table."""
    inside = ", ".join(f"{key(name)} = {value(each)}" for name, each in fields.items())
    return f"{{ {inside} }}" if inside else "{}"


def comment(said: str) -> str:
    """A comment in one line, without control characters."""
    return f"# {_CONTROL.sub('?', said)}"
