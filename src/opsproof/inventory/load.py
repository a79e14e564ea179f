"""Loads inventories: TOML files that declare hosts, their resources and limits.

Every declared resource is checked. Undeclared resources are not.
"""

import difflib
import json
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsproof.core.errors import InventoryError
from opsproof.inventory.hosts import Host, InventoryFile, Waiver


@dataclass(frozen=True)
class Inventory:
    """The hosts, by name, and the waivers of an inventory file."""

    path: Path
    hosts: dict[str, Host]
    waivers: tuple[Waiver, ...] = ()


@cache
def load(path: Path) -> Inventory:
    """The inventory in the file `path`.

    Raises:
        InventoryError: the file is missing or invalid; the message names file, table and key.
    """
    file = _validated(path)
    files = (file, *_inherited(path, file, (path.resolve(),)))
    hosts = {name: host.placed(name, files) for name, host in file.hosts.items()}
    return Inventory(path, hosts, tuple(file.waivers))


def _inherited(path: Path, file: InventoryFile, heirs: tuple[Path, ...]) -> list[InventoryFile]:
    if not file.extends:
        return []
    base = (path.parent / file.extends).resolve()
    if base in heirs:
        raise InventoryError(f"{path}: top level: extends: circular reference to {base}")
    found = _validated(base)
    return [found, *_inherited(base, found, (*heirs, base))]


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InventoryError(f"{path}: {(error.strerror or str(error)).lower()}: give --inventory=FILE") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InventoryError(f"{path}: not TOML: {error}") from error


def _validated(path: Path) -> InventoryFile:
    try:
        return InventoryFile.model_validate(_document(path))
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InventoryError("\n".join(f"{path}: {_line(detail)}" for detail in details)) from error


def _line(detail: Any) -> str:
    *table, key = [str(part) for part in detail["loc"] if part not in ("str", "list[str]")]
    where = ".".join(table) or "top level"
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key {key!r}{_suggestion(key)}"
    if detail["type"] == "missing":
        return f"{where}: {key} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {message[:1].lower()}{message[1:]}"


def _suggestion(key: str) -> str:
    known: Any = InventoryFile.model_json_schema()
    names = set(known["properties"])
    for definition in known["$defs"].values():
        names |= set(definition.get("properties", {}))
    close = difflib.get_close_matches(key, names, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def schema() -> str:
    """The JSON Schema of an inventory file, for editors."""
    return json.dumps(InventoryFile.model_json_schema(mode="validation"), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
