"""The causes that a check declares: the tests of the same host whose failure explains its result."""

from collections.abc import Mapping
from typing import Any

import pytest

from opsproof.inventory.hosts import Host, resource_in

HOST = "host"


def causes(item: pytest.Item, hosts: Mapping[str, Host]) -> list[str]:
    """The tests named by the markers `caused_by` of `item`.

    Keyword `on`: ``host`` for checks of the host, or the field of the resource that names another resource, such as
    ``database``; by default the resource itself.
    """
    params: dict[str, Any] = item.callspec.params  # type: ignore[attr-defined]
    host = hosts[params["host"]]
    given, name = resource_in(params)
    found = []
    for marker in item.iter_markers("caused_by"):
        on = marker.kwargs.get("on", "")
        about = name if not on else "" if on == HOST else getattr(host.resources(given)[name], on, "")
        if about or not on or on == HOST:
            found += [f"{check}[{'-'.join(filter(None, (host.name, about)))}]" for check in marker.args]
    return [each for each in found if each != item.name]
