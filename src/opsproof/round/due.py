"""The times by which the next runs of a round are due, from the schedule in the inventory."""

import os
from zoneinfo import ZoneInfo

from opsproof.core import timings
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import Inventory

GRACE_S = 3600.0
"""A run may start late, and ends later than it starts."""
_OTHER_ZONE_S = 24 * 3600.0
"""The time zone of a host that starts its own jobs is not known here."""


def due_times(inventory: Inventory, cadence: str, started: float) -> dict[str, float]:
    """By host, the time by which the round is due again after a run at `started`; in seconds since 1970.

    Hosts without a job of the round are left out.
    """
    return {name: due for name, host in inventory.hosts.items() if (due := due_time(host, cadence, started))}


def due_time(host: Host, cadence: str, started: float) -> float | None:
    """The time by which the round is due again on a host; None without a job of the round."""
    timings_of_round = [job.at for name, job in host.jobs.items() if job.runs(name) == cadence]
    if host.schedule is None or not timings_of_round or (zone := _zone()) is None:
        return None
    is_here = host.schedule.on == "controller" or host.transport == "local://"
    firing = min(next(at.after(started, zone)) for at in timings_of_round)
    return firing + GRACE_S + (0.0 if is_here else _OTHER_ZONE_S)


def _zone() -> ZoneInfo | None:
    try:
        return timings.zone_at(os.path.realpath("/etc/localtime"))
    except ValueError:  # the schedule's own check reports it
        return None
