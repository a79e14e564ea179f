"""The facts of the last run with the same command line, to query hosts while pytest still collects checks.

They are a hint: after collection, a host whose selected checks need other facts is queried again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from opsproof.core import files
from opsproof.facts import REGISTRY
from opsproof.inventory.hosts import Host

Plan = dict[str, set[tuple[str, str]]]
"""By host, the name of each fact with the name of its resource, empty for a fact of the host."""
_NAME = ".plans.json"


class LastPlan:
    """The plan of the last run in a folder of reports, one for each round."""

    def __init__(self, reports: Path, cadence: str, words: Sequence[str]) -> None:
        self._path = reports / _NAME
        self._cadence = cadence
        self._digest = hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()

    def read(self, hosts: Mapping[str, Host]) -> Plan:
        """The facts that can still be asked; empty after another command line, or if the file cannot be read."""
        saved = self._saved().get(self._cadence)
        try:
            plan = saved["facts"] if saved and saved["digest"] == self._digest else {}
            found = {name: _askable(hosts[name], facts) for name, facts in plan.items() if name in hosts}
            return {name: facts for name, facts in found.items() if facts}
        except (LookupError, TypeError, ValueError, AttributeError):
            return {}

    def write(self, plan: Plan) -> None:
        """Keeps the plan; the next run starts without one if the file cannot be written."""
        saved = self._saved()
        kept = {"digest": self._digest, "facts": {name: sorted(map(list, facts)) for name, facts in plan.items()}}
        if saved.get(self._cadence) != kept:
            with suppress(OSError):
                files.replace(self._path, json.dumps({**saved, self._cadence: kept}))

    def _saved(self) -> dict[str, Any]:
        try:
            found = json.loads(files.read_text(self._path))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _askable(host: Host, facts: list[list[str]]) -> set[tuple[str, str]]:
    return {(fact, name) for fact, name in facts if fact in REGISTRY and name in _named(host, fact)}


def _named(host: Host, fact: str) -> Sequence[str]:
    resource = REGISTRY[fact].resource
    return list(host.resources(resource)) if resource else [""]
