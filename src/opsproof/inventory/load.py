"""Loads inventories: TOML files that declare hosts, their resources and limits.

Every declared resource is checked. Undeclared resources are not.
"""

import datetime
import json
import sys
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsproof.core import extensions, files, installation
from opsproof.core.errors import InventoryError
from opsproof.inventory import mistakes
from opsproof.inventory.hosts import Acknowledgement, Host, InventoryFile, Waiver
from opsproof.inventory.resources import Reviewed
from opsproof.inventory.reviews import Review

INSTALLED = "opsproof:"
"""The prefix of `extends` for an inventory that is installed with opsproof."""


@dataclass(frozen=True)
class Inventory:
    """The hosts, by name, the waivers and the acknowledged findings of an inventory file."""

    path: Path
    hosts: dict[str, Host]
    waivers: tuple[Waiver, ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    reviews: tuple[Review, ...] = ()
    keep_reports_s: float | None = None
    """The age in seconds at which reports are removed; None to keep all."""

    def overdue_reviews(self, today: datetime.date) -> list[str]:
        """A line for each review that is overdue on `today`, or dated after it."""
        return [f"{self.path}: {problem}" for each in self.reviews if (problem := each.problem(today))]

    def narrowed(self, names: Collection[str]) -> "Inventory":
        """This inventory with the named hosts only; without names, all.

        Raises:
            InventoryError: a name is not declared.
        """
        for name in names:
            if name not in self.hosts:
                raise InventoryError(f"unknown host {name!r}; choose {' or '.join(self.hosts)}")
        hosts = {name: host for name, host in self.hosts.items() if name in names}
        return replace(self, hosts=hosts) if names else self

    def cases(self, resource: str) -> dict[str, tuple[str, str]]:
        """Host and name of each declared resource of a kind, by its parameter in reports; of each host for ``""``."""
        if not resource:
            return {name: (name, "") for name in self.hosts}
        pairs = [(host.name, name) for host in self.hosts.values() for name in host.resources(resource)]
        return {"-".join(filter(None, pair)): pair for pair in pairs}


@cache
def load(path: Path) -> Inventory:
    """The inventory in the file `path`.

    Raises:
        InventoryError: the file is missing or invalid, or an extension cannot be loaded.
    """
    if extensions.FAILURES:
        raise InventoryError("\n".join(extensions.FAILURES))
    file = _validated(path)
    all_files = (file, *_inherited(path, file, (path.resolve(),)))
    hosts = {name: host.placed(name, all_files) for name, host in file.hosts.items()}
    keep_s = file.reports.keep if file.reports else None
    return Inventory(path, hosts, tuple(file.waivers), tuple(file.acknowledged), _reviews(file), keep_s)


def _reviews(file: InventoryFile) -> tuple[Review, ...]:
    tables: list[tuple[str, Reviewed]] = [
        (mistakes.TOP, file),
        *((f"hosts.{name}", host) for name, host in file.hosts.items()),
    ]
    return tuple(Review(where, each.reviewed, each.review_every) for where, each in tables if each.reviewed)


def _inherited(path: Path, file: InventoryFile, heirs: tuple[Path, ...]) -> list[InventoryFile]:
    if not file.extends:
        return []
    base = _base(path, file.extends)
    if base in heirs:
        raise InventoryError(f"{path}: top level: extends: circular reference to {base}")
    found = _validated(base)
    return [found, *_inherited(base, found, (*heirs, base))]


def _base(path: Path, name: str) -> Path:
    """The file that `path` extends: of opsproof, or relative to `path`."""
    own = name.removeprefix(INSTALLED)
    return (installation.FOLDER / "inventory" / own if own != name else path.parent / name).resolve()


def _document(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(files.read_text(path))
    except OSError as error:
        raise InventoryError(f"{path}: {(error.strerror or str(error)).lower()}: give --inventory=FILE") from error
    except ValueError as error:
        why = str(error).partition(": value has")[0]  # a number with too many digits
        raise InventoryError(f"{path}: not TOML: {why}") from error
    except RecursionError as error:
        raise InventoryError(f"{path}: not TOML: nested too deeply") from error
    _refuse_nul(path, found)
    return found


def _refuse_nul(path: Path, found: dict[str, Any]) -> None:
    """No command, path or name may contain NUL."""
    values: list[tuple[str, Any]] = list(found.items())
    while values:
        where, value = values.pop()
        if isinstance(value, dict):
            values += [(f"{where}.{key}", each) for key, each in value.items()]
        elif isinstance(value, list):
            values += [(where, each) for each in value]
        if "\0" in where or (isinstance(value, str) and "\0" in value):
            raise InventoryError(f"{path}: {where!r} contains a NUL character")


def _validated(path: Path) -> InventoryFile:
    try:
        return InventoryFile.model_validate(_document(path))
    except ValidationError as error:
        found = mistakes.lines(error.errors(include_url=False))
        raise InventoryError("\n".join(f"{path}: {line}" for line in found)) from error


def schema() -> str:
    """The JSON Schema of an inventory file, for editors."""
    return json.dumps(InventoryFile.model_json_schema(mode="validation"), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
