"""A line for each mistake in an inventory, with table and key."""

import difflib
from collections.abc import Iterator
from typing import Any

from opsproof.inventory.hosts import InventoryFile

TOP = "top level"


def line(detail: Any) -> str:
    """The sentence about an error of pydantic."""
    *table, key = [str(part) for part in detail["loc"] if part not in ("str", "list[str]")]
    where = ".".join(table) or TOP
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key {key!r}{_suggestion(table, key)}"
    if detail["type"] == "missing":
        return f"{where}: {key} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {message[:1].lower()}{message[1:]}"


def _suggestion(table: list[str], key: str) -> str:
    """A similar key of the same table, else the table where a key of this or a similar name is valid."""
    keys = dict(_tables())
    here = next((names for pattern, names in keys.items() if _is_in(table, pattern)), [])
    if close := difflib.get_close_matches(key, here, n=1):
        return f": did you mean {close[0]!r}?"
    close = difflib.get_close_matches(key, {name for names in keys.values() for name in names}, n=1)
    if not close:
        return ""
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
