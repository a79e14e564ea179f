"""The faults of all labs by the checks that they prove, as JSON: ``python -m lab.proven``."""

import json
import sys
from typing import Any

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.fault import Fault
from lab.faults import FAULTS
from lab.pgbackrest.faults import FAULTS as PGBACKREST_FAULTS
from lab.shop.faults import FAULTS as SHOP_FAULTS

ALL: list[Fault[Any]] = [*FAULTS, *DOCKER_FAULTS, *PGBACKREST_FAULTS, *SHOP_FAULTS]


def proven() -> dict[str, list[str]]:
    """The names of the faults that make each check fail or warn, in every lab."""
    found: dict[str, set[str]] = {}
    for fault in ALL:
        for check, verdict in (fault.expected | fault.reported_once).items():
            if verdict in ("failed", "warned"):
                found.setdefault(check.partition("[")[0], set()).add(fault.name)
    return {check: sorted(found[check]) for check in sorted(found)}


def text() -> str:
    """A line for each check."""
    lines = [f"{json.dumps(check)}: {json.dumps(faults)}" for check, faults in proven().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(text())
