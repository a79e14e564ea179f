"""The tables of a host that extensions add."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, create_model

from opsproof.core import extensions
from opsproof.inventory.resources import Model, Resource


class ExtendedTable(NamedTuple):
    """A table of the inventory with resources of a kind, by name, and their model."""

    table: str
    model: type[Resource]


def _declared() -> Iterator[tuple[str, str, ExtendedTable]]:
    for package, module in extensions.load("resources").items():
        for argument, each in getattr(module, "RESOURCES", {}).items():
            yield package, argument, ExtendedTable(*each)


def tables() -> list[tuple[str, str, str]]:
    """The package, the argument of checks and the table of each kind of resource: ``RESOURCES`` of ``resources``."""
    return [(package, argument, each.table) for package, argument, each in _declared()]


if TYPE_CHECKING:
    ExtendedHost = Model
else:
    ExtendedHost = create_model(
        "ExtendedHost",
        __base__=Model,
        **{each.table: (dict[str, each.model], Field(default_factory=dict)) for _, _, each in _declared()},
    )
