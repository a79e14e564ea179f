"""Remedies: commands that repair or examine a finding, for pasting into a shell."""

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
    """The command in the `remedy` marker of `item`, with `more` words; empty without a marker."""
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
    """The command line of an action from the current folder, with the inventory and the reports of this run."""
    words = [_from_here(Path(sys.executable)), f"actions/{script}"]
    for option, usual in (("inventory", DEFAULT_INVENTORY), ("reports", DEFAULT_REPORTS)):
        path = _from_here(getattr(config.option, option))
        words += [] if path == usual else [f"--{option}={path}"]
    return words


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _psql(host: Host, params: dict[str, str]) -> list[str]:
    """The psql command for the database in `params`, run in the container of the server, if any."""
    from opsproof.postgres.dsn import name_of  # imported only for a remedy with psql

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
