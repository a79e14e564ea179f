"""Extensions: installed packages with own metrics, resources, facts and checks.

An extension names its package under the entry point group ``opsproof.extensions``. opsproof reads ``METRICS`` from the
module ``metrics``, ``RESOURCES`` from the module ``resources``, the facts in the module ``facts``, and the checks in
the folder ``checks``; each may lack. Only installing a package loads its code: an inventory never names code.
"""

from functools import cache
from importlib import import_module, metadata, util
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")
GROUP = "opsproof.extensions"
FAILURES: list[str] = []
"""Why extensions cannot be used. Loading an inventory raises: a run without their checks would prove too little."""


@cache
def packages() -> tuple[str, ...]:
    """The packages of the installed extensions, by name."""
    named = sorted({each.value for each in metadata.entry_points(group=GROUP)})
    for package in named:
        if _spec(package) is None:
            fail(package, "the package is not installed")
    return tuple(package for package in named if _spec(package))


def _spec(package: str) -> ModuleSpec | None:
    try:
        return util.find_spec(package)
    except ModuleNotFoundError:  # of the package around it
        return None


def load(part: str) -> dict[str, ModuleType]:
    """The modules called `part` of the extensions, by package. A module that cannot be imported is a failure."""
    found: dict[str, ModuleType] = {}
    for package in packages():
        try:
            if util.find_spec(f"{package}.{part}"):
                found[package] = import_module(f"{package}.{part}")
        except Exception as error:  # noqa: BLE001  # whatever an extension raises
            fail(package, f"{part} cannot be loaded: {type(error).__name__}: {error}")
    return found


def extend(known: dict[str, T], part: str) -> None:
    """Adds the dictionary in upper case, ``METRICS`` of ``metrics``, of each extension to `known`.

    An existing name is a failure.
    """
    for package, module in load(part).items():
        added: dict[str, T] = getattr(module, part.upper(), {})
        for name in added.keys() & known.keys():
            fail(package, f"{part}: {name} exists already: rename it")
        known |= {name: each for name, each in added.items() if name not in known}


def fail(package: str, why: str) -> None:
    """Records a failure of an extension."""
    line = f"extension {package}: {why}: correct or uninstall the extension"
    if line not in FAILURES:
        FAILURES.append(line)


@cache
def check_folders() -> tuple[Path, ...]:
    """The folders of the checks of all extensions."""
    specs = [spec for package in packages() if (spec := _spec(package))]
    found = [Path(place) / "checks" for spec in specs for place in spec.submodule_search_locations or ()]
    return tuple(each for each in found if each.is_dir())
