"""The command below a finding repairs or examines the object."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.core import installation
from opsproof.core.verdicts import Remedy
from opsproof.inventory.hosts import Host, resource_in
from opsproof.round import clients
from opsproof.round.target import Target


def remedy(
    item: pytest.Item, hosts: Mapping[str, Host], more: Iterable[str] = (), kind: str = "", other: Sequence[str] = ()
) -> Remedy:
    """The command in the `remedy` marker of `item`, with `more` words, or the `other` words; empty without a marker.

    Keywords of the marker: `absent` is the command for a missing resource, `unusable` for a stopped or empty resource,
    `without_pm2` on a host without PM2, `effect` a warning, printed as a comment after the command. `kind` names the
    keyword to use.
    """
    marker = item.get_closest_marker("remedy")
    if marker is None:
        return Remedy()
    params: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
    host = hosts[params["host"]]
    special = marker.kwargs.get(kind, ()) if kind else ()
    special = special or (() if host.pm2 else marker.kwargs.get("without_pm2", ()))
    words = [*other] or [word.format(**params) for word in special or marker.args] + list(more)
    effect = "" if special or other else marker.kwargs.get("effect", "")
    place, command = _command(item, host, params, words)
    return Remedy(place, command, effect)


def _command(item: pytest.Item, host: Host, params: dict[str, Any], words: list[str]) -> tuple[str, str]:
    """The host to run the command on, empty for this machine, and the command."""
    first, *others = words
    if first.endswith(".py"):
        action = installation.action_command(first.removesuffix(".py"))
        return "", shlex.join([*action, *_places(item.config), "--host", host.name, *others])
    if first == "opsproof":
        return "", shlex.join([*installation.program(), *others, *_places(item.config), "--host", host.name])
    resource, name = resource_in(params)
    about = host.resources(resource)[name] if resource else None
    target = Target(host, name, about)
    return target.host_of(words), clients.command(target, words)


def _places(config: pytest.Config) -> list[str]:
    """The options with the inventory and the reports of this run, from the current folder."""
    words = []
    for option, usual in (("inventory", DEFAULT_INVENTORY), ("reports", DEFAULT_REPORTS)):
        path = installation.from_here(getattr(config.option, option))
        words += [] if path == usual else [f"--{option}={path}"]
    return words
