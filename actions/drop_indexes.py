"""Prints SQL that drops unused and redundant indexes; changes nothing.

Each DROP INDEX comes with the reason, and with the CREATE INDEX that restores the index. Standbys count index scans
separately, and a yearly report may need an index: review the script before running it with psql.
"""

import json
import sys
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError
from opsproof.facts.indexes import FoundIndex, RedundantIndexes, StatisticsEpoch, UnusedIndexes
from opsproof.history.store import History, place_of
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.tables import qualify


class DropIndexes(Maintaining):
    """A statement per index that the monthly checks flag."""

    name = "drop_indexes"
    applies = False
    waits = False

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --index."""
        super().add_arguments(parser)
        parser.add_argument("--index", action="append", metavar="NAME", help="schema.index, if flagged")

    def plan(self) -> list[Step]:
        """Redundant indexes first, then unused indexes."""
        redundant = {each.name: each for each in self.session.measure(RedundantIndexes()).indexes}
        idle, wanted = self._unused(), list(map(qualify, self.options.index or ()))
        found = _reasons(redundant, {name: why for name, why in idle.items() if name in (wanted or idle)})
        if unknown := [each for each in wanted if each not in found]:
            raise InventoryError(f"--index: {', '.join(unknown)}: neither unused nor redundant")
        said = self.session.ask("drops", names=json.dumps(wanted or list(found)))
        alternatives = _alternatives(redundant, idle)
        return [Step(_statement(each, found[each["name"]], alternatives[each["name"]]), _nothing) for each in said]

    def _unused(self) -> dict[str, str]:
        epoch, unused = self.session.measure(StatisticsEpoch()), self.session.measure(UnusedIndexes())
        history = History(place_of(self.options.reports))
        earlier = history.readings(self.host.name, self.session.client.name, ["transactions"])["transactions"]
        spans = {each.index: each.idle_s(epoch, earlier)[0] for each in unused.indexes}
        return {
            index.name: f"{index.about}, unused for at least {idle_s / 86400:.0f} days"
            for index, idle_s in spans.items()
            if self.flags("index_idle", idle_s)
        }

    def show(self, plan: list[str]) -> None:
        """Prints a script for psql."""
        for each in plan:
            self.work.say(each)


def _reasons(redundant: dict[str, FoundIndex], idle: dict[str, str]) -> dict[str, str]:
    """Reasons to drop, by index; keeps a redundant index if all substitutes are unused, unless unused as well."""
    stay = {name: each.about for name, each in redundant.items() if not idle.keys() >= set(each.beside)}
    return stay | idle


def _alternatives(redundant: dict[str, FoundIndex], idle: dict[str, str]) -> dict[str, list[str]]:
    """Equivalent indexes of each index: the planner may use either, so one must stay."""
    found = defaultdict(list)
    for name, each in redundant.items():
        for other in each.beside if name not in idle else ():
            if other in idle:
                found[name].append(other)
                found[other].append(name)
    return found


def _statement(said: dict[str, Any], why: str, alternatives: list[str]) -> str:
    notes = [f"serves the foreign key {each}" for each in said["serves"]]
    notes += [f"drop either this index or {each}, not both" for each in alternatives]
    notes += ["locks the table and all its partitions"] * said["locks"]
    comments = map(_comment, [f"{said['name']}: {why}", *notes])
    return "\n".join([*comments, said["drop"], _comment(f"undo: {said['back']}"), ""])


def _comment(text: str) -> str:
    """Comments out every line: a name may contain newlines."""
    return "\n".join(f"-- {line}" for line in text.splitlines())


def _nothing() -> None:
    """Never called: the action cannot be applied."""


if __name__ == "__main__":
    sys.exit(main(DropIndexes))
