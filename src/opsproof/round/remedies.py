"""The command that repairs a finding, or looks closer: as somebody would paste it into a shell."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.inventory.hosts import Host, resource_in
from opsproof.inventory.resources import Database, InDatabase


def remedy(item: pytest.Item, hosts: Mapping[str, Host], more: Iterable[str]) -> str:
    """The command of the marker of `item`, with `more` words, or nothing: an action's, or one for the host."""
    marker = item.get_closest_marker("remedy")
    if marker is None:
        return ""
    params: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
    first, *words = [word.format(**params) for word in marker.args] + list(more)
    if first.endswith(".py"):
        return shlex.join([*_action(item.config, first), "--host", params["host"], *words])
    client = _psql(hosts[params["host"]], params) if first == "psql" else [first]
    return f"on {params['host']}: {shlex.join([*client, *words])}"


def _action(config: pytest.Config, script: str) -> list[str]:
    """How an action is called from where this run was, on its inventory and its history."""
    words = [_from_here(Path(sys.executable)), f"actions/{script}"]
    for option, usual in (("inventory", DEFAULT_INVENTORY), ("reports", DEFAULT_REPORTS)):
        path = _from_here(getattr(config.option, option))
        words += [] if path == usual else [f"--{option}={path}"]
    return words


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _psql(host: Host, params: dict[str, str]) -> list[str]:
    """The client, led to the database that `params` are about, in the container that its server runs in."""
    from opsproof.postgres.dsn import name_of  # what is never shown needs none of it

    resource, name = resource_in(params)
    about = host.resources(resource)[name]
    database = about if isinstance(about, Database) else host.databases[cast("InDatabase", about).database]
    words = ["psql", f"--dbname={name_of(database.dsn)}"]
    if not database.container:
        return words
    return [
        "docker",
        "exec",
        "-it",
        database.container,
        *words,
        *(f"--username={each}" for each in database.superusers[:1]),
    ]
