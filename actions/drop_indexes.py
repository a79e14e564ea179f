"""Prints the SQL that drops indexes which no query uses or which another one makes superfluous; it changes nothing.

Each DROP INDEX comes with why, and with the CREATE INDEX that brings it back. Standbys count the use of an index for
themselves, and a report may need one once a year: a person decides, and runs what remains of it with psql.
"""

import json
import sys
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError
from opsproof.facts.indexes import FoundIndex, RedundantIndexes, StatisticsEpoch, UnusedIndexes
from opsproof.history.store import History
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.tables import in_full


class DropIndexes(Maintaining):
    """Statements for the indexes that the monthly checks flag."""

    name = "drop_indexes"
    applies = False
    waits = False

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which of them."""
        super().add_arguments(parser)
        parser.add_argument("--index", action="append", metavar="NAME", help="schema.index, of those that are flagged")

    def plan(self) -> list[Step]:
        """Those that another one makes superfluous first."""
        superfluous = {each.name: each for each in self.session.measure(RedundantIndexes())}
        idle, wanted = self._unused(), list(map(in_full, self.options.index or ()))
        found = _together(superfluous, {name: why for name, why in idle.items() if name in (wanted or idle)})
        if unknown := [each for each in wanted if each not in found]:
            raise InventoryError(f"--index: {', '.join(unknown)}: neither unused nor superfluous beside what stays")
        said = self.session.ask("drops", names=json.dumps(wanted or list(found)))
        either = _either(superfluous, idle)
        return [Step(_statement(each, found[each["name"]], either[each["name"]]), _nothing) for each in said]

    def _unused(self) -> dict[str, str]:
        epoch, unused = self.session.measure(StatisticsEpoch()), self.session.measure(UnusedIndexes())
        history = History(self.options.reports / "history.sqlite")
        earlier = history.readings(self.host.name, self.session.client.name, ["transactions"])["transactions"]
        spans = {each.index: each.idle_s(epoch, earlier)[0] for each in unused.indexes}
        return {
            index.name: f"{index.about}, unused for {idle_s / 86400:.0f} days at least"
            for index, idle_s in spans.items()
            if self.is_off("index_idle", idle_s)
        }

    def show(self, plan: list[str]) -> None:
        """As a script for psql."""
        for each in plan:
            self.work.say(each)


def _together(superfluous: dict[str, FoundIndex], idle: dict[str, str]) -> dict[str, str]:
    """Why each goes: never both an index and the last one that makes it superfluous, unless no query uses either."""
    stay = {name: each.about for name, each in superfluous.items() if not idle.keys() >= set(each.beside)}
    return stay | idle


def _either(superfluous: dict[str, FoundIndex], idle: dict[str, str]) -> dict[str, list[str]]:
    """By index, the others of which one must stay: the planner may use either of two that answer the same."""
    found = defaultdict(list)
    for name, each in superfluous.items():
        for other in each.beside if name not in idle else ():
            if other in idle:
                found[name].append(other)
                found[other].append(name)
    return found


def _statement(said: dict[str, Any], why: str, either: list[str]) -> str:
    notes = [f"serves the foreign key {each}" for each in said["serves"]]
    notes += [f"stays if {each} goes: one of both is needed" for each in either]
    notes += ["locks the table and all its partitions meanwhile"] * said["locks"]
    comments = map(_comment, [f"{said['name']}: {why}", *notes])
    return "\n".join([*comments, said["drop"], _comment(f"back: {said['back']}"), ""])


def _comment(text: str) -> str:
    """Names may hold whatever they like, also lines."""
    return "\n".join(f"-- {line}" for line in text.splitlines())


def _nothing() -> None:
    """Nobody applies it."""


if __name__ == "__main__":
    sys.exit(main(DropIndexes))
