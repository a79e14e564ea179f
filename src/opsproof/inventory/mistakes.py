"""A line for each mistake in an inventory, with table, key and what to write instead."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from opsproof.inventory.hosts import InventoryFile

TOP = "top level"
_TABLE = "must be a table, as in { key = value }"
_TIME = "must be a time with a zone, like 2026-11-30T12:00:00Z"
_PLAIN = {
    "string_type": "must be text in quotes",
    "string_too_short": "is empty: write a value",
    "list_type": 'must be a list, as in ["value"]',
    "too_short": "is empty: declare at least one",
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "date_type": "must be a date like 2026-12-31",
    "date_parsing": "must be a date like 2026-12-31",
    "date_from_datetime_parsing": "must be a date like 2026-12-31",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "timezone_aware": _TIME,
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
}
"""What to write instead, by pydantic's type of error."""
_SHAPES = {
    r"^https?://": "must start with http:// or https://",
    r"^[^.]+\.[^.]+$": "must be schema.table",
    r"^(/[A-Za-z0-9._+-]+)*$": "must be an absolute path of letters, digits and . _ + -",
    r"^[A-Za-z0-9][A-Za-z0-9-]*$": "must be a name of letters, digits and hyphens",
    r"^[A-Za-z0-9._-]*$": "must be a name of letters, digits and . _ -",
    r"^[\w.@$-]*$": "must be the name of a field",
    r"^[^\n]*$": "must be a single line",
}
"""What to write instead, by the pattern that a value breaks."""


def lines(details: Iterable[Any]) -> list[str]:
    """The sentences about errors of pydantic, one for each key. A misspelled key is not also reported as missing."""
    said: dict[tuple[str, ...], str] = {}
    misspelled: set[tuple[str, ...]] = set()
    for detail in sorted(details, key=_rank):
        where = _place(detail)
        if where not in said and where not in misspelled:
            said[where] = _line(detail)
        if detail["type"] == "extra_forbidden":
            misspelled |= {(*where[:-1], each) for each in _similar(list(where[:-1]), where[-1])}
    return list(said.values())


def _rank(detail: Any) -> int:
    """Unknown keys first. Of a key that may be text or a list, the type that was not given comes last."""
    return 0 if detail["type"] == "extra_forbidden" else 1 + detail["type"].endswith("_type")


def _place(detail: Any) -> tuple[str, ...]:
    return tuple(str(part) for part in detail["loc"] if part not in ("str", "list[str]", "[key]"))


def _line(detail: Any) -> str:
    *table, key = _place(detail)
    where = ".".join(table) or TOP
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key {key!r}{_suggestion(table, key)}"
    if detail["type"] == "missing":
        return f"{where}: {key} is missing: add it"
    return f"{where}: {key}: {_complaint(detail)}"


def _complaint(detail: Any) -> str:
    if detail["type"] == "string_pattern_mismatch":
        return _SHAPES.get(detail["ctx"]["pattern"], str(detail["msg"]))
    if detail["type"] == "model_type" and "limits" in detail["loc"]:
        return 'must be a table, as in { must = "< 80%" }'
    if detail["type"] in _PLAIN:
        return _PLAIN[detail["type"]]
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{message[:1].lower()}{message[1:]}"


def _similar(table: list[str], key: str) -> list[str]:
    """The key of the same table that was probably meant."""
    here = next((names for pattern, names in _tables() if _is_in(table, pattern)), [])
    return difflib.get_close_matches(key, here, n=1, cutoff=0.65)


def _suggestion(table: list[str], key: str) -> str:
    """A similar key of the same table, else the table where a key of this or a similar name is valid."""
    keys = dict(_tables())
    if close := _similar(table, key):
        return f": did you mean {close[0]!r}?"
    close = difflib.get_close_matches(key, {name for names in keys.values() for name in names}, n=1)
    if not close:
        return ": remove it"
    where = ".".join(next(pattern for pattern, names in keys.items() if close[0] in names)) or f"the {TOP}"
    return f": it is a key of {where}" if close[0] == key else f": did you mean {close[0]!r} of {where}?"


def _is_in(table: list[str], pattern: tuple[str, ...]) -> bool:
    same = (each in (part, "NAME") for part, each in zip(table, pattern, strict=False))
    return len(table) == len(pattern) and all(same)


def _tables() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The keys of each table, by its path, the top level first."""
    schema = InventoryFile.model_json_schema()
    nodes: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while nodes:
        path, node = nodes.pop(0)
        node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        nodes += [(path, each) for each in node.get("anyOf", [])]
        for inner in (node.get("additionalProperties"), node.get("items")):
            nodes += [((*path, "NAME"), inner)] if isinstance(inner, dict) else []
        if properties := node.get("properties"):
            yield path, list(properties)
            nodes += [((*path, name), each) for name, each in properties.items()]
