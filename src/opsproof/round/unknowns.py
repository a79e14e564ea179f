"""Fails a check that stays unknown: longer than `unknown_for`, or in two monthly or quarterly rounds in a row."""

import pytest

from opsproof.core.units import show, show_moment
from opsproof.core.verdicts import Verdict
from opsproof.history.store import SELECTED, History, UnknownRuns
from opsproof.inventory.hosts import resource_in
from opsproof.inventory.load import Inventory

DAY_S = 86400.0
DEFAULT_S = 7 * DAY_S
TOLERANCE_S = 2 * 3600.0
"""A round at the same hour may start earlier by that time: summer time begins, or the last round was late."""
RARE = {"monthly", "quarterly"}
FREQUENT = {"daily", "weekly", "predeploy", "postdeploy"}


class UnknownLimits:
    """Turns unknown into failed, by the history of the inventory.

    `cadence` is the round of this run, `started` the time of its start.
    """

    def __init__(self, history: History, inventory: Inventory, cadence: str, started: float) -> None:
        self._history = history
        self._inventory = inventory
        self._cadence = cadence
        self._started = started

    def enforce(self, verdict: Verdict, item: pytest.Item) -> None:
        """Turns the unknown `verdict` of `item` into failed if the limit is reached."""
        host = self._inventory.hosts[verdict.host]
        given, called = resource_in(item.callspec.params)  # type: ignore[attr-defined]
        limit = host.unknown_limit(host.resources(given)[called] if given else None)
        runs = self._history.unknown_runs(host.name, verdict.test, self._inventory.path, self._started)
        if runs is None:
            return
        if limit is None and _is_rare(item):
            reached, shown = self._is_repeated(runs), "in two rounds in a row"
        else:
            limit = limit or DEFAULT_S
            reached, shown = self._is_expired(runs, limit), f"limit {show(limit, 'seconds')}"
        if reached:
            verdict.verdict, verdict.unknown_since = "failed", runs.first
            verdict.sentence += f" (unknown since {show_moment(runs.first)}, {shown})"

    def _is_expired(self, runs: UnknownRuns, limit: float) -> bool:
        return self._started - runs.first >= limit - min(TOLERANCE_S, limit / 24)

    def _is_repeated(self, runs: UnknownRuns) -> bool:
        """Whether two rounds a day or more apart had no verdict: a round repeated at once is no second round."""
        this = None if self._cadence == SELECTED else self._started
        rounds = [each for each in (runs.first_round, runs.last_round, this) if each is not None]
        return bool(rounds) and max(rounds) - min(rounds) >= DAY_S


def _is_rare(item: pytest.Item) -> bool:
    markers = {mark.name for mark in item.iter_markers()}
    return bool(markers & RARE) and not markers & FREQUENT
